import { spawnSync } from 'node:child_process'
import { inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Codec } from '../../../src/memory/codecs/codec.ts'
import { codecProviders, openCodec } from '../../../src/memory/codecs/index.ts'
import { codecRegionBytes, createCodecMemory } from '../../../src/memory/codecs/wasm-region.ts'
import { crc32 } from '../../../src/memory/contents/corpus.ts'
import { PstraceError } from '../../../src/model/error.ts'
import { anyPage } from './any-page.ts'
import { read4096Pages } from './corpus-pages.ts'
import { decodeLz4, decodeLzo } from './independent-decoders.ts'
import { makeReferencePage, REFERENCE_CODECS, REFERENCE_ROWS } from './reference-pages.ts'

const portable = codecProviders.filter((each) => each.implementation === 'portable')
const kernelNames = portable.map((each) => each.name)

function compressed(codec: Codec, page: Uint8Array): Uint8Array {
  const target = new Uint8Array(codec.bound(page.length))
  return target.subarray(0, codec.compress(page, target))
}

function restored(codec: Codec, block: Uint8Array, length: number): Uint8Array {
  const page = new Uint8Array(length)
  expect(codec.decompress(block, page)).toBe(length)
  return page
}

let pages: Uint8Array
beforeAll(async () => {
  pages = await read4096Pages()
})

describe('bytes of Linux 6.12', () => {
  const cases = REFERENCE_ROWS.flatMap(([length, kind, ...expected]) =>
    REFERENCE_CODECS.map(([name, variant], column) => ({
      name,
      variant,
      length,
      kind,
      expected: expected[column],
    })),
  )
  test.each(cases)(
    '$name $variant turns the $length-byte page $kind into $expected',
    async ({ name, variant, length, kind, expected }) => {
      const codec = await openCodec(name, {
        pageSize: length,
        ...(variant === undefined ? {} : { variant }),
      })
      const page = makeReferencePage(length, kind)
      const block = compressed(codec, page)
      expect(`${block.length}:${crc32(block).toString(16).padStart(8, '0')}`).toBe(expected)
      expect(restored(codec, block, length)).toEqual(page)
    },
  )
})

describe.each(kernelNames)('%s', (name) => {
  test('gives 4096 real pages back, and an independent decoder agrees', async () => {
    const codec = await openCodec(name)
    const frames: Uint8Array[] = []
    for (let at = 0; at < pages.length; at += 4096) {
      const page = pages.subarray(at, at + 4096)
      const block = compressed(codec, page)
      expect(Buffer.compare(restored(codec, block, 4096), page)).toBe(0)
      if (name === 'zstd') frames.push(block)
      else expect(Buffer.compare(independently(name, block), page)).toBe(0)
    }
    if (name !== 'zstd') return
    // Frames one after the other are a zstd file of their own.
    const tool = spawnSync('zstd', ['-d', '-q', '-c'], {
      input: Buffer.concat(frames),
      maxBuffer: 2 * pages.length,
    })
    if (tool.error !== undefined) {
      process.stdout.write('zstd is not installed: its frames were read by our own decoder only\n')
      return
    }
    expect(Buffer.compare(tool.stdout, pages)).toBe(0)
  })

  test('restores pages of 16 and 64 KiB', async () => {
    for (const pageSize of [16_384, 65_536]) {
      const codec = await openCodec(name, { pageSize })
      for (let at = 0; at < 16 * pageSize; at += pageSize) {
        const page = pages.subarray(at, at + pageSize)
        expect(Buffer.compare(restored(codec, compressed(codec, page), pageSize), page)).toBe(0)
      }
    }
  })

  test('restores inputs of any length and shape', async () => {
    const codec = await openCodec(name, { pageSize: 8192 })
    fc.assert(
      fc.property(anyPage, (page) => {
        const block = compressed(codec, page)
        expect(block.length).toBeGreaterThan(0)
        expect(restored(codec, block, page.length)).toEqual(page)
        if (name !== 'zstd') expect(independently(name, block, page.length)).toEqual(page)
      }),
      { numRuns: 400 },
    )
  })

  test('answers a damaged block with codec-corrupt or with a page, never otherwise', async () => {
    const codec = await openCodec(name)
    const block = compressed(codec, pages.subarray(40 * 4096, 41 * 4096))
    const target = new Uint8Array(4096)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(block.length - 1), fc.nat(255)), { maxLength: 5 }),
        fc.nat(block.length),
        (changes, length) => {
          const damaged = block.slice(0, length)
          for (const [at, byte] of changes) if (at < length) damaged[at] = byte
          try {
            expect(codec.decompress(damaged, target)).toBe(4096)
          } catch (error) {
            expect(error).toBeInstanceOf(PstraceError)
            expect((error as PstraceError).code).toBe('codec-corrupt')
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('returns 0 when the target is one byte too short, and fits exactly otherwise', async () => {
    const codec = await openCodec(name)
    const page = pages.subarray(99 * 4096, 100 * 4096)
    const block = compressed(codec, page)
    expect(codec.compress(page, new Uint8Array(block.length - 1))).toBe(0)
    const exact = new Uint8Array(block.length)
    expect(codec.compress(page, exact)).toBe(block.length)
    expect(exact).toEqual(block)
  })

  test('does not depend on the pages before', async () => {
    const codec = await openCodec(name)
    const page = pages.subarray(7 * 4096, 8 * 4096)
    const first = compressed(codec, page).slice()
    compressed(codec, makeReferencePage(4096, 'R'))
    compressed(codec, new Uint8Array(4096))
    expect(compressed(codec, page)).toEqual(first)
  })
})

function independently(name: string, block: Uint8Array, length = 4096): Uint8Array {
  if (name.startsWith('lz4')) return decodeLz4(block, length)
  if (name.startsWith('lzo')) return decodeLzo(block, length)
  return new Uint8Array(inflateRawSync(block))
}

describe('threads', () => {
  test('codecs in regions of one memory work on pages there without copies and do not disturb each other', async () => {
    const { memory, pagesAt } = createCodecMemory(2, 4096, 64 * 4096)
    const shared = new Uint8Array(memory.buffer)
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer)
    const names = ['lz4', 'lz4hc', 'lzo-rle', 'zstd', 'deflate']
    shared.set(pages.subarray(0, 32 * 4096), pagesAt)
    for (const name of names) {
      const alone = await openCodec(name)
      const both = await Promise.all(
        [0, 1].map((index) =>
          openCodec(name, { region: { memory, base: index * codecRegionBytes(4096) } }),
        ),
      )
      for (let index = 0; index < 32; index += 1) {
        const page = shared.subarray(pagesAt + index * 4096, pagesAt + (index + 1) * 4096)
        const target = shared.subarray(pagesAt + 40 * 4096, pagesAt + 42 * 4096)
        const codec = both[index % 2]
        if (codec === undefined) throw new Error('unreachable')
        const length = codec.compress(page, target)
        expect(target.slice(0, length)).toEqual(compressed(alone, page.slice()))
        const back = shared.subarray(pagesAt + 50 * 4096, pagesAt + 51 * 4096)
        codec.decompress(target.subarray(0, length), back)
        expect(Buffer.compare(back, page)).toBe(0)
      }
    }
  })

  test('nothing is written beyond a page that lies in the memory, for sound and damaged blocks', async () => {
    const { memory, pagesAt } = createCodecMemory(1, 4096, 4 * 4096)
    const shared = new Uint8Array(memory.buffer)
    const page = shared.subarray(pagesAt, pagesAt + 4096)
    const beyond = shared.subarray(pagesAt + 4096, pagesAt + 8192)
    const source = shared.subarray(pagesAt + 8192, pagesAt + 16_384)
    for (const name of ['lz4', 'lz4hc', 'lzo', 'lzo-rle', 'zstd', 'deflate']) {
      const codec = await openCodec(name, { region: { memory, base: 0 } })
      for (let index = 0; index < 300; index += 1) {
        const block = compressed(codec, pages.subarray(index * 4096, (index + 1) * 4096))
        source.set(block)
        if (index % 3 > 0) {
          const at = (index * 7919) % block.length
          source[at] = (source[at] ?? 0) ^ (1 + (index % 255))
        }
        beyond.fill(0xa5)
        try {
          codec.decompress(source.subarray(0, block.length), page)
        } catch (error) {
          expect((error as PstraceError).code).toBe('codec-corrupt')
        }
        expect(beyond.every((byte) => byte === 0xa5)).toBe(true)
      }
    }
  })

  test('what lies in the workspace of a codec is compressed as anywhere else', async () => {
    for (const name of ['lz4', 'lz4hc', 'lzo', 'lzo-rle', 'zstd', 'deflate']) {
      for (const pageSize of [4096, 65_536]) {
        const codec = await openCodec(name, { pageSize })
        const { workspace } = codec
        if (workspace === undefined) throw new Error('unreachable')
        for (let at = 0; at < 8 * pageSize; at += pageSize) {
          const page = pages.subarray(at, at + pageSize)
          const block = compressed(codec, page)
          workspace.page.set(page)
          const length = codec.compress(workspace.page, workspace.compressed)
          expect(Buffer.compare(workspace.compressed.subarray(0, length), block)).toBe(0)
          codec.decompress(workspace.compressed.subarray(0, length), workspace.restored)
          expect(Buffer.compare(workspace.restored, page)).toBe(0)
          expect(Buffer.compare(workspace.page, page)).toBe(0)
        }
      }
    }
  })

  test('the last page of a memory is compressed as anywhere else, whatever lies behind it', async () => {
    // The pages end where a 64 KiB page of WebAssembly does.
    const { memory, pagesAt } = createCodecMemory(1, 4096, 16 * 4096)
    const shared = new Uint8Array(memory.buffer)
    const behind = pagesAt + 16 * 4096
    for (const name of ['lz4', 'lz4hc', 'lzo', 'lzo-rle', 'zstd', 'deflate']) {
      const alone = await openCodec(name)
      const codec = await openCodec(name, { region: { memory, base: 0 } })
      const target = new Uint8Array(codec.bound(4096))
      for (let at = 0; at < 200 * 4096; at += 4096) {
        const page = pages.subarray(at, at + 4096)
        const last = shared.subarray(behind - 4096, behind)
        last.set(page)
        // The page goes on as it began: matches that reach its end would reach further.
        shared.set(page.subarray(0, shared.length - behind), behind)
        const length = codec.compress(last, target)
        expect(Buffer.compare(target.subarray(0, length), compressed(alone, page))).toBe(0)
      }
    }
  })

  test('a region that is too small is refused', async () => {
    const { memory } = createCodecMemory(1, 4096, 0)
    await expect(openCodec('lz4', { region: { memory, base: 131_072 } })).rejects.toMatchObject({
      code: 'codec-region',
    })
  })
})

describe('lz4js', () => {
  test('the bare library writes blocks that a strict decoder refuses; the wrapper never does', async () => {
    const { compressBlock } = await import('lz4js')
    const codec = await openCodec('lz4js')
    const table = new Uint32Array(65_536)
    const block = new Uint8Array(5000)
    let refused = 0
    for (let at = 0; at < 1024 * 4096; at += 4096) {
      const page = pages.subarray(at, at + 4096)
      table.fill(0)
      const length = compressBlock(page, block, 0, 4096, table)
      try {
        if (length > 0) decodeLz4(block.subarray(0, length), 4096)
      } catch {
        refused += 1
      }
      decodeLz4(compressed(codec, page), 4096)
    }
    expect(refused).toBeGreaterThan(10)
  })
})

describe('variants and levels', () => {
  test('lz4 with the search of liblz4 gives other sizes on a few pages only', async () => {
    const kernel = await openCodec('lz4')
    const library = await openCodec('lz4', { variant: 'liblz4' })
    let different = 0
    for (let at = 0; at < pages.length; at += 4096) {
      const page = pages.subarray(at, at + 4096)
      if (compressed(kernel, page).length !== compressed(library, page).length) different += 1
    }
    expect(different).toBeGreaterThan(0)
    expect(different).toBeLessThan(4096 * 0.05)
    expect(library.version).not.toBe(kernel.version)
  })

  test('inputs beyond 64 KiB come back from lz4, lz4hc and lzo', async () => {
    const page = pages.subarray(0, 262_144)
    for (const name of ['lz4', 'lz4hc', 'lzo', 'lzo-rle', 'deflate', 'lz4js']) {
      const codec = await openCodec(name, { pageSize: page.length })
      expect(Buffer.compare(restored(codec, compressed(codec, page), page.length), page)).toBe(0)
    }
  })

  test.each([
    ['zstd', { level: 19, variant: 'zswap' }, 'codec-level'],
    ['zstd', { level: 19, pageSize: 131_072 }, 'codec-input-too-long'],
    ['zstd', { variant: 'disk' }, 'codec-variant'],
    ['lz4', { variant: 'fast' }, 'codec-variant'],
    ['deflate', { level: 10 }, 'codec-level'],
    ['deflate', { variant: '-8' }, 'codec-variant'],
    ['deflate', { variant: 'zlib' }, 'codec-variant'],
    ['842', {}, 'codec-unknown'],
  ])('%s with %o is refused with %s', async (name, options, code) => {
    await expect(openCodec(name, options)).rejects.toMatchObject({ code })
  })

  test('a page longer than the codec was opened for is refused', async () => {
    const codec = await openCodec('lz4')
    expect(() => codec.compress(new Uint8Array(8192), new Uint8Array(9000))).toThrow(
      /pageSize 8192/,
    )
  })
})

describe('native implementations', () => {
  test('zlib of Node gives the pages back, with other sizes than the kernel', async () => {
    const native = await openCodec('deflate', { implementation: 'native' })
    const own = await openCodec('deflate')
    let nativeSum = 0
    let ownSum = 0
    for (let at = 0; at < 256 * 4096; at += 4096) {
      const page = pages.subarray(at, at + 4096)
      const block = compressed(native, page)
      expect(Buffer.compare(restored(native, block, 4096), page)).toBe(0)
      nativeSum += block.length
      ownSum += compressed(own, page).length
    }
    expect(nativeSum).not.toBe(ownSum)
    expect(nativeSum / ownSum).toBeCloseTo(1, 1)
  })

  test.each(['lz4', 'zstd'])('%s works or says which package is missing', async (name) => {
    try {
      const codec = await openCodec(name, { implementation: 'native' })
      const page = pages.subarray(4096, 8192)
      expect(restored(codec, compressed(codec, page), 4096)).toEqual(page)
    } catch (error) {
      expect(error).toMatchObject({ code: 'codec-unavailable' })
      expect((error as Error).message).toContain('npm install')
    }
  })
})
