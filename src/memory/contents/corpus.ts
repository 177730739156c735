import { Buffer } from 'node:buffer'
import { PstraceError } from '../../model/error.ts'
import { classOfPage, PAGE_CLASSES, type PageClass } from './page-class.ts'

/**
 * A set of pages captured from real processes. On disk, little-endian:
 *
 *     0    8  magic "PSTCORP1"
 *     8    4  length of the header h
 *     12   h  header, JSON: pageSize, pages, distinct, group, sources
 *     then 4 * pages     page -> distinct page
 *     then groups        each: 4 bytes length, one zstd frame of up to `group` distinct pages
 *     end  4  CRC-32 (IEEE) of everything before
 */
export interface Corpus {
  readonly pageSize: number
  /** Distinct page of every captured page. */
  readonly order: Uint32Array
  /** Bytes of the distinct pages, one after the other. */
  readonly bytes: Uint8Array
  /** Index into PAGE_CLASSES of every distinct page. */
  readonly classes: Uint8Array
  readonly sources: readonly CorpusSource[]
}

/** Where captured pages came from; a name, never a command line. */
export interface CorpusSource {
  readonly name: string
  readonly pages: number
}

/** (De)compresses a whole group; the length written. */
export type CorpusCoder = (source: Uint8Array, target: Uint8Array) => number

const MAGIC = 'PSTCORP1'
/** 16 pages of 4 KiB: one zstd frame of 64 KiB, which the portable codec handles. */
export const CORPUS_GROUP_BYTES = 65_536

/** Adds pages one by one and keeps each distinct one once. */
export class CorpusBuilder {
  readonly #pageSize: number
  readonly #order: number[] = []
  readonly #pages: Uint8Array[] = []
  readonly #byHash = new Map<number, number[]>()
  readonly #sources = new Map<string, number>()

  constructor(pageSize = 4096) {
    this.#pageSize = pageSize
  }

  get pages(): number {
    return this.#order.length
  }

  get distinct(): number {
    return this.#pages.length
  }

  /** Copies `page`. */
  add(page: Uint8Array, source: string): void {
    if (page.length !== this.#pageSize) {
      throw new PstraceError(
        'corpus-page-size',
        `corpus: a page of ${page.length} bytes was added to one of ${this.#pageSize}`,
      )
    }
    this.#sources.set(source, (this.#sources.get(source) ?? 0) + 1)
    const hash = crc32(page)
    const candidates = this.#byHash.get(hash) ?? []
    for (const index of candidates) {
      if (equalBytes(this.#pages[index] ?? page, page)) {
        this.#order.push(index)
        return
      }
    }
    this.#byHash.set(hash, [...candidates, this.#pages.length])
    this.#order.push(this.#pages.length)
    this.#pages.push(page.slice())
  }

  build(): Corpus {
    const bytes = new Uint8Array(this.#pages.length * this.#pageSize)
    this.#pages.forEach((page, index) => {
      bytes.set(page, index * this.#pageSize)
    })
    return {
      pageSize: this.#pageSize,
      order: Uint32Array.from(this.#order),
      bytes,
      classes: classesOf(bytes, this.#pageSize),
      sources: [...this.#sources].map(([name, pages]) => ({ name, pages })),
    }
  }
}

/** `compress` is a zstd codec opened for CORPUS_GROUP_BYTES. */
export function encodeCorpus(corpus: Corpus, compress: CorpusCoder): Uint8Array {
  const header = Buffer.from(
    JSON.stringify({
      pageSize: corpus.pageSize,
      pages: corpus.order.length,
      distinct: corpus.bytes.length / corpus.pageSize,
      group: CORPUS_GROUP_BYTES / corpus.pageSize,
      sources: corpus.sources,
    }),
  )
  const parts: Uint8Array[] = [Buffer.from(MAGIC), word(header.length), header]
  for (const index of corpus.order) parts.push(word(index))
  const target = new Uint8Array(CORPUS_GROUP_BYTES + 4096)
  for (let at = 0; at < corpus.bytes.length; at += CORPUS_GROUP_BYTES) {
    const length = compress(corpus.bytes.subarray(at, at + CORPUS_GROUP_BYTES), target)
    parts.push(word(length), target.slice(0, length))
  }
  const body = Buffer.concat(parts)
  return Buffer.concat([body, word(crc32(body))])
}

/** Throws PstraceError('corpus-corrupt') naming `name` and what was wrong. */
export function decodeCorpus(file: Uint8Array, name: string, decompress: CorpusCoder): Corpus {
  const bad = (what: string): never => {
    throw new PstraceError('corpus-corrupt', `${name}: ${what}`, { exitStatus: 3 })
  }
  const data = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  if (data.length < 16 || data.toString('latin1', 0, 8) !== MAGIC) {
    bad(`not a page corpus; it should begin with ${MAGIC}`)
  }
  const end = data.length - 4
  if (data.readUInt32LE(end) !== crc32(data.subarray(0, end))) {
    bad('the checksum at the end is wrong: the file was cut or changed')
  }
  const headerEnd = 12 + data.readUInt32LE(8)
  if (headerEnd > end) bad('the header is longer than the file')
  const header = parseHeader(data.toString('utf8', 12, headerEnd), bad)
  const { pageSize, pages, distinct, group, sources } = header
  if (headerEnd + 4 * pages > end) bad(`${pages} page references do not fit the file`)
  const order = new Uint32Array(pages)
  for (let i = 0; i < pages; i += 1) {
    const index = data.readUInt32LE(headerEnd + 4 * i)
    if (index >= distinct) bad(`page ${i} refers to page ${index} of ${distinct}`)
    order[i] = index
  }
  const bytes = new Uint8Array(distinct * pageSize)
  let at = headerEnd + 4 * pages
  for (let first = 0; first < distinct; first += group) {
    if (at + 4 > end) bad(`the file ends before page ${first} of ${distinct}`)
    const length = data.readUInt32LE(at)
    at += 4
    if (at + length > end) bad(`the file ends inside the group of page ${first}`)
    const last = Math.min(first + group, distinct)
    decompress(data.subarray(at, at + length), bytes.subarray(first * pageSize, last * pageSize))
    at += length
  }
  if (at !== end) bad(`${end - at} bytes follow the last page`)
  return { pageSize, order, bytes, classes: classesOf(bytes, pageSize), sources }
}

interface CorpusHeader {
  readonly pageSize: number
  readonly pages: number
  readonly distinct: number
  readonly group: number
  readonly sources: readonly CorpusSource[]
}

function parseHeader(text: string, bad: (what: string) => never): CorpusHeader {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return bad('the header is not JSON')
  }
  const header = value as Partial<CorpusHeader>
  const { pageSize, pages, distinct, group, sources } = header
  const counts = [pageSize, pages, distinct, group]
  if (
    counts.some((count) => !Number.isSafeInteger(count) || (count ?? -1) < 0) ||
    pageSize === undefined ||
    pages === undefined ||
    distinct === undefined ||
    group === undefined ||
    group * pageSize > CORPUS_GROUP_BYTES ||
    group < 1 ||
    distinct > pages ||
    !Array.isArray(sources)
  ) {
    return bad('the header lacks pageSize, pages, distinct, group or sources, or they disagree')
  }
  return { pageSize, pages, distinct, group, sources }
}

function classesOf(bytes: Uint8Array, pageSize: number): Uint8Array {
  const classes = new Uint8Array(bytes.length / pageSize)
  for (let index = 0; index < classes.length; index += 1) {
    const name: PageClass = classOfPage(bytes.subarray(index * pageSize, (index + 1) * pageSize))
    classes[index] = PAGE_CLASSES.indexOf(name)
  }
  return classes
}

function word(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit += 1) {
    value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0xedb88320
  }
  return value >>> 0
})

/** CRC-32 (IEEE), as zlib's. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (let i = 0; i < bytes.length; i += 1) {
    value = (CRC_TABLE[(value ^ (bytes[i] ?? 0)) & 255] ?? 0) ^ (value >>> 8)
  }
  return (value ^ 0xffffffff) >>> 0
}
