import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openSwapImage } from '../io/swap-image.ts'
import { openCodec } from '../memory/codecs/index.ts'
import { decodeZstdFrame } from '../memory/codecs/zstd-frame.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import {
  CORPUS_GROUP_BYTES,
  createCorpusContents,
  createGenerator,
  createSwapImageContents,
  decodeCorpus,
} from '../memory/contents/index.ts'
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
  const generator = createGenerator({ seed, pageSize, fills: pages.fill })
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
