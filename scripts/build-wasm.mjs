// Compiles the AssemblyScript of the folders assembly/ to modules in wasm/ beside them that hold the bytes in base64: they are
// committed, so that users need no compiler. `--check` writes nothing and fails where a committed module is stale.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const root = fileURLToPath(new URL('../', import.meta.url))
/** Those of src/memory work in one memory with other threads; that of records must stay where it is when it grows. */
const folders = [
  'src/memory/codecs',
  'src/memory/contents',
  'src/ingest',
  'parsers',
  'parsers/text',
]
const SHARED = ['--sharedMemory', '--maximumMemory', '65536', '--enable', 'threads']

/** The text of the committed module for one AssemblyScript file. */
export async function compileAssembly(path) {
  let binary
  const stderr = asc.createMemoryStream()
  const { error } = await asc.main(
    [
      'input.ts',
      '--outFile',
      'output.wasm',
      '-O3',
      '--noAssert',
      '--runtime',
      'stub',
      '--importMemory',
      ...(path.includes('/parsers/text/') ? [] : SHARED),
      '--initialMemory',
      '1',
      '--enable',
      'simd',
      '--use',
      'abort=',
    ],
    {
      stderr,
      readFile: (name) => {
        if (basename(name) === 'input.ts') return readFileSync(path, 'utf8')
        const sibling = join(dirname(path), basename(name))
        return existsSync(sibling) ? readFileSync(sibling, 'utf8') : null
      },
      writeFile: (name, contents) => {
        if (name === 'output.wasm') binary = contents
      },
      listFiles: () => [],
    },
  )
  if (error || binary === undefined) throw new Error(`${path}: ${stderr.toString()}`)
  const text = Buffer.from(binary).toString('base64')
  const name = basename(path, '.ts').replace(/-(.)/g, (_, letter) => letter.toUpperCase())
  return `// Built from assembly/${basename(path)} by scripts/build-wasm.mjs: do not edit.\nexport const ${name}Wasm =\n  '${text}'\n`
}

/** Every source that becomes a module; files beginning with an underscore are parts of others. */
export function assemblySources() {
  return folders.flatMap((folder) => {
    const path = join(root, folder, 'assembly')
    return readdirSync(path)
      .filter((name) => name.endsWith('.ts') && !name.startsWith('_'))
      .map((name) => join(path, name))
  })
}

export function committedPath(path) {
  return join(dirname(path), '..', 'wasm', `${basename(path, '.ts')}.wasm.ts`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check')
  for (const source of assemblySources()) {
    const text = await compileAssembly(source)
    const path = committedPath(source)
    if (check) {
      if (readFileSync(path, 'utf8') !== text) {
        console.error(`${path} is stale: run node scripts/build-wasm.mjs`)
        process.exitCode = 1
      }
    } else {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
      console.log(`${basename(source)}: ${text.length} characters`)
    }
  }
}
