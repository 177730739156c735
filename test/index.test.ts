import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { packageFolder, ROOT } from './shared/binary.ts'
import { copyFixtureDatabase } from './shared/fixture-database.ts'

/** Runs a module in the package as it is built, where `pstrace` names the package itself. */
function run(
  name: string,
  code: string,
): { status: number | null; stdout: string; stderr: string } {
  const folder = join(packageFolder(), name)
  mkdirSync(folder, { recursive: true })
  copyFixtureDatabase(join(folder, 'pstrace.duckdb'))
  writeFileSync(join(folder, 'example.mjs'), code)
  return spawnSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' })
}

const EXAMPLES = [
  ...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs),
].map((match) => match[1] ?? '')

beforeAll(() => copyFixtureDatabase(join(packageFolder(), 'first-use.duckdb')), 600_000)

describe('the README', () => {
  it('shows the library in one example', () => {
    expect(EXAMPLES).toHaveLength(1)
  })

  it('has an example that runs and prints a line for the recording and each run', () => {
    const { status, stdout, stderr } = run('readme-example', EXAMPLES[0] ?? '')
    expect(status, stderr).toBe(0)
    for (const label of ['recording', 'kswapd', 'kcompressd', 'parallel'])
      expect(stdout).toMatch(new RegExp(`^${label} \\d{9,}$`, 'm'))
  })
})

describe('the package', () => {
  it('exports only names that are there, from both entries', () => {
    const { status, stdout, stderr } = run(
      'names',
      `import * as all from 'pstrace'
       import * as parsers from 'pstrace/parsers'
       console.log(JSON.stringify([all, parsers].map((names) => Object.entries(names).filter(([, value]) => value === undefined).map(([name]) => name))))
       console.log([typeof all.replay, typeof all.Database.open, typeof parsers.openTrace].join())`,
    )
    expect(status, stderr).toBe(0)
    expect(stdout).toBe('[[],[]]\nfunction,function,function\n')
  })
})
