import { LRU_LISTS, RECLAIM_WB_ANON } from '../../model/lru.ts'
import type { RowBuffer } from '../../model/rows.ts'
import { FIELDS } from '../aliases.ts'
import { numbersOf, textsOf } from '../cells.ts'
import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField, WideField } from '../fields.ts'
import type { KswapdSpans } from '../kswapd.ts'
import { OTHER, SCAN, SLAB } from '../parts.ts'
import type { Task } from '../task.ts'

const INACTIVE_ANON = LRU_LISTS.indexOf('inactive_anon')
const INACTIVE_FILE = LRU_LISTS.indexOf('inactive_file')

function batchCells(rows: RowBuffer) {
  return {
    rows,
    ts: numbersOf(rows, 'ts_ns'),
    start: numbersOf(rows, 'start_ns'),
    task: numbersOf(rows, 'task_id'),
    node: numbersOf(rows, 'node'),
    lru: textsOf(rows, 'lru'),
    scanned: numbersOf(rows, 'nr_scanned'),
    taken: numbersOf(rows, 'nr_taken'),
    reclaimed: numbersOf(rows, 'nr_reclaimed'),
    dirty: numbersOf(rows, 'nr_dirty'),
    writeback: numbersOf(rows, 'nr_writeback'),
    activate: numbersOf(rows, 'nr_activate'),
    priority: numbersOf(rows, 'priority'),
    lruCodes: LRU_LISTS.map((name) => rows.code('lru', name)),
  }
}

function emitIsolation(cells: ReturnType<typeof batchCells>, task: Task): number {
  const row = cells.rows.add()
  cells.ts.values[row] = task.isolateNs
  cells.start.values[row] = task.isolateNs
  cells.task.values[row] = task.id
  cells.lru.codes[row] = cells.lruCodes[task.isolateLru] ?? -1
  cells.scanned.values[row] = task.isolateScanned
  cells.taken.values[row] = task.isolateTaken
  return row
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_isolate, at the end of the isolation. */
export function isolate(context: IngestContext, kswapd: KswapdSpans): EventHandler {
  const scanned = new NumberField(['nr_scanned'])
  const taken = new NumberField(['nr_taken'])
  const lru = new NumberField(['lru'])
  const lruName = new TextField(['lru'])
  const file = new NumberField(['file'])
  const cells = batchCells(context.tables.buffers.shrink_batches)
  return handle([scanned, taken, lru, lruName, file], (row, cpu, task) => {
    if (task.isolateTaken > 0) emitIsolation(cells, task)
    if (task.kind === 'kswapd') kswapd.active(task, task.node, context.blindUntil(cpu))
    context.timeline.label(task, SCAN)
    task.isolateNs = context.clock.now
    task.isolateScanned = scanned.get(row)
    task.isolateTaken = taken.get(row)
    task.isolateLru = lruName.there
      ? (LRU_LISTS as readonly string[]).indexOf(lruName.get(row))
      : lru.there
        ? lru.get(row)
        : 2 * file.get(row)
  })
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_shrink_inactive, at the end of the batch. */
export function shrinkInactive(context: IngestContext): EventHandler {
  const node = new NumberField(FIELDS.nid)
  const scanned = new NumberField(['nr_scanned'])
  const reclaimed = new NumberField(['nr_reclaimed'])
  const dirty = new NumberField(['nr_dirty'])
  const writeback = new NumberField(['nr_writeback'])
  const activate0 = new NumberField(FIELDS.activate0)
  const activate1 = new NumberField(FIELDS.activate1)
  const priority = new NumberField(FIELDS.priority)
  const flags = new NumberField(FIELDS.flags)
  const flagText = new TextField(FIELDS.flags)
  const numbers = [node, scanned, reclaimed, dirty, writeback, activate0, activate1, priority]
  const fields = [...numbers, flags, flagText]
  const cells = batchCells(context.tables.buffers.shrink_batches)
  return handle(fields, (row, _cpu, task) => {
    context.timeline.label(task, SCAN)
    const added = emitIsolation(cells, task)
    // evict_folios (mm/vmscan.c, 6.1 and later) shrinks once more, without isolating, what was rotated meanwhile.
    if (cells.lru.codes[added] === -1) {
      const isAnon = flagText.there
        ? flagText.get(row).includes('ANON')
        : (flags.get(row) & RECLAIM_WB_ANON) !== 0
      if (flags.there || flagText.there)
        cells.lru.codes[added] = cells.lruCodes[isAnon ? INACTIVE_ANON : INACTIVE_FILE] ?? -1
    }
    cells.ts.values[added] = context.clock.now
    cells.node.values[added] = node.get(row)
    cells.scanned.values[added] = scanned.get(row)
    cells.reclaimed.values[added] = reclaimed.get(row)
    cells.dirty.values[added] = dirty.get(row)
    cells.writeback.values[added] = writeback.get(row)
    const second = activate1.there ? activate1.get(row) : 0
    cells.activate.values[added] = activate0.get(row) + second
    cells.priority.values[added] = priority.get(row)
    forgetIsolation(task)
  })
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_shrink_active, at the end of the batch. */
export function shrinkActive(context: IngestContext): EventHandler {
  const node = new NumberField(FIELDS.nid)
  const taken = new NumberField(['nr_taken'])
  const active = new NumberField(['nr_active'])
  const priority = new NumberField(FIELDS.priority)
  const cells = batchCells(context.tables.buffers.shrink_batches)
  return handle([node, taken, active, priority], (row, _cpu, task) => {
    context.timeline.label(task, SCAN)
    const added = emitIsolation(cells, task)
    cells.ts.values[added] = context.clock.now
    cells.node.values[added] = node.get(row)
    cells.taken.values[added] = taken.get(row)
    cells.activate.values[added] = active.get(row)
    cells.priority.values[added] = priority.get(row)
    forgetIsolation(task)
  })
}

/** A batch that ended keeps marking the task as scanning; only its numbers are used up. */
function forgetIsolation(task: Task): void {
  task.isolateLru = Number.NaN
  task.isolateScanned = Number.NaN
  task.isolateTaken = Number.NaN
}

/** include/trace/events/vmscan.h: mm_shrink_slab_start. */
export function slabBegin(context: IngestContext): EventHandler {
  const node = new NumberField(FIELDS.nid)
  const total = new NumberField(['total_scan'])
  const symbol = new TextField(['shrink', 'shrinker'])
  return handle([node, total, symbol], (row, _cpu, task) => {
    context.timeline.label(task, Number.isNaN(task.isolateNs) ? OTHER : SCAN)
    task.isolateNs = Number.NaN
    task.slabStartNs = context.clock.now
    task.slabNode = node.get(row)
    task.slabScanned = total.get(row)
    // Text has the function's symbol with its place, which is 0 unless the printer's symbol table is wrong.
    task.slabName = symbol.there ? symbol.get(row).replace(/\+0x0(\/0x[0-9a-f]+)?$/, '') : undefined
  })
}

/** include/trace/events/vmscan.h: mm_shrink_slab_end; retval = objects freed. */
export function slabEnd(context: IngestContext): EventHandler {
  const shrink = new WideField(['shrink'])
  const node = new NumberField(FIELDS.nid)
  const freed = new NumberField(['retval'])
  const left = new NumberField(['total_scan'])
  const rows = context.tables.buffers.slab_shrinks
  const starts = numbersOf(rows, 'start_ns')
  const ends = numbersOf(rows, 'end_ns')
  const tasks = numbersOf(rows, 'task_id')
  const nodes = numbersOf(rows, 'node')
  const shrinkers = textsOf(rows, 'shrinker')
  const scans = numbersOf(rows, 'nr_scanned')
  const frees = numbersOf(rows, 'nr_freed')
  const codes = new AddressCodes((lo, hi) =>
    rows.code('shrinker', context.symbolOf(hi, lo) ?? toHex(lo, hi)),
  )
  return handle([node, freed, left, shrink], (row, cpu, task) => {
    const ts = context.clock.now
    context.timeline.label(task, SLAB)
    const added = rows.add()
    const begun = !Number.isNaN(task.slabStartNs)
    starts.values[added] = begun ? task.slabStartNs : Math.min(ts, context.blindUntil(cpu))
    ends.values[added] = ts
    tasks.values[added] = task.id
    nodes.values[added] = node.get(row)
    if (task.slabName !== undefined) rows.text(added, 'shrinker', task.slabName)
    else if (shrink.there) shrinkers.codes[added] = codes.get(shrink.lo(row), shrink.hi(row))
    scans.values[added] = task.slabScanned - left.get(row)
    frees.values[added] = freed.get(row)
    task.slabStartNs = Number.NaN
    task.slabName = undefined
  })
}

/** Text codes of addresses, each looked up once: few functions, named by many events. */
class AddressCodes {
  readonly #codeOf: (lo: number, hi: number) => number
  readonly #known = new Map<number, { hi: number; code: number }>()

  constructor(codeOf: (lo: number, hi: number) => number) {
    this.#codeOf = codeOf
  }

  get(lo: number, hi: number): number {
    const known = this.#known.get(lo)
    if (known !== undefined && known.hi === hi) return known.code
    const code = this.#codeOf(lo, hi)
    this.#known.set(lo, { hi, code })
    return code
  }
}

function toHex(lo: number, hi: number): string {
  const low = lo.toString(16)
  return hi === 0 ? `0x${low}` : `0x${hi.toString(16)}${low.padStart(8, '0')}`
}
