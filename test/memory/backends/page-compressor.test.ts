import { describe, expect, test } from 'vitest'
import { openBackend } from '../../../src/memory/backends/index.ts'
import type { Codec } from '../../../src/memory/codecs/codec.ts'
import { openCodec } from '../../../src/memory/codecs/index.ts'
import { openPool } from '../../../src/memory/pools/index.ts'
import { readShippedCorpus } from '../codecs/corpus-pages.ts'

/** A codec whose page number `bad` (from 0) does not come back. */
async function damaging(bad: number): Promise<Codec> {
  const codec = await openCodec('lz4')
  let last = -1
  return {
    ...codec,
    compress(source, target) {
      last += 1
      return codec.compress(source, target)
    },
    decompress(source, target) {
      const length = codec.decompress(source, target)
      if (last === bad) target[17] = (target[17] ?? 0) ^ 1
      return length
    },
  }
}

function pageOf(index: number): Uint8Array {
  return Uint8Array.from({ length: 4096 }, (_, at) => (at * index) % 251)
}

/** Number of the page at which the backend found damage, -1 = none. */
function storeAll(name: string, codec: Codec, parameters: Record<string, number>): number {
  const backend = openBackend(name, { codec, openPool, totalPages: 100_000, parameters })
  for (let index = 0; index < 100; index += 1) {
    try {
      const bytes = pageOf(index + 1)
      backend.store({ slot: index, page: index, bytes, key: index, memcg: -1 })
    } catch (error) {
      expect((error as Error).message).toContain('byte 17 of a page')
      return index
    }
  }
  return -1
}

describe.each(['zram', 'zswap'])('%s', (name) => {
  test('ends at the page that does not come back when every page is verified', async () => {
    expect(storeAll(name, await damaging(37), { verify: 1 })).toBe(37)
    expect(storeAll(name, await openCodec('lz4'), { verify: 1 })).toBe(-1)
  })

  test('verifies the first page and one of sixteen unless told otherwise', async () => {
    expect(storeAll(name, await damaging(0), {})).toBe(0)
    expect(storeAll(name, await damaging(32), {})).toBe(32)
    expect(storeAll(name, await damaging(33), {})).toBe(-1)
  })
})

test.each(['lz4', 'lz4hc', 'lzo-rle', 'lzo', 'zstd', 'deflate', 'lz4js'])(
  'every page of the shipped corpus comes back from a zram with %s',
  async (name) => {
    const codec = await openCodec(name)
    const corpus = await readShippedCorpus()
    const backend = openBackend('zram', { codec, openPool, parameters: { verify: 1 } })
    for (let at = 0; at < corpus.bytes.length; at += 4096) {
      const bytes = corpus.bytes.subarray(at, at + 4096)
      backend.store({ slot: at / 4096, page: at / 4096, bytes, key: -1, memcg: -1 })
    }
    backend.check()
    expect(backend.counters()['orig_data_size']).toBe(corpus.bytes.length)
  },
)
