import type { RowBuffer } from '../model/rows.ts'
import type { RunResult } from '../replay/replay.ts'
import { EVENT, isAnonWrite, pagesOfEvent, type Recording } from '../workload/recording.ts'
import { quantile } from './statistics.ts'

/** How a figure changes when a machine does the same at another speed. */
export type FigureKind = 'rate' | 'count' | 'time' | 'share' | 'amount'

export const VALIDATED = [
  { name: 'swapouts_per_s', unit: '1/s', kind: 'rate' },
  { name: 'pgsteal_anon_per_s', unit: '1/s', kind: 'rate' },
  { name: 'allocstalls', unit: '', kind: 'count' },
  { name: 'stall_total', unit: 's', kind: 'time' },
  { name: 'stall_p50', unit: 'ms', kind: 'time' },
  { name: 'stall_p99', unit: 'ms', kind: 'time' },
  { name: 'allocstalls_all', unit: '', kind: 'count' },
  { name: 'stall_total_all', unit: 's', kind: 'time' },
  { name: 'kswapd_busy', unit: '', kind: 'share' },
  { name: 'kswapd_steal_share', unit: '', kind: 'share' },
  { name: 'pool_peak', unit: 'pages', kind: 'amount' },
  { name: 'work', unit: 's', kind: 'time' },
] as const satisfies readonly {
  readonly name: string
  readonly unit: string
  readonly kind: FigureKind
}[]

export type ValidatedName = (typeof VALIDATED)[number]['name']
/** NaN = not known. Stalls are direct reclaims, begin to end, of the demand's tasks; with `_all` of any thread, workers included. */
export type Figures = Readonly<Record<ValidatedName, number>> & {
  readonly swapouts: number
  readonly pgsteal_anon: number
}

interface Parts {
  readonly seconds: number
  readonly swapouts: number
  readonly stallsNs: readonly number[]
  /** Stalls of the other threads. */
  readonly otherStallsNs: readonly number[]
  readonly kswapdNs: number
  readonly reclaimed: Reclaimed
  readonly poolPeak: number
}

/** Pages that reclaim gave back. */
interface Reclaimed {
  anon: number
  file: number
  byKswapd: number
}

function toFigures(parts: Parts): Figures {
  const sorted = Float64Array.from(parts.stallsNs).sort()
  const seconds = (times: ArrayLike<number>): number =>
    Array.from(times).reduce((sum, ns) => sum + ns, 0) / 1e9
  const { anon, file, byKswapd } = parts.reclaimed
  return {
    swapouts: parts.swapouts,
    swapouts_per_s: parts.swapouts / parts.seconds,
    pgsteal_anon: anon,
    pgsteal_anon_per_s: anon / parts.seconds,
    allocstalls: sorted.length,
    stall_total: seconds(sorted),
    allocstalls_all: sorted.length + parts.otherStallsNs.length,
    stall_total_all: seconds(sorted) + seconds(parts.otherStallsNs),
    stall_p50: (quantile(sorted, 0.5) ?? Number.NaN) / 1e6,
    stall_p99: (quantile(sorted, 0.99) ?? Number.NaN) / 1e6,
    kswapd_busy: parts.kswapdNs / 1e9 / parts.seconds,
    kswapd_steal_share: anon + file > 0 ? byKswapd / (anon + file) : Number.NaN,
    pool_peak: parts.poolPeak,
    work: parts.seconds,
  }
}

/** RECLAIM_WB_FILE of include/trace/events/vmscan.h. */
const RECLAIM_FILE = 0x2

/** What a recording shows between two moments, ns from its start. */
export function recordedFigures(
  recording: Recording,
  demand: ReadonlySet<number>,
  fromNs: number,
  toNs: number,
): Figures {
  const { stallsNs, otherStallsNs } = recordedStalls(recording, demand, fromNs, toNs)
  return toFigures({
    seconds: (toNs - fromNs) / 1e9,
    swapouts: recordedSwapouts(recording, fromNs, toNs),
    stallsNs,
    otherStallsNs,
    kswapdNs: recordedKswapdNs(recording, fromNs, toNs),
    reclaimed: recordedReclaim(recording, fromNs, toNs),
    poolPeak: recordedPoolPeak(recording, fromNs, toNs),
  })
}

/** Calls `each` with the places of events of the given kinds up to a moment, in order. */
function eachUntil(
  recording: Recording,
  kinds: readonly number[],
  toNs: number,
  each: (place: number, ns: number) => void,
): void {
  for (let i = 0; i < recording.length; i++) {
    const ns = recording.ns[i] ?? 0
    if (ns > toNs) return
    if (kinds.includes(recording.kind[i] ?? -1)) each(i, ns)
  }
}

/** Rounds of direct reclaim that began and ended between the moments: of tasks with demand, and of others. */
function recordedStalls(
  recording: Recording,
  demand: ReadonlySet<number>,
  fromNs: number,
  toNs: number,
): { readonly stallsNs: number[]; readonly otherStallsNs: number[] } {
  const begins = new Map<number, number>()
  const stallsNs: number[] = []
  const otherStallsNs: number[] = []
  eachUntil(recording, [EVENT.directBegin, EVENT.directEnd], toNs, (i, ns) => {
    const tid = recording.tid[i] ?? 0
    const begin = begins.get(tid)
    if (recording.kind[i] === EVENT.directBegin) {
      begins.set(tid, ns)
      return
    }
    begins.delete(tid)
    if (begin !== undefined && begin >= fromNs)
      (demand.has(tid) ? stallsNs : otherStallsNs).push(ns - begin)
  })
  return { stallsNs, otherStallsNs }
}

/** Pages swapped out, counted where they enter the gate; without its probe, where they are written. */
function recordedSwapouts(recording: Recording, fromNs: number, toNs: number): number {
  let swapouts = 0
  const hasGate = recording.kind.includes(EVENT.gate)
  eachUntil(recording, [hasGate ? EVENT.gate : EVENT.written], toNs, (i, ns) => {
    if (ns < fromNs) return
    if (hasGate) swapouts += pagesOfEvent(recording, i)
    else if (isAnonWrite(recording, i)) swapouts++
  })
  return swapouts
}

/** Pages reclaimed, by kind, and how many of them by kswapd. */
function recordedReclaim(recording: Recording, fromNs: number, toNs: number): Reclaimed {
  const reclaimed: Reclaimed = { anon: 0, file: 0, byKswapd: 0 }
  eachUntil(recording, [EVENT.batchEnd], toNs, (i, ns) => {
    if (ns < fromNs) return
    const pages = recording.b[i] ?? 0
    reclaimed[((recording.c[i] ?? 0) & RECLAIM_FILE) === 0 ? 'anon' : 'file'] += pages
    if (isKswapd(recording, recording.tid[i] ?? 0)) reclaimed.byKswapd += pages
  })
  return reclaimed
}

/** Time that kswapd was on a CPU. */
function recordedKswapdNs(recording: Recording, fromNs: number, toNs: number): number {
  let kswapdNs = 0
  const running = new Map<number, number>()
  const stop = (tid: number, ns: number): void => {
    const since = running.get(tid)
    if (since !== undefined) kswapdNs += Math.max(0, Math.min(ns, toNs) - Math.max(since, fromNs))
    running.delete(tid)
  }
  eachUntil(recording, [EVENT.switch], toNs, (i, ns) => {
    const from = recording.a[i] ?? 0
    const to = recording.c[i] ?? 0
    if (isKswapd(recording, from)) stop(from, ns)
    if (isKswapd(recording, to)) running.set(to, ns)
  })
  for (const tid of [...running.keys()]) stop(tid, toNs)
  return kswapdNs
}

function isKswapd(recording: Recording, tid: number): boolean {
  return recording.tasks.get(tid)?.kind === 'kswapd'
}

/** Most pages of the compressed pool that a sample saw; NaN = none did. */
function recordedPoolPeak(recording: Recording, fromNs: number, toNs: number): number {
  let peak = Number.NaN
  // An unused device beside the swap in use says nothing.
  for (const { ns, value } of recording.samples.get('mm_stat.mem_used_total') ?? [])
    if (value > 0 && ns >= fromNs && ns <= toNs && !(value / recording.pageSize <= peak))
      peak = value / recording.pageSize
  return peak
}

/** Keeps of a run's rows what its figures need. */
export class RunFigures {
  readonly #submits: number[] = []
  readonly #stallStart: number[] = []
  readonly #stallEnd: number[] = []
  readonly #stallTask: number[] = []
  readonly #runStart: number[] = []
  readonly #runEnd: number[] = []
  readonly #runTask: number[] = []
  readonly #batchNs: number[] = []
  readonly #batchTask: number[] = []
  readonly #batchAnon: number[] = []
  readonly #batchFile: number[] = []

  readonly sink = (rows: RowBuffer): void => {
    const column = (name: string): Float64Array => {
      const values = rows.columns[name]
      return values?.kind === 'number' ? values.values : new Float64Array(rows.length)
    }
    const text = (name: string, row: number): string | undefined => {
      const values = rows.columns[name]
      return values?.kind === 'text' ? values.strings[values.codes[row] ?? -1] : undefined
    }
    if (rows.table === 'swapouts') {
      const submit = column('submit_ns')
      for (let row = 0; row < rows.length; row++) this.#submits.push(submit[row] ?? 0)
    } else if (rows.table === 'reclaim_spans') {
      const start = column('start_ns')
      const end = column('end_ns')
      const task = column('task_id')
      for (let row = 0; row < rows.length; row++) {
        if (text('kind', row) !== 'direct' || Number.isNaN(end[row] ?? Number.NaN)) continue
        this.#stallStart.push(start[row] ?? 0)
        this.#stallEnd.push(end[row] ?? 0)
        this.#stallTask.push(task[row] ?? 0)
      }
    } else if (rows.table === 'shrink_batches') {
      const ns = column('ts_ns')
      const task = column('task_id')
      const reclaimed = column('nr_reclaimed')
      for (let row = 0; row < rows.length; row++) {
        const isFile = text('lru', row)?.endsWith('file') === true
        this.#batchNs.push(ns[row] ?? 0)
        this.#batchTask.push(task[row] ?? 0)
        this.#batchAnon.push(isFile ? 0 : (reclaimed[row] ?? 0))
        this.#batchFile.push(isFile ? (reclaimed[row] ?? 0) : 0)
      }
    } else if (rows.table === 'thread_states') {
      const start = column('start_ns')
      const end = column('end_ns')
      const task = column('task_id')
      for (let row = 0; row < rows.length; row++) {
        if (text('state', row) !== 'running') continue
        this.#runStart.push(start[row] ?? 0)
        this.#runEnd.push(end[row] ?? 0)
        this.#runTask.push(task[row] ?? 0)
      }
    }
  }

  /** Figures of the run from `fromNs` to its end. */
  figures(result: RunResult, fromNs: number): Figures {
    const toNs = result.endNs
    const demand = new Set(
      result.progress.filter(({ kind }) => kind !== 'background').map(({ taskId }) => taskId),
    )
    const kswapd = new Set(
      result.tasks.filter(({ kind }) => kind === 'kswapd').map(({ taskId }) => taskId),
    )
    const stallsNs: number[] = []
    const otherStallsNs: number[] = []
    for (let k = 0; k < this.#stallStart.length; k++) {
      const start = this.#stallStart[k] ?? 0
      if (start >= fromNs)
        (demand.has(this.#stallTask[k] ?? 0) ? stallsNs : otherStallsNs).push(
          (this.#stallEnd[k] ?? 0) - start,
        )
    }
    const reclaimed: Reclaimed = { anon: 0, file: 0, byKswapd: 0 }
    for (let k = 0; k < this.#batchNs.length; k++) {
      if ((this.#batchNs[k] ?? 0) < fromNs) continue
      const anon = this.#batchAnon[k] ?? 0
      const file = this.#batchFile[k] ?? 0
      reclaimed.anon += anon
      reclaimed.file += file
      if (kswapd.has(this.#batchTask[k] ?? 0)) reclaimed.byKswapd += anon + file
    }
    let kswapdNs = 0
    for (let k = 0; k < this.#runStart.length; k++)
      if (kswapd.has(this.#runTask[k] ?? 0))
        kswapdNs += Math.max(
          0,
          Math.min(this.#runEnd[k] ?? 0, toNs) - Math.max(this.#runStart[k] ?? 0, fromNs),
        )
    let swapouts = 0
    for (const ns of this.#submits) if (ns >= fromNs) swapouts++
    return toFigures({
      seconds: (toNs - fromNs) / 1e9,
      swapouts,
      stallsNs,
      otherStallsNs,
      kswapdNs,
      reclaimed,
      poolPeak: result.summary.poolPeakPages,
    })
  }
}

/** Half the range of the ratios of all pairs of repeats under two policies. */
export function halfRangeOfRatios(a: readonly number[], b: readonly number[]): number {
  const ratios = a.flatMap((x) => b.map((y) => y / x)).filter((ratio) => !Number.isNaN(ratio))
  return ratios.length === 0 ? Number.NaN : (Math.max(...ratios) - Math.min(...ratios)) / 2
}

/** Of the values that are numbers; NaN = there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].filter((value) => !Number.isNaN(value)).sort((x, y) => x - y)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
