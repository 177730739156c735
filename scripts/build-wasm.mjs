// Compiles src/memory/codecs/assembly/*.ts (AssemblyScript) to src/memory/codecs/wasm/*.wasm.ts: committed modules that hold
// the bytes in base64, so that users need no compiler. `--check` writes nothing and fails where a committed module is stale.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const folder = fileURLToPath(new URL('../src/memory/codecs/', import.meta.url))

/** The text of the committed module for one AssemblyScript file. */
export async function compileCodec(file) {
  const path = join(folder, 'assembly', file)
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
      '--sharedMemory',
      '--maximumMemory',
      '65536',
      '--initialMemory',
      '1',
      '--enable',
      'threads',
      '--use',
      'abort=',
    ],
    {
      stderr,
      readFile: (name) => {
        if (basename(name) === 'input.ts') return readFileSync(path, 'utf8')
        const sibling = join(folder, 'assembly', basename(name))
        return existsSync(sibling) ? readFileSync(sibling, 'utf8') : null
      },
      writeFile: (name, contents) => {
        if (name === 'output.wasm') binary = contents
      },
      listFiles: () => [],
    },
  )
  if (error || binary === undefined) throw new Error(`${file}: ${stderr.toString()}`)
  const text = Buffer.from(binary).toString('base64')
  const name = file.replace(/\.ts$/, '')
  return `// Built from assembly/${file} by scripts/build-wasm.mjs: do not edit.\nexport const ${name}Wasm =\n  '${text}'\n`
}

/** Every codec source that has exports of its own; files beginning with an underscore are parts. */
export function codecSources() {
  return readdirSync(join(folder, 'assembly')).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('_'),
  )
}

export function committedPath(file) {
  return join(folder, 'wasm', file.replace(/\.ts$/, '.wasm.ts'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check')
  mkdirSync(join(folder, 'wasm'), { recursive: true })
  for (const file of codecSources()) {
    const text = await compileCodec(file)
    const path = committedPath(file)
    if (check) {
      if (readFileSync(path, 'utf8') !== text) {
        console.error(`${path} is not what ${file} compiles to: run node scripts/build-wasm.mjs`)
        process.exitCode = 1
      }
    } else {
      writeFileSync(path, text)
      console.log(`${file}: ${text.length} characters`)
    }
  }
}
