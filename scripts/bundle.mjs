// Programs as they are released: few modules instead of hundreds, each of which costs its reader a part of a millisecond at the start.
import { readFileSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Stands for the folder of the bundle, seen from the file that it occurs in. */
const BUNDLE = 'pstrace-bundle:'

/** Modules find files beside themselves (SQL, threads' programs): each keeps its own address, whatever file it is bundled into. */
const ownAddresses = {
  name: 'own-addresses',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (!text.includes('import.meta.url')) return undefined
      const own = relative(root, path).replaceAll('\\', '/').replace(/ts$/, 'js')
      const address = `new URL('${BUNDLE}${own}', import.meta.url).href`
      return { contents: text.replaceAll('import.meta.url', address), loader: 'ts' }
    })
  },
}

/**
 * Bundles programs, sources named from the project's root without `.ts`, into the same places below `outdir`. What several of
 * them use, and what is imported when it is needed, is in files of its own.
 */
export async function bundle(programs, outdir) {
  rmSync(`${outdir}/chunks`, { recursive: true, force: true })
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: programs.map((program) => `${program}.ts`),
    outbase: '.',
    outdir: resolve(outdir),
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    plugins: [ownAddresses],
    write: false,
  })
  for (const { path, text } of outputFiles) {
    const up = `${relative(dirname(path), resolve(outdir)) || '.'}/`
    await mkdir(dirname(path), { recursive: true })
    await writeFile(
      path,
      path.endsWith('.js') ? text.replaceAll(BUNDLE, up.replaceAll('\\', '/')) : text,
    )
  }
}
