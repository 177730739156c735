import type { Shapes } from '../model/shapes.ts'
import { MOST_INT32, MOST_UINT32 } from './cells.ts'
import type { OpenSwapout } from './swapouts.ts'

/** What all forms in brief keep fits into 32 bits. */
export function isNarrow({ pfn, id, spanId }: OpenSwapout): boolean {
  // The rank within a lane is at most the number among all.
  return pfn >= 0 && pfn <= MOST_UINT32 && id <= MOST_INT32 && !(spanId > MOST_INT32)
}

/** The shape that a task's last swap-out had, and what made it so. */
interface LastShape {
  cpu: number
  node: number
  type: number
  order: number
  context: string
  path: string | undefined
  storedBy: number
  place: string | undefined
  shape: number
}

/** Of numbers or NaN. `Object.is` is a call out of optimized code. */
export function isSame(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b))
}

/** Shapes of swap-outs: mostly that of the task's last one. */
export class SwapoutShapes {
  readonly #shapes: Shapes
  readonly #last: LastShape[] = []

  constructor(shapes: Shapes) {
    this.#shapes = shapes
  }

  of(swapout: OpenSwapout): number {
    const last = this.#last[swapout.taskId]
    if (
      last !== undefined &&
      last.cpu === swapout.cpu &&
      last.storedBy === swapout.storedBy &&
      last.context === swapout.context &&
      last.path === swapout.path &&
      last.place === swapout.place &&
      isSame(last.node, swapout.node) &&
      isSame(last.type, swapout.type) &&
      isSame(last.order, swapout.order)
    )
      return last.shape
    const shape = this.#find(swapout)
    const { cpu, node, type, order, context, path, storedBy, place } = swapout
    this.#last[swapout.taskId] = { cpu, node, type, order, context, path, storedBy, place, shape }
    return shape
  }

  #find(swapout: OpenSwapout): number {
    const shapes = this.#shapes
    const { cells } = shapes
    const { context, path, node, type, order, place } = swapout
    const lane = `${Number.isNaN(node) ? '?' : node}/${context}`
    const values: Readonly<Record<string, number>> = {
      task_id: swapout.taskId,
      tid: swapout.tid,
      cpu: swapout.cpu,
      node,
      swap_type: type,
      folio_order: order,
      stored_by: swapout.storedBy,
      context: shapes.codeOf('context', context),
      path: shapes.codeOf('path', path),
      bypass_reason: shapes.codeOf('bypass_reason', undefined),
      place: shapes.codeOf('place', place),
      lane: shapes.codeOf('lane', lane),
    }
    for (const [at, name] of shapes.names.entries()) cells[at] = values[name] ?? Number.NaN
    return shapes.find()
  }
}
