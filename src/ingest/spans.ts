import type { RowBuffer } from '../model/rows.ts'
import type { Clock } from './clock.ts'
import { NOT_SEEN, OTHER, PARTS, RUNNABLE, THROTTLE } from './parts.ts'
import type { Task } from './tasks.ts'
import type { Timeline } from './timeline.ts'

export type SpanKind = 'direct' | 'memcg' | 'memcg_softlimit' | 'node' | 'throttle' | 'compaction'

export interface OpenSpan {
  readonly id: number
  readonly parentId: number | undefined
  readonly kind: SpanKind
  readonly startNs: number
  readonly cpu: number
  readonly node: number
  readonly order: number
  readonly gfp: number
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

/** Time since a wait's end within which direct reclaim begins when the wait was throttle_direct_reclaim; on-CPU, slow machines included. */
const MOST_NS_AFTER_THROTTLE = 1_000_000

/**
 * Pairs begin and end events by task. Begins and ends nest per task, so a stack pairs them; an end that fits no open begin
 * closes a span whose begin was not seen.
 */
export class Spans {
  readonly #clock: Clock
  readonly #rows: RowBuffer
  readonly #parts: RowBuffer
  readonly #timeline: Timeline
  /** From here on a task may have been inside a span already: the trace's start or the last loss on its CPU. */
  readonly #blindUntil: (task: Task) => number
  /** End of the last loss on the task's CPU, NaN when there was none. */
  readonly #lostUntil: (task: Task) => number
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
    this.#rows = rows
    this.#parts = parts
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
    if (open >= 0) this.#closeDown(task, open, ts, 'end')
    task.spans.push({
      id: this.#nextId++,
      parentId: task.spans.at(-1)?.id,
      kind,
      startNs: ts,
      cpu,
      node: details.node,
      order: details.order,
      gfp: details.gfp,
      totals: task.totals.slice(),
    })
  }

  end(task: Task, kind: SpanKind, cpu: number, part: number, reclaimed: number): void {
    const ts = this.#clock.now
    this.#timeline.label(task, part)
    let at = task.spans.length - 1
    while (at >= 0 && task.spans[at]?.kind !== kind) at--
    if (at < 0) {
      const start = Math.min(ts, this.#blindUntil(task))
      const row = this.#add(this.#nextId++, undefined, kind, task, start, ts, 'start')
      this.#rows.number(row, 'cpu', cpu)
      this.#rows.number(row, 'nr_reclaimed', reclaimed)
      this.#addPart(this.#nextId - 1, NOT_SEEN, ts - start)
      return
    }
    this.#closeDown(task, at + 1, ts, 'end')
    const span = task.spans.pop()
    if (span !== undefined) this.#close(task, span, ts, undefined, reclaimed)
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
    this.#addThrottle(task, parent?.id, start, ts, slept, ready, cpu, node)
  }

  /** Closes all open spans of a task as censored now. */
  censor(task: Task): void {
    if (task.spans.length === 0) return
    this.#timeline.advance(task)
    task.totals[NOT_SEEN] = (task.totals[NOT_SEEN] ?? 0) + task.unlabelledNs
    task.unlabelledNs = 0
    // A loss found late may begin before the task's last event.
    this.#closeDown(task, 0, Math.max(this.#clock.now, task.accountedNs), 'end')
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
    if (task.lastWaker !== undefined && task.lastWaker.kind !== 'kswapd') return
    if (task.wokenInBatch) return
    if (!(task.lastSleepStart >= 0) || task.lastSleepNs <= 0) return
    timeline.relabelSleep(task, THROTTLE)
    const start = task.lastSleepStart
    const ready = Math.min(task.lastReadyNs, ts - start - task.lastSleepNs)
    this.#addThrottle(task, undefined, start, ts, task.lastSleepNs, ready, cpu, Number.NaN)
  }

  #addThrottle(
    task: Task,
    parentId: number | undefined,
    start: number,
    end: number,
    slept: number,
    ready: number,
    cpu: number,
    node: number,
  ): void {
    const id = this.#nextId++
    const row = this.#add(id, parentId, 'throttle', task, start, end, undefined)
    this.#rows.number(row, 'cpu', cpu)
    this.#rows.number(row, 'node', node)
    this.#addPart(id, THROTTLE, slept)
    this.#addPart(id, RUNNABLE, ready)
    this.#addPart(id, OTHER, end - start - slept - ready)
  }

  #closeDown(task: Task, from: number, ts: number, censored: 'end'): void {
    while (task.spans.length > from) {
      const span = task.spans.pop()
      if (span !== undefined) this.#close(task, span, ts, censored, Number.NaN)
    }
  }

  #close(
    task: Task,
    span: OpenSpan,
    ts: number,
    censored: 'end' | undefined,
    reclaimed: number,
  ): void {
    const row = this.#add(span.id, span.parentId, span.kind, task, span.startNs, ts, censored)
    const rows = this.#rows
    rows.number(row, 'cpu', span.cpu)
    rows.number(row, 'node', span.node)
    rows.number(row, 'alloc_order', span.order)
    rows.number(row, 'gfp_flags', span.gfp)
    rows.number(row, 'nr_reclaimed', reclaimed)
    for (let part = 0; part < PARTS.length; part++)
      this.#addPart(span.id, part, (task.totals[part] ?? 0) - (span.totals[part] ?? 0))
  }

  #add(
    id: number,
    parentId: number | undefined,
    kind: SpanKind,
    task: Task,
    start: number,
    end: number,
    censored: 'start' | 'end' | undefined,
  ): number {
    const rows = this.#rows
    const row = rows.add()
    rows.number(row, 'span_id', id)
    rows.number(row, 'parent_span_id', parentId ?? Number.NaN)
    rows.text(row, 'kind', kind)
    rows.number(row, 'task_id', task.id)
    rows.number(row, 'tid', task.tid)
    rows.number(row, 'start_ns', start)
    rows.number(row, 'end_ns', end)
    rows.text(row, 'censored', censored)
    return row
  }

  #addPart(id: number, part: number, ns: number): void {
    if (ns === 0) return
    const rows = this.#parts
    const row = rows.add()
    rows.number(row, 'span_id', id)
    rows.text(row, 'part', PARTS[part]?.part)
    rows.text(row, 'detail', PARTS[part]?.detail)
    rows.number(row, 'ns', ns)
  }
}
