import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { binary } from '../shared/binary.ts'
import { openSample } from './sample-database.ts'

const folder = mkdtempSync(join(tmpdir(), 'pstrace-commands-'))
const path = join(folder, 'sample.duckdb')

beforeAll(async () => {
  const database = await openSample({ path })
  await database.run('CHECKPOINT')
  database.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function pstrace(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [binary(), ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, PSTRACE_DB: path },
  })
  return { status, stdout, stderr }
}

describe('pstrace chart', () => {
  it('lists the charts without a name', () => {
    const { status, stdout } = pstrace('chart')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^timeline +Free memory/m)
  })

  it('takes the form from the extension of the output', () => {
    expect(pstrace('chart', 'kswapd-split', '-o', 'a.png', '--quiet')).toMatchObject({
      status: 0,
      stdout: '',
      stderr: '',
    })
    expect(readFileSync(join(folder, 'a.png')).subarray(1, 4).toString()).toBe('PNG')
    expect(pstrace('chart', 'kswapd-split', '-o', 'a.json').status).toBe(0)
    expect(pstrace('chart', 'kswapd-split', '-o', 'a.gif').stderr).toContain('ends in one of .svg')
    expect(existsSync(join(folder, 'a.gif'))).toBe(false)
    const spec = JSON.parse(readFileSync(join(folder, 'a.json'), 'utf8')) as { $schema: string }
    expect(spec.$schema).toMatch(/vega-lite\/v6\.json$/)
  })

  it('prints SVG on standard output, of the chosen runs only', () => {
    const { status, stdout } = pstrace('chart', 'order', '--run', 'kcompressd')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^<svg /)
    expect(stdout).toContain('>kcompressd</text>')
    expect(stdout).not.toContain('>parallel</text>')
  })

  it('ends with 2 for an unknown chart and suggests the nearest', () => {
    const { status, stderr } = pstrace('chart', 'timelin')
    expect(status).toBe(2)
    expect(stderr).toContain('Did you mean timeline?')
  })

  it('ends with 3 where there is nothing to draw, and says what is missing', () => {
    const { status, stdout, stderr } = pstrace('chart', 'queue-depth', '--run', 'recording')
    expect(status).toBe(3)
    expect(stdout).toBe('')
    expect(stderr).toContain('no policy with a queue')
  })
})

describe('pstrace report', () => {
  it('prints Markdown on standard output, and plain text when asked', () => {
    expect(pstrace('report').stdout).toMatch(/^# Reclaim of busy/)
    expect(pstrace('report', '--format', 'lkml').stdout).toMatch(/^trace: +busy/)
  })

  it('never replaces a file unless it is told to', () => {
    writeFileSync(join(folder, 'mine.md'), 'mine')
    const refused = pstrace('report', '-o', 'mine.md')
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('--force')
    expect(readFileSync(join(folder, 'mine.md'), 'utf8')).toBe('mine')
    expect(pstrace('report', '-o', 'mine.md', '--force').status).toBe(0)
    expect(readFileSync(join(folder, 'mine.md'), 'utf8')).toMatch(/^# Reclaim/)
  })

  it('leaves no file behind when it fails', () => {
    expect(pstrace('report', '--trace', 'nobody', '-o', 'none.html').status).toBe(2)
    expect(existsSync(join(folder, 'none.html'))).toBe(false)
  })
})
