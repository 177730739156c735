import { RowBuffer } from '../model/rows.ts'
import * as F from './flights.ts'
import type { LogEventName, LogSink } from './log-events.ts'
import { DOINGS, PARTS, RUNNING, STATES, THROTTLE, type Thread } from './thread.ts'

export type RowSink = (rows: RowBuffer) => void

/** Parts of a stall by index of `Thread.parts`. */
const PART_NAMES: readonly string[] = [
  'other',
  'scan',
  'unmap',
  'store',
  'slab',
  'scan',
  'runnable',
  'other',
  'io',
  'lock',
  'other',
  'throttle',
  'throttle',
]
const PART_DETAILS: readonly (string | undefined)[] = [
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  'file',
  undefined,
  'sleep',
  undefined,
  undefined,
  'nap',
  undefined,
  'memory.high',
]

const FLUSH_ROWS = 8192
/** Sectors of 512 bytes in a page of 4 KiB. */
const SECTORS_PER_PAGE = 8

/** Writes what happens as rows of the database's run tables; buffers go to the sink when they are full, so memory stays bounded. */
export class Recorder {
  readonly flights: F.Flights
  readonly log: LogSink | undefined
  /** The page_id of rows for a page of the engine. */
  pageId: (page: number) => number = (page) => page + 1
  readonly #sink: RowSink | undefined
  readonly #buffers: RowBuffer[] = []
  #spans = 0

  readonly swapouts = this.#table('swapouts', {
    swapout_id: 'number',
    page_id: 'number',
    ts_ns: 'number',
    submit_ns: 'number',
    start_ns: 'number',
    stored_ns: 'number',
    freed_ns: 'number',
    task_id: 'number',
    tid: 'number',
    cpu: 'number',
    node: 'number',
    swap_type: 'number',
    swap_offset: 'number',
    folio_order: 'number',
    context: 'text',
    path: 'text',
    bypass_reason: 'text',
    stored_by: 'number',
    place: 'text',
    compressed_bytes: 'number',
    lane: 'text',
    submit_rank: 'number',
    start_rank: 'number',
    done_rank: 'number',
    span_id: 'number',
  })
  readonly swapins = this.#table('swapins', {
    page_id: 'number',
    swapout_id: 'number',
    ts_ns: 'number',
    end_ns: 'number',
    task_id: 'number',
    tid: 'number',
    cpu: 'number',
    swap_type: 'number',
    swap_offset: 'number',
    met: 'text',
    wait_ns: 'number',
    readahead: 'number',
    refault_distance: 'number',
  })
  readonly spans = this.#table('reclaim_spans', {
    span_id: 'number',
    parent_span_id: 'number',
    kind: 'text',
    task_id: 'number',
    tid: 'number',
    cpu: 'number',
    node: 'number',
    start_ns: 'number',
    end_ns: 'number',
    alloc_order: 'number',
    nr_reclaimed: 'number',
  })
  readonly parts = this.#table('stall_parts', {
    span_id: 'number',
    part: 'text',
    detail: 'text',
    ns: 'number',
  })
  readonly kswapdSpans = this.#table('kswapd_spans', {
    node: 'number',
    task_id: 'number',
    tid: 'number',
    start_ns: 'number',
    end_ns: 'number',
    censored: 'text',
    alloc_order: 'number',
  })
  readonly states = this.#table('thread_states', {
    task_id: 'number',
    cpu: 'number',
    start_ns: 'number',
    end_ns: 'number',
    state: 'text',
    doing: 'text',
  })
  readonly wakeups = this.#table('wakeups', {
    ts_ns: 'number',
    waker_task_id: 'number',
    task_id: 'number',
    reason: 'text',
  })
  readonly batches = this.#table('shrink_batches', {
    ts_ns: 'number',
    start_ns: 'number',
    task_id: 'number',
    node: 'number',
    lru: 'text',
    nr_scanned: 'number',
    nr_taken: 'number',
    nr_reclaimed: 'number',
    nr_dirty: 'number',
    nr_writeback: 'number',
    nr_activate: 'number',
    priority: 'number',
  })
  readonly slabs = this.#table('slab_shrinks', {
    start_ns: 'number',
    end_ns: 'number',
    task_id: 'number',
    node: 'number',
    shrinker: 'text',
    nr_scanned: 'number',
    nr_freed: 'number',
  })
  readonly moves = this.#table('pool_moves', {
    ts_ns: 'number',
    page_id: 'number',
    from_place: 'text',
    to_place: 'text',
    reason: 'text',
    age_ns: 'number',
  })
  readonly blockIos = this.#table('block_ios', {
    device: 'text',
    sectors: 'number',
    op: 'text',
    issue_ns: 'number',
    complete_ns: 'number',
    task_id: 'number',
  })
  readonly samples = this.#table('samples', {
    ts_ns: 'number',
    node: 'number',
    name: 'text',
    value: 'number',
  })

  constructor(sink: RowSink | undefined, log: LogSink | undefined) {
    this.#sink = sink
    this.log = log
    this.flights = new F.Flights({ keepsDetails: sink !== undefined || log !== undefined })
  }

  get recordsRows(): boolean {
    return this.#sink !== undefined
  }

  flush(): void {
    for (const buffer of this.#buffers) this.#send(buffer)
  }

  /** A line of the event log, where one is written. `page` is the engine's, -1 = none. */
  note(
    ns: number,
    event: LogEventName,
    thread: Thread | undefined,
    page: number,
    value: number,
    detail?: string,
  ): void {
    this.log?.({
      ns,
      event,
      task: thread?.taskId ?? 0,
      thread: thread?.name ?? '',
      page: page < 0 ? -1 : this.pageId(page),
      value,
      ...(detail === undefined ? {} : { detail }),
    })
  }

  /** Call after each row is complete. */
  added(buffer: RowBuffer): void {
    if (buffer.length >= FLUSH_ROWS) this.#send(buffer)
  }

  interval(thread: Thread, start: number, end: number): void {
    if (this.#sink === undefined) return
    const rows = this.states
    const row = rows.add()
    rows.number(row, 'task_id', thread.taskId)
    if (thread.state === RUNNING) rows.number(row, 'cpu', thread.cpu)
    rows.number(row, 'start_ns', start)
    rows.number(row, 'end_ns', end)
    const state = STATES[thread.state] as string
    rows.text(row, 'state', thread.state >= THROTTLE ? 'io' : state)
    rows.text(row, 'doing', thread.state === RUNNING ? (DOINGS[thread.doing] as string) : 'none')
    this.added(rows)
  }

  wakeup(now: number, waker: Thread | undefined, thread: Thread, reason: string): void {
    this.note(now, 'wake', thread, -1, waker?.taskId ?? 0)
    if (this.#sink === undefined) return
    const rows = this.wakeups
    const row = rows.add()
    rows.number(row, 'ts_ns', now)
    if (waker !== undefined) rows.number(row, 'waker_task_id', waker.taskId)
    rows.number(row, 'task_id', thread.taskId)
    rows.text(row, 'reason', reason)
    this.added(rows)
  }

  blockIo(
    issued: number,
    done: number,
    op: 'read' | 'write',
    pages: number,
    thread: Thread | undefined,
  ): void {
    if (this.#sink === undefined) return
    const rows = this.blockIos
    const row = rows.add()
    rows.text(row, 'device', 'swap')
    rows.number(row, 'sectors', pages * SECTORS_PER_PAGE)
    rows.text(row, 'op', op === 'read' ? 'R' : 'W')
    rows.number(row, 'issue_ns', issued)
    rows.number(row, 'complete_ns', done)
    if (thread !== undefined) rows.number(row, 'task_id', thread.taskId)
    this.added(rows)
  }

  sample(now: number, node: number, name: string, value: number): void {
    if (this.#sink === undefined) return
    const rows = this.samples
    const row = rows.add()
    rows.number(row, 'ts_ns', now)
    rows.number(row, 'node', node)
    rows.text(row, 'name', name)
    rows.number(row, 'value', value)
    this.added(rows)
  }

  /** Number of a new span. */
  openSpan(): number {
    return ++this.#spans
  }

  /** `before` holds the thread's parts at the span's start; both must be accounted to the instant. */
  closeSpan(
    span: number,
    kind: 'direct' | 'memcg' | 'throttle',
    thread: Thread,
    parent: number,
    start: number,
    end: number,
    reclaimed: number,
    before: Float64Array,
  ): void {
    this.note(end, kind === 'memcg' ? 'direct' : kind, thread, -1, end - start)
    if (this.#sink === undefined) return
    const rows = this.spans
    const row = rows.add()
    rows.number(row, 'span_id', span)
    if (parent > 0) rows.number(row, 'parent_span_id', parent)
    rows.text(row, 'kind', kind)
    rows.number(row, 'task_id', thread.taskId)
    rows.number(row, 'tid', thread.tid)
    rows.number(row, 'cpu', thread.cpu)
    rows.number(row, 'node', thread.node)
    rows.number(row, 'start_ns', start)
    rows.number(row, 'end_ns', end)
    rows.number(row, 'alloc_order', 0)
    rows.number(row, 'nr_reclaimed', reclaimed)
    this.added(rows)
    for (let part = 0; part < PARTS; part++) {
      const ns = (thread.parts[part] as number) - (before[part] as number)
      if (ns <= 0) continue
      const parts = this.parts
      const line = parts.add()
      parts.number(line, 'span_id', span)
      parts.text(line, 'part', PART_NAMES[part])
      parts.text(line, 'detail', PART_DETAILS[part])
      parts.number(line, 'ns', ns)
      this.added(parts)
    }
  }

  closeKswapdSpan(thread: Thread, start: number, end: number, censored: boolean): void {
    if (this.#sink === undefined) return
    const rows = this.kswapdSpans
    const row = rows.add()
    rows.number(row, 'node', thread.node)
    rows.number(row, 'task_id', thread.taskId)
    rows.number(row, 'tid', thread.tid)
    rows.number(row, 'start_ns', start)
    if (!censored) rows.number(row, 'end_ns', end)
    if (censored) rows.text(row, 'censored', 'end')
    rows.number(row, 'alloc_order', 0)
    this.added(rows)
  }

  /** The flight's row; its number is free afterwards. */
  closeFlight(flight: number): void {
    if (this.#sink !== undefined) this.#addSwapOut(flight)
    this.flights.close(flight)
  }

  #addSwapOut(flight: number): void {
    const { flights, swapouts: rows } = this
    const row = rows.add()
    const context = F.CONTEXTS[flights.rank(flight, F.CONTEXT)] as string
    const path = flights.detail(flight, F.PATH)
    rows.number(row, 'swapout_id', flights.detail(flight, F.ID))
    rows.number(row, 'page_id', flights.detail(flight, F.CONTENT) + 1)
    rows.number(row, 'ts_ns', flights.detail(flight, F.HANDED_AT))
    rows.number(row, 'submit_ns', flights.detail(flight, F.SUBMITTED_AT))
    rows.number(row, 'start_ns', flights.detail(flight, F.STARTED_AT))
    rows.number(row, 'stored_ns', flights.detail(flight, F.STORED_AT))
    rows.number(row, 'freed_ns', flights.detail(flight, F.FREED_AT))
    rows.number(row, 'task_id', flights.detail(flight, F.TASK))
    rows.number(row, 'tid', flights.detail(flight, F.TID))
    rows.number(row, 'cpu', flights.detail(flight, F.CPU))
    rows.number(row, 'node', flights.detail(flight, F.NODE))
    rows.number(row, 'swap_type', 0)
    rows.number(row, 'swap_offset', flights.detail(flight, F.SLOT))
    rows.number(row, 'folio_order', flights.detail(flight, F.ORDER))
    rows.text(row, 'context', context)
    rows.text(row, 'path', F.PATHS[path])
    rows.text(row, 'bypass_reason', F.REASONS[flights.detail(flight, F.REASON)])
    rows.number(row, 'stored_by', flights.detail(flight, F.STORED_BY))
    rows.text(row, 'place', F.PLACES[flights.detail(flight, F.PLACE)])
    rows.number(row, 'compressed_bytes', flights.detail(flight, F.BYTES))
    rows.text(row, 'lane', `${flights.detail(flight, F.NODE)}/${context}`)
    if (path !== F.BYPASS) this.#addRanks(row, flight)
    const span = flights.detail(flight, F.SPAN)
    if (span > 0) rows.number(row, 'span_id', span)
    this.added(rows)
  }

  #addRanks(row: number, flight: number): void {
    const { flights, swapouts: rows } = this
    rows.number(row, 'submit_rank', flights.rank(flight, F.SUBMIT_RANK))
    const started = flights.rank(flight, F.START_RANK)
    if (started > 0) rows.number(row, 'start_rank', started)
    const done = flights.rank(flight, F.DONE_RANK)
    if (done > 0) rows.number(row, 'done_rank', done)
  }

  #table<Name extends string>(
    name: string,
    kinds: Readonly<Record<Name, 'number' | 'text'>>,
  ): RowBuffer<Name> {
    const buffer = new RowBuffer<Name>(name, kinds)
    this.#buffers.push(buffer as unknown as RowBuffer)
    return buffer
  }

  #send(buffer: RowBuffer): void {
    if (buffer.length === 0) return
    this.#sink?.(buffer)
    buffer.clear()
  }
}
