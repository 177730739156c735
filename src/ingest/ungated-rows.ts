import { shapedRows } from '../database/packed.ts'
import type { RowBuffer } from '../model/rows.ts'
import type { TaskKind } from '../model/task-kind.ts'
import { intsOf, MOST_INT32, MOST_UINT32, numbersOf, shapesOf } from './cells.ts'
import type { Clock } from './clock.ts'
import { isNarrow, isSame, SwapoutShapes } from './swapout-shapes.ts'
import type { Lane, OpenSwapout } from './swapouts.ts'
import type { Task } from './tasks.ts'

/** Only its end is known, as it is without a probe at the gate. */
export function fitsUngated(swapout: OpenSwapout): boolean {
  const { ts, submitNs, startNs, storedNs, freedNs, key, submitRank, doneRank } = swapout
  return (
    storedNs === ts &&
    doneRank >= 0 &&
    Number.isNaN(submitNs) &&
    Number.isNaN(startNs) &&
    Number.isNaN(freedNs) &&
    Number.isNaN(key) &&
    Number.isNaN(submitRank) &&
    isNarrow(swapout)
  )
}

/** A task's last row: what made its shape, lane and span, and these. */
interface LastRow {
  readonly cpu: number
  readonly kind: TaskKind
  readonly node: number
  /** Innermost reclaim span, 0 = none. */
  readonly span: number
  readonly lane: Lane
  readonly shape: number
}

/** Swap-outs of which only the end is known: nearly all are like the task's last one but for the time and the page frame. */
export class UngatedRows {
  readonly rows: RowBuffer
  readonly #clock: Clock
  readonly #shapes: SwapoutShapes
  readonly #shape
  readonly #id
  readonly #ts
  readonly #pfn
  readonly #doneRank
  readonly #span
  /** By task id. */
  readonly #last: (LastRow | undefined)[] = []

  constructor(clock: Clock) {
    const { rows, shapes } = shapedRows('swapouts_ungated')
    this.rows = rows
    this.#clock = clock
    this.#shapes = new SwapoutShapes(shapes)
    this.#shape = shapesOf(rows)
    this.#id = intsOf(rows, 'swapout_id')
    this.#ts = numbersOf(rows, 'ts_ns')
    this.#pfn = intsOf(rows, 'pfn')
    this.#doneRank = intsOf(rows, 'done_rank')
    this.#span = intsOf(rows, 'span_id')
  }

  /** Adds one that is complete now. */
  add(swapout: OpenSwapout): void {
    const { task, cpu, lane } = swapout
    const shape = this.#shapes.of(swapout)
    const span = Number.isNaN(swapout.spanId) ? 0 : swapout.spanId
    const row = this.rows.add()
    this.#shape.codes[row] = shape
    this.#id.values[row] = swapout.id
    this.#ts.values[row] = swapout.ts
    this.#pfn.values[row] = swapout.pfn
    this.#doneRank.values[row] = swapout.doneRank
    this.#span.values[row] = span
    if (lane === undefined) return
    const { kind, node } = task
    this.#last[task.id] = { cpu, kind, node, span, lane, shape }
  }

  /** Adds one that is complete now, number `id` of all; false if it is not like the task's last one. */
  repeat(task: Task, cpu: number, pfn: number, id: number): boolean {
    const last = this.#last[task.id]
    if (last === undefined || last.cpu !== cpu || last.kind !== task.kind) return false
    if (last.span !== innermostSpan(task) || !isSame(last.node, task.node)) return false
    if (!(pfn >= 0 && pfn <= MOST_UINT32 && id <= MOST_INT32)) return false
    const row = this.rows.add()
    this.#shape.codes[row] = last.shape
    this.#id.values[row] = id
    this.#ts.values[row] = this.#clock.now
    this.#pfn.values[row] = pfn
    this.#doneRank.values[row] = ++last.lane.stored
    this.#span.values[row] = last.span
    return true
  }
}

function innermostSpan({ spans }: Task): number {
  return spans.length === 0 ? 0 : (spans[spans.length - 1]?.id ?? 0)
}
