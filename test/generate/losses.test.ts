import { describe, expect, it } from 'vitest'
import { type Figure, readFigures } from '../../src/analysis/figures.ts'
import { selectEverything } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import type { GeneratedTruth } from '../../src/generate/generate.ts'
import { ingestBytes } from './domain-rows.ts'
import { generated, scenarioNamed } from './file.ts'

const IS_FULL = process.env['PSTRACE_FULL'] === '1'
const SEEDS = IS_FULL ? 100 : 10
const EVENTS = 20_000
const LOSS = 0.05
/** Of 100 seeds; the least of 10 that a share of 95 % gives with near certainty. */
const LEAST_HELD = IS_FULL ? 95 : 8
const WIDEST = 0.25

/** Sums over the recording, of which losses hide a part. */
const FIGURES = [
  'swapout_pages',
  'swapin_pages',
  'pgsteal_anon_per_s',
  'app_stalls',
  'allocstalls',
  'app_stall_ns',
  'kswapd_busy_share',
  'kswapd_scan_share',
  'kswapd_store_share',
  'bypass_pages',
  'reclaim_cpu_ns',
  'cpu_ns',
] as const
/** Figures of few events, each long beside a gap: their bounds are wider than those of the others. */
const RARE: Readonly<Record<string, number>> = { allocstalls: 0.4, app_stall_ns: 0.4 }

type Row = Readonly<Record<string, unknown>>
type Figures = ReadonlyMap<string, Figure>

/** Figures of the whole recording and of the same one with losses. */
async function readBoth(
  scenario: string,
  format: 'v6' | 'perf',
  seed: number,
): Promise<{ whole: Figures; lossy: Figures; truth: GeneratedTruth; database: Database }> {
  const database = await Database.open(':memory:', { mode: 'write' })
  const choice = { scenario: scenarioNamed(scenario), format, seed, events: EVENTS }
  const { bytes, truth } = generated(choice)
  await ingestBytes(database, bytes)
  await ingestBytes(database, generated({ ...choice, loss: LOSS, wantRows: false }).bytes)
  await createViews(database.connection, await selectEverything(database.connection))
  const [whole, lossy] = (await readFigures(database.connection)).map(
    ({ figures }) => new Map(figures.map((figure) => [figure.metric, figure])),
  )
  return { whole: whole ?? new Map(), lossy: lossy ?? new Map(), truth, database }
}

function holds(figure: Figure | undefined, value: number): boolean {
  if (figure === undefined || figure.value === null || figure.lo === null) return false
  return figure.lo <= value && value <= (figure.hi ?? Number.POSITIVE_INFINITY)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

/** What the truth's rows say where they say it directly. */
function countTruth(truth: GeneratedTruth): Record<string, number> {
  const rows = (table: string): readonly Row[] => truth.tables?.[table] ?? []
  const direct = rows('reclaim_spans').filter(({ kind }) => kind === 'direct')
  return {
    swapout_pages: rows('swapouts').length,
    swapin_pages: rows('swapins').length,
    allocstalls: direct.length,
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

describe.each([
  ['phone', 'v6'],
  ['server', 'perf'],
] as const)('%s as %s without 5 % of its sub-buffers', (scenario, format) => {
  const held = new Map<string, number>()
  const widths = new Map<string, number[]>()

  it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
    'censors spans that a gap cuts, and pairs no begin with another end: seed %i',
    async (seed) => {
      const { whole, lossy, truth, database } = await readBoth(scenario, format, seed)
      for (const [name, count] of Object.entries(countTruth(truth)))
        expect([name, whole.get(name)?.value]).toEqual([name, count])
      for (const name of FIGURES) {
        const value = whole.get(name)?.value ?? 0
        const figure = lossy.get(name)
        if (holds(figure, value)) held.set(name, (held.get(name) ?? 0) + 1)
        const width = (figure?.hi ?? Number.POSITIVE_INFINITY) - (figure?.lo ?? 0)
        widths.set(name, [...(widths.get(name) ?? []), width / value])
      }
      const spans = await database.query(
        "SELECT * FROM reclaim_spans WHERE trace_id = 2 AND kind <> 'throttle'",
      )
      expect(invented(truth, spans)).toEqual([])
      database.close()
    },
    60_000,
  )

  it.each(FIGURES)('holds the truth in the interval of %s, which is narrow', (name) => {
    expect(held.get(name) ?? 0).toBeGreaterThanOrEqual(LEAST_HELD)
    expect(median(widths.get(name) ?? [])).toBeLessThan(RARE[name] ?? WIDEST)
  })
})
