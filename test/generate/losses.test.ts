import { describe, expect, it } from 'vitest'
import { type Figure, readFigures } from '../../src/analysis/figures.ts'
import { selectEverything } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import type { GeneratedTruth } from '../../src/generate/generate.ts'
import { ingestBytes } from './domain-rows.ts'
import { generated, scenarioNamed } from './file.ts'

/**
 * 100 seeds with PSTRACE_FULL=1, and then at least 95 in which the interval holds the truth. With four, at least two: of a
 * figure that is held in 95 % of all seeds, fewer would be held in one run of 2000; and of all figures together 95 %.
 */
const IS_FULL = process.env['PSTRACE_FULL'] === '1'
/** Seeds below 101 served to find the rule. */
const FIRST_SEED = 101
const SEEDS = IS_FULL ? 100 : 4
const LEAST_HELD = IS_FULL ? 95 : 2
const HELD_IN_ALL = 0.95
const EVENTS = 20_000
const LOSS = 0.05
const WIDEST = 0.25

/** Says of the recording itself how many of its stalls are cut; the whole one has none. */
const NOT_COMPARED = ['app_stalls_censored']

type Row = Readonly<Record<string, unknown>>
type Figures = ReadonlyMap<string, Figure>

interface Case {
  readonly scenario: string
  readonly format: 'v6' | 'v7' | 'perf'
  /** Sub-buffers are lost where they fill fast, several on end: more of what happens then than of the rest. */
  readonly busy: boolean
}
const CASES: readonly Case[] = [
  { scenario: 'phone', format: 'v6', busy: false },
  { scenario: 'server', format: 'perf', busy: false },
  { scenario: 'burst', format: 'v7', busy: false },
  { scenario: 'burst', format: 'v7', busy: true },
]

/** Figures of the whole recording and of the same one with losses. */
async function readBoth(
  { scenario, format, busy }: Case,
  seed: number,
): Promise<{ whole: Figures; lossy: Figures; truth: GeneratedTruth; database: Database }> {
  const database = await Database.open(':memory:', { mode: 'write' })
  const choice = { scenario: scenarioNamed(scenario), format, seed, events: EVENTS }
  const { bytes, truth } = generated(choice)
  await ingestBytes(database, bytes)
  const lossy = { ...choice, loss: LOSS, lossWhenBusy: busy, wantRows: false }
  await ingestBytes(database, generated(lossy).bytes)
  await createViews(database.connection, await selectEverything(database.connection))
  const [one, other] = (await readFigures(database.connection)).map(
    ({ figures }) => new Map(figures.map((figure) => [figure.metric, figure])),
  )
  return { whole: one ?? new Map(), lossy: other ?? new Map(), truth, database }
}

function holds(figure: Figure | undefined, value: number): boolean {
  if (figure === undefined || figure.value === null || figure.lo === null) return false
  // A quotient of exact sums may differ in its last digit.
  const slack = Math.abs(value) * 1e-12
  return figure.lo - slack <= value && value <= (figure.hi ?? Number.POSITIVE_INFINITY) + slack
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

/** What the truth's rows say where they say it directly. */
function countTruth(truth: GeneratedTruth): Record<string, number> {
  const rows = (table: string): readonly Row[] => truth.tables?.[table] ?? []
  const length = (row: Row) => Number(row['end_ns']) - Number(row['start_ns'])
  const users = new Set(
    rows('tasks')
      .filter(({ kind }) => kind === 'user')
      .map(({ tid }) => tid),
  )
  const ran = rows('thread_states').filter(({ state }) => state === 'running')
  const sum = (of: readonly Row[]) => of.reduce((total, row) => total + length(row), 0)
  return {
    swapout_pages: rows('swapouts').length,
    swapin_pages: rows('swapins').length,
    allocstalls: rows('reclaim_spans').filter(({ kind }) => kind === 'direct').length,
    app_stall_ns: sum(rows('reclaim_spans').filter(({ parent }) => parent === null)),
    bypass_pages: rows('swapouts').filter(({ context }) => context !== 'kswapd').length,
    reclaim_cpu_ns: sum(ran.filter(({ tid }) => !users.has(tid))),
    cpu_ns: sum(ran),
    work_ns: truth.endNs - truth.startNs,
  }
}

/** Spans of tasks that the lossy recording shows, and no span of the truth contains. */
function invented(truth: GeneratedTruth, spans: readonly Row[]): Row[] {
  const real = truth.tables?.['reclaim_spans'] ?? []
  return spans.filter(
    (span) =>
      !real.some(
        (row) =>
          row['tid'] === span['tid'] &&
          row['kind'] === span['kind'] &&
          Number(row['start_ns']) <= Number(span['start_ns']) &&
          Number(span['end_ns']) <= Number(row['end_ns']),
      ),
  )
}

describe.each(CASES)(
  '$scenario as $format without 5 % of its sub-buffers, busy ones: $busy',
  (choice) => {
    const held = new Map<string, number>()
    const widths = new Map<string, number[]>()

    it.each(Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i))(
      'has the figures of the truth while nothing is lost, and no span that was not: seed %i',
      async (seed) => {
        const { whole, lossy, truth, database } = await readBoth(choice, seed)
        for (const [name, count] of Object.entries(countTruth(truth)))
          expect([name, whole.get(name)?.value]).toEqual([name, count])
        for (const [name, { value }] of whole) {
          if (value === null || NOT_COMPARED.includes(name)) continue
          const figure = lossy.get(name)
          held.set(name, (held.get(name) ?? 0) + (holds(figure, value) ? 1 : 0))
          const width = (figure?.hi ?? Number.POSITIVE_INFINITY) - (figure?.lo ?? 0)
          widths.set(name, [...(widths.get(name) ?? []), value === 0 ? width : width / value])
        }
        const spans = await database.query(
          "SELECT * FROM reclaim_spans WHERE trace_id = 2 AND kind <> 'throttle'",
        )
        expect(invented(truth, spans)).toEqual([])
        database.close()
      },
      60_000,
    )

    it('holds the truth in the interval of every figure', () => {
      expect(held.size).toBeGreaterThanOrEqual(20)
      expect([...held].filter(([, seeds]) => seeds < LEAST_HELD)).toEqual([])
      const all = [...held.values()].reduce((sum, seeds) => sum + seeds, 0)
      expect(all / (SEEDS * held.size)).toBeGreaterThanOrEqual(HELD_IN_ALL)
    })

    it.runIf(!choice.busy)(
      'has intervals whose median is narrower than a quarter of the value',
      () => {
        const wide = [...widths].map(([name, each]) => [name, median(each)] as const)
        expect(wide.filter(([, width]) => !(width < WIDEST))).toEqual([])
      },
    )
  },
)
