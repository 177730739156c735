import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generated, generatedFolder, scenarioNamed } from '../generate/file.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-doctor-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function pstrace(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', join(root, 'scripts/ts.mjs'), join(root, 'src/cli/main.ts'), ...args],
    { encoding: 'utf8', timeout: 30_000, cwd: folder },
  )
  return { status, stdout, stderr }
}

function answersOf(stdout: string): unknown[] {
  const rows = JSON.parse(stdout) as { answer: string }[]
  return rows.map(({ answer }) => answer)
}

describe('pstrace doctor', () => {
  it('says the same of one recording in every format', () => {
    const choice = { scenario: scenarioNamed('phone'), events: 1500, clock: 'boot' } as const
    const found = (['v7', 'perf', 'perfetto', 'text'] as const).map((format) => {
      const path = join(folder, format)
      writeFileSync(path, generated({ ...choice, format }).bytes)
      return answersOf(pstrace('doctor', path, '--format', 'json').stdout)
    })
    const copy = join(folder, 'copy')
    generatedFolder(choice, copy)
    found.push(answersOf(pstrace('doctor', copy, '--format', 'json').stdout))
    for (const answers of found) expect(answers).toEqual(found[0])
    expect(found[0]).toContain('yes')
  })

  it('ends with status 3 when the trace can answer nothing', () => {
    const path = join(folder, 'empty.txt')
    writeFileSync(
      path,
      '# tracer: nop\n#\n          <idle>-0       [000] d..2.     1.000000: irq_exit: x=1\n',
    )
    const { status, stderr } = pstrace('doctor', path)
    expect([status, stderr]).toEqual([3, expect.stringContaining('none of these questions')])
  })
})

describe('pstrace recipe', () => {
  it('prints a script for the asked kernel', () => {
    const { status, stdout } = pstrace('recipe', '--kernel', '4.14.180', '--arch', 'arm64')
    expect(status).toBe(0)
    expect(stdout).toContain("'entry=+48(%x0):x64' swap_writeout swap_writepage")
  })

  it('ends with status 2 for a kernel that it does not know', () => {
    const { status, stderr } = pstrace('recipe', '--kernel', '3.10')
    expect([status, stderr]).toEqual([2, expect.stringContaining('4.9 to 7.1')])
  })
})
