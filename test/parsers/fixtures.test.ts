import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openTrace, sniffFormat, traceFormats } from '../../parsers/index.ts'
import { forEachEvent, openTestFile } from './open-bytes.ts'

const folder = fileURLToPath(new URL('../../fixtures/', import.meta.url))
const update = process.env['PSTRACE_UPDATE'] === '1'
/** Folders of traces for readers that take a ByteSource and need no more than it. */
const TRACE_FOLDERS = ['zram-lz4-6.1', 'memcg-limits-6.12', 'trace-dat', 'perf', 'perfetto', 'text']
const TRACE = /\.(dat|data|pftrace|txt|html)$/

function listTraces(): string[] {
  return TRACE_FOLDERS.flatMap((name) =>
    readdirSync(join(folder, name))
      .filter((file) => TRACE.test(file) && file !== 'app.txt')
      .map((file) => join(name, file)),
  )
}

function formatOf(path: string): string {
  if (path.startsWith('perf/')) return 'perf.data'
  if (path.startsWith('perfetto/')) return 'perfetto'
  if (!path.startsWith('text/')) return 'trace.dat'
  if (path.endsWith('.html')) return 'systrace'
  return path.includes('perf-script') ? 'perf script' : 'ftrace text'
}

async function summarise(path: string): Promise<unknown> {
  const source = openTestFile(path)
  try {
    const reader = await openTrace(source)
    const counts = new Map<string, number>()
    let first: number | undefined
    let last = Number.NEGATIVE_INFINITY
    let backwards = 0
    forEachEvent(reader, (batch, row) => {
      const { system, name } = batch.format
      counts.set(`${system}:${name}`, (counts.get(`${system}:${name}`) ?? 0) + 1)
      const ts = batch.ts[row] ?? Number.NaN
      first ??= ts
      if (ts < last) backwards++
      last = ts
    })
    const { format, kernelRelease, arch, cpus, pageSize, clock, baseNs, ticks } = reader.info
    return JSON.parse(
      JSON.stringify({
        info: { format, kernelRelease, arch, cpus, pageSize, clock, baseNs: String(baseNs), ticks },
        counts: Object.fromEntries([...counts].sort()),
        firstNs: first,
        lastNs: last,
        backwards,
        losses: reader.losses,
        issues: reader.issues,
      }),
    )
  } finally {
    source.close()
  }
}

describe('every fixture trace', () => {
  it.each(listTraces())('%s reads as its expected.json says', async (path) => {
    const summary = await summarise(join(folder, path))
    const expectedPath = join(folder, path.replace(TRACE, '.expected.json'))
    if (update) writeFileSync(expectedPath, `${JSON.stringify(summary, undefined, 2)}\n`)
    expect(summary).toEqual(JSON.parse(readFileSync(expectedPath, 'utf8')))
  })

  it('carries the mark of one format only', () => {
    for (const path of listTraces()) {
      const head = readFileSync(join(folder, path)).subarray(0, 65_536)
      expect([path, traceFormats.filter((format) => format.sniff(head)).length]).toEqual([path, 1])
      expect([path, sniffFormat(head)?.name]).toEqual([path, formatOf(path)])
    }
  })
})

describe('fixtures/README.md', () => {
  const rows = [
    ...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^\| (\S+\/\S+) \|/gm),
  ].map(([, path]) => path ?? '')
  const patterns = rows.map(
    (row) =>
      new RegExp(`^${row.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}$`),
  )
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'README.md')
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))

  it('has a row for every file (a * stands for part of a name)', () => {
    expect(files.filter((file) => !patterns.some((pattern) => pattern.test(file)))).toEqual([])
  })

  it('has a file for every row, and no row twice', () => {
    expect(rows.filter((_, index) => !files.some((file) => patterns[index]?.test(file)))).toEqual(
      [],
    )
    expect(new Set(rows).size).toBe(rows.length)
  })

  it('names an expected.json only where its trace exists', () => {
    for (const file of files.filter((name) => name.endsWith('.expected.json'))) {
      const stem = basename(file, '.expected.json')
      const siblings = readdirSync(join(folder, file, '..'))
      expect(
        siblings.some((name) => name !== basename(file) && name.startsWith(`${stem}.`)),
        file,
      ).toBe(true)
      expect(existsSync(join(folder, file))).toBe(true)
    }
  })
})
