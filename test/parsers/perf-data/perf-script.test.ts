import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openTrace } from '../../../parsers/index.ts'
import { openInput } from '../../../src/io/input.ts'
import { type Choice, generated, scenarioNamed } from '../../generate/file.ts'
import { eventAt, forEachEvent, type ReadEvent } from '../open-bytes.ts'
import { zstdCompressSync } from '../zstd-command.ts'

const tracesFolder = process.env['PSTRACE_TRACES']
const hasPerf = spawnSync('perf', ['--version']).error === undefined
const folder = mkdtempSync(join(tmpdir(), 'pstrace-perf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface ScriptLine {
  readonly comm: string
  readonly tid: number
  readonly cpu: number
  readonly ns: bigint
  readonly event: string
  readonly body: string
}

const LINE = /^\s*(.*?)\s+(-?\d+)\s+\[(\d+)\]\s+(\d+)\.(\d{6,9}):\s+(\S+):\s?(.*)$/

function parseScript(text: string): ScriptLine[] {
  return text.split('\n').flatMap((line) => {
    const [, comm, tid, cpu, seconds, fraction, event, body] = LINE.exec(line) ?? []
    if (comm === undefined || fraction === undefined || event === undefined) return []
    const ns = BigInt(seconds ?? 0) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
    return [{ comm, tid: Number(tid), cpu: Number(cpu), ns, event, body: body ?? '' }]
  })
}

function script(path: string): ScriptLine[] {
  return parseScript(
    execFileSync('perf', ['script', '--ns', '-i', path], {
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  )
}

/** Text keys whose binary fields have other names. */
const RENAMED: Readonly<Record<string, string>> = {
  nr_activate_anon: 'nr_activate0',
  nr_activate_file: 'nr_activate1',
  usect_delayed: 'usec_delayed',
}

/** Every `key=number` of the line must be the record's field; returns how many were compared. */
function compareFields(line: ScriptLine, event: ReadEvent): number {
  let compared = 0
  for (const [, key, value] of line.body.matchAll(/(\w+)=(-?\d+|0x[0-9a-f]+)(?![\w.+|:-])/g)) {
    const field = event.fields[RENAMED[key ?? ''] ?? key ?? '']
    if (field === undefined || typeof field === 'string' || value === undefined) continue
    expect([line.event, key, BigInt(field as number)]).toEqual([line.event, key, BigInt(value)])
    compared++
  }
  return compared
}

/** Compares every event's time, cpu and name, and the fields of about `sampled` of them. */
async function compare(path: string, lines: readonly ScriptLine[], sampled: number) {
  const input = await openInput(path)
  const reader = await openTrace(input.source)
  const { baseNs } = reader.info
  const step = Math.max(1, Math.floor(lines.length / sampled))
  let compared = 0
  let wrong = 0
  const total = { events: 0 }
  forEachEvent(reader, (batch, row, seq) => {
    total.events++
    const line = lines[seq]
    if (line === undefined) return
    const ns = baseNs + BigInt(batch.ts[row] ?? 0)
    const name = `${batch.format.system}:${batch.format.name}`
    const isTid = line.tid < 0 || batch.tid[row] === line.tid
    if (ns !== line.ns || batch.cpu[row] !== line.cpu || name !== line.event || !isTid) wrong++
    if (seq % step === 0) compared += compareFields(line, eventAt(batch, row, seq))
  })
  reader.close()
  input.close()
  expect({ events: total.events, wrong }).toEqual({ events: lines.length, wrong: 0 })
  return { compared, issues: reader.issues, losses: reader.losses }
}

if (tracesFolder === undefined || !hasPerf)
  it('compares no recorded perf.data: PSTRACE_TRACES or perf is missing', () => {
    expect(tracesFolder === undefined || !hasPerf).toBe(true)
  })

describe.runIf(tracesFolder !== undefined && hasPerf)('a recorded perf.data', () => {
  it('has the events, times, cpus, tasks and fields that perf script prints', async () => {
    const packed = join(tracesFolder ?? '', 'captured/perf-6.12/perf.data.zst')
    const path = join(folder, 'perf.data')
    execFileSync('zstd', ['-q', '-d', packed, '-o', path])
    const { compared, issues, losses } = await compare(packed, script(path), 1000)
    expect(compared).toBeGreaterThan(2000)
    expect({ issues, losses }).toEqual({ issues: [], losses: [] })
  }, 60_000)

  it('equals, line by line, the text that its owner put beside it', async () => {
    const path = join(tracesFolder ?? '', 'public/perf/damonitor+damo__tests_report_perf.data')
    const lines = parseScript(readFileSync(`${path}.script`, 'utf8'))
    const input = await openInput(path)
    const reader = await openTrace(input.source)
    const found: string[] = []
    forEachEvent(reader, (batch, row, seq) => {
      const { fields, ts, cpu, tid } = eventAt(batch, row, seq)
      // The text is cut to microseconds.
      found.push(
        `${tid} ${cpu} ${Math.floor(ts / 1000)} target_id=${fields['target_id']} nr_regions=${fields['nr_regions']} ` +
          `${fields['start']}-${fields['end']}: ${fields['nr_accesses']}`,
      )
    })
    input.close()
    expect(found).toEqual(
      lines.map(({ tid, cpu, ns, body }) => `${tid} ${cpu} ${ns / 1000n} ${body}`),
    )
  })
})

describe.runIf(hasPerf)('a generated perf.data', () => {
  const cases: readonly (readonly [string, Partial<Choice>])[] = [
    ['file', { format: 'perf' }],
    ['pipe', { format: 'perf-pipe' }],
    ['compressed', { format: 'perf-z', zstdCompress: zstdCompressSync }],
    ['big-endian', { format: 'perf', littleEndian: false }],
    ['32-bit', { format: 'perf', long: 4 }],
    ['32-bit big-endian', { format: 'perf', long: 4, littleEndian: false }],
    ['kernel 4.9', { format: 'perf', kernel: '4.9' }],
    ['losses', { format: 'perf', loss: 0.1, events: 20_000 }],
  ]
  it.each(cases)('has what perf script prints: %s', async (_, choice) => {
    for (const name of ['phone', 'server']) {
      const { bytes, truth } = generated({
        scenario: scenarioNamed(name),
        format: 'perf',
        ...choice,
      })
      const path = join(folder, 'generated')
      writeFileSync(path, bytes)
      const { compared, losses } = await compare(path, script(path), 500)
      expect(compared).toBeGreaterThan(500)
      expect(losses.reduce((sum, loss) => sum + (loss.events ?? 0), 0)).toBe(
        truth.losses.reduce((sum, loss) => sum + loss.events, 0),
      )
    }
  })
})
