import type { RowBuffer } from '../model/rows.ts'
import type { RunResult } from '../replay/replay.ts'
import { EVENT, type Recording } from '../workload/recording.ts'
import { quantile } from './statistics.ts'

/** How a figure changes when a machine does the same at another speed. */
export type FigureKind = 'rate' | 'count' | 'time' | 'share' | 'amount'

export const VALIDATED = [
  { name: 'swapouts_per_s', unit: '1/s', kind: 'rate' },
  { name: 'allocstalls', unit: '', kind: 'count' },
  { name: 'stall_total', unit: 's', kind: 'time' },
  { name: 'stall_p50', unit: 'ms', kind: 'time' },
  { name: 'stall_p99', unit: 'ms', kind: 'time' },
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
/** NaN = not known. Stalls are direct reclaims, begin to end, of the demand's tasks. */
export type Figures = Readonly<Record<ValidatedName, number>> & { readonly swapouts: number }

interface Parts {
  readonly seconds: number
  readonly swapouts: number
  readonly stallsNs: readonly number[]
  readonly kswapdNs: number
  readonly stealShare: number
  readonly poolPeak: number
}

function toFigures(parts: Parts): Figures {
  const sorted = Float64Array.from(parts.stallsNs).sort()
  return {
    swapouts: parts.swapouts,
    swapouts_per_s: parts.swapouts / parts.seconds,
    allocstalls: sorted.length,
    stall_total: sorted.reduce((sum, ns) => sum + ns, 0) / 1e9,
    stall_p50: (quantile(sorted, 0.5) ?? Number.NaN) / 1e6,
    stall_p99: (quantile(sorted, 0.99) ?? Number.NaN) / 1e6,
    kswapd_busy: parts.kswapdNs / 1e9 / parts.seconds,
    kswapd_steal_share: parts.stealShare,
    pool_peak: parts.poolPeak,
    work: parts.seconds,
  }
}

/** What a recording shows between two moments, ns from its start. */
export function recordedFigures(
  recording: Recording,
  demand: ReadonlySet<number>,
  fromNs: number,
  toNs: number,
): Figures {
  const begins = new Map<number, number>()
  const stallsNs: number[] = []
  const running = new Map<number, number>()
  let swapouts = 0
  let kswapdNs = 0
  let byKswapd = 0
  let reclaimed = 0
  const isKswapd = (tid: number): boolean => recording.tasks.get(tid)?.kind === 'kswapd'
  const stop = (tid: number, ns: number): void => {
    const since = running.get(tid)
    if (since !== undefined) kswapdNs += Math.max(0, Math.min(ns, toNs) - Math.max(since, fromNs))
    running.delete(tid)
  }
  const hasGate = recording.kind.includes(EVENT.gate)
  for (let i = 0; i < recording.length; i++) {
    const ns = recording.ns[i] ?? 0
    if (ns > toNs) break
    const tid = recording.tid[i] ?? 0
    const isInside = ns >= fromNs
    switch (recording.kind[i]) {
      case EVENT.directBegin:
        begins.set(tid, ns)
        break
      case EVENT.directEnd: {
        const begin = begins.get(tid)
        begins.delete(tid)
        if (begin !== undefined && begin >= fromNs && demand.has(tid)) stallsNs.push(ns - begin)
        break
      }
      case EVENT.gate:
        if (isInside) swapouts++
        break
      case EVENT.written:
        if (isInside && !hasGate && ((recording.b[i] ?? 0) & 1) !== 0) swapouts++
        break
      case EVENT.batchEnd:
        if (!isInside) break
        reclaimed += recording.b[i] ?? 0
        if (isKswapd(tid)) byKswapd += recording.b[i] ?? 0
        break
      case EVENT.switch: {
        const from = recording.a[i] ?? 0
        const to = recording.c[i] ?? 0
        if (isKswapd(from)) stop(from, ns)
        if (isKswapd(to)) running.set(to, ns)
        break
      }
      default:
    }
  }
  for (const tid of [...running.keys()]) stop(tid, toNs)
  let poolPeak = Number.NaN
  for (const { ns, value } of recording.samples.get('mm_stat.mem_used_total') ?? [])
    if (ns >= fromNs && ns <= toNs && !(value / recording.pageSize <= poolPeak))
      poolPeak = value / recording.pageSize
  return toFigures({
    seconds: (toNs - fromNs) / 1e9,
    swapouts,
    stallsNs,
    kswapdNs,
    stealShare: reclaimed > 0 ? byKswapd / reclaimed : Number.NaN,
    poolPeak,
  })
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
    for (let k = 0; k < this.#stallStart.length; k++) {
      const start = this.#stallStart[k] ?? 0
      if (start >= fromNs && demand.has(this.#stallTask[k] ?? 0))
        stallsNs.push((this.#stallEnd[k] ?? 0) - start)
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
      kswapdNs,
      stealShare: fromNs === 0 ? result.summary.kswapdStealShare : Number.NaN,
      poolPeak: result.summary.poolPeakPages,
    })
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].filter((value) => !Number.isNaN(value)).sort((x, y) => x - y)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
