import { describe, expect, it } from 'vitest'
import { readFigures } from '../../src/analysis/figures.ts'
import { selectEverything } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import type { GeneratedFormat } from '../../src/generate/generate.ts'
import { snapshotFiles } from '../../src/generate/snapshot.ts'
import { differences, ingestBytes } from './domain-rows.ts'
import { byTask, type Row, toleranceOf } from './expected.ts'
import { type Choice, generated, scenarioNamed } from './file.ts'

const choiceOf = (format: GeneratedFormat, more: Partial<Choice> = {}): Choice => ({
  scenario: scenarioNamed('queue'),
  format,
  events: 6_000,
  ...(format === 'perfetto' && { clock: 'boot' }),
  ...more,
})

/** Of the pages that kswapd handed over, by the time of `moment`; slow and plain on purpose. */
function disorder(rows: readonly Row[], moment: string) {
  let inversions = 0
  let largest = 0
  const pages = rows
    .filter(({ context }) => context === 'kswapd')
    .sort((a, b) => Number(a['start_ns']) - Number(b['start_ns']))
  const positions = [...pages].sort((a, b) => Number(a[moment]) - Number(b[moment]))
  for (const [i, page] of pages.entries()) {
    for (const later of pages.slice(i + 1))
      if (Number(later[moment]) < Number(page[moment])) inversions++
    largest = Math.max(largest, Math.abs(positions.indexOf(page) - i))
  }
  return { inversions, largest }
}

/** Pages that a recording in microseconds does not tell apart. */
function ties(rows: readonly Row[]): number {
  return ['begin_ns', 'stored_ns'].reduce((sum, moment) => {
    const times = rows.map((row) => Math.round(Number(row[moment]) / 1000))
    return sum + times.length - new Set(times).size
  }, 0)
}

function orderOf(rows: readonly Row[]): Record<string, number> {
  const start = disorder(rows, 'begin_ns')
  const done = disorder(rows, 'stored_ns')
  return {
    order_start_inversions: start.inversions,
    order_done_inversions: done.inversions,
    order_start_max: start.largest,
    order_done_max: done.largest,
  }
}

async function figuresOf(database: Database) {
  await createViews(database.connection, await selectEverything(database.connection))
  return (await readFigures(database.connection)).map(
    ({ figures }) => new Map(figures.map((figure) => [figure.metric, figure])),
  )
}

describe.each(['v6', 'v7', 'perf', 'text', 'perfetto'] as const)(
  'a queue of stores recorded as %s',
  (format) => {
    it('is read with who stored each page, when, and in what order', async () => {
      const database = await Database.open(':memory:', { mode: 'write' })
      const choice = choiceOf(format)
      const { bytes, truth } = generated(choice)
      const rows = truth.tables?.['swapouts'] ?? []
      expect(new Set(rows.map(({ path, context }) => `${path} ${context}`))).toEqual(
        new Set(['queued kswapd', 'inline kswapd', 'inline direct']),
      )
      expect(new Set(rows.map((row) => row['stored_tid'])).size).toBeGreaterThan(3)
      await ingestBytes(database, bytes, { snapshots: snapshotFiles(choice.scenario, truth) })
      const read = await database.query(
        `SELECT s.*, t.tid AS stored_tid FROM swapouts s
         LEFT JOIN tasks t ON t.trace_id = s.trace_id AND t.task_id = s.stored_by`,
      )
      const toleranceNs = toleranceOf(format)
      const isExact = toleranceNs === 0
      const expected = rows.map((row) => ({
        tid: row['tid'],
        ts_ns: row['write_ns'],
        pfn: row['pfn'],
        context: row['context'],
        path: row['path'],
        lane: row['lane'],
        stored_tid: row['stored_tid'],
        submit_ns: row['start_ns'],
        start_ns: row['begin_ns'],
        stored_ns: row['stored_ns'],
        submit_rank: row['submit_rank'],
        start_rank: isExact ? row['start_rank'] : undefined,
        done_rank: isExact ? row['done_rank'] : undefined,
      }))
      expect(
        differences('swapouts', byTask(expected, 'ts_ns'), byTask(read, 'ts_ns'), { toleranceNs }),
      ).toEqual([])
      const [figures] = await figuresOf(database)
      const truly = orderOf(rows)
      expect(Math.min(...Object.values(truly))).toBeGreaterThan(1)
      for (const [metric, value] of Object.entries(truly))
        expect(Math.abs(Number(figures?.get(metric)?.value) - value)).toBeLessThanOrEqual(
          isExact ? 0 : ties(rows),
        )
      database.close()
    })
  },
)

describe('a queue of stores without 5 % of its sub-buffers', () => {
  it('holds the inversions and the largest displacement of the truth in its intervals', async () => {
    const missed: string[] = []
    const found: number[] = []
    for (const seed of [201, 202, 203, 204, 205]) {
      const database = await Database.open(':memory:', { mode: 'write' })
      const choice = choiceOf('v7', { seed, events: 8_000 })
      const truly = orderOf(generated(choice).truth.tables?.['swapouts'] ?? [])
      const { bytes, truth } = generated({ ...choice, loss: 0.05 })
      expect(truth.losses.length).toBeGreaterThan(1)
      await ingestBytes(database, bytes)
      const [figures] = await figuresOf(database)
      for (const [metric, value] of Object.entries(truly)) {
        const { lo = null, hi = null } = figures?.get(metric) ?? {}
        found.push(value)
        if (lo === null || lo > value || (hi !== null && hi < value))
          missed.push(`${metric} of seed ${seed}: ${value} not in ${lo} to ${hi}`)
      }
      database.close()
    }
    expect(Math.min(...found)).toBeGreaterThan(1)
    // 95 % of 20.
    expect(missed.slice(1)).toEqual([])
  })
})
