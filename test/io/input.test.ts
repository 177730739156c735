import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ByteSource } from '../../parsers/index.ts'
import { openInput } from '../../src/io/input.ts'
import { PstraceError } from '../../src/model/error.ts'
import { zstdCompressSync } from '../parsers/zstd-command.ts'
import { isInstalled } from '../shared/installed.ts'

const hasZstd = isInstalled('zstd')
let folder = ''
let spool = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-test-'))
  spool = join(folder, 'spool')
  mkdirSync(spool)
})
afterEach(() => rmSync(folder, { recursive: true }))

/** 3 MB that do not repeat in an obvious way. */
const CONTENT = (() => {
  const bytes = new Uint8Array(3_000_000)
  let state = 1
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 28
  }
  return bytes
})()

function readWhole(source: ByteSource): Uint8Array {
  const bytes = new Uint8Array(source.size)
  let done = 0
  while (done < bytes.length) {
    const read = source.readInto(done, bytes.subarray(done))
    if (read === 0) break
    done += read
  }
  return bytes.subarray(0, done)
}

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001)
}

const isEqual = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof PstraceError) return error.code
    throw error
  }
  return 'no error'
}

describe('openInput', () => {
  it('gives a plain file as it is', async () => {
    const input = await openInput(write('plain', CONTENT), { temporaryFolder: spool })
    expect(input.compression).toBe('none')
    expect(isEqual(readWhole(input.source), CONTENT)).toBe(true)
    expect(input.sha256()).toBe(createHash('sha256').update(CONTENT).digest('hex'))
    input.close()
  })

  const packers: [string, (bytes: Uint8Array) => Uint8Array][] = [
    ['gzip', (bytes) => gzipSync(bytes)],
  ]
  if (hasZstd) packers.push(['zstd', zstdCompressSync])

  describe.each(packers)('of %s data', (compression, pack) => {
    it('unpacks by content whatever the name, and hashes what was given', async () => {
      const packed = pack(CONTENT)
      const input = await openInput(write('trace.txt', packed), { temporaryFolder: spool })
      expect(input.compression).toBe(compression)
      expect(isEqual(readWhole(input.source), CONTENT)).toBe(true)
      expect(input.sha256()).toBe(createHash('sha256').update(packed).digest('hex'))
      input.close()
      expect(readdirSync(spool)).toEqual([])
    })

    it('unpacks several members in a row', async () => {
      const half = CONTENT.length / 2
      const packed = Buffer.concat([pack(CONTENT.subarray(0, half)), pack(CONTENT.subarray(half))])
      const input = await openInput(write('two', packed), { temporaryFolder: spool })
      expect(isEqual(readWhole(input.source), CONTENT)).toBe(true)
      input.close()
    })

    it('ends with one error when cut or damaged, and leaves no temporary file', async () => {
      const packed = pack(CONTENT)
      const cut = write('cut', packed.subarray(0, packed.length - 1000))
      expect(await failure(openInput(cut, { temporaryFolder: spool }))).toBe(
        'corrupt_compressed_input',
      )
      const damaged = packed.slice()
      damaged.fill(0xff, 1_000_000, 1_000_300)
      expect(await failure(openInput(write('bad', damaged), { temporaryFolder: spool }))).toBe(
        'corrupt_compressed_input',
      )
      expect(readdirSync(spool)).toEqual([])
    })

    it('stops when it unpacks to more than any trace holds', async () => {
      const bomb = write('bomb', pack(new Uint8Array(1 << 24)))
      const options = { temporaryFolder: spool, maxUnpackedBytes: 1 << 20 }
      expect(await failure(openInput(bomb, options))).toBe('compression_bomb')
      expect(readdirSync(spool)).toEqual([])
    })

    it('unpacks standard input', async () => {
      const input = await openInput('-', { stdin: inPieces(pack(CONTENT)), temporaryFolder: spool })
      expect(input.source.name).toBe('-')
      expect(isEqual(readWhole(input.source), CONTENT)).toBe(true)
      input.close()
      expect(readdirSync(spool)).toEqual([])
    })
  })

  it('spools standard input so that it can be read at any place, and removes it', async () => {
    const input = await openInput('-', { stdin: inPieces(CONTENT), temporaryFolder: spool })
    const tail = new Uint8Array(100)
    expect(input.source.readInto(CONTENT.length - 100, tail)).toBe(100)
    expect(isEqual(tail, CONTENT.subarray(-100))).toBe(true)
    expect(input.source.readInto(CONTENT.length, tail)).toBe(0)
    input.close()
    expect(readdirSync(spool)).toEqual([])
  })

  it('removes the spool when standard input fails', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield CONTENT.subarray(0, 10)
      throw new Error('pipe broke')
    }
    await expect(openInput('-', { stdin: broken(), temporaryFolder: spool })).rejects.toThrow(
      'pipe broke',
    )
    expect(readdirSync(spool)).toEqual([])
  })

  it('names what is wrong with a path', async () => {
    expect(await failure(openInput(join(folder, 'none')))).toBe('no_such_file')
    expect(await failure(openInput('/dev/null'))).toBe('not_a_file')
  })

  it('gives the files of a folder', async () => {
    const root = join(folder, 'recorded')
    mkdirSync(join(root, 'events/vmscan'), { recursive: true })
    writeFileSync(join(root, 'events/vmscan/format'), 'name: x')
    writeFileSync(join(root, 'data'), CONTENT)
    symlinkSync('/etc/passwd', join(root, 'link'))
    const input = await openInput(root)
    expect(input.source.size).toBe(0)
    expect(input.folder?.paths).toEqual(['data', 'events/vmscan/format'])
    const file = input.folder?.open('data')
    expect(file?.name).toBe(`${root}/data`)
    expect(file !== undefined && isEqual(readWhole(file), CONTENT)).toBe(true)
    file?.close()
    expect(input.folder?.open('link')).toBe(undefined)
    expect(input.folder?.open('../recorded/data')).toBe(undefined)
    const hash = input.sha256()
    writeFileSync(join(root, 'data'), CONTENT.subarray(1))
    expect((await openInput(root)).sha256()).not.toBe(hash)
  })

  it('unpacks what atrace -z printed', async () => {
    const packed = deflateSync(CONTENT)
    const mark = new TextEncoder().encode('capturing trace... done\nTRACE:\n')
    const input = await openInput(write('atrace', Buffer.concat([mark, packed])), {
      temporaryFolder: spool,
    })
    expect(input.compression).toBe('zlib')
    expect(isEqual(readWhole(input.source), CONTENT)).toBe(true)
    input.close()
    expect(readdirSync(spool)).toEqual([])
  })

  it('gives a stream as it comes, and what has come when it is stopped', async () => {
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    async function* running() {
      yield Uint8Array.of(1, 2)
      yield Uint8Array.of(3)
      await held
      yield Uint8Array.of(4)
    }
    const { live } = await openInput('-', { stdin: running(), isStream: () => true })
    const got: number[] = []
    while (got.length < 3) {
      await live?.wait()
      got.push(...(live?.next() ?? []))
    }
    expect(got).toEqual([1, 2, 3])
    live?.stop()
    await live?.wait()
    expect(live?.next()).toBe(undefined)
    release()
  })

  it('opens an empty file', async () => {
    const input = await openInput(write('empty', new Uint8Array(0)))
    expect(input.source.size).toBe(0)
    input.close()
    expect(readFileSync(join(folder, 'empty')).length).toBe(0)
  })
})
