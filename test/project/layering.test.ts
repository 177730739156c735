import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Import {
  readonly file: string
  readonly target: string
}

/**
 * Who may import whom: a layer is a path prefix; each lists the prefixes it may reach beside itself. The longest prefix that matches a
 * file is its layer.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  parsers: [],
  'src/model': [],
  'src/io': ['src/model', 'parsers'],
  'src/database': ['src/model', 'parsers'],
  'src/ingest': ['src/model', 'parsers', 'src/database'],
  'src/workload': ['src/model', 'src/database'],
  'src/policies': ['src/model'],
  'src/memory/codecs': ['src/model', 'src/memory/wasm.ts'],
  'src/memory/contents': ['src/model', 'src/memory/codecs/codec.ts', 'src/memory/wasm.ts'],
  'src/memory/pools': ['src/model'],
  'src/memory/slots': ['src/model'],
  'src/memory/backends': [
    'src/model',
    'src/memory/codecs/codec.ts',
    'src/memory/pools/pool.ts',
    'src/memory/slots/slots.ts',
  ],
  'src/replay': [
    'src/model',
    'src/workload/types.ts',
    'src/policies/policy.ts',
    'src/memory/backends/backend.ts',
    'src/memory/codecs/codec.ts',
    'src/memory/contents/contents.ts',
    'src/memory/pools/pool.ts',
    'src/memory/slots/slots.ts',
  ],
  'src/scenarios': ['src/workload/types.ts'],
  'src/threads': ['src/model', 'src/policies', 'src/replay', 'src/workload/types.ts', 'src/memory'],
  'src/analysis': ['src/model', 'src/database', 'src/workload', 'src/replay'],
  'src/charts': ['src/model'],
  'src/report': ['src/model', 'src/analysis', 'src/charts', 'src/database'],
  'src/export': ['src/model', 'src/database', 'src/analysis'],
  'src/generate': ['src/model'],
  'src/recipes': ['src/model'],
  'src/config': ['src/model'],
}

const files = ['src', 'parsers'].flatMap(sources)
const imports = files.flatMap(importsOf)

describe('layering', () => {
  it('finds the sources it is about', () => {
    expect(files).toContain('src/model/rows.ts')
    expect(imports.length).toBeGreaterThan(10)
  })

  it.each(Object.keys(MAY_IMPORT))('%s imports only the layers below it', (layer) => {
    const allowed = [layer, ...(MAY_IMPORT[layer] ?? [])]
    const wrong = imports.filter(
      ({ file, target }) =>
        layerOf(file) === layer &&
        target.includes('/') &&
        !allowed.some((prefix) => under(target, prefix)),
    )
    expect(wrong).toEqual([])
  })

  it('lets nobody import the command line, and only the command line import the generator', () => {
    const wrong = imports.filter(
      ({ file, target }) =>
        (under(target, 'src/cli') && !under(file, 'src/cli')) ||
        (under(target, 'src/generate') &&
          !under(file, 'src/generate') &&
          !under(file, 'src/cli')) ||
        under(target, 'test'),
    )
    expect(wrong).toEqual([])
  })

  // They read the package's fonts and its browser bundle.
  const OWN_ASSETS = new Set(['src/charts/font.ts', 'src/charts/render.ts'])
  it('reads files of traces in src/io only', () => {
    const wrong = files.filter(
      (file) =>
        /^(parsers|src\/(model|ingest|workload|replay|policies|memory|charts))\//.test(file) &&
        /from '(node:)?fs(\/promises)?'/.test(source(file)) &&
        !OWN_ASSETS.has(file),
    )
    expect(wrong).toEqual([])
  })

  it('keeps clocks, chance, the process and transcendental functions out of virtual time', () => {
    const forbidden =
      /\b(Date|performance)\s*[.(]|\bnew Date\b|\bMath\.(random|pow|exp|log|log2|log10|sin|cos|tan|cbrt|hypot)\b|\bprocess\.|\*\*/
    const wrong = files
      .filter(
        (file) => /^src\/(replay|policies|memory)\//.test(file) && !file.includes('/assembly/'),
      )
      .flatMap((file) =>
        source(file)
          .split('\n')
          .map((line, index) => ({
            line: line.replace(/\/\/.*|^\s*\/?\*.*/, ''),
            at: `${file}:${index + 1}`,
          }))
          .filter(({ line }) => forbidden.test(line))
          .map(({ at }) => at),
      )
    expect(wrong).toEqual([])
  })
})

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

function source(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

function importsOf(file: string): Import[] {
  const found: Import[] = []
  for (const match of source(file).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    const name = match[1] ?? ''
    const target = name.startsWith('.')
      ? relative(root, resolve(root, dirname(file), name))
      : `npm:${name}`
    found.push({
      file,
      target: target.startsWith('npm:') ? target.slice(4).replaceAll('/', '|') : target,
    })
  }
  return found
}

function layerOf(file: string): string | undefined {
  return Object.keys(MAY_IMPORT)
    .filter((layer) => under(file, layer))
    .sort((a, b) => b.length - a.length)[0]
}

function under(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
