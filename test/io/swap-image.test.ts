import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { captureImage } from '../../src/io/swap-image.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { PageReport } from '../../src/memory/codecs/page-report.ts'
import { zstdFrames } from '../../src/memory/codecs/zstd-frame.ts'
import { createGenerator } from '../../src/memory/contents/index.ts'
import { PstraceError } from '../../src/model/error.ts'
import { isInstalled } from '../shared/installed.ts'

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
  const { pages } = captureImage(path, zstdFrames, (page) => {
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
    captureImage(path, zstdFrames, (page) => {
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
    expect(() => pagesOf(path)).toThrow('is cut')
  })
})

function canCompressWith(command: string): boolean {
  if (isInstalled(command)) return true
  process.stdout.write(`${command} is not installed: images that it compresses are not read\n`)
  return false
}

describe.runIf(canCompressWith('zstd'))('images that the zstd command compressed', () => {
  const BYTES = 768 * 4096
  /** Pages of all classes, and a stretch of 1 MiB that comes twice: only a long window sees it. */
  const image = new Uint8Array(BYTES)
  let path: string
  beforeAll(() => {
    const generator = createGenerator({ seed: 11 })
    for (let page = 0; page < 512; page += 1)
      generator.fill(page, 0, -1, image.subarray(page * 4096, (page + 1) * 4096))
    image.copyWithin(512 * 4096, 0, 256 * 4096)
    path = join(folder, 'device.img')
    writeFileSync(path, image)
  })

  function run(command: string, args: readonly string[], input?: Uint8Array): Uint8Array {
    const { status, stdout } = spawnSync(command, args, {
      maxBuffer: 2 * BYTES,
      ...(input === undefined ? {} : { input }),
    })
    expect(status).toBe(0)
    return stdout
  }

  function unpacked(packed: Uint8Array): Uint8Array {
    const file = join(folder, 'device.img.zst')
    writeFileSync(file, packed)
    return Buffer.concat(pagesOf(file))
  }

  /** RFC 8878, 3.1.2. */
  function skippableFrame(length: number): Uint8Array {
    const frame = Buffer.alloc(8 + length, 0x5a)
    frame.writeUInt32LE(0x184d2a53, 0)
    frame.writeUInt32LE(length, 4)
    return frame
  }

  it.each([
    ['one frame', ['-3']],
    ['a window much smaller than the image', ['-3', '--zstd=wlog=10']],
    ['a window of 128 KiB', ['-9', '--zstd=wlog=17', '--no-check']],
    ['a window of 1 GiB', ['-3', '--long=30']],
    ['blocks that a tool like rsync can match', ['-3', '-T2', '--rsyncable']],
    ['the highest level', ['-19']],
    ['negative levels', ['--fast=20']],
  ])('are read with %s', (_, options) => {
    expect(Buffer.compare(unpacked(run('zstd', ['-q', '-c', ...options, path])), image)).toBe(0)
  })

  it('are read from a pipe, where the frame does not state its size', () => {
    const packed = run('zstd', ['-q', '-c'], image)
    expect(packed[4]).toBe(0x04)
    expect(Buffer.compare(unpacked(packed), image)).toBe(0)
  })

  it('are read as several frames with others to skip before, between and behind', () => {
    const parts = [0, 100, 101, 400, 768].map((page) => page * 4096 + (page === 101 ? 1000 : 0))
    const frames = parts
      .slice(1)
      .map((end, i) => run('zstd', ['-q', '-c', `-${1 + 5 * i}`], image.subarray(parts[i], end)))
    const [first = image, ...others] = frames
    const files = [
      frames,
      [skippableFrame(0), ...frames],
      [first, skippableFrame(70_000), ...others, skippableFrame(3)],
    ]
    for (const file of files) expect(Buffer.compare(unpacked(Buffer.concat(file)), image)).toBe(0)
    expect(() => unpacked(Buffer.concat([first, Buffer.from('more')]))).toThrow(
      `byte ${first.length}: a zstd frame was expected`,
    )
    expect(() => unpacked(Buffer.concat([first, skippableFrame(9).subarray(0, 15)]))).toThrow('cut')
  })

  it.runIf(isInstalled('pzstd'))('are read as pzstd writes them', () => {
    const packed = run('pzstd', ['-q', '-c', '-p', '2', path])
    expect(Buffer.from(packed).readUInt32LE(0) & 0xfffffff0).toBe(0x184d2a50)
    expect(Buffer.compare(unpacked(packed), image)).toBe(0)
  })

  it('and are cut or damaged anywhere end in an error with the place, or in pages', () => {
    const small = image.subarray(0, 24 * 4096)
    const file = Buffer.concat([
      run('zstd', ['-q', '-c'], small.subarray(0, 12 * 4096)),
      skippableFrame(20),
      run('zstd', ['-q', '-c', '-19', '--no-check'], small.subarray(12 * 4096)),
    ])
    const attempt = (bytes: Uint8Array): void => {
      try {
        unpacked(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(PstraceError)
        expect(['zstd-frame', 'swap-image']).toContain((error as PstraceError).code)
      }
    }
    const at = fc.nat(file.length - 1)
    fc.assert(
      fc.property(at, fc.integer({ min: 1, max: 255 }), (place, change) => {
        attempt(file.subarray(0, place))
        const damaged = Buffer.from(file)
        damaged[place] = (damaged[place] ?? 0) ^ change
        attempt(damaged)
      }),
      { numRuns: 150 },
    )
  })
})
