import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { OutputFile, writeOutput } from '../../src/io/output.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-test-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('OutputFile', () => {
  it('appears under its name only when committed', () => {
    const path = join(folder, 'out.csv')
    const file = new OutputFile(path, { overwrite: false })
    file.write('a,b\n')
    file.write(new TextEncoder().encode('1,2\n'))
    expect(readdirSync(folder)).not.toContain('out.csv')
    file.commit()
    expect(readdirSync(folder)).toEqual(['out.csv'])
    expect(readFileSync(path, 'utf8')).toBe('a,b\n1,2\n')
  })

  it('leaves nothing when abandoned', () => {
    const file = new OutputFile(join(folder, 'out'), { overwrite: false })
    file.write('x')
    file.abandon()
    expect(readdirSync(folder)).toEqual([])
  })

  it('refuses an existing file, also one that appeared meanwhile, and keeps it', () => {
    const path = join(folder, 'out')
    const file = new OutputFile(path, { overwrite: false })
    file.write('mine')
    writeFileSync(path, 'theirs')
    expect(() => file.commit()).toThrow('--force')
    expect(() => new OutputFile(path, { overwrite: false })).toThrow('already exists')
    expect(readFileSync(path, 'utf8')).toBe('theirs')
    expect(readdirSync(folder)).toEqual(['out'])
  })

  it('replaces an existing file when told to', () => {
    const path = join(folder, 'out')
    writeFileSync(path, 'old')
    writeOutput(path, 'new', { overwrite: true })
    expect(readFileSync(path, 'utf8')).toBe('new')
    expect(readdirSync(folder)).toEqual(['out'])
  })

  it('tells when the folder does not exist', () => {
    expect(() => writeOutput(join(folder, 'no', 'out'), 'x', { overwrite: false })).toThrow(
      'cannot be created',
    )
  })
})
