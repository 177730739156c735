import type { GeneratedFormat, GeneratedTruth } from '../../src/generate/generate.ts'
import { layoutsOf, parseKernel } from '../../src/generate/layouts.ts'

export type Row = Readonly<Record<string, unknown>>

/** What a recording can say, beyond what its events' layouts have. */
export interface Recorded {
  readonly format: GeneratedFormat
  /** Zones, swap devices and counters lie beside the trace. */
  readonly snapshots: boolean
}

/** Times in text are rounded to microseconds. */
export function toleranceOf(format: GeneratedFormat): number {
  return format.startsWith('text') ? 500 : 0
}

/** Rows of one task in the order of their times, tasks by tid. */
export function byTask(rows: readonly Row[], ...times: readonly string[]): Row[] {
  const compare = (a: Row, b: Row, column: string) => Number(a[column]) - Number(b[column])
  return [...rows].sort((a, b) => {
    const tid = compare(a, b, 'tid')
    if (tid !== 0) return tid
    // Nested spans may begin in one microsecond.
    if (a['kind'] !== b['kind']) return String(a['kind']) < String(b['kind']) ? -1 : 1
    for (const column of times) {
      const order = compare(a, b, column)
      if (order !== 0) return order
    }
    return 0
  })
}

export function pick(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((column) => [column, row[column]]))
}

/** The truth's rows in the database's words; a column that the recording cannot know is undefined. */
export class Expected {
  readonly #truth: GeneratedTruth
  readonly #recorded: Recorded

  constructor(truth: GeneratedTruth, recorded: Recorded) {
    this.#truth = truth
    this.#recorded = recorded
  }

  table(name: string): readonly Row[] {
    return this.#truth.tables?.[name] ?? []
  }

  /** Events that the truth's kernel does not have leave no rows. */
  #has(event: string): boolean {
    const names = layoutsOf(parseKernel(this.#truth.kernel) ?? [6, 12]).map(({ name }) => name)
    return names.includes(event)
  }

  get #isText(): boolean {
    return this.#recorded.format.startsWith('text')
  }

  get #isLate(): boolean {
    return this.#truth.scenario === 'late'
  }

  /** Scheduler events and probes. */
  get #isFull(): boolean {
    return this.#truth.probes === 'full'
  }

  get isScheduled(): boolean {
    return this.#truth.probes !== 'none'
  }

  /** Compact scheduling events of Perfetto do not say who ran before the first. */
  get #knowsWakers(): boolean {
    return this.#recorded.format !== 'perfetto-dense'
  }

  get #hasNodeSpans(): boolean {
    return this.#has('mm_vmscan_node_reclaim_begin')
  }

  get #usesNodeSpans(): boolean {
    return this.table('reclaim_spans').some(({ kind }) => kind === 'node')
  }

  /** What each swap-out's code was doing is known, but for reclaim that is not recorded, and pages amid whose store the recording began. */
  get knowsDoing(): boolean {
    return this.#isFull && !this.#isLate && (this.#hasNodeSpans || !this.#usesNodeSpans)
  }

  swapouts(): Row[] {
    const spans = this.table('reclaim_spans')
    const nodes = new Set(this.table('zones').map(({ node }) => node)).size
    const devices = this.table('swap_devices').length
    const { snapshots } = this.#recorded
    const hasQueue = this.table('swapouts').some(({ path }) => path === 'queued')
    const rows = this.table('swapouts').map((row) => {
      const inNode = row['context'] === 'node'
      const isSeen = !inNode || this.#hasNodeSpans
      const isOpenAtStart = row['span'] === -1
      const context = !isSeen ? 'proactive' : inNode ? 'direct' : row['context']
      // Of a store that began before the recording, its end tells no more than the page's.
      const isWhole = this.#isFull && row['start_ns'] !== null
      const knowsNode = snapshots || context === 'kswapd'
      // Ranks count the pages of a lane from its first on.
      // Workers on several CPUs begin and end stores in one microsecond, which text does not order.
      const isTied = this.#isText && hasQueue
      const isRanked =
        isWhole && !this.#isLate && isSeen && (knowsNode || nodes === 1) && this.#hasNodeSpans
      return {
        tid: row['tid'],
        cpu: row['cpu'],
        ts_ns: row['write_ns'],
        pfn: row['pfn'],
        // Whose reclaim it was is not known where its begin is not recorded.
        context: isOpenAtStart ? undefined : context,
        span_ns: isSeen ? this.#startOf(spans[Number(row['span'] ?? -1)]) : null,
        submit_ns: isWhole ? row['start_ns'] : undefined,
        start_ns: isWhole ? row['begin_ns'] : undefined,
        stored_ns: isWhole ? row['stored_ns'] : undefined,
        swap_type: isWhole ? row['swap_type'] : undefined,
        swap_offset: isWhole ? row['swap_offset'] : undefined,
        node: knowsNode ? row['node'] : undefined,
        path: isWhole ? row['path'] : undefined,
        stored_tid: isWhole ? row['stored_tid'] : undefined,
        place: snapshots && devices === 1 ? row['place'] : undefined,
        folio_order: (isWhole ? row['folio_order'] : null) ?? (snapshots ? 0 : undefined),
        lane: isRanked && knowsNode ? row['lane'] : undefined,
        submit_rank: isRanked ? row['submit_rank'] : undefined,
        start_rank: isRanked && !isTied ? row['start_rank'] : undefined,
        done_rank: isRanked && !isTied ? row['done_rank'] : undefined,
      }
    })
    return byTask(rows, 'ts_ns')
  }

  /** A span that began before the recording has no start to compare. */
  #startOf(span: Row | undefined): unknown {
    if (span === undefined) return null
    return span['start_ns'] ?? undefined
  }

  swapins(): Row[] {
    if (!this.#isFull) return []
    const swapouts = this.table('swapouts')
    const rows = this.table('swapins').map((row) => {
      const swapout = row['swapout'] === null ? undefined : swapouts[Number(row['swapout'])]
      const isKnown = swapout !== undefined && swapout['start_ns'] !== null
      return {
        tid: row['tid'],
        cpu: row['cpu'],
        ts_ns: row['fault_ns'],
        end_ns: row['end_ns'],
        swap_type: row['swap_type'],
        swap_offset: row['swap_offset'],
        swapout_ns: isKnown ? swapout['write_ns'] : undefined,
        refault_distance: isKnown && !this.#isLate ? row['refault_distance'] : undefined,
      }
    })
    return byTask(rows, 'ts_ns')
  }

  spans(): Row[] {
    const rows = this.table('reclaim_spans')
      .filter(({ kind }) => kind !== 'throttle' && (kind !== 'node' || this.#hasNodeSpans))
      .map((row) => ({
        tid: row['tid'],
        cpu: row['cpu'],
        kind: row['kind'],
        start_ns: row['censored'] === 'start' ? null : row['start_ns'],
        end_ns: row['end_ns'],
        censored: row['censored'],
        nr_reclaimed: row['nr_reclaimed'],
        alloc_order: row['alloc_order'],
        parent_ns: this.#parentOf(row),
        ...(!this.#isText && { gfp_flags: row['gfp_flags'] }),
      }))
    return byTask(rows, 'start_ns', 'end_ns')
  }

  #parentOf(row: Row): unknown {
    if (row['parent'] === null) return null
    const parent = this.table('reclaim_spans')[Number(row['parent'])]
    return parent === undefined || (parent['kind'] === 'node' && !this.#hasNodeSpans)
      ? undefined
      : this.#startOf(parent)
  }

  throttles(): Row[] {
    const rows = this.table('reclaim_spans')
      .filter(({ kind }) => kind === 'throttle' && this.#has('mm_vmscan_throttled'))
      .map((row) => pick(row, ['tid', 'start_ns', 'end_ns']))
    return byTask(rows, 'end_ns')
  }

  /** Compact scheduling events do not say who left a CPU first: a wait that began then has no start. */
  get knowsWaits(): boolean {
    return !this.#isLate || this.#knowsWakers
  }

  /** Parts of the spans whose begin was recorded: one row per span and part. */
  parts(): Row[] {
    const spans = this.table('reclaim_spans')
    const sums = new Map<string, { row: Row; ns: number }>()
    for (const part of this.table('stall_parts')) {
      const span = spans[Number(part['span'])]
      if (span === undefined || (span['kind'] === 'throttle' && !this.#has('mm_vmscan_throttled')))
        continue
      if (span['kind'] === 'node' && !this.#hasNodeSpans) continue
      const name = this.#partOf(part)
      const key = `${span['tid']} ${span['kind']} ${span['start_ns']} ${name}`
      const row = { ...pick(span, ['tid', 'kind', 'start_ns']), part: name }
      sums.set(key, { row, ns: (sums.get(key)?.ns ?? 0) + Number(part['ns']) })
    }
    return [...sums.values()].map(({ row, ns }) => ({ ...row, ns }))
  }

  #partOf({ part, detail }: Row): string {
    if (part === 'io') return 'unknown/uninterruptible sleep'
    if (part === 'throttle' && !this.#has('mm_vmscan_throttled'))
      return 'unknown/uninterruptible sleep'
    if ((part === 'unmap' || part === 'store') && !this.#isFull) return 'unknown/unmap and store'
    return `${part}/${detail ?? ''}`
  }

  kswapdSpans(): Row[] {
    const columns = ['tid', 'node', 'end_ns', 'alloc_order', 'censored']
    return byTask(
      this.table('kswapd_spans').map((row) => ({
        ...pick(row, columns),
        start_ns: this.#startOf(row),
      })),
      'end_ns',
    )
  }

  /**
   * States from the moment on at which the recording can know a task's: `known` tells, by tid, when the recording's own rows
   * begin. It may be no later than the task's first switch onto a CPU.
   */
  threadStates(known: ReadonlyMap<unknown, number>): Row[] {
    if (!this.isScheduled) return []
    const doing = this.knowsDoing
    const rows: Record<string, unknown>[] = []
    for (const row of byTask(this.table('thread_states'), 'start_ns')) {
      const from = known.get(row['tid']) ?? Number.POSITIVE_INFINITY
      const round = (ns: unknown) =>
        this.#isText ? Math.round(Number(ns) / 1000) * 1000 : Number(ns)
      const start = Math.max(round(row['start_ns']), from)
      const end = round(row['end_ns'])
      if (end <= start) continue
      const last = rows.at(-1)
      const state = { ...pick(row, ['tid', 'cpu', 'state']), ...(doing && { doing: row['doing'] }) }
      if (
        last !== undefined &&
        last['end_ns'] === start &&
        Object.entries(state).every(([column, value]) => last[column] === value)
      )
        last['end_ns'] = end
      else rows.push({ ...state, start_ns: start, end_ns: end })
    }
    return rows
  }

  /** When each task was first switched onto a CPU while recorded: from then on its states are known. */
  firstRuns(): ReadonlyMap<unknown, number> {
    const first = new Map<unknown, number>()
    for (const row of this.table('thread_states')) {
      const start = Number(row['start_ns'])
      if (row['state'] !== 'running' || start < this.#truth.startNs) continue
      first.set(row['tid'], Math.min(start, first.get(row['tid']) ?? Number.POSITIVE_INFINITY))
    }
    return first
  }

  batches(): Row[] {
    const columns = ['tid', 'ts_ns', 'node', 'nr_scanned', 'nr_reclaimed', 'priority']
    const rows = this.table('shrink_batches').map((row) => ({
      ...pick(row, columns),
      // A recording that begins late lacks the isolation of a task's first batch.
      nr_taken: row['start_ns'] === null ? undefined : row['nr_taken'],
      start_ns: row['start_ns'] ?? undefined,
      lru: row['lru'] ?? undefined,
    }))
    return byTask(rows, 'ts_ns')
  }

  slabs(): Row[] {
    const columns = ['tid', 'start_ns', 'end_ns', 'node', 'nr_scanned', 'nr_freed']
    // Text names the function, binary formats give its address.
    const symbol = this.#isText ? ['shrinker'] : []
    return byTask(
      this.table('slab_shrinks').map((row) => pick(row, [...columns, ...symbol])),
      'end_ns',
    )
  }

  poolMoves(): Row[] {
    if (!this.#isFull) return []
    const swapouts = this.table('swapouts')
    return this.table('pool_moves').map((row) => {
      const swapout = row['swapout'] === null ? undefined : swapouts[Number(row['swapout'])]
      const isKnown = swapout !== undefined && swapout['start_ns'] !== null
      return {
        ...pick(row, ['ts_ns', 'from_place', 'reason']),
        swapout_ns: isKnown ? swapout['write_ns'] : undefined,
      }
    })
  }

  /** perf records no user marks: ftrace's print is no tracepoint. */
  markers(): Row[] {
    const isPerf = this.#recorded.format.startsWith('perf') && !this.#isPerfetto
    const rows = this.table('markers').filter(({ name }) => !isPerf || name === 'oom kill')
    return byTask(rows, 'ts_ns')
  }

  /** Requests that were completed while the recording ran. */
  blockIos(): Row[] {
    const rows = this.isScheduled ? this.table('block_ios') : []
    return byTask(
      rows.filter((row) => row['complete_ns'] !== null),
      'issue_ns',
      'sector',
    )
  }

  get #isPerfetto(): boolean {
    return this.#recorded.format.startsWith('perfetto')
  }

  samples(): Row[] {
    // Text names the zone, which is no number on every machine.
    const named = (row: Row) =>
      this.#isText ? { name: String(row['name']).replace(/\d+$/, '') } : undefined
    return this.table('samples').map((row) => ({
      ...pick(row, ['ts_ns', 'node', 'name', 'value']),
      ...named(row),
    }))
  }

  wakeups(): Row[] {
    const rows = this.table('wakeups').filter(
      ({ reason }) => reason === 'kswapd' || this.isScheduled,
    )
    return byTask(
      rows.map((row) => ({
        tid: row['tid'],
        waker_tid: this.#knowsWakers ? row['waker_tid'] : undefined,
        ts_ns: row['ts_ns'],
        kind: row['reason'],
      })),
      'ts_ns',
    )
  }

  /** Tasks of which the recording has an event: one that only ran has none without the scheduler's. */
  tasks(seen: readonly Row[]): Row[] {
    const tids = new Set(seen.map(({ tid }) => tid))
    const { format } = this.#recorded
    const knowsGroups = format === 'text-tgid' || format.startsWith('perf')
    return byTask(
      this.table('tasks')
        .filter(({ tid }) => this.isScheduled || tids.has(tid))
        .map((row) => ({
          ...pick(row, ['tid', 'comm', 'kind', 'node']),
          tgid: knowsGroups ? row['tgid'] : undefined,
        })),
      'tid',
    )
  }
}
