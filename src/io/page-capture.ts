import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { PstraceError } from '../model/error.ts'

/** Memory holds passwords, keys and documents: every command that captures prints this first. */
export const CAPTURE_WARNING =
  'Captured pages hold whatever the processes held: passwords, keys, documents, chats. Capture only processes started for it, with an empty environment, and read the result before you give it away.'

/** Called with a view that dies on return. Return false to stop. */
export type PageSink = (page: Uint8Array) => boolean

export interface CaptureResult {
  readonly pages: number
  /** Pages that could not be read (unmapped meanwhile, or swapped out and gone). */
  readonly unreadable: number
}

interface Mapping {
  readonly start: bigint
  readonly end: bigint
}

/** Bit 63 present, bit 62 swapped, bit 61 file-backed or shared: Documentation/admin-guide/mm/pagemap.rst. */
const PRESENT_OR_SWAPPED = 0xc0000000
const FILE_OR_SHARED = 0x20000000

/**
 * Every anonymous page of a running process that is in memory or in swap, in address order, from /proc/PID/mem and pagemap. Needs the
 * rights of a debugger (same user and ptrace allowed, or root).
 */
export function capturePid(pid: number, sink: PageSink, pageSize = 4096): CaptureResult {
  const folder = `/proc/${pid}`
  let maps: string
  let pagemap: number
  let memory: number
  try {
    maps = readFileSync(`${folder}/maps`, 'latin1')
    pagemap = openSync(`${folder}/pagemap`, 'r')
  } catch (cause) {
    throw unreadableProcess(pid, cause)
  }
  try {
    memory = openSync(`${folder}/mem`, 'r')
  } catch (cause) {
    closeSync(pagemap)
    throw unreadableProcess(pid, cause)
  }
  const page = new Uint8Array(pageSize)
  const entries = Buffer.alloc(8 * 512)
  let pages = 0
  let unreadable = 0
  try {
    for (const { start, end } of writableMappings(maps)) {
      const first = start / BigInt(pageSize)
      const count = Number((end - start) / BigInt(pageSize))
      for (let done = 0; done < count; done += 512) {
        const wanted = Math.min(512, count - done)
        const got = readSync(pagemap, entries, 0, wanted * 8, (first + BigInt(done)) * 8n)
        for (let i = 0; i < Math.floor(got / 8); i += 1) {
          const flags = entries.readUInt32LE(8 * i + 4)
          if ((flags & PRESENT_OR_SWAPPED) === 0 || (flags & FILE_OR_SHARED) !== 0) continue
          const address = start + BigInt(done + i) * BigInt(pageSize)
          if (!readPage(memory, page, address)) {
            unreadable += 1
            continue
          }
          pages += 1
          if (!sink(page)) return { pages, unreadable }
        }
      }
    }
  } finally {
    closeSync(pagemap)
    closeSync(memory)
  }
  return { pages, unreadable }
}

function unreadableProcess(pid: number, cause: unknown): PstraceError {
  return new PstraceError(
    'capture-process',
    `process ${pid}: its memory cannot be read; it must run, and you need the rights of a debugger (its user with ptrace allowed, or root)`,
    { cause },
  )
}

/** Private writable mappings; kernel-provided ones are left out. */
function writableMappings(maps: string): Mapping[] {
  const mappings: Mapping[] = []
  for (const line of maps.split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) .w.p \S+ \S+ \S+ *(.*)$/.exec(line)
    if (match === null || match[3]?.startsWith('[v') === true) continue
    mappings.push({ start: BigInt(`0x${match[1]}`), end: BigInt(`0x${match[2]}`) })
  }
  return mappings
}

function readPage(descriptor: number, page: Uint8Array, address: bigint): boolean {
  try {
    return readSync(descriptor, page, 0, page.length, address) === page.length
  } catch {
    // The mapping went away between the two reads.
    return false
  }
}

const PT_LOAD = 1
const PF_W = 2

/** Every whole page of the writable segments of a 64-bit little-endian ELF core file. */
export function captureCore(path: string, sink: PageSink, pageSize = 4096): CaptureResult {
  const descriptor = openSync(path, 'r')
  try {
    const head = Buffer.alloc(64)
    readSync(descriptor, head, 0, 64, 0)
    if (head.toString('latin1', 0, 4) !== '\x7fELF' || head[4] !== 2 || head[5] !== 1) {
      throw new PstraceError(
        'capture-core',
        `${path}: not a 64-bit little-endian ELF file; found ${head.toString('hex', 0, 6)}`,
        { exitStatus: 3 },
      )
    }
    const type = head.readUInt16LE(16)
    if (type !== 4) {
      throw new PstraceError(
        'capture-core',
        `${path}: an ELF file, but not a core file (type ${type}, expected 4)`,
        { exitStatus: 3 },
      )
    }
    const size = fstatSync(descriptor).size
    const table = Number(head.readBigUInt64LE(32))
    const entryBytes = head.readUInt16LE(54)
    const entryCount = head.readUInt16LE(56)
    const entry = Buffer.alloc(56)
    const page = new Uint8Array(pageSize)
    let pages = 0
    let unreadable = 0
    for (let index = 0; index < entryCount; index += 1) {
      if (readSync(descriptor, entry, 0, 56, table + index * entryBytes) !== 56) {
        throw new PstraceError(
          'capture-core',
          `${path}, byte ${table + index * entryBytes}: the file ends in segment ${index} of ${entryCount}`,
          { exitStatus: 3 },
        )
      }
      if (entry.readUInt32LE(0) !== PT_LOAD || (entry.readUInt32LE(4) & PF_W) === 0) continue
      const offset = Number(entry.readBigUInt64LE(8))
      const bytes = Number(entry.readBigUInt64LE(32))
      for (let at = offset; at + pageSize <= offset + bytes; at += pageSize) {
        if (at + pageSize > size) {
          unreadable += 1
          continue
        }
        readSync(descriptor, page, 0, pageSize, at)
        pages += 1
        if (!sink(page)) return { pages, unreadable }
      }
    }
    return { pages, unreadable }
  } finally {
    closeSync(descriptor)
  }
}

/** A file of pages one after the other: a raw memory dump, or what `pages capture` writes. A rest shorter than a page is an error. */
export function captureRaw(path: string, sink: PageSink, pageSize = 4096): CaptureResult {
  const descriptor = openSync(path, 'r')
  try {
    const { size } = fstatSync(descriptor)
    if (size % pageSize !== 0) {
      throw new PstraceError(
        'capture-raw',
        `${path}: ${size} bytes are not a whole number of pages of ${pageSize}`,
        { exitStatus: 3 },
      )
    }
    const chunk = new Uint8Array(256 * pageSize)
    let pages = 0
    for (let at = 0; at < size; ) {
      const got = readSync(descriptor, chunk, 0, chunk.length, at)
      if (got === 0) break
      for (let offset = 0; offset + pageSize <= got; offset += pageSize) {
        pages += 1
        if (!sink(chunk.subarray(offset, offset + pageSize))) return { pages, unreadable: 0 }
      }
      at += got - (got % pageSize)
      if (got < pageSize) break
    }
    return { pages, unreadable: 0 }
  } finally {
    closeSync(descriptor)
  }
}
