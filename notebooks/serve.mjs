#!/usr/bin/env node
// Which policy for this device: builds the database from a recording, builds the page and serves it on localhost.
//   npm run notebooks                      the fixture, then http://localhost:8733/which-policy.html
//   npm run notebooks -- FILE              another recording
//   npm run notebooks -- --build-only      build, do not serve
//   npm run notebooks -- --execute         execute the Jupyter edition too (needs jupyter nbconvert)
//   npm run notebooks -- --out DIR         work in DIR, a folder of the project, instead of notebooks/
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(here)
const cli = join(root, 'dist/src/cli/main.js')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'build-only': { type: 'boolean', default: false },
    execute: { type: 'boolean', default: false },
    out: { type: 'string', default: here },
    port: { type: 'string', default: '8733' },
  },
})
const recording = resolve(positionals[0] ?? join(root, 'fixtures/zram-lz4-6.1/trace.dat'))
const out = resolve(values.out)

if (!existsSync(cli)) fail('dist is not built; run `npm run build` first')
if (!existsSync(recording)) fail(`${recording}: no such file`)
mkdirSync(out, { recursive: true })
// The page's builder looks for its fonts in node_modules above it.
if (!realpathSync(out).startsWith(`${realpathSync(root)}${sep}`))
  fail(`--out ${values.out}: a folder below ${root} was expected`)

const device = join(out, 'device.duckdb')
// An older program's tables may be others.
const isCurrent = [recording, cli].every(
  (path) => existsSync(device) && statSync(device).mtimeMs >= statSync(path).mtimeMs,
)
if (!isCurrent) {
  for (const end of ['', '.wal']) rmSync(device + end, { force: true })
  run([cli, 'ingest', recording, '--db', device])
  run([cli, 'replay', '--db', device])
}

const { writePageTables } = await import('./page-tables.mjs')
const page = join(out, 'which-policy.duckdb')
await writePageTables(device, page)

if (out !== here) {
  copyFileSync(join(here, 'which-policy.html'), join(out, 'which-policy.html'))
  const notebook = readFileSync(join(here, 'which-policy.ipynb'), 'utf8')
  writeFileSync(join(out, 'which-policy.ipynb'), notebook.replaceAll('../dist/', `${root}/dist/`))
}

await answerQueries(join(out, 'which-policy.html'), page)
const site = join(out, '.observable/dist')
rmSync(site, { recursive: true, force: true })
const notebooks = join(root, 'node_modules/@observablehq/notebook-kit/dist/bin/notebooks.js')
if (!existsSync(notebooks)) fail('@observablehq/notebook-kit is not installed; run `npm ci`')
run([notebooks, 'build', '--root', '.', '--', 'which-policy.html'], { cwd: out })
console.log(join(site, 'which-policy.html'))
if (values.execute) executeJupyter()

if (!values['build-only']) serve(site, Number(values.port))

/**
 * Runs the page's SQL cells into the builder's cache. The builder keys the cache by the text of a query, not by what the database holds, so
 * old answers go first; and its own DuckDB client (notebook-kit 2.1.8) imports a name that @duckdb/node-api 1.5 no longer has.
 */
async function answerQueries(path, database) {
  const [{ deserialize }, { getQueryCachePath }, { JSDOM }, { DuckDBInstance }] = await Promise.all(
    [
      import('@observablehq/notebook-kit'),
      import('@observablehq/notebook-kit/databases'),
      import('jsdom'),
      import('@duckdb/node-api'),
    ],
  ).catch((error) => fail(`${error.message}; run \`npm ci\``))
  rmSync(join(dirname(path), '.observable/cache'), { recursive: true, force: true })
  const instance = await DuckDBInstance.create(database, { access_mode: 'READ_ONLY' })
  const connection = await instance.connect()
  const parser = new new JSDOM().window.DOMParser()
  for (const cell of deserialize(readFileSync(path, 'utf8'), { parser }).cells) {
    if (cell.mode !== 'sql') continue
    const reader = await connection.runAndReadAll(cell.value)
    const schema = reader.columnNames().map((name, i) => ({
      name,
      type: String(reader.columnType(i)) === 'DOUBLE' ? 'number' : 'string',
    }))
    const answer = { rows: reader.getRowObjectsJson(), schema, duration: 0, date: new Date() }
    const cached = await getQueryCachePath(path, cell.database, [cell.value])
    mkdirSync(dirname(cached), { recursive: true })
    writeFileSync(cached, JSON.stringify(answer))
  }
  connection.closeSync()
  instance.closeSync()
}

/** The kernel is described to Jupyter by hand: `tslab install` looks for IPython, which running a notebook does not need. */
function executeJupyter() {
  const tslab = join(root, 'node_modules/tslab/bin/tslab')
  const data = join(out, '.observable/jupyter')
  const kernel = join(data, 'kernels/tslab')
  mkdirSync(kernel, { recursive: true })
  const argv = [process.execPath, tslab, 'kernel', '--config-path', '{connection_file}']
  writeFileSync(
    join(kernel, 'kernel.json'),
    JSON.stringify({ argv, display_name: 'TypeScript', language: 'typescript' }),
  )
  const args = ['nbconvert', '--to', 'notebook', '--execute', 'which-policy.ipynb']
  run([...args, '--output-dir', '.observable'], {
    command: 'jupyter',
    cwd: out,
    env: { ...process.env, JUPYTER_PATH: data },
  })
  console.log(join(out, '.observable/which-policy.ipynb'))
}

function run(args, { command = process.execPath, ...options } = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options })
  if (error !== undefined) fail(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

function fail(message) {
  console.error(`notebooks: ${message}`)
  process.exit(1)
}

/** Files of one folder, to this machine only. */
function serve(folder, port) {
  const types = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.json': 'application/json',
    '.woff2': 'font/woff2',
  }
  const server = createServer((request, response) => {
    if (request.url === '/favicon.ico') {
      response.writeHead(204).end()
      return
    }
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const wanted = pathname === '/' ? '/which-policy.html' : decodeURIComponent(pathname)
    const path = resolve(join(folder, wanted))
    if (!path.startsWith(folder + sep) || !existsSync(path) || !statSync(path).isFile()) {
      response.writeHead(404).end('not found\n')
      return
    }
    response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' })
    response.end(readFileSync(path))
  })
  server.on('error', (error) => fail(error.message))
  server.listen(port, '127.0.0.1', () =>
    console.log(`http://localhost:${server.address().port}/which-policy.html  (Ctrl-C ends it)`),
  )
}
