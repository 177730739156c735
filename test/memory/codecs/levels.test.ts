import { inflateRawSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { ZSTDDecoder } from 'zstddec/stream'
import type { Codec, CodecOptions } from '../../../src/memory/codecs/codec.ts'
import { openCodec } from '../../../src/memory/codecs/index.ts'
import { crc32 } from '../../../src/memory/contents/corpus.ts'
import { anyPage } from './any-page.ts'
import { readShippedCorpus } from './corpus-pages.ts'
import { decodeLz4 } from './independent-decoders.ts'
import {
  DEFLATE_DIGESTS,
  DIGEST_COLUMNS,
  type LevelRow,
  LZ4_DIGESTS,
  LZ4HC_DIGESTS,
  WINDOW_DIGESTS,
  ZSTD_DIGESTS,
} from './level-digests.ts'

const isFull = process.env['PSTRACE_FULL'] === '1'
/** The last column takes minutes. */
const columns = DIGEST_COLUMNS.map((column, index) => ({ ...column, index })).filter(
  ({ step }) => isFull || step > 1,
)

let corpus: Uint8Array
const zstd = new ZSTDDecoder()
beforeAll(async () => {
  corpus = (await readShippedCorpus()).bytes
  await zstd.init()
})

test('all pages of the corpus are compressed at every level, or it is said that they are not', () => {
  if (!isFull) process.stdout.write('PSTRACE_FULL is not set: levels are tried on some pages\n')
  expect(columns.length).toBe(isFull ? 4 : 3)
})

type Decode = (block: Uint8Array, length: number) => Uint8Array

/** Compresses the pages of a column, each of which must come back from the codec and from a decoder that knows nothing of it. */
function digestOf(codec: Codec, pageSize: number, step: number, decode: Decode): string {
  const blocks: Uint8Array[] = []
  const restored = new Uint8Array(pageSize)
  for (let at = 0; at + pageSize <= corpus.length; at += pageSize * step) {
    const page = corpus.subarray(at, at + pageSize)
    const target = new Uint8Array(codec.bound(pageSize))
    const block = target.subarray(0, codec.compress(page, target))
    codec.decompress(block, restored)
    expect(Buffer.compare(restored, page)).toBe(0)
    expect(Buffer.compare(decode(block, pageSize), page)).toBe(0)
    blocks.push(block)
  }
  const all = Buffer.concat(blocks)
  return `${all.length}:${crc32(all).toString(16).padStart(8, '0')}`
}

/** One digest for each column that is tried. */
async function digestsOf(
  name: string,
  options: Pick<CodecOptions, 'level' | 'variant'>,
  decode: Decode,
): Promise<string[]> {
  const digests: string[] = []
  for (const { pageSize, step } of columns) {
    const codec = await openCodec(name, { ...options, pageSize })
    digests.push(digestOf(codec, pageSize, step, decode))
  }
  return digests
}

function expectedOf([, ...digests]: LevelRow): (string | undefined)[] {
  return columns.map(({ index }) => digests[index])
}

const CODECS: readonly { name: string; rows: readonly LevelRow[]; decode: Decode }[] = [
  { name: 'zstd', rows: ZSTD_DIGESTS, decode: (block, length) => zstd.decode(block, length) },
  { name: 'deflate', rows: DEFLATE_DIGESTS, decode: (block) => inflateRawSync(block) },
  { name: 'lz4hc', rows: LZ4HC_DIGESTS, decode: decodeLz4 },
  { name: 'lz4', rows: LZ4_DIGESTS, decode: decodeLz4 },
]

describe.each(CODECS)("levels of $name have the kernel's bytes", ({ name, rows, decode }) => {
  test.each(rows.map((row) => ({ level: row[0], row })))(
    '$level',
    async ({ level, row }) => {
      expect(await digestsOf(name, { level }, decode)).toEqual(expectedOf(row))
    },
    600_000,
  )
})

describe('zstd', () => {
  test.each([4, 5, 6, 7, 9, 11, 12, 13, 16, 22])(
    'level %i restores inputs of any length and shape',
    async (level) => {
      const codec = await openCodec('zstd', { level, pageSize: 8192 })
      const target = new Uint8Array(codec.bound(8192))
      fc.assert(
        fc.property(anyPage, (page) => {
          const block = target.subarray(0, codec.compress(page, target))
          const restored = new Uint8Array(page.length)
          codec.decompress(block, restored)
          expect(restored).toEqual(page)
          expect(new Uint8Array(zstd.decode(block, page.length))).toEqual(page)
        }),
        { numRuns: 100 },
      )
    },
  )

  test('the tables of the largest page leave the workspace alone', async () => {
    const pageSize = 65_536
    const codec = await openCodec('zstd', { level: 22, pageSize })
    const { workspace } = codec
    if (workspace === undefined) throw new Error('unreachable')
    workspace.page.set(corpus.subarray(0, pageSize))
    workspace.restored.fill(0x5a)
    const length = codec.compress(workspace.page, workspace.compressed)
    expect(Buffer.compare(workspace.page, corpus.subarray(0, pageSize))).toBe(0)
    expect(workspace.restored.every((byte) => byte === 0x5a)).toBe(true)
    codec.decompress(workspace.compressed.subarray(0, length), workspace.restored)
    expect(Buffer.compare(workspace.restored, workspace.page)).toBe(0)
  })

  test('a level beyond either end is that end, and level 0 is the default', async () => {
    const version = async (level?: number): Promise<string> =>
      (await openCodec('zstd', level === undefined ? {} : { level })).version
    expect(await version(99)).toBe(await version(22))
    expect(await version(-200_000)).toBe(await version(-131_072))
    expect(await version(0)).toBe(await version())
  })
})

describe('deflate', () => {
  test.each(DEFLATE_DIGESTS.map(([level]) => level))(
    'level %i restores inputs of any length and shape',
    async (level) => {
      const codec = await openCodec('deflate', { level, pageSize: 8192 })
      const target = new Uint8Array(codec.bound(8192))
      fc.assert(
        fc.property(anyPage, (page) => {
          const block = target.subarray(0, codec.compress(page, target))
          expect(new Uint8Array(inflateRawSync(block))).toEqual(page)
        }),
        { numRuns: 100 },
      )
    },
  )

  test.each(WINDOW_DIGESTS.map((row) => ({ bits: row[0], row })))(
    "window bits $bits give the kernel's bytes",
    async ({ bits, row }) => {
      const decode: Decode =
        bits < 0 ? (block) => inflateRawSync(block) : (block) => inflateSync(block)
      expect(await digestsOf('deflate', { variant: String(bits) }, decode)).toEqual(expectedOf(row))
    },
  )

  test("a damaged page in zlib's frame is found by its checksum", async () => {
    const codec = await openCodec('deflate', { variant: '15', level: 0 })
    const block = new Uint8Array(codec.bound(4096))
    const length = codec.compress(corpus.subarray(0, 4096), block)
    block[1000] = (block[1000] ?? 0) ^ 1
    expect(() => codec.decompress(block.subarray(0, length), new Uint8Array(4096))).toThrow(
      expect.objectContaining({ code: 'codec-corrupt' }),
    )
  })

  test('level -1 is the default', async () => {
    const { version } = await openCodec('deflate', { level: -1 })
    expect(version).toBe((await openCodec('deflate')).version)
  })
})
