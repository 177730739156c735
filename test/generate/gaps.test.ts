import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { GENERATED_FORMATS } from '../../src/generate/generate.ts'
import { ingestBytes } from './domain-rows.ts'
import { written } from './expect-truth.ts'
import { type Row, toleranceOf } from './expected.ts'
import { loadZstdFrames, scenarioNamed } from './file.ts'

let database: Database
beforeAll(async () => {
  await loadZstdFrames()
  database = await Database.open(':memory:', { mode: 'write' })
})
afterAll(() => database.close())

const byCpu = (rows: readonly Row[]) =>
  [...rows].sort(
    (a, b) => Number(a['cpu']) - Number(b['cpu']) || Number(a['end_ns']) - Number(b['end_ns']),
  )

describe.each(GENERATED_FORMATS)('lost sub-buffers of a trace as %s', (format) => {
  it.each([
    ['phone', 6],
    ['server', 2],
    ['server', 3],
  ] as const)('are read as the gaps that they left: %s, seed %i', async (name, seed) => {
    const isPerfetto = format.startsWith('perfetto')
    const scenario = scenarioNamed(name)
    const choice = { scenario, format, seed, events: 8000, loss: 0.1 }
    const { input, truth, remove } = written({ ...choice, ...(isPerfetto && { clock: 'boot' }) })
    const traceId = await ingestBytes(database, input).finally(remove)
    const rows = byCpu(
      await database.query('SELECT cpu, start_ns, end_ns, events FROM losses WHERE trace_id = ?', [
        traceId,
      ]),
    )
    const [counted] = await database.query(
      'SELECT events, lost_events, lost_gaps FROM traces WHERE trace_id = ?',
      [traceId],
    )
    const lost = truth.losses.reduce((sum, { events }) => sum + events, 0)
    expect(counted?.['events']).toBe(truth.total)
    const ended = truth.losses.filter(({ beforeNs }) => beforeNs !== undefined)
    expect(ended.length).toBeGreaterThan(2)
    // Perfetto counts lost events by CPU: of a single gap the number is known, of several their sum is a row of its own.
    const isCounted = (cpu: unknown) =>
      !isPerfetto || ended.filter((gap) => gap.cpu === cpu).length === 1
    const gaps = rows.filter(({ cpu, events }) => events === null || isCounted(cpu))
    // A gap lasts from the CPU's event before it to the one after it.
    const expected = byCpu(
      ended.map((gap) => ({
        cpu: gap.cpu,
        start_ns: gap.afterNs ?? gap.beforeNs,
        end_ns: gap.beforeNs,
        events: isCounted(gap.cpu) ? gap.events : null,
      })),
    )
    const tolerance = toleranceOf(format)
    expect(gaps.length).toBe(expected.length)
    for (const [i, gap] of gaps.entries()) {
      expect({ ...gap, start_ns: 0, end_ns: 0 }).toEqual({ ...expected[i], start_ns: 0, end_ns: 0 })
      for (const time of ['start_ns', 'end_ns'])
        expect(
          Math.abs(Number(gap[time]) - Number(expected[i]?.[time as 'end_ns'])),
        ).toBeLessThanOrEqual(tolerance)
    }
    if (!isPerfetto) expect(counted).toMatchObject({ lost_events: lost, lost_gaps: ended.length })
    for (const table of truth.tables?.['losses'] ?? [])
      expect(
        gaps.some(
          (gap) =>
            gap['cpu'] === table['cpu'] &&
            Number(gap['start_ns']) <= Number(table['start_ns']) + tolerance &&
            Number(gap['end_ns']) + tolerance >= Number(table['end_ns']),
        ) || ended.length < truth.losses.length,
      ).toBe(true)
  })
})
