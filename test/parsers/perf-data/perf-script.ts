import { execFileSync } from 'node:child_process'
import { expect } from 'vitest'
import { openTrace } from '../../../parsers/index.ts'
import { openInput } from '../../../src/io/input.ts'
import { isInstalled } from '../../shared/installed.ts'
import { eventAt, forEachEvent, type ReadEvent } from '../open-bytes.ts'

export const hasPerf = isInstalled('perf')

export interface ScriptLine {
  readonly comm: string
  readonly tid: number
  readonly cpu: number
  readonly ns: bigint
  readonly event: string
  readonly body: string
}

const LINE = /^\s*(.*?)\s+(-?\d+)\s+\[(\d+)\]\s+(\d+)\.(\d{6,9}):\s+(\S+):\s?(.*)$/

export function parseScript(text: string): ScriptLine[] {
  return text.split('\n').flatMap((line) => {
    const [, comm, tid, cpu, seconds, fraction, event, body] = LINE.exec(line) ?? []
    if (comm === undefined || fraction === undefined || event === undefined) return []
    const ns = BigInt(seconds ?? 0) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
    return [{ comm, tid: Number(tid), cpu: Number(cpu), ns, event, body: body ?? '' }]
  })
}

/** What perf script prints of a file or folder. */
export function script(path: string): ScriptLine[] {
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
export async function compare(path: string, lines: readonly ScriptLine[], sampled: number) {
  const input = await openInput(path)
  const reader = await openTrace(input.folder ?? input.source)
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
