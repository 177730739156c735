import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { captureCore, capturePid, captureRaw } from '../../src/io/page-capture.ts'

const folder = mkdtempSync(join(tmpdir(), 'pstrace-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A core file with two segments: one writable of three pages, one read-only of one. */
function makeCore(): Buffer {
  const core = Buffer.alloc(4096 * 5)
  core.write('\x7fELF\x02\x01\x01', 'latin1')
  core.writeUInt16LE(4, 16)
  core.writeBigUInt64LE(64n, 32)
  core.writeUInt16LE(56, 54)
  core.writeUInt16LE(2, 56)
  const segment = (at: number, flags: number, offset: number, bytes: number): void => {
    core.writeUInt32LE(1, at)
    core.writeUInt32LE(flags, at + 4)
    core.writeBigUInt64LE(BigInt(offset), at + 8)
    core.writeBigUInt64LE(BigInt(bytes), at + 32)
  }
  segment(64, 6, 4096, 3 * 4096)
  segment(120, 4, 4 * 4096, 4096)
  for (let page = 1; page < 5; page += 1) core.fill(page, page * 4096, (page + 1) * 4096)
  return core
}

function firstBytes(capture: (sink: (page: Uint8Array) => boolean) => unknown): number[] {
  const bytes: number[] = []
  capture((page) => bytes.push(page[0] ?? -1) > 0)
  return bytes
}

describe('captureCore', () => {
  test('gives the pages of writable segments only', () => {
    const path = join(folder, 'core')
    writeFileSync(path, makeCore())
    expect(firstBytes((sink) => captureCore(path, sink))).toEqual([1, 2, 3])
  })

  test('counts pages that a cut file lacks', () => {
    const path = join(folder, 'cut')
    writeFileSync(path, makeCore().subarray(0, 3 * 4096))
    expect(captureCore(path, () => true)).toEqual({ pages: 2, unreadable: 1 })
  })

  test('refuses files of another kind, naming them', () => {
    const path = join(folder, 'text')
    writeFileSync(path, 'hello')
    expect(() => captureCore(path, () => true)).toThrow(/text: not a 64-bit/)
    const program = makeCore()
    program.writeUInt16LE(2, 16)
    writeFileSync(path, program)
    expect(() => captureCore(path, () => true)).toThrow(/not a core file \(type 2/)
  })
})

describe('captureRaw', () => {
  test('gives the pages in order and stops when told', () => {
    const path = join(folder, 'raw')
    writeFileSync(path, makeCore())
    expect(firstBytes((sink) => captureRaw(path, sink))).toEqual([127, 1, 2, 3, 4])
    expect(captureRaw(path, () => false).pages).toBe(1)
  })

  test('refuses a rest shorter than a page', () => {
    const path = join(folder, 'odd')
    writeFileSync(path, Buffer.alloc(4100))
    expect(() => captureRaw(path, () => true)).toThrow(/4100 bytes/)
  })
})

describe.runIf(process.platform === 'linux')('capturePid', () => {
  test('finds what a process holds in memory', async () => {
    const mark = 'a page of the child'.repeat(300)
    const child = spawn(
      process.execPath,
      [
        '-e',
        `globalThis.keep = Buffer.from(${JSON.stringify('a page of the child')}.repeat(300)); console.log('ready'); setInterval(() => {}, 1e6)`,
      ],
      { env: {}, stdio: ['ignore', 'pipe', 'ignore'] },
    )
    await once(child.stdout, 'data')
    try {
      let found = 0
      const { pages } = capturePid(child.pid ?? 0, (page) => {
        if (mark.includes(Buffer.from(page.subarray(2048, 2148)).toString('latin1'))) found += 1
        return true
      })
      expect(pages).toBeGreaterThan(500)
      expect(found).toBeGreaterThan(0)
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('says what is needed where a process cannot be read', () => {
    expect(() => capturePid(2 ** 30, () => true)).toThrow(/rights of a debugger/)
  })
})
