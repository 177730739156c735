import { shapedRows } from '../database/packed.ts'
import type { TableDefinition } from '../database/tables/definition.ts'
import { type ArrayMemory, RowBuffer } from '../model/rows.ts'
import type { Shapes } from '../model/shapes.ts'
import { BRIEF_ROWS, FOUR, UNGATED_FOURS, UNGATED_ROWS } from './assembly/_layout.ts'
import { numbersOf, shapesOf, textsOf } from './cells.ts'
import type { Following } from './follow-kernel.ts'
import type { OpenSwapout } from './open-swapout.ts'

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
  /** Adds a row that the kernel does not add itself. */
  add(swapout: OpenSwapout): void
  /** Number of what a row that the kernel adds to `rows` has in common with others. */
  shapeOf(rows: number, swapout: OpenSwapout): number
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
    add(swapout) {
      const row = rows.add()
      setOwn(cells, row, swapout)
      common.task.values[row] = swapout.taskId
      common.tid.values[row] = swapout.tid
      common.cpu.values[row] = swapout.cpu
      common.node.values[row] = swapout.node
      common.type.values[row] = swapout.type
      common.order.values[row] = swapout.order
      common.storedBy.values[row] = swapout.storedBy
      common.context.codes[row] = rows.code('context', swapout.context)
      rows.text(row, 'path', swapout.path)
      rows.text(row, 'place', swapout.stored)
      common.start.values[row] = swapout.startNs
      common.freed.values[row] = swapout.freedNs
      common.gate.values[row] = swapout.gateEndNs - swapout.submitNs
      common.unresolved.values[row] = Number.isNaN(swapout.startNs) ? 1 : 0
    },
    shapeOf: () => 0,
  }
}

/** Columns of the forms that the kernel writes, in its order (assembly/_swapout-rows.ts). */
const BRIEF_COLUMNS = [
  'shape',
  'swapout_id',
  'page_id',
  'ts_ns',
  'held_ns',
  'after_ns',
  'states_ns',
  'pfn',
  'swap_offset',
  'submit_rank',
  'passed',
  'span_id',
]
const UNGATED_COLUMNS = ['shape', 'swapout_id', 'ts_ns', 'pfn', 'done_rank', 'span_id']
const LATER_COLUMNS = Array.from({ length: FOUR - 1 }, (_, k) => [
  `after_${k + 1}`,
  `pfn_${k + 1}`,
]).flat()

/** Rows for the table itself, with lane and ranks, of a synchronous kernel: in brief where they fit. */
export function finalSwapouts(following: Following): SwapoutRows {
  const { memory } = following
  const brief = shapedRows('swapouts_brief', memory)
  const ungated = shapedRows('swapouts_ungated', memory)
  const fours = shapedRows('swapouts_fours', memory, ungated.shapes)
  const briefPlace = following.share(BRIEF_ROWS, brief.rows, BRIEF_COLUMNS).place
  following.share(UNGATED_ROWS, ungated.rows, UNGATED_COLUMNS)
  following.share(UNGATED_FOURS, fours.rows, [...UNGATED_COLUMNS, ...LATER_COLUMNS])
  const full = fullForm(memory)
  return {
    buffers: [brief.rows, ungated.rows, fours.rows, full.rows],
    add: full.add,
    shapeOf: (rows, swapout) =>
      findShape(rows === briefPlace ? brief.shapes : ungated.shapes, swapout),
  }
}

function fullForm(memory: ArrayMemory) {
  const { rows, shapes } = shapedRows('swapouts', memory)
  const cells = ownCells(rows)
  const shape = shapesOf(rows)
  const start = numbersOf(rows, 'start_ns')
  const freed = numbersOf(rows, 'freed_ns')
  const submitRank = numbersOf(rows, 'submit_rank')
  const startRank = numbersOf(rows, 'start_rank')
  const doneRank = numbersOf(rows, 'done_rank')
  return {
    rows,
    add(swapout: OpenSwapout): void {
      const { startNs, storedNs } = swapout
      const row = rows.add()
      setOwn(cells, row, swapout)
      shape.codes[row] = findShape(shapes, swapout)
      start.values[row] = startNs
      freed.values[row] = swapout.freedNs
      submitRank.values[row] = swapout.submitRank
      // A synchronous store starts with its hand-over.
      startRank.values[row] = Number.isNaN(startNs) ? Number.NaN : swapout.submitRank
      doneRank.values[row] = Number.isNaN(storedNs) ? Number.NaN : swapout.doneRank
    },
  }
}

/** Number of what the row has in common with others. */
function findShape(shapes: Shapes, swapout: OpenSwapout): number {
  const { cells } = shapes
  const { context, path, node, type, order, stored } = swapout
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
    place: shapes.codeOf('place', stored),
    lane: shapes.codeOf('lane', lane),
  }
  for (const [at, name] of shapes.names.entries()) cells[at] = values[name] ?? Number.NaN
  return shapes.find()
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
  cells.offset.values[row] = swapout.offset
  cells.span.values[row] = swapout.spanId
}
