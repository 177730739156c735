import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const json = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'))

interface LockedPackage {
  readonly version?: string
  readonly license?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly hasInstallScript?: boolean
  readonly resolved?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
const lock: Readonly<Record<string, LockedPackage>> = json('package-lock.json').packages
const required = Object.entries(lock).filter(([path, p]) => path !== '' && !p.dev)

/** Licences under which a dependency may travel with an Apache-2.0 program. */
const ACCEPTED = new Set([
  'Apache-2.0',
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'MPL-2.0',
  'Unlicense',
  'Bitstream-Vera',
  '(MIT OR Apache-2.0)',
  'MIT AND BSD-3-Clause',
  // dejavu-fonts-ttf: the fonts' own licence (Bitstream Vera and Arev terms, changes in the public domain).
  'SEE LICENSE IN README.md AND LICENSE',
])

describe('package', () => {
  it('promises files that the build makes', () => {
    const manifest = json('package.json')
    const targets = [
      manifest.bin.pstrace,
      ...Object.values<Record<string, string>>(manifest.exports).flatMap((e) => Object.values(e)),
    ]
    expect(targets.filter((target) => !existsSync(join(root, target)))).toEqual([])
    expect(manifest.type).toBe('module')
    expect(manifest.engines.node).toBe('>=20')
    expect(Object.keys(manifest.exports['.'])[0]).toBe('types')
  })

  it('holds what programs find beside themselves', () => {
    const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
    })
    const [{ files }] = JSON.parse(packed.stdout)
    const paths = new Set(files.map(({ path }: { path: string }) => path))
    const needed = [
      'dist/src/database/empty.duckdb',
      'dist/src/database/writer-thread.js',
      'dist/src/analysis/views/stalls.sql',
    ]
    expect(needed.filter((path) => !paths.has(path))).toEqual([])
  })

  it('starts without a package: a command loads what it needs', () => {
    const { packages, bytes } = staticallyImported(join(root, 'dist/src/cli/main.js'))
    expect(packages).toEqual([])
    expect(bytes).toBeLessThan(32 * 1024)
  })

  it('pins every version exactly', () => {
    const { dependencies, devDependencies } = json('package.json')
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, range]) => !/^\d/.test(String(range)),
    )
    expect(loose).toEqual([])
  })

  it('requires no package that runs an install script', () => {
    expect(required.filter(([, p]) => p.hasInstallScript && !p.optional)).toEqual([])
  })

  it('locks the packages of every platform, which npm leaves out when a registry does not serve one', () => {
    const named = Object.values(lock).flatMap((p) => Object.keys(p.optionalDependencies ?? {}))
    const missing = named.filter((name) => lock[`node_modules/${name}`]?.version === undefined)
    expect(missing).toEqual([])
  })

  it('records no download address', () => {
    expect(Object.values(lock).filter((p) => p.resolved?.startsWith('http'))).toEqual([])
  })

  it('uses only licences that may travel with it', () => {
    const unknown = required
      .filter(([, p]) => !p.optional)
      .map(([path, p]) => ({ path, license: p.license ?? licenseOf(path) }))
      .filter(({ license }) => !ACCEPTED.has(license))
    expect(unknown).toEqual([])
  })

  it('names every required package in NOTICE', () => {
    const notice = readFileSync(join(root, 'NOTICE'), 'utf8')
    const direct = Object.keys(json('package.json').dependencies)
    expect(direct.filter((name) => !notice.includes(`${name} `))).toEqual([])
  })
})

function licenseOf(path: string): string {
  const file = join(root, path, 'package.json')
  if (!existsSync(file)) return 'not installed'
  const { license, licenses } = JSON.parse(readFileSync(file, 'utf8'))
  return license?.type ?? license ?? licenses?.[0]?.type ?? 'none stated'
}

/** What a bundled program loads before its first line runs. */
function staticallyImported(program: string): { packages: string[]; bytes: number } {
  const files = new Set([program])
  const packages: string[] = []
  let bytes = 0
  for (const file of files) {
    const code = readFileSync(file, 'utf8')
    bytes += code.length
    for (const [, target = ''] of code.matchAll(
      /^(?:import|export|\}) ?(?:.* from )?"([^"]+)";$/gm,
    ))
      if (target.startsWith('.')) files.add(join(dirname(file), target))
      else if (!target.startsWith('node:')) packages.push(target)
  }
  return { packages, bytes }
}
