import type { RowBuffer } from '../model/rows.ts'
import { IN_DIRECT, IN_MEMCG } from './assembly/_layout.ts'
import { numbersOf, textsOf } from './cells.ts'
import type { Clock } from './clock.ts'
import { NOT_SEEN, OTHER, PARTS, RUNNABLE, THROTTLE } from './parts.ts'
import type { Task } from './task.ts'
import type { Timeline } from './timeline.ts'

export type SpanKind = 'direct' | 'memcg' | 'memcg_softlimit' | 'node' | 'throttle' | 'compaction'

/** A span that has begun. Objects are reused. */
export interface OpenSpan {
  id: number
  /** NaN = none. */
  parentId: number
  kind: SpanKind
  /** What swap-outs within it are done for, as far as it or a span around it tells: a code of CONTEXTS. */
  context: number
  startNs: number
  cpu: number
  node: number
  order: number
  gfp: number
  /** The task's totals at the begin. */
  readonly totals: Float64Array
}

/** Details of a begin event; NaN where the layout lacks them. */
export interface BeginDetails {
  readonly order: number
  readonly gfp: number
  readonly node: number
}

export const NO_DETAILS: BeginDetails = { order: Number.NaN, gfp: Number.NaN, node: Number.NaN }

/** What a wait for memory.high is told from others by. */
const HIGH = 'memory.high'

/** Time since a wait's end within which direct reclaim begins when the wait was throttle_direct_reclaim; on-CPU, slow machines included. */
const MOST_NS_AFTER_THROTTLE = 1_000_000

/**
 * Pairs begin and end events by task. Begins and ends nest per task, so a stack pairs them; an end that fits no open begin
 * closes a span whose begin was not seen.
 */
export class Spans {
  readonly #clock: Clock
  readonly #cells
  readonly #partCells
  readonly #timeline: Timeline
  /** From here on a task may have been inside a span already: the trace's start or the last loss on its CPU. */
  readonly #blindUntil: (task: Task) => number
  /** End of the last loss on the task's CPU, NaN when there was none. */
  readonly #lostUntil: (task: Task) => number
  readonly #spare: OpenSpan[] = []
  #nextId = 1

  constructor(
    clock: Clock,
    rows: RowBuffer,
    parts: RowBuffer,
    timeline: Timeline,
    blindUntil: (task: Task) => number,
    lostUntil: (task: Task) => number,
  ) {
    this.#clock = clock
    this.#cells = spanCells(rows)
    this.#partCells = partCells(parts)
    this.#timeline = timeline
    this.#blindUntil = blindUntil
    this.#lostUntil = lostUntil
  }

  begin(task: Task, kind: SpanKind, cpu: number, details: BeginDetails): void {
    const ts = this.#clock.now
    if (kind === 'direct') this.#throttledBefore(task, cpu)
    this.#timeline.label(task, OTHER)
    // The same kind does not nest: its end was lost without notice.
    const open = task.spans.findIndex((span) => span.kind === kind)
    if (open >= 0) this.#closeDown(task, open, ts)
    const span = this.#spare.pop() ?? newSpan()
    span.id = this.#nextId++
    span.parentId = task.spans.at(-1)?.id ?? Number.NaN
    span.kind = kind
    // Soft limit reclaim runs inside kswapd or direct reclaim; the innermost span decides.
    span.context = contextWithin(kind) ?? task.spanContext
    span.startNs = ts
    span.cpu = cpu
    span.node = details.node
    span.order = details.order
    span.gfp = details.gfp
    for (let part = 0; part < PARTS.length; part++) span.totals[part] = task.totals[part] as number
    task.enter(span)
  }

  end(task: Task, kind: SpanKind, cpu: number, part: number, reclaimed: number): void {
    const ts = this.#clock.now
    this.#timeline.label(task, part)
    if (kind === 'memcg') task.reclaimed(reclaimed, ts)
    let at = task.spans.length - 1
    while (at >= 0 && task.spans[at]?.kind !== kind) at--
    if (at < 0) {
      const start = Math.min(ts, this.#blindUntil(task))
      const cells = this.#cells
      const row = this.#add(this.#nextId++, kind, task, start, ts)
      cells.censored.codes[row] = cells.censoredStart
      cells.cpu.values[row] = cpu
      cells.reclaimed.values[row] = reclaimed
      this.#addPart(this.#nextId - 1, NOT_SEEN, ts - start)
      return
    }
    this.#closeDown(task, at + 1, ts)
    const span = task.leave()
    if (span === undefined) return
    const row = this.#close(task, span, ts)
    this.#cells.reclaimed.values[row] = reclaimed
  }

  /** mm_vmscan_throttled: the task slept from `delayedNs` ago on (or since the scheduler says) until now. */
  throttled(task: Task, cpu: number, delayedNs: number, node: number): void {
    const timeline = this.#timeline
    const ts = this.#clock.now
    timeline.advance(task)
    const parent = task.spans.at(-1)
    const floor = Math.max(parent?.startNs ?? 0, 0)
    let start: number
    let slept: number
    const seen = timeline.scheduled && task.lastSleepStart >= floor && task.sinceBlockedNs >= 0
    if (seen) {
      start = task.lastSleepStart
      slept = task.lastSleepNs
      timeline.relabelSleep(task, THROTTLE)
    } else if (parent === undefined && this.#lostUntil(task) > ts - delayedNs) {
      // What is lost of the wait, the event still tells.
      start = ts - delayedNs
      slept = delayedNs
    } else {
      // The delay is rounded to jiffies: never longer than what is not accounted for otherwise.
      slept = Math.min(delayedNs, task.unlabelledNs)
      start = Math.max(floor, ts - slept)
      task.totals[THROTTLE] = (task.totals[THROTTLE] ?? 0) + slept
      task.unlabelledNs -= slept
    }
    const ready = seen ? Math.min(task.lastReadyNs, ts - start - slept) : 0
    timeline.label(task, OTHER)
    task.sinceBlockedNs = Number.NaN
    this.#addThrottle(task, parent?.id ?? Number.NaN, start, ts, slept, ready, cpu, node)
  }

  /** mem_cgroup_handle_over_high (mm/memcontrol.c) has no event: it sleeps uninterruptibly right after its last reclaim for the cgroup in vain. */
  slowedDown(task: Task, cpu: number): void {
    task.reclaimed(Number.NaN, Number.NaN)
    this.#timeline.relabelSleep(task, THROTTLE)
    const ts = this.#clock.now
    const { lastSleepStart: start, lastSleepNs: slept } = task
    const ready = Math.min(task.lastReadyNs, ts - start - slept)
    task.sinceBlockedNs = Number.NaN
    this.#addThrottle(task, Number.NaN, start, ts, slept, ready, cpu, Number.NaN, HIGH)
  }

  /** Closes all open spans of a task as censored now. */
  censor(task: Task): void {
    if (task.spans.length === 0) return
    this.#timeline.advance(task)
    task.totals[NOT_SEEN] = (task.totals[NOT_SEEN] ?? 0) + task.unlabelledNs
    task.unlabelledNs = 0
    // A loss found late may begin before the task's last event.
    this.#closeDown(task, 0, Math.max(this.#clock.now, task.accountedNs))
  }

  /**
   * throttle_direct_reclaim() sleeps uninterruptibly before direct_reclaim_begin and has no event of its own: the wait that
   * ended just before the begin, woken by kswapd (mm/vmscan.c 6.12, wake_up_all(&pgdat->pfmemalloc_wait)).
   */
  #throttledBefore(task: Task, cpu: number): void {
    const timeline = this.#timeline
    const ts = this.#clock.now
    if (!timeline.scheduled || task.spans.length > 0 || Number.isNaN(task.sinceBlockedNs)) return
    timeline.advance(task)
    if (task.sinceBlockedNs + task.unlabelledNs > MOST_NS_AFTER_THROTTLE) return
    if (timeline.wasWokenByOther(task)) return
    if (task.wokenInBatch) return
    if (!(task.lastSleepStart >= 0) || task.lastSleepNs <= 0) return
    timeline.relabelSleep(task, THROTTLE)
    const start = task.lastSleepStart
    const ready = Math.min(task.lastReadyNs, ts - start - task.lastSleepNs)
    this.#addThrottle(task, Number.NaN, start, ts, task.lastSleepNs, ready, cpu, Number.NaN)
  }

  #addThrottle(
    task: Task,
    parentId: number,
    start: number,
    end: number,
    slept: number,
    ready: number,
    cpu: number,
    node: number,
    detail?: string,
  ): void {
    const id = this.#nextId++
    const cells = this.#cells
    const row = this.#add(id, 'throttle', task, start, end)
    cells.parent.values[row] = parentId
    cells.cpu.values[row] = cpu
    cells.node.values[row] = node
    this.#addPart(id, THROTTLE, slept, detail)
    this.#addPart(id, RUNNABLE, ready)
    this.#addPart(id, OTHER, end - start - slept - ready)
  }

  /** Closes what is open from `from` on: its end was not seen. */
  #closeDown(task: Task, from: number, ts: number): void {
    const { censored, censoredEnd } = this.#cells
    while (task.spans.length > from) {
      const span = task.leave()
      if (span === undefined) return
      const row = this.#close(task, span, ts)
      censored.codes[row] = censoredEnd
    }
  }

  /** Writes a span that is the task's no more; returns its row. */
  #close(task: Task, span: OpenSpan, ts: number): number {
    const cells = this.#cells
    const row = this.#add(span.id, span.kind, task, span.startNs, ts)
    cells.parent.values[row] = span.parentId
    cells.cpu.values[row] = span.cpu
    cells.node.values[row] = span.node
    cells.order.values[row] = span.order
    cells.gfp.values[row] = span.gfp
    for (let part = 0; part < PARTS.length; part++)
      this.#addPart(span.id, part, (task.totals[part] ?? 0) - (span.totals[part] ?? 0))
    this.#spare.push(span)
    return row
  }

  #add(id: number, kind: SpanKind, task: Task, start: number, end: number): number {
    const cells = this.#cells
    const row = cells.rows.add()
    cells.id.values[row] = id
    cells.kind.codes[row] = cells.kindCodes[kind]
    cells.task.values[row] = task.id
    cells.tid.values[row] = task.tid
    cells.start.values[row] = start
    cells.end.values[row] = end
    return row
  }

  #addPart(id: number, part: number, ns: number, detail?: string): void {
    if (ns === 0) return
    const cells = this.#partCells
    const row = cells.rows.add()
    cells.id.values[row] = id
    cells.part.codes[row] = cells.partCodes[part] as number
    cells.detail.codes[row] =
      detail === undefined ? (cells.detailCodes[part] as number) : cells.rows.code('detail', detail)
    cells.ns.values[row] = ns
  }
}

function newSpan(): OpenSpan {
  return {
    id: 0,
    parentId: Number.NaN,
    kind: 'direct',
    context: IN_DIRECT,
    startNs: Number.NaN,
    cpu: 0,
    node: Number.NaN,
    order: Number.NaN,
    gfp: Number.NaN,
    totals: new Float64Array(PARTS.length),
  }
}

function contextWithin(kind: SpanKind): number | undefined {
  if (kind === 'direct' || kind === 'node') return IN_DIRECT
  return kind === 'memcg' || kind === 'memcg_softlimit' ? IN_MEMCG : undefined
}

function spanCells(rows: RowBuffer) {
  const code = (kind: SpanKind): number => rows.code('kind', kind)
  const kindCodes: Readonly<Record<SpanKind, number>> = {
    direct: code('direct'),
    memcg: code('memcg'),
    memcg_softlimit: code('memcg_softlimit'),
    node: code('node'),
    throttle: code('throttle'),
    compaction: code('compaction'),
  }
  return {
    rows,
    kindCodes,
    id: numbersOf(rows, 'span_id'),
    parent: numbersOf(rows, 'parent_span_id'),
    kind: textsOf(rows, 'kind'),
    task: numbersOf(rows, 'task_id'),
    tid: numbersOf(rows, 'tid'),
    cpu: numbersOf(rows, 'cpu'),
    node: numbersOf(rows, 'node'),
    start: numbersOf(rows, 'start_ns'),
    end: numbersOf(rows, 'end_ns'),
    censored: textsOf(rows, 'censored'),
    order: numbersOf(rows, 'alloc_order'),
    gfp: numbersOf(rows, 'gfp_flags'),
    reclaimed: numbersOf(rows, 'nr_reclaimed'),
    censoredStart: rows.code('censored', 'start'),
    censoredEnd: rows.code('censored', 'end'),
  }
}

function partCells(rows: RowBuffer) {
  return {
    rows,
    id: numbersOf(rows, 'span_id'),
    part: textsOf(rows, 'part'),
    detail: textsOf(rows, 'detail'),
    ns: numbersOf(rows, 'ns'),
    partCodes: PARTS.map(({ part }) => rows.code('part', part)),
    detailCodes: PARTS.map(({ detail }) =>
      detail === undefined ? -1 : rows.code('detail', detail),
    ),
  }
}
