import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { captureImage } from '../../src/io/swap-image.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { PageReport } from '../../src/memory/codecs/page-report.ts'
import { decodeZstdFrame } from '../../src/memory/codecs/zstd-frame.ts'

const PAGES = 16
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-image-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Zero pages but for some: patterns of 4, 8 and 3 bytes, and one of noise. */
function makeImage(): Uint8Array {
  const image = new Uint8Array(PAGES * 4096)
  const put = (page: number, byte: (at: number) => number): void => {
    for (let at = 0; at < 4096; at++) image[page * 4096 + at] = byte(at)
  }
  put(3, (at) => 0x41 + (at % 4))
  put(5, (at) => 0x41 + (at % 8))
  put(7, (at) => 0x41 + (at % 3))
  let noise = 1
  put(9, () => {
    noise = (Math.imul(noise, 1_103_515_245) + 12_345) >>> 0
    return noise >>> 24
  })
  return image
}

function pagesOf(path: string, most = Number.POSITIVE_INFINITY): Uint8Array[] {
  const found: Uint8Array[] = []
  const { pages } = captureImage(path, decodeZstdFrame, (page) => {
    found.push(page.slice())
    return found.length < most
  })
  expect(pages).toBe(found.length)
  return found
}

describe('images of a swap device', () => {
  it('give the same pages raw, sparse and compressed', async () => {
    const image = makeImage()
    const raw = join(folder, 'raw.img')
    writeFileSync(raw, image)
    const sparse = join(folder, 'sparse.img')
    writeFileSync(sparse, image.subarray(0, 10 * 4096))
    truncateSync(sparse, image.length)
    const compressed = join(folder, 'image.zst')
    const zstd = await openCodec('zstd', { pageSize: image.length })
    const frame = new Uint8Array(zstd.bound(image.length))
    writeFileSync(compressed, frame.subarray(0, zstd.compress(image, frame)))
    const expected = Array.from({ length: PAGES }, (_, page) =>
      image.slice(page * 4096, (page + 1) * 4096),
    )
    for (const path of [raw, sparse, compressed]) expect(pagesOf(path)).toEqual(expected)
    expect(pagesOf(raw, 4)).toEqual(expected.slice(0, 4))
  })

  it('repeat words of 4 and 8 bytes, not of 3, in same-filled pages', async () => {
    const path = join(folder, 'kinds.img')
    writeFileSync(path, makeImage())
    const report = new PageReport(await openCodec('lzo'), { chain: 4 })
    const kinds: string[] = []
    captureImage(path, decodeZstdFrame, (page) => {
      kinds.push(report.add(page).kind)
      return true
    })
    expect([3, 5, 7, 9].map((page) => kinds[page])).toEqual(['same', 'same', 'compressed', 'huge'])
    expect(report.totals).toMatchObject({ pages: PAGES, zero: PAGES - 4, same: 2, huge: 1 })
    expect(report.hugeAt).toBe(3257)
  })

  it('that end within a page, or whose frame is cut, are refused', async () => {
    const path = join(folder, 'cut.img')
    writeFileSync(path, makeImage().subarray(0, 4096 + 100))
    expect(() => pagesOf(path)).toThrow('not a whole number of pages')
    const zstd = await openCodec('zstd', { pageSize: PAGES * 4096 })
    const frame = new Uint8Array(zstd.bound(PAGES * 4096))
    const length = zstd.compress(makeImage(), frame)
    writeFileSync(path, frame.subarray(0, length - 9))
    expect(() => pagesOf(path)).toThrow('damaged')
  })
})
