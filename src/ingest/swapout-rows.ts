import { shapedRows } from '../database/packed.ts'
import type { TableDefinition } from '../database/schema.ts'
import { RowBuffer } from '../model/rows.ts'
import type { Shapes } from '../model/shapes.ts'
import { fromSwapKey } from '../model/swap-entry.ts'
import { numbersOf, shapesOf, textsOf } from './cells.ts'
import type { OpenSwapout } from './swapouts.ts'

const MOMENTS = new Set(['ts_ns', 'submit_ns', 'start_ns', 'stored_ns', 'freed_ns'])
const TEXTS = new Set(['context', 'path', 'place'])
const STAGED_COLUMNS = [
  'swapout_id',
  'page_id',
  'ts_ns',
  'submit_ns',
  'start_ns',
  'stored_ns',
  'freed_ns',
  'task_id',
  'tid',
  'cpu',
  'node',
  'pfn',
  'swap_type',
  'swap_offset',
  'folio_order',
  'context',
  'path',
  'stored_by',
  'place',
  'span_id',
  'gate_ns',
  'unresolved',
] as const

/** Temporary table of swapouts without lane and ranks, with what the final statement needs. */
export const STAGED_SWAPOUTS: TableDefinition = {
  name: '_staged_swapouts',
  comment: '',
  scope: 'catalogue',
  columns: STAGED_COLUMNS.map((name) => ({
    name,
    type: TEXTS.has(name) ? 'VARCHAR' : 'BIGINT',
    comment: '',
    ...(MOMENTS.has(name) ? { moment: true } : {}),
  })),
}

/** Where complete swap-outs go. */
export interface SwapoutRows {
  readonly buffers: readonly RowBuffer[]
  add(swapout: OpenSwapout, folioOrder: number, place: string | undefined): void
}

/** Rows for `STAGED_SWAPOUTS`. */
export function stagedSwapouts(): SwapoutRows {
  const kinds = STAGED_COLUMNS.map((name) => [name, TEXTS.has(name) ? 'text' : 'number'] as const)
  const rows = new RowBuffer<string>(STAGED_SWAPOUTS.name, Object.fromEntries(kinds))
  const cells = ownCells(rows)
  const common = {
    task: numbersOf(rows, 'task_id'),
    tid: numbersOf(rows, 'tid'),
    cpu: numbersOf(rows, 'cpu'),
    node: numbersOf(rows, 'node'),
    type: numbersOf(rows, 'swap_type'),
    order: numbersOf(rows, 'folio_order'),
    storedBy: numbersOf(rows, 'stored_by'),
    context: textsOf(rows, 'context'),
    start: numbersOf(rows, 'start_ns'),
    freed: numbersOf(rows, 'freed_ns'),
    gate: numbersOf(rows, 'gate_ns'),
    unresolved: numbersOf(rows, 'unresolved'),
  }
  return {
    buffers: [rows],
    add(swapout, folioOrder, place) {
      const row = rows.add()
      setOwn(cells, row, swapout)
      common.task.values[row] = swapout.taskId
      common.tid.values[row] = swapout.tid
      common.cpu.values[row] = swapout.cpu
      common.node.values[row] = swapout.node
      common.type.values[row] = typeOf(swapout)
      common.order.values[row] = folioOrder
      common.storedBy.values[row] = swapout.storedBy
      common.context.codes[row] = rows.code('context', swapout.context)
      rows.text(row, 'path', swapout.path)
      rows.text(row, 'place', place)
      common.start.values[row] = swapout.startNs
      common.freed.values[row] = swapout.freedNs
      common.gate.values[row] = swapout.gateEndNs - swapout.submitNs
      common.unresolved.values[row] = Number.isNaN(swapout.startNs) ? 1 : 0
    },
  }
}

/** Rows for the table itself, with lane and ranks, of a synchronous kernel: in brief if nothing is known of the frame's end. */
export function finalSwapouts(): SwapoutRows {
  const [brief, full] = [finalForm('swapouts_brief'), finalForm('swapouts')]
  const start = numbersOf(full.rows, 'start_ns')
  const startRank = numbersOf(full.rows, 'start_rank')
  const freed = numbersOf(full.rows, 'freed_ns')
  return {
    buffers: [brief.rows, full.rows],
    add(swapout, folioOrder, place) {
      const { startNs, submitNs, freedNs } = swapout
      if (Number.isNaN(freedNs) && Object.is(startNs, submitNs)) {
        brief.add(swapout, folioOrder, place)
        return
      }
      const row = full.add(swapout, folioOrder, place)
      start.values[row] = startNs
      // A synchronous store starts with its hand-over.
      startRank.values[row] = Number.isNaN(startNs) ? Number.NaN : swapout.submitRank
      freed.values[row] = freedNs
    },
  }
}

function finalForm(name: 'swapouts' | 'swapouts_brief') {
  const { rows, shapes } = shapedRows(name)
  const cells = ownCells(rows)
  const shape = shapesOf(rows)
  const submitRank = numbersOf(rows, 'submit_rank')
  const doneRank = numbersOf(rows, 'done_rank')
  const known = new SwapoutShapes(shapes)
  return {
    rows,
    add(swapout: OpenSwapout, folioOrder: number, place: string | undefined): number {
      const row = rows.add()
      setOwn(cells, row, swapout)
      shape.codes[row] = known.of(swapout, folioOrder, place)
      submitRank.values[row] = swapout.submitRank
      doneRank.values[row] = Number.isNaN(swapout.storedNs) ? Number.NaN : swapout.doneRank
      return row
    },
  }
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

/** Shapes of swap-outs: mostly that of the task's last one. */
class SwapoutShapes {
  readonly #shapes: Shapes
  readonly #last: LastShape[] = []

  constructor(shapes: Shapes) {
    this.#shapes = shapes
  }

  of(swapout: OpenSwapout, order: number, place: string | undefined): number {
    const last = this.#last[swapout.taskId]
    const type = typeOf(swapout)
    if (
      last !== undefined &&
      last.cpu === swapout.cpu &&
      last.storedBy === swapout.storedBy &&
      last.context === swapout.context &&
      last.path === swapout.path &&
      last.place === place &&
      Object.is(last.node, swapout.node) &&
      Object.is(last.type, type) &&
      Object.is(last.order, order)
    )
      return last.shape
    const shape = this.#find(swapout, type, order, place)
    const { cpu, node, context, path, storedBy } = swapout
    this.#last[swapout.taskId] = { cpu, node, type, order, context, path, storedBy, place, shape }
    return shape
  }

  #find(swapout: OpenSwapout, type: number, order: number, place: string | undefined): number {
    const shapes = this.#shapes
    const { cells } = shapes
    const { context, path, node } = swapout
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

function typeOf({ key }: OpenSwapout): number {
  return Number.isNaN(key) ? Number.NaN : fromSwapKey(key).type
}

/** The columns of one swap-out alone that staged and final rows have. */
function ownCells(rows: RowBuffer) {
  return {
    id: numbersOf(rows, 'swapout_id'),
    page: numbersOf(rows, 'page_id'),
    ts: numbersOf(rows, 'ts_ns'),
    submit: numbersOf(rows, 'submit_ns'),
    stored: numbersOf(rows, 'stored_ns'),
    pfn: numbersOf(rows, 'pfn'),
    offset: numbersOf(rows, 'swap_offset'),
    span: numbersOf(rows, 'span_id'),
  }
}

function setOwn(cells: ReturnType<typeof ownCells>, row: number, swapout: OpenSwapout): void {
  cells.id.values[row] = swapout.id
  cells.page.values[row] = swapout.pageId
  cells.ts.values[row] = swapout.ts
  cells.submit.values[row] = swapout.submitNs
  cells.stored.values[row] = swapout.storedNs
  cells.pfn.values[row] = swapout.pfn
  if (!Number.isNaN(swapout.key)) cells.offset.values[row] = fromSwapKey(swapout.key).offset
  cells.span.values[row] = swapout.spanId
}
