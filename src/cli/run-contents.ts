import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openSwapImage } from '../io/swap-image.ts'
import { openCodec } from '../memory/codecs/index.ts'
import { decodeZstdFrame } from '../memory/codecs/zstd-frame.ts'
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
  SAME_SHARE,
  ZERO_SHARE,
} from '../memory/contents/index.ts'
import { openPool } from '../memory/pools/index.ts'
import { PstraceError } from '../model/error.ts'
import type { Workload } from '../workload/types.ts'

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
    const image = openSwapImage(path, decodeZstdFrame, pageSize)
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

/** Shares of zsmalloc's pages that hold data: the rest is lost to size classes and partly filled pages. */
const POOL_FILL = 0.98
const CALIBRATED = ['lz4', 'lzo-rle', 'zstd'] as const

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
  const plain = { seed, pageSize, fills: pages.fill }
  const codec = CALIBRATED.find((name) => name === machine.codec.value)
  if (codec === undefined) return createGenerator(plain)
  const poolShare = figure('pool_share')
  const refused = figure('incompressible_share') ?? 0
  const meanStoredBytes =
    poolShare === undefined ? figure('stored_bytes') : poolShare * pageSize * POOL_FILL
  const hugeShare = figure('huge_share')
  if (meanStoredBytes === undefined) return createGenerator(plain)
  const { zero, same } = fillShares(workload, figure('same_share'))
  const chain = machine.backendParameters['form']?.value === '6.1' ? 4 : 8
  const found = calibrate({
    codec,
    meanStoredBytes,
    zeroShare: zero,
    sameShare: same,
    hugeAt: openPool('zsmalloc', { pageSize, chain }).hugeClassSize,
    ...(hugeShare === undefined ? {} : { hugeShare: hugeShare * (1 - zero - same) }),
  })
  const generator = createGenerator({ ...plain, ...found })
  return refused > 0 ? createIncompressible(generator, { seed, share: refused }) : generator
}

/**
 * Shares among pages of which the trace does not tell whether they are zero or same-filled. zram counts as same what no zero map caught
 * before it; without a count the corpus's shares hold.
 */
function fillShares(
  { machine }: Workload,
  counted: number | undefined,
): { readonly zero: number; readonly same: number } {
  if (counted === undefined) return { zero: ZERO_SHARE, same: SAME_SHARE }
  if (machine.zeroMap.value) return { zero: ZERO_SHARE, same: counted * (1 - ZERO_SHARE) }
  const both = ZERO_SHARE + SAME_SHARE
  return { zero: (counted * ZERO_SHARE) / both, same: (counted * SAME_SHARE) / both }
}

function splitSource(source: string): [string, string | undefined] {
  const split = source.indexOf(':')
  return split < 0 ? [source, undefined] : [source.slice(0, split), source.slice(split + 1)]
}

function readGiven(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new PstraceError('no_corpus', `${path}: the corpus cannot be read`, { cause })
  }
}

/** The corpus that comes with the package; beside the sources, or two levels above the build. */
function bundledCorpus(): string {
  for (const base of ['../../fixtures', '../../../fixtures']) {
    const path = fileURLToPath(new URL(`${base}/corpus/desktop.pages`, import.meta.url))
    if (existsSync(path)) return path
  }
  throw new PstraceError('no_corpus', 'the corpus of the package is missing; name one: corpus:FILE')
}
