import { beforeAll, describe, expect, it } from 'vitest'
import type { SwapBackend } from '../../../src/memory/backends/backend.ts'
import { openBackend } from '../../../src/memory/backends/index.ts'
import type { Codec } from '../../../src/memory/codecs/codec.ts'
import { codecProviders, openCodec } from '../../../src/memory/codecs/index.ts'
import { hugeClassSize, isSameFilled, isZeroFilled } from '../../../src/memory/codecs/page-kind.ts'
import { openPool } from '../../../src/memory/pools/index.ts'
import { read4096Pages } from '../codecs/corpus-pages.ts'

const PAGE_SIZES = [4096, 16_384, 65_536]
const CODECS = codecProviders.filter(({ implementation }) => implementation === 'portable')
const PAGES = 48

let bytes: Uint8Array
beforeAll(async () => {
  bytes = await read4096Pages()
})

/** Real pages spread over the corpus, a zero page and one that repeats eight bytes. */
function pagesOf(pageSize: number): Uint8Array[] {
  const total = Math.floor(bytes.length / pageSize)
  const step = Math.max(1, Math.floor(total / PAGES))
  const pages = Array.from({ length: Math.min(PAGES, total) }, (_, nth) =>
    bytes.subarray(nth * step * pageSize, (nth * step + 1) * pageSize),
  )
  const eight = new Uint8Array(pageSize).map((_, at) => 0x41 + (at % 8))
  return [...pages, new Uint8Array(pageSize), eight]
}

function open(name: string, codec: Codec, pageSize: number, parameters = {}): SwapBackend {
  return openBackend(name, {
    codec,
    openPool,
    pageSize,
    totalPages: 4096,
    keepBytes: true,
    parameters: { verify: 1, ...parameters },
  })
}

/** Stores every page, as parts of large folios or alone, reads all back and frees them; returns the summed sizes. */
function roundTrip(backend: SwapBackend, pages: readonly Uint8Array[], large: boolean): number {
  let stored = 0
  pages.forEach((page, slot) => {
    const { place, compressedBytes } = backend.store({
      slot,
      page: slot,
      bytes: page,
      key: -1,
      memcg: -1,
      large,
    })
    if (place !== 'disk') stored += compressedBytes
  })
  const back = new Uint8Array(pages[0]?.length ?? 0)
  pages.forEach((page, slot) => {
    backend.load(slot, back)
    expect(Buffer.compare(back, page)).toBe(0)
    // Exclusive loads take the content out.
    if (backend.traits?.exclusiveLoads !== true) backend.free(slot)
  })
  backend.check()
  expect(backend.poolBytes).toBe(0)
  return stored
}

describe.each(PAGE_SIZES)('pages of %i bytes', (pageSize) => {
  it.each(CODECS.map(({ name }) => name))(
    'come back from zram under %s, counted as the codec and the huge threshold say',
    async (name) => {
      const codec = await openCodec(name, { pageSize })
      const pages = pagesOf(pageSize)
      const target = new Uint8Array(codec.bound(pageSize))
      const huge = hugeClassSize(pageSize)
      let expected = 0
      for (const page of pages) {
        const size = codec.compress(page, target)
        if (!isSameFilled(page)) expected += size >= huge ? pageSize : size
      }
      expect(roundTrip(open('zram', codec, pageSize), pages, false)).toBe(expected)
    },
  )

  it.each(['6.1', '6.10', '6.12', '2026'])(
    'come back from zswap %s in every allocator, or from its disk where it takes none of their kind',
    async (form) => {
      const codec = await openCodec('lz4', { pageSize })
      const pages = pagesOf(pageSize)
      const zpools = form === '2026' ? ['zsmalloc'] : ['zsmalloc', 'zbud', 'z3fold']
      for (const zpool of zpools)
        for (const large of [false, true]) {
          const backend = open('zswap', codec, pageSize, { form, zpool })
          const stored = roundTrip(backend, pages, large)
          // Before 6.13 a folio of more than one page is refused whole.
          if (large && form !== '2026') expect(stored).toBe(0)
          else expect(stored).toBeGreaterThan(0)
        }
    },
  )

  it('come back from a disk', async () => {
    const codec = await openCodec('lz4', { pageSize })
    expect(roundTrip(open('disk', codec, pageSize), pagesOf(pageSize), true)).toBe(0)
  })

  it.each(['zsmalloc', 'zbud', 'z3fold'])('have objects of every length in %s', (name) => {
    const pool = openPool(name, { pageSize, chain: 8 })
    const handles: number[] = []
    let sum = 0
    for (let size = 1; size <= pool.maxSize; size += 61) {
      handles.push(pool.alloc(size))
      sum += size
    }
    expect(pool.bytes).toBe(sum)
    expect(pool.pages * pageSize).toBeGreaterThanOrEqual(sum)
    pool.check()
    for (const handle of handles) pool.free(handle)
    pool.check()
    expect([pool.bytes, pool.pages, pool.objects]).toEqual([0, 0, 0])
  })
})

it('zero pages are same-filled pages at every size', () => {
  for (const pageSize of PAGE_SIZES) {
    const page = new Uint8Array(pageSize)
    expect([isZeroFilled(page), isSameFilled(page)]).toEqual([true, true])
    page[pageSize - 1] = 1
    expect([isZeroFilled(page), isSameFilled(page)]).toEqual([false, false])
  }
})
