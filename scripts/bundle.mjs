// Programs as they are released: few modules instead of hundreds, each of which costs part of a millisecond at the start.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Stands for the folder of the bundle, seen from the file that it occurs in. */
const BUNDLE = 'pstrace-bundle:'

/** Modules find files beside themselves (SQL, threads' programs): each keeps its own address, whatever file it is bundled into. */
function keepAddresses(text, path) {
  if (!text.includes('import.meta.url')) return text
  const own = relative(root, path).replaceAll('\\', '/').replace(/ts$/, 'js')
  return text.replaceAll('import.meta.url', `new URL('${BUNDLE}${own}', import.meta.url).href`)
}

/** A package of 120 files, read as one by who has it to itself. */
const DUCKDB = '@duckdb/node-api'
const DUCKDB_FILE = 'chunks/duckdb-node-api.cjs'

function readDuckdbAsOne(text, path) {
  const file = relative(dirname(path), `${root}${DUCKDB_FILE}`).replaceAll('\\', '/')
  return text.replace(`require('${DUCKDB}')`, `require('${file}')`)
}

function sources(...edits) {
  return {
    name: 'sources',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => ({
        contents: edits.reduce((text, edit) => edit(text, path), readFileSync(path, 'utf8')),
        loader: 'ts',
      }))
    },
  }
}

/**
 * Bundles programs, sources named from the project's root without `.ts`, into the same places below `outdir`. What several of
 * them use, and what is imported only when it is needed, is in files of its own.
 */
export async function bundlePrograms(programs, outdir) {
  await bundle(programs, outdir, sources(keepAddresses, readDuckdbAsOne))
  await bundleDuckdb(`${outdir}/${DUCKDB_FILE}`)
  const maker = fileURLToPath(new URL('new-database.mjs', import.meta.url))
  execFileSync(process.execPath, [maker, `${outdir}/src/database/empty.duckdb`])
}

/** The same for modules that others import, beside packages that they may import too. */
export async function bundleLibrary(modules, outdir) {
  await bundle(modules, outdir, sources(keepAddresses))
}

async function bundle(entries, outdir, plugin) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: entries.map((entry) => `${entry}.ts`),
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
    plugins: [plugin],
    write: false,
  })
  for (const { path, text } of outputFiles) {
    const up = `${relative(dirname(path), resolve(outdir)) || '.'}/`.replaceAll('\\', '/')
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, path.endsWith('.js') ? text.replaceAll(BUNDLE, up) : text)
  }
}

async function bundleDuckdb(outfile) {
  await build({
    absWorkingDir: root,
    entryPoints: [fileURLToPath(import.meta.resolve(DUCKDB))],
    outfile: resolve(outfile),
    bundle: true,
    external: ['@duckdb/node-bindings'],
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minify: true,
    keepNames: true,
    banner: { js: `/*\n${readFileSync(`${root}node_modules/${DUCKDB}/LICENSE`, 'utf8')}*/` },
  })
}
