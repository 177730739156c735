import { spawnSync } from 'node:child_process'
import { cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { once } from './once.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** PSTRACE_BINARY tests another build, such as an installed package. */
const GIVEN = process.env['PSTRACE_BINARY']

/** The package as it is built from the sources now, with its notebooks; `dist` of the checkout is left alone. */
export function packageFolder(): string {
  return once('package', (folder) => {
    const node = (...args: readonly string[]) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: ROOT,
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`)
    }
    const dist = join(folder, 'dist')
    node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', dist)
    node('scripts/bundle-programs.mjs', dist)
    node('scripts/copy-assets.mjs', dist)
    node('scripts/bundle-embed.mjs', join(dist, 'src/charts/embed.bundle.js'))
    for (const name of ['package.json', 'notebooks', 'scripts'])
      cpSync(join(ROOT, name), join(folder, name), {
        recursive: true,
        filter: (path) => !path.includes('.observable') && !path.endsWith('.duckdb'),
      })
    for (const name of ['node_modules', 'fixtures'])
      symlinkSync(join(ROOT, name), join(folder, name), 'junction')
  })
}

/** The real command line. */
export function binary(): string {
  return GIVEN ?? join(packageFolder(), 'dist/src/cli/main.js')
}
