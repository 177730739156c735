import { readFileSync } from 'node:fs'
import { openCodec } from '../../../src/memory/codecs/index.ts'
import {
  CORPUS_GROUP_BYTES,
  type Corpus,
  decodeCorpus,
} from '../../../src/memory/contents/corpus.ts'
import { createGenerator } from '../../../src/memory/contents/generator.ts'

export async function readShippedCorpus(): Promise<Corpus> {
  const zstd = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
  const path = new URL('../../../fixtures/corpus/desktop.pages', import.meta.url)
  return decodeCorpus(readFileSync(path), 'desktop.pages', (source, target) =>
    zstd.decompress(source, target),
  )
}

/** 4096 pages one after the other: the corpus's, then generated ones. */
export async function read4096Pages(): Promise<Uint8Array> {
  const corpus = await readShippedCorpus()
  const bytes = new Uint8Array(4096 * 4096)
  bytes.set(corpus.bytes.subarray(0, Math.min(corpus.bytes.length, bytes.length)))
  const generator = createGenerator({ seed: 9 })
  for (let page = corpus.bytes.length / 4096; page < 4096; page += 1) {
    generator.fill(page, 0, -1, bytes.subarray(page * 4096, (page + 1) * 4096))
  }
  return bytes
}
