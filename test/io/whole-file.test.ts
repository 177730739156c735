import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { OutputFile } from '../../src/io/output.ts'
import { replaceFile, writeFileWhole } from '../../src/io/whole-file.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-test-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** What arrives in a pipe of that name while `write` runs. */
async function throughPipe(write: (path: string) => Promise<void> | void): Promise<string> {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  // Both ends, so that neither waits for the other.
  const pipe = openSync(path, constants.O_RDWR)
  try {
    await write(path)
    const bytes = Buffer.alloc(1024)
    const length = readSync(pipe, bytes)
    expect(lstatSync(path).isFIFO()).toBe(true)
    expect(readdirSync(folder)).toEqual(['pipe'])
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(pipe)
  }
}

describe('what is no regular file', () => {
  it('is written into, and stays what it is, with and without leave to replace', async () => {
    expect(
      await throughPipe((path) => writeFileWhole(path, { force: true }, ['one ', 'two'])),
    ).toBe('one two')
    rmSync(join(folder, 'pipe'))
    expect(
      await throughPipe((path) =>
        replaceFile(path, { force: false }, async (file) => writeFileSync(file, 'whole')),
      ),
    ).toBe('whole')
    rmSync(join(folder, 'pipe'))
    expect(
      await throughPipe((path) => {
        const file = new OutputFile(path, { overwrite: true })
        file.write('piece by piece')
        file.commit()
      }),
    ).toBe('piece by piece')
  })

  it('tells what it has against the bytes', async () => {
    await expect(writeFileWhole('/dev/full', { force: false }, ['x'])).rejects.toThrow(
      '/dev/full: cannot be written: no space is left on its device',
    )
    mkdirSync(join(folder, 'reports'))
    for (const force of [false, true])
      await expect(writeFileWhole(join(folder, 'reports'), { force }, ['x'])).rejects.toThrow(
        'it is a folder',
      )
  })
})

describe('a link', () => {
  it('leads to the new file where that may replace the old one', async () => {
    const [link, target] = [join(folder, 'link'), join(folder, 'target')]
    writeFileSync(target, 'old')
    symlinkSync('target', link)
    await expect(writeFileWhole(link, { force: false }, ['new'])).rejects.toThrow('--force')
    await writeFileWhole(link, { force: true }, ['new'])
    expect(readFileSync(target, 'utf8')).toBe('new')
    expect(readdirSync(folder)).toEqual(['link', 'target'])
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
  })
})
