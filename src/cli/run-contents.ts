import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { orCannotRead } from '../io/read-failure.ts'
import { openSwapImage } from '../io/swap-image.ts'
import { openCodec } from '../memory/codecs/index.ts'
import { zstdFrames } from '../memory/codecs/zstd-frame.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import {
  CORPUS_GROUP_BYTES,
  calibrate,
  createCorpusContents,
  createGenerator,
  createIncompressible,
  createPartlyRandom,
  createSwapImageContents,
  decodeCorpus,
  FITTED_CODECS,
  SAME_SHARE,
  ZERO_SHARE,
} from '../memory/contents/index.ts'
import { openPool } from '../memory/pools/index.ts'
import { PstraceError } from '../model/error.ts'
import { poolPagesPerStored } from '../workload/stored-sizes.ts'
import type { Workload } from '../workload/types.ts'

/** Share of zsmalloc's pages that holds data while the pool grows: the rest is lost to size classes and partly filled pages. */
const POOL_FILL = 0.98
/** The same after pages have gone again: compr_data_size over mem_used_total at the end of recordings is .951 to .964. */
const FILL_AT_END = 0.96

export interface OpenContents {
  readonly contents: PageContents
  close(): void
}

/** Opens the contents that `--contents` names: generator, corpus[:FILE] or swap-image:FILE. */
export async function openContents(
  source: string,
  workload: Workload,
  seed: number,
): Promise<OpenContents> {
  const { pages, machine } = workload
  const { pageSize } = machine
  const generator = openGenerator(workload, seed)
  const [name, path] = splitSource(source)
  if (name === 'corpus') {
    const file = path ?? bundledCorpus()
    const zstd = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
    const corpus = decodeCorpus(readGiven(file), file, (packed, target) =>
      zstd.decompress(packed, target),
    )
    if (corpus.pageSize !== pageSize)
      throw new PstraceError(
        'corpus-page-size',
        `${file}: pages of ${corpus.pageSize} bytes, but the trace has pages of ${pageSize}`,
        { exitStatus: 3 },
      )
    const contents = createCorpusContents(corpus, { seed, fills: pages.fill })
    return { contents, close: () => undefined }
  }
  if (name === 'swap-image' && path !== undefined) {
    const image = openSwapImage(path, zstdFrames, pageSize)
    const contents = createSwapImageContents({
      readPage: (offset, target) => image.readPage(offset, target),
      name: path,
      otherwise: generator,
      slots: pages.slot,
    })
    return { contents, close: () => image.close() }
  }
  return { contents: generator, close: () => undefined }
}

/** The generator, made to give what the recording's own counters tell of sizes; without them it is the corpus in the mean. */
function openGenerator(workload: Workload, seed: number): PageContents {
  const { machine, pages } = workload
  const { pageSize } = machine
  const figure = (name: string): number | undefined => {
    const value = machine.backendParameters[name]?.value
    return typeof value === 'number' ? value : undefined
  }
  const random = figure('random_share')
  if (random !== undefined) return createPartlyRandom({ seed, share: random, pageSize })
  const poolShare = figure('pool_share')
  // zram's share is of the pool as it grows, zswap's of the pool at the end.
  const fill = machine.backend.value === 'zram' ? POOL_FILL : FILL_AT_END
  const stored = poolShare === undefined ? figure('stored_bytes') : poolShare * pageSize * fill
  const refused = figure('incompressible_share') ?? 0
  // Pages that zswap refused are in no pool: the share counts them all, so the others have none of their own.
  const hugeShare = refused > 0 ? 0 : figure('huge_share')
  const calibrated =
    stored === undefined
      ? undefined
      : calibratedGenerator(workload, machine.codec.value, seed, stored, hugeShare)
  if (calibrated === undefined) return createGenerator({ seed, pageSize, fills: pages.fill })
  return refused > 0 ? createIncompressible(calibrated, { seed, share: refused }) : calibrated
}

/**
 * The generator with this mean of stored bytes per page that is neither zero nor same, and the workload's zero, same and huge pages;
 * undefined where the generator is not fitted to the codec. `hugeShare` is of those pages too.
 */
export function calibratedGenerator(
  workload: Workload,
  codec: string,
  seed: number,
  meanStoredBytes: number,
  hugeShare?: number,
): PageContents | undefined {
  const fitted = FITTED_CODECS.find((name) => name === codec)
  if (fitted === undefined) return undefined
  const { machine, pages } = workload
  const { pageSize } = machine
  const { zero, same } = fillShares(workload)
  const chain = machine.backendParameters['form']?.value === '6.1' ? 4 : 8
  const found = calibrate({
    codec: fitted,
    meanStoredBytes,
    zeroShare: zero,
    sameShare: same,
    hugeAt: openPool('zsmalloc', { pageSize, chain }).hugeClassSize,
    ...(hugeShare === undefined ? {} : { hugeShare: hugeShare * (1 - zero - same) }),
  })
  return createGenerator({ seed, pageSize, fills: pages.fill, ...found })
}

/** Mean stored bytes with which a page takes as much of zram's pool as it did in the recording; undefined where the recording does not tell. */
export function storedBytesOf(machine: Workload['machine']): number | undefined {
  const share = poolPagesPerStored(machine)
  if (share === undefined || !(share.value > 0 && share.value < 0.9)) return undefined
  // Counted at the recording's end, or told by how free memory fell as the pool grew.
  const fill = share.basis === 'snapshot' ? FILL_AT_END : POOL_FILL
  return share.value * machine.pageSize * fill
}

/**
 * Shares among pages of which the trace does not tell whether they are zero or same-filled. zram counts as same what no zero map caught
 * before it; without a count the corpus's shares hold.
 */
function fillShares({ machine }: Workload): { readonly zero: number; readonly same: number } {
  const counted = machine.backendParameters['same_share']?.value
  if (typeof counted !== 'number') return { zero: ZERO_SHARE, same: SAME_SHARE }
  if (machine.zeroMap.value) return { zero: ZERO_SHARE, same: counted * (1 - ZERO_SHARE) }
  const both = ZERO_SHARE + SAME_SHARE
  return { zero: (counted * ZERO_SHARE) / both, same: (counted * SAME_SHARE) / both }
}

function splitSource(source: string): [string, string | undefined] {
  const split = source.indexOf(':')
  return split < 0 ? [source, undefined] : [source.slice(0, split), source.slice(split + 1)]
}

function readGiven(path: string): Uint8Array {
  return orCannotRead(path, () => readFileSync(path))
}

/** The corpus that comes with the package; beside the sources, or two levels above the build. */
function bundledCorpus(): string {
  for (const base of ['../../fixtures', '../../../fixtures']) {
    const path = fileURLToPath(new URL(`${base}/corpus/desktop.pages`, import.meta.url))
    if (existsSync(path)) return path
  }
  throw new PstraceError('no_corpus', 'the corpus of the package is missing; name one: corpus:FILE')
}
