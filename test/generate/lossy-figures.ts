import type { FolderSource } from '../../parsers/reader.ts'
import type { Figure } from '../../src/analysis/figure.ts'
import { readFigures } from '../../src/analysis/figures.ts'
import { selectEverything } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import type { GeneratedFormat, GeneratedTruth } from '../../src/generate/generate.ts'
import { ingestBytes } from './domain-rows.ts'
import { written } from './expect-truth.ts'
import { type Row, toleranceOf } from './expected.ts'
import { type Choice, scenarioNamed } from './file.ts'

const LOSS = 0.05
const EVENTS = 20_000

type Figures = ReadonlyMap<string, Figure>

export interface LossyCase {
  readonly scenario: string
  readonly format: GeneratedFormat
  /** Sub-buffers are lost where they fill fast, several on end: more of what happens then than of the rest. */
  readonly busy?: boolean
  /** The recording says only that something was lost. */
  readonly uncounted?: boolean
}

export interface Whole {
  readonly figures: Figures
  readonly truth: GeneratedTruth
  readonly database: Database
}

export interface Lossy {
  readonly figures: Figures
  /** Pieces of applications' stalls that the file must show as cut. */
  readonly cut: number
  /** The file tells of each gap how many events it hides; Perfetto only as a sum for each CPU. */
  readonly isCounted: boolean
  readonly database: Database
}

/** The recording with nothing lost. */
export async function readWhole(choice: LossyCase, seed: number): Promise<Whole> {
  const { input, truth, remove } = written(toChoice(choice, seed))
  return { ...(await read(input).finally(remove)), truth }
}

/** The same without some of its sub-buffers. */
export async function readLossy(choice: LossyCase, seed: number): Promise<Lossy> {
  const { busy = false, uncounted = false } = choice
  const { input, truth, remove } = written({
    ...toChoice(choice, seed),
    loss: LOSS,
    lossWhenBusy: busy,
  })
  const found = await read(uncounted ? withoutCounts(input) : input).finally(remove)
  const cpus = truth.losses.map(({ cpu }) => cpu)
  const isSum = choice.format.startsWith('perfetto') && new Set(cpus).size < cpus.length
  return { ...found, cut: countCut(truth), isCounted: !uncounted && !isSum }
}

/** What the figures of the recording with losses should hold. */
export function trueFigures({ figures }: Whole, { cut }: Lossy): ReadonlyMap<string, number> {
  const values = new Map<string, number>()
  for (const [name, { value }] of figures) if (value !== null) values.set(name, value)
  // Says of a recording itself how many of its stalls are cut.
  return values.set('app_stalls_censored', cut)
}

function toChoice({ scenario, format }: LossyCase, seed: number): Choice {
  const clock = format.startsWith('perfetto') ? 'boot' : 'mono'
  return { scenario: scenarioNamed(scenario), format, seed, events: EVENTS, clock }
}

async function read(
  input: Uint8Array | FolderSource,
): Promise<{ figures: Figures; database: Database }> {
  const database = await Database.open(':memory:', { mode: 'write' })
  await ingestBytes(database, input)
  await createViews(database.connection, await selectEverything(database.connection))
  const [subject] = await readFigures(database.connection)
  return {
    figures: new Map(subject?.figures.map((figure) => [figure.metric, figure])),
    database,
  }
}

/** trace_pipe of kernels before 4.20 says `LOST EVENTS` where it does not know how many. */
function withoutCounts<T>(input: T): Uint8Array {
  if (!(input instanceof Uint8Array)) throw new Error('only text says that something was lost')
  const text = Buffer.from(input).toString('latin1')
  return Buffer.from(text.replaceAll(/\[LOST \d+ EVENTS\]/g, '[LOST EVENTS]'), 'latin1')
}

/** Pieces of stalls that the file must show as cut: at a gap the span's known part ends, and goes on if its end is known. */
function countCut(truth: GeneratedTruth): number {
  const table = (name: string): readonly Row[] => truth.tables?.[name] ?? []
  const cpus = new Map(table('thread_states').map(({ tid, cpu }) => [tid, cpu]))
  const spans = table('reclaim_spans')
  let pieces = 0
  for (const { tid, kind, parent, start_ns: start, end_ns: end } of spans) {
    if (parent !== null || kind === 'throttle') continue
    // At one moment a mark may be lost, and the begin that follows it not.
    const hits = truth.losses.filter(
      ({ cpu, startNs, beforeNs = Number.POSITIVE_INFINITY }) =>
        cpu === cpus.get(tid) && startNs <= Number(end) && beforeNs > Number(start),
    )
    const [first] = hits
    const last = hits.at(-1)
    if (first === undefined || last === undefined) continue
    const begins = first.startNs > Number(start)
    const ends = last.endNs < Number(end)
    // A wait whose end is known tells in microseconds how long it was: it joins what lies before and after gaps.
    const isBridged = spans.some((wait) => {
      const [from, to] = [Number(wait['start_ns']), Number(wait['end_ns'])]
      if (wait['tid'] !== tid || wait['kind'] !== 'throttle' || to > Number(end)) return false
      const told = to - Math.floor((to - from) / 1000) * 1000
      return told <= (first.afterNs ?? 0) && to > last.endNs
    })
    pieces += Number(begins) + Number(ends) - Number(begins && ends && isBridged)
  }
  return pieces
}

export function holds(figure: Figure | undefined, value: number): boolean {
  if (figure === undefined || figure.value === null || figure.lo === null) return false
  // A quotient of exact sums may differ in its last digit.
  const slack = Math.abs(value) * 1e-12
  return figure.lo - slack <= value && value <= (figure.hi ?? Number.POSITIVE_INFINITY) + slack
}

/** Width of the interval as a share of the value. */
export function widthOf(figure: Figure | undefined, value: number): number {
  const width = (figure?.hi ?? Number.POSITIVE_INFINITY) - (figure?.lo ?? 0)
  return value === 0 ? width : width / value
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

/** What the truth's rows say where they say it directly, with what rounded times may add to it. */
export function countTruth(
  truth: GeneratedTruth,
  format: GeneratedFormat,
): readonly (readonly [name: string, value: number, slack: number])[] {
  const rows = (table: string): readonly Row[] => truth.tables?.[table] ?? []
  const users = new Set(
    rows('tasks')
      .filter(({ kind }) => kind === 'user')
      .map(({ tid }) => tid),
  )
  const ran = rows('thread_states').filter(({ state }) => state === 'running')
  const spans = rows('reclaim_spans').filter(({ parent }) => parent === null)
  const count = (name: string, of: readonly Row[]) => [name, of.length, 0] as const
  const time = (name: string, of: readonly Row[]) => {
    const ns = of.reduce((sum, row) => sum + Number(row['end_ns']) - Number(row['start_ns']), 0)
    return [name, ns, 2 * toleranceOf(format) * of.length] as const
  }
  const swapouts = rows('swapouts')
  return [
    count('swapout_pages', swapouts),
    count('swapin_pages', rows('swapins')),
    count(
      'allocstalls',
      rows('reclaim_spans').filter(({ kind }) => kind === 'direct'),
    ),
    time('app_stall_ns', spans),
    count(
      'bypass_pages',
      swapouts.filter(({ context }) => context !== 'kswapd'),
    ),
    time(
      'reclaim_cpu_ns',
      ran.filter(({ tid }) => !users.has(tid)),
    ),
    time('cpu_ns', ran),
    time('work_ns', [{ start_ns: truth.startNs, end_ns: truth.endNs }]),
  ]
}

/** Spans of tasks that the lossy recording shows, and no span of the truth contains. */
export function invented(
  truth: GeneratedTruth,
  spans: readonly Row[],
  toleranceNs: number,
): readonly Row[] {
  const real = truth.tables?.['reclaim_spans'] ?? []
  return spans.filter(
    (span) =>
      !real.some(
        (row) =>
          row['tid'] === span['tid'] &&
          row['kind'] === span['kind'] &&
          Number(row['start_ns']) <= Number(span['start_ns']) + toleranceNs &&
          Number(span['end_ns']) <= Number(row['end_ns']) + toleranceNs,
      ),
  )
}
