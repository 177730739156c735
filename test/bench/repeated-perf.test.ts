import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { openInput } from '../../src/io/input.ts'
import { eventAt, forEachEvent } from '../parsers/open-bytes.ts'
import { hasPerf, script } from '../parsers/perf-data/perf-script.ts'
import { RECORDED_PERF, type RepeatedPerf, writeRepeatedPerf } from './repeated-perf.ts'

const ROUNDS = 2
const EVENTS = 91_727

const folder = mkdtempSync(join(tmpdir(), 'pstrace-repeated-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** One line for each event: its time, CPU, task, name and fields. */
async function linesOf(path: string): Promise<{ ns: bigint; event: string }[]> {
  const input = await openInput(path)
  const reader = await openTrace(input.source)
  const lines: { ns: bigint; event: string }[] = []
  forEachEvent(reader, (batch, row, seq) => {
    const { ts, cpu, tid, name, fields } = eventAt(batch, row, seq)
    const event = JSON.stringify([cpu, tid, name, fields], (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    )
    lines.push({ ns: reader.info.baseNs + BigInt(ts), event })
  })
  input.close()
  return lines
}

describe('a recording that benches repeat', () => {
  const path = join(folder, 'perf.data')
  let made: RepeatedPerf
  beforeAll(async () => {
    made = await writeRepeatedPerf(path, (ROUNDS - 1) * EVENTS + 1)
  })

  it('has the events of the recording in their order, each round later by the same time', async () => {
    const once = await linesOf(RECORDED_PERF)
    const repeated = await linesOf(path)
    expect([once.length, repeated.length, made.events]).toEqual([
      EVENTS,
      ROUNDS * EVENTS,
      ROUNDS * EVENTS,
    ])
    const expected = Array.from({ length: ROUNDS }, (_, round) =>
      once.map(({ ns, event }) => ({ ns: ns + BigInt(round) * made.periodNs, event })),
    ).flat()
    expect(repeated.findIndex((line, at) => line.event !== expected[at]?.event)).toBe(-1)
    expect(repeated.findIndex((line, at) => line.ns !== expected[at]?.ns)).toBe(-1)
  })

  it.runIf(hasPerf)('is printed by perf script to its last event', () => {
    const lines = script(path)
    expect(lines).toHaveLength(made.events)
    const half = lines.length / ROUNDS
    const withoutTime = lines.map(({ tid, cpu, event, body }) => `${tid} ${cpu} ${event} ${body}`)
    expect(withoutTime.slice(half).findIndex((line, at) => line !== withoutTime[at])).toBe(-1)
  })
})
