import { shapedRows } from '../database/packed.ts'
import type { TableDefinition } from '../database/schema.ts'
import { RowBuffer } from '../model/rows.ts'
import { intsOf, MOST_INT32, MOST_UINT32, numbersOf, shapesOf, textsOf } from './cells.ts'
import type { Clock } from './clock.ts'
import { isNarrow, SwapoutShapes } from './swapout-shapes.ts'
import type { OpenSwapout } from './swapouts.ts'
import type { Task } from './tasks.ts'
import type { Timeline } from './timeline.ts'
import { fitsUngated, UngatedRows } from './ungated-rows.ts'

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
  add(swapout: OpenSwapout): void
  /** Adds number `id` of which only this is known now; false if it is not like the task's last one, so that `add` has to. */
  repeat(task: Task, cpu: number, pfn: number, id: number): boolean
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
      rows.text(row, 'place', swapout.place)
      common.start.values[row] = swapout.startNs
      common.freed.values[row] = swapout.freedNs
      common.gate.values[row] = swapout.gateEndNs - swapout.submitNs
      common.unresolved.values[row] = Number.isNaN(swapout.startNs) ? 1 : 0
    },
    repeat: () => false,
  }
}

/** Rows for the table itself, with lane and ranks, of a synchronous kernel: in brief where they fit. */
export function finalSwapouts(clock: Clock, timeline: Timeline): SwapoutRows {
  const brief = briefForm(timeline)
  const ungated = new UngatedRows(clock)
  const full = fullForm()
  return {
    buffers: [brief.rows, ungated.rows, full.rows],
    add(swapout) {
      if (fitsBrief(swapout)) brief.add(swapout)
      else if (fitsUngated(swapout)) ungated.add(swapout)
      else full.add(swapout)
    },
    repeat: (task, cpu, pfn, id) => ungated.repeat(task, cpu, pfn, id),
  }
}

/** Nothing is known of the frame's end, the store is the hand-over, and all values have 32 bits. */
function fitsBrief(swapout: OpenSwapout): boolean {
  const { ts, submitNs, startNs, storedNs, freedNs, offset, pageId } = swapout
  return (
    startNs === submitNs &&
    Number.isNaN(freedNs) &&
    submitNs <= ts &&
    ts - submitNs <= MOST_UINT32 &&
    storedNs <= ts &&
    ts - storedNs <= MOST_UINT32 &&
    offset <= MOST_UINT32 &&
    pageId <= MOST_INT32 &&
    isNarrow(swapout)
  )
}

function briefForm(timeline: Timeline) {
  const { rows, shapes } = shapedRows('swapouts_brief')
  const shape = shapesOf(rows)
  const known = new SwapoutShapes(shapes)
  const id = intsOf(rows, 'swapout_id')
  const page = intsOf(rows, 'page_id')
  const ts = numbersOf(rows, 'ts_ns')
  const held = intsOf(rows, 'held_ns')
  const after = intsOf(rows, 'after_ns')
  const states = intsOf(rows, 'states_ns')
  const pfn = intsOf(rows, 'pfn')
  const offset = intsOf(rows, 'swap_offset')
  const submitRank = intsOf(rows, 'submit_rank')
  const passed = intsOf(rows, 'passed')
  const span = intsOf(rows, 'span_id')
  return {
    rows,
    add(swapout: OpenSwapout): void {
      const { submitNs } = swapout
      const end = swapout.ts
      const row = rows.add()
      shape.codes[row] = known.of(swapout)
      id.values[row] = swapout.id
      page.values[row] = swapout.pageId
      ts.values[row] = end
      held.values[row] = end - submitNs
      after.values[row] = end - swapout.storedNs
      states.values[row] = timeline.yieldStore(swapout)
      pfn.values[row] = swapout.pfn
      offset.values[row] = swapout.offset
      submitRank.values[row] = swapout.submitRank
      passed.values[row] = swapout.doneRank - swapout.submitRank
      // NaN, none, becomes 0.
      span.values[row] = swapout.spanId
    },
  }
}

function fullForm() {
  const { rows, shapes } = shapedRows('swapouts')
  const cells = ownCells(rows)
  const shape = shapesOf(rows)
  const start = numbersOf(rows, 'start_ns')
  const freed = numbersOf(rows, 'freed_ns')
  const submitRank = numbersOf(rows, 'submit_rank')
  const startRank = numbersOf(rows, 'start_rank')
  const doneRank = numbersOf(rows, 'done_rank')
  const known = new SwapoutShapes(shapes)
  return {
    rows,
    add(swapout: OpenSwapout): void {
      const { startNs, storedNs } = swapout
      const row = rows.add()
      setOwn(cells, row, swapout)
      shape.codes[row] = known.of(swapout)
      start.values[row] = startNs
      freed.values[row] = swapout.freedNs
      submitRank.values[row] = swapout.submitRank
      // A synchronous store starts with its hand-over.
      startRank.values[row] = Number.isNaN(startNs) ? Number.NaN : swapout.submitRank
      doneRank.values[row] = Number.isNaN(storedNs) ? Number.NaN : swapout.doneRank
    },
  }
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
