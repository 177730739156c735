import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSwapImage } from '../../../src/io/swap-image.ts'
import { openCodec } from '../../../src/memory/codecs/index.ts'
import { fillKindOf } from '../../../src/memory/codecs/page-kind.ts'
import { zstdFrames } from '../../../src/memory/codecs/zstd-frame.ts'
import type { PageContents } from '../../../src/memory/contents/contents.ts'
import {
  CORPUS_GROUP_BYTES,
  type Corpus,
  CorpusBuilder,
  calibrate,
  classOfPage,
  corpusStat,
  createCorpusContents,
  createGenerator,
  createIncompressible,
  createSwapImageContents,
  decodeCorpus,
  encodeCorpus,
  PAGE_CLASSES,
  type PageClass,
} from '../../../src/memory/contents/index.ts'
import { readShippedCorpus } from '../codecs/corpus-pages.ts'

const DATA_CLASSES = ['text', 'heap', 'sparse', 'binary', 'random'] as const
const PAGES = 4096

let corpus: Corpus
beforeAll(async () => {
  corpus = await readShippedCorpus()
})

function onlyClass(name: PageClass): Record<PageClass, number> {
  const shares = { zero: 0, same: 0, text: 0, heap: 0, sparse: 0, binary: 0, random: 0 }
  shares[name] = 1
  return shares
}

function fillAll(contents: PageContents, pages: number, version = 0): Uint8Array[] {
  return Array.from({ length: pages }, (_, page) => {
    const target = new Uint8Array(4096)
    contents.fill(page, version, -1, target)
    return target
  })
}

function digest(pages: readonly Uint8Array[]): Set<string> {
  return new Set(pages.map((page) => Buffer.from(page).toString('latin1')))
}

describe('generator', () => {
  test('gives the same bytes for the same seed, and others for another', () => {
    const a = fillAll(createGenerator({ seed: 3 }), 200)
    expect(fillAll(createGenerator({ seed: 3 }), 200)).toEqual(a)
    const b = fillAll(createGenerator({ seed: 4 }), 200)
    expect(
      b.filter((page, index) => Buffer.compare(page, a[index] ?? page) === 0).length,
    ).toBeLessThan(20)
  })

  test('gives known bytes', () => {
    const page = new Uint8Array(4096)
    createGenerator({ seed: 1 }).fill(17, 2, -1, page)
    expect({
      class: classOfPage(page),
      head: Buffer.from(page.subarray(0, 16)).toString('hex'),
    }).toMatchInlineSnapshot(`
      {
        "class": "sparse",
        "head": "00000000000000000000000000000000",
      }
    `)
  })

  test('gives every page that is neither zero nor same bytes of its own', () => {
    const data = fillAll(createGenerator({ seed: 2 }), 8192).filter(
      (page) => fillKindOf(page) === 'data',
    )
    expect(data.length).toBeGreaterThan(7000)
    expect(digest(data).size).toBeGreaterThanOrEqual(data.length * 0.999)
  })

  describe.each(DATA_CLASSES)('of class %s', (name) => {
    const CODECS = [
      ['lz4', undefined],
      ['lzo-rle', undefined],
      ['zstd', undefined],
      ['zstd', 'zswap'],
      ['deflate', undefined],
      ['lz4hc', undefined],
    ] as const

    test.each(CODECS)('has the sizes of the corpus under %s %s', async (codecName, variant) => {
      const codec = await openCodec(codecName, variant === undefined ? {} : { variant })
      const target = new Uint8Array(8192)
      const sizer = (page: Uint8Array): number => codec.compress(page, target)
      const wanted = corpusStat(corpus, { [codecName]: sizer }).classes.find(
        (each) => each.class === name,
      )?.sizes[codecName]
      if (wanted === undefined) throw new Error(`the corpus has no ${name} page`)
      const pages = fillAll(createGenerator({ seed: 5, shares: onlyClass(name) }), PAGES)
      const sizes = pages.map(sizer).sort((a, b) => a - b)
      expect(new Set(sizes).size).toBeGreaterThanOrEqual(100)
      for (const [column, quantile] of [0.1, 0.5, 0.9].entries()) {
        const size = sizes[Math.floor(quantile * PAGES)] ?? 0
        const ratio = size / (wanted[column] ?? 1)
        expect(ratio, `at ${quantile}`).toBeGreaterThan(0.9)
        expect(ratio, `at ${quantile}`).toBeLessThan(1.1)
      }
    })

    test('has pages of the class, each with its own bytes, and rewritten ones too', async () => {
      const generator = createGenerator({ seed: 6, shares: onlyClass(name) })
      const lz4 = await openCodec('lz4')
      const target = new Uint8Array(8192)
      const sum = (pages: readonly Uint8Array[]): number =>
        pages.reduce((all, page) => all + lz4.compress(page, target), 0)
      const first = fillAll(generator, 1024)
      const fifth = fillAll(generator, 1024, 5)
      for (const pages of [first, fifth]) {
        const ofClass = pages.filter((page) => classOfPage(page) === name).length
        expect(ofClass / pages.length).toBeGreaterThan(0.9)
      }
      expect(digest([...first, ...fifth]).size).toBeGreaterThanOrEqual(2048 * 0.99)
      expect(Math.abs(sum(fifth) / sum(first) - 1)).toBeLessThan(0.02)
    })
  })

  test('has the corpus shares of zero and same pages unless told otherwise', () => {
    const kinds = fillAll(createGenerator({ shares: { zero: 0.2, same: 0.1 } }), PAGES).map(
      fillKindOf,
    )
    const zero = kinds.filter((kind) => kind === 'zero').length
    const same = kinds.filter((kind) => kind === 'same').length
    expect(zero / same).toBeCloseTo(2, 0)
  })

  test('a rewritten page changes in at most the stated number of chunks, and in some', () => {
    const generator = createGenerator({ shares: { zero: 0, same: 0 }, changedChunks: 8 })
    const before = new Uint8Array(4096)
    const after = new Uint8Array(4096)
    let total = 0
    for (let page = 0; page < 300; page += 1) {
      const version = page % 7
      generator.fill(page, version, -1, before)
      generator.fill(page, version + 1, -1, after)
      let changed = 0
      for (let at = 0; at < 4096; at += 64) {
        if (Buffer.compare(before.subarray(at, at + 64), after.subarray(at, at + 64)) !== 0) {
          changed += 1
        }
      }
      expect(changed).toBeGreaterThan(0)
      expect(changed).toBeLessThanOrEqual(8)
      total += changed
    }
    expect(total / 300).toBeGreaterThan(6)
  })

  test('a rewritten page keeps its compressed size within its class', async () => {
    const lz4 = await openCodec('lz4')
    const target = new Uint8Array(8192)
    const generator = createGenerator({ shares: { zero: 0, same: 0 } })
    const sum = (version: number): number =>
      fillAll(generator, 1000, version).reduce((all, page) => all + lz4.compress(page, target), 0)
    expect(sum(9) / sum(0)).toBeCloseTo(1, 1)
  })

  test('keeps zero, same and data pages of the recording', () => {
    const fills = Uint8Array.from({ length: 999 }, (_, page) => 1 + (page % 3))
    const kinds = fillAll(createGenerator({ fills, shares: { zero: 0.3 } }), 999).map(fillKindOf)
    expect(kinds.map((kind) => ['zero', 'same', 'data'].indexOf(kind) + 1)).toEqual([...fills])
  })

  test('what a source says of zero pages without their bytes is what their bytes say', () => {
    const fills = Uint8Array.from({ length: 600 }, (_, page) => page % 4)
    const shares = { zero: 0.3, same: 0.2 }
    const sources = [
      createGenerator({ shares }),
      createGenerator({ shares, fills }),
      createCorpusContents(corpus, { seed: 3 }),
      createCorpusContents(corpus, { seed: 3, fills }),
      createIncompressible(createGenerator({ shares, fills }), { seed: 4, share: 0.5 }),
    ]
    const target = new Uint8Array(4096)
    for (const source of sources) {
      const found = [0, 0]
      for (let page = 0; page < 600; page += 1) {
        for (const version of [0, 3]) {
          source.fill(page, version, -1, target)
          const said = source.isZero?.(page, version)
          if (said === undefined) continue
          expect(said).toBe(fillKindOf(target) === 'zero')
          found[said ? 1 : 0] = (found[said ? 1 : 0] ?? 0) + 1
        }
      }
      expect(Math.min(...found)).toBeGreaterThan(10)
    }
  })

  test('equal keys mean equal bytes', () => {
    const generator = createGenerator({ shares: { zero: 0.3, same: 0.3 } })
    const seen = new Map<number, Uint8Array>()
    for (let page = 0; page < 3000; page += 1) {
      for (const version of [0, 1]) {
        const target = new Uint8Array(4096)
        const key = generator.fill(page, version, -1, target)
        const other = seen.get(key)
        if (other !== undefined) expect(Buffer.compare(other, target)).toBe(0)
        seen.set(key, target)
      }
    }
  })

  test.each([16_384, 65_536])('makes pages of %i bytes', (pageSize) => {
    const generator = createGenerator({ pageSize, shares: { zero: 0, same: 0 } })
    const target = new Uint8Array(pageSize)
    const seen = new Set<string>()
    for (let page = 0; page < 64; page += 1) {
      generator.fill(page, 0, -1, target)
      expect(fillKindOf(target)).toBe('data')
      seen.add(Buffer.from(target).toString('latin1'))
    }
    expect(seen.size).toBe(64)
  })
})

describe('calibrate', () => {
  test('meets zero, same and huge shares and the mean size of a recording', async () => {
    const target = {
      codec: 'lz4',
      zeroShare: 0.06,
      sameShare: 0.01,
      hugeShare: 0.12,
      meanStoredBytes: 1700,
    } as const
    const settings = calibrate(target)
    const lz4 = await openCodec('lz4')
    const output = new Uint8Array(8192)
    let stored = 0
    let data = 0
    let huge = 0
    let zero = 0
    for (const page of fillAll(createGenerator({ ...settings, seed: 8 }), PAGES * 2)) {
      const kind = fillKindOf(page)
      if (kind === 'zero') zero += 1
      if (kind !== 'data') continue
      const size = lz4.compress(page, output)
      data += 1
      if (size >= 3625) huge += 1
      stored += size >= 3625 ? 4096 : size
    }
    expect(zero / (PAGES * 2)).toBeCloseTo(0.06, 2)
    expect(Math.abs(huge / (PAGES * 2) - 0.12)).toBeLessThan(0.02)
    expect(Math.abs(stored / data / 1700 - 1)).toBeLessThan(0.05)
  })

  test('refuses shares that are none', () => {
    expect(() => calibrate({ codec: 'lz4', zeroShare: 1.5 })).toThrow(/zeroShare is 1.5/)
  })
})

describe('corpus', () => {
  test('the shipped one has pages of four programs in every class', () => {
    expect(corpus.sources.map((source) => source.name)).toEqual([
      'node',
      'python',
      'perl',
      'sqlite',
    ])
    expect(corpus.order.length).toBe(3982)
    const classes = new Set(Array.from(corpus.classes, (index) => PAGE_CLASSES[index]))
    expect(classes.size).toBe(PAGE_CLASSES.length)
  })

  test('comes back from its file; equal pages are stored once', async () => {
    const zstd = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
    const builder = new CorpusBuilder()
    const pages = fillAll(createGenerator(), 40)
    for (const page of [...pages, ...pages.slice(0, 5)]) builder.add(page, 'made')
    const file = encodeCorpus(builder.build(), (source, target) => zstd.compress(source, target))
    const back = decodeCorpus(file, 'x', (source, target) => zstd.decompress(source, target))
    expect(back.order.length).toBe(45)
    expect(back.classes.length).toBe(digest(pages).size)
    for (const [index, page] of pages.entries()) {
      const at = (back.order[index] ?? 0) * 4096
      expect(Buffer.compare(back.bytes.subarray(at, at + 4096), page)).toBe(0)
    }
    const stat = corpusStat(back, { length: (page) => page.length })
    expect(stat.duplicates).toBe(45 - digest(pages).size)
    expect(stat.classes.reduce((sum, each) => sum + each.pages, 0)).toBe(45)
  })

  test('every cut and every changed byte of a file is noticed', async () => {
    const zstd = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
    const builder = new CorpusBuilder()
    for (const page of fillAll(createGenerator(), 3)) builder.add(page, 'made')
    const file = encodeCorpus(builder.build(), (source, target) => zstd.compress(source, target))
    const decode = (bytes: Uint8Array): Corpus =>
      decodeCorpus(bytes, 'x', (source, target) => zstd.decompress(source, target))
    for (let length = 0; length < file.length; length += 37) {
      expect(() => decode(file.subarray(0, length))).toThrow(/^x: /)
    }
    for (let at = 0; at < file.length; at += 53) {
      const changed = Uint8Array.from(file)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => decode(changed)).toThrow(/^x: /)
    }
  })

  test('as contents: pages of the corpus, deterministic, rewritten in at most eight chunks', () => {
    const contents = createCorpusContents(corpus, { seed: 2 })
    const known = new Set<string>()
    for (let at = 0; at < corpus.bytes.length; at += 4096) {
      known.add(Buffer.from(corpus.bytes.subarray(at, at + 4096)).toString('latin1'))
    }
    const first = fillAll(contents, 500)
    const again = fillAll(createCorpusContents(corpus, { seed: 2 }), 500, 1)
    for (const [page, bytes] of first.entries()) {
      expect(known.has(Buffer.from(bytes).toString('latin1'))).toBe(true)
      const rewritten = again[page] ?? bytes
      let changed = 0
      for (let at = 0; at < 4096; at += 64) {
        if (Buffer.compare(bytes.subarray(at, at + 64), rewritten.subarray(at, at + 64)) !== 0) {
          changed += 1
        }
      }
      expect(changed).toBeLessThanOrEqual(8)
    }
  })
})

describe('swap image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-test-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('raw and zstd images give the pages of the device by swap offset', async () => {
    const pages = fillAll(createGenerator({ seed: 6 }), 16)
    const bytes = Buffer.concat(pages)
    const zstd = await openCodec('zstd', { pageSize: 65_536 })
    const frame = new Uint8Array(zstd.bound(65_536))
    const raw = join(folder, 'swap.img')
    const packed = join(folder, 'swap.img.zst')
    writeFileSync(raw, bytes)
    writeFileSync(packed, frame.subarray(0, zstd.compress(bytes, frame)))
    for (const path of [raw, packed]) {
      const image = openSwapImage(path, zstdFrames)
      expect(image.pages).toBe(16)
      const contents = createSwapImageContents({
        readPage: image.readPage,
        name: image.name,
        otherwise: createGenerator({ seed: 7 }),
        slots: Float64Array.of(3, -1),
      })
      const target = new Uint8Array(4096)
      contents.fill(0, 0, 9, target)
      expect(Buffer.compare(target, pages[3] ?? target)).toBe(0)
      contents.fill(1, 0, 9, target)
      expect(Buffer.compare(target, pages[9] ?? target)).toBe(0)
      contents.fill(1, 0, 99, target)
      expect(Buffer.compare(target, fillAll(createGenerator({ seed: 7 }), 2)[1] ?? target)).toBe(0)
      image.close()
    }
  })

  test('an image that is no whole number of pages is refused', () => {
    const path = join(folder, 'odd.img')
    writeFileSync(path, Buffer.alloc(5000))
    expect(() => openSwapImage(path, zstdFrames)).toThrow(/5000 bytes/)
  })

  test('a zstd file that ends in its header is refused', () => {
    const path = join(folder, 'pipe.zst')
    writeFileSync(path, Buffer.from('28b52ffd0058', 'hex'))
    expect(() => openSwapImage(path, zstdFrames)).toThrow(/is cut/)
  })
})
