import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { eventAt, forEachEvent, openTestFile, type ReadEvent, type Value } from './open-bytes.ts'
import { hasTraceCmd, parseReportLine, REPORT_LINE, type ReportLine } from './trace-cmd.ts'

const isFull = process.env['PSTRACE_FULL'] === '1'
const fixture = fileURLToPath(new URL('../../fixtures/zram-lz4-6.1/trace.dat', import.meta.url))

/** Events compared field by field, over all files. */
const COMPARED = Number(process.env['PSTRACE_COMPARED'] ?? 1000)

function findTraces(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /trace[^/]*\.dat$/.test(path))
    .sort()
    .map((path) => join(folder, path))
}

function chooseTraces(): string[] {
  if (tracesFolder === undefined) return [fixture]
  const all = findTraces(tracesFolder)
  if (isFull) return all
  // Every kind once: the public ones are small, v6, lost events, one pair.
  return all.filter(
    (path) =>
      path.includes('/public/') ||
      /captured\/(lossy-6\.12|zram-lzorle-6\.1-v6)\//.test(path) ||
      path.includes('pairs/busy-s1/sync/'),
  )
}

/** Lines of `trace-cmd report -R -t` that are events, and counts by name. */
function readReport(path: string): {
  counts: Map<string, number>
  lines: Buffer
  starts: number[]
} {
  const lines = execFileSync('trace-cmd', ['report', '-R', '-t', path], {
    maxBuffer: 2 ** 31 - 1,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const counts = new Map<string, number>()
  const starts: number[] = []
  for (let start = 0; start < lines.length; ) {
    let end = lines.indexOf(10, start)
    if (end < 0) end = lines.length
    const head = lines.toString('latin1', start, Math.min(end, start + 120))
    const name = REPORT_LINE.exec(head)?.[5]
    if (name !== undefined) {
      counts.set(name, (counts.get(name) ?? 0) + 1)
      starts.push(start)
    }
    start = end + 1
  }
  return { counts, lines, starts }
}

function lineAt(lines: Buffer, start: number): ReportLine {
  const end = lines.indexOf(10, start)
  const text = lines.toString('utf8', start, end < 0 ? lines.length : end)
  const line = parseReportLine(text)
  if (line === undefined) throw new Error(`not a report line: ${text}`)
  return line
}

/** `a=1 b=x y c=2` by the names that the format gives; values may hold spaces. */
function splitPayload(payload: string, names: readonly string[]): Map<string, string> {
  const values = new Map<string, string>()
  let at = 0
  for (const [index, name] of names.entries()) {
    const mark = `${name}=`
    const start = payload.indexOf(mark, at)
    if (start < 0) continue
    const next = names[index + 1]
    const end = next === undefined ? -1 : payload.indexOf(` ${next}=`, start)
    at = end < 0 ? payload.length : end
    values.set(name, payload.slice(start + mark.length, at).trimEnd())
  }
  return values
}

/** `undefined` = trace-cmd printed a symbol or a form that says nothing about the number. */
function isEqual(value: Value, printed: string, name: string): boolean | undefined {
  if (typeof value === 'string')
    return printed.trim() === (value.trim() || printed.trim().replace('(null)', ''))
  if (Array.isArray(value)) return undefined
  const isHex =
    printed.startsWith('0x') || (name.startsWith('__probe') && /^[0-9a-f]+$/.test(printed))
  if (isHex) {
    const number = BigInt(printed.startsWith('0x') ? printed : `0x${printed}`)
    const bits = typeof value === 'bigint' ? 64 : 32
    return BigInt.asUintN(bits, BigInt(value)) === BigInt.asUintN(bits, number)
  }
  return /^-?\d+$/.test(printed) ? BigInt(value) === BigInt(printed) : undefined
}

/** The same choice in every run. */
function makeRandom(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

const traces = hasTraceCmd ? chooseTraces() : []
let fieldsCompared = 0

describe.runIf(traces.length > 0)('trace.dat read as trace-cmd report reads it', () => {
  it.each(
    traces.map((path) => [tracesFolder === undefined ? path : relative(tracesFolder, path), path]),
  )('%s has the same events, times, tasks and fields', async (_, path) => {
    const report = readReport(path)
    const random = makeRandom(traces.indexOf(path) * 7919 + 17)
    const wanted = new Set<number>()
    const each = Math.min(report.starts.length, Math.ceil(COMPARED / traces.length))
    while (wanted.size < each) wanted.add(Math.floor(random() * report.starts.length))
    const counts = new Map<string, number>()
    const events: ReadEvent[] = []
    const source = openTestFile(path)
    const reader = await openTrace(source)
    forEachEvent(reader, (batch, row, seq) => {
      counts.set(batch.format.name, (counts.get(batch.format.name) ?? 0) + 1)
      if (wanted.has(seq)) events.push(eventAt(batch, row, seq))
    })
    source.close()
    expect(Object.fromEntries([...counts].sort())).toEqual(
      Object.fromEntries([...report.counts].sort()),
    )
    for (const event of events) {
      const line = lineAt(report.lines, report.starts[event.seq] ?? -1)
      expect([
        event.seq,
        event.name,
        event.cpu,
        event.tid,
        reader.info.baseNs + BigInt(event.ts),
      ]).toEqual([event.seq, line.name, line.cpu, line.tid, line.ns])
      const printed = splitPayload(line.payload, Object.keys(event.fields))
      for (const [name, value] of Object.entries(event.fields)) {
        const text = printed.get(name)
        if (text === undefined) continue
        const equal = isEqual(value, text, name)
        if (equal !== undefined) fieldsCompared++
        expect(
          equal,
          `event ${event.seq} ${event.name}.${name}: ${value}, trace-cmd: ${text}`,
        ).not.toBe(false)
      }
    }
    expect(reader.issues).toEqual([])
  })

  it('compared at least one field per chosen event', () => {
    expect(fieldsCompared).toBeGreaterThan(traces.length)
  })
})

describe('reference traces', () => {
  it('are compared, or their absence is told', ({ annotate }) => {
    if (!hasTraceCmd) return annotate('skipped: trace-cmd is not installed')
    if (tracesFolder === undefined) return annotate('only the fixture: PSTRACE_TRACES is not set')
    expect(existsSync(tracesFolder)).toBe(true)
    return undefined
  })
})
