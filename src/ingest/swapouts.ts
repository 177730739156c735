import type { TableDefinition } from '../database/schema.ts'
import { RowBuffer } from '../model/rows.ts'
import { fromSwapKey, swapKey } from '../model/swap-entry.ts'
import type { PageIdentities } from './identities.ts'
import type { SpanKind } from './spans.ts'
import type { Task } from './tasks.ts'

export type Context = 'kswapd' | 'direct' | 'memcg' | 'proactive'
type Path = 'inline' | 'queued' | 'displaced'

const AWAITS_GATE = 1
const AWAITS_STORE = 2
const AWAITS_FREE = 4
/** Queues are first in, first out; this many pops may be under way at once in other workers. */
const POPS_UNDER_WAY = 64
/** More rows than this never wait; only a worker stuck for long fills it. */
const MOST_PENDING = 1 << 20

/** A swap-out whose row is not complete yet. Objects are reused. */
export interface OpenSwapout {
  id: number
  pageId: number
  key: number
  awaits: number
  submitNs: number
  gateEndNs: number
  startNs: number
  storedNs: number
  ts: number
  freedNs: number
  taskId: number
  tid: number
  cpu: number
  node: number
  pfn: number
  order: number
  context: Context
  path: Path | undefined
  storedBy: number
  place: string | undefined
  spanId: number
}

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

export interface SwapoutSetting {
  /** Stores by other tasks are recorded (probe pst_write) or could happen (an asynchronous policy). */
  asynchronous: boolean
  /** The begin and end of stores are recorded. */
  readonly storeProbes: boolean
  /** Where the swap device keeps pages; undefined with several devices. */
  readonly devicePlace: string | undefined
  /** Without any evidence of its own, where a stored page is. */
  readonly defaultPlace: string | undefined
  /** zswap_store's return is recorded: no such event inside a gate means a zero page. */
  readonly zswapProbes: boolean
  nodeOfPfn(pfn: number): number
}

/** Follows folios from the gate (swap_writepage) to the end of their store. */
export class Swapouts {
  readonly rows: RowBuffer
  submitted = 0
  /** mm_vmscan_write_folio events that left no row: file pages. */
  otherWrites = 0
  storesWithoutSubmit = 0
  /** Set by the first page-free event: from then on rows wait for their frame's end. */
  freesSeen = false
  readonly #setting: SwapoutSetting
  readonly #identities: PageIdentities
  readonly #pending = new Map<number, OpenSwapout>()
  readonly #byPfn = new Map<number, OpenSwapout>()
  readonly #spare: OpenSwapout[] = []
  #pops = 0
  /** Hand-over times of the last pops, a ring. */
  readonly #popped = new Float64Array(POPS_UNDER_WAY).fill(Number.NEGATIVE_INFINITY)
  #lastPoppedNs = Number.NEGATIVE_INFINITY

  constructor(setting: SwapoutSetting, identities: PageIdentities) {
    this.#setting = setting
    this.#identities = identities
    this.rows = new RowBuffer(
      STAGED_SWAPOUTS.name,
      Object.fromEntries(STAGED_COLUMNS.map((name) => [name, TEXTS.has(name) ? 'text' : 'number'])),
    )
  }

  /** Entry of swap_writepage. `order` NaN = not recorded. */
  submit(task: Task, ts: number, cpu: number, type: number, offset: number, order: number): void {
    this.#leaveGate(task)
    const key = swapKey(type, offset)
    const older = this.#pending.get(key)
    if (older !== undefined) this.#settle(older, AWAITS_STORE | AWAITS_GATE)
    const id = ++this.submitted
    const swapout = this.#take()
    swapout.id = id
    swapout.pageId = this.#identities.stored(key, id)
    swapout.key = key
    swapout.awaits = AWAITS_GATE
    swapout.submitNs = ts
    swapout.taskId = task.id
    swapout.tid = task.tid
    swapout.cpu = cpu
    swapout.node = task.kind === 'kswapd' ? task.node : Number.NaN
    swapout.order = order
    swapout.context = contextOf(task)
    swapout.spanId = innermostReclaim(task)
    this.#pending.set(key, swapout)
    task.gate = swapout
    task.gateEndNs = Number.NaN
  }

  /** Return of swap_writepage. */
  gateEnd(task: Task, ts: number): void {
    if (task.gate !== undefined) task.gate.gateEndNs = ts
  }

  zswapStoreEnd(task: Task, taken: boolean): void {
    if (task.gate !== undefined) task.gate.place = taken ? 'zswap' : 'disk'
  }

  /** mm_vmscan_write_folio: the folio left the gate. */
  written(task: Task, ts: number, cpu: number, pfn: number, anonymous: boolean): void {
    let swapout = task.gate
    if (swapout === undefined) {
      if (!anonymous) {
        this.otherWrites++
        return
      }
      swapout = this.#withoutGate(task, ts, cpu)
    }
    task.gate = undefined
    swapout.ts = ts
    swapout.pfn = pfn
    if (Number.isNaN(swapout.node)) swapout.node = this.#setting.nodeOfPfn(pfn)
    if (this.freesSeen) {
      const older = this.#byPfn.get(pfn)
      if (older !== undefined) this.#settle(older, AWAITS_FREE)
      this.#byPfn.set(pfn, swapout)
      swapout.awaits |= AWAITS_FREE
    }
    this.#gateDone(swapout, ts)
  }

  /** Begin of the actual store, by whoever does it. */
  storeBegin(task: Task, ts: number, type: number, offset: number): void {
    const swapout = this.#pending.get(swapKey(type, offset))
    this.#setting.asynchronous = true
    task.storeStartNs = ts
    task.store = swapout
    if (swapout === undefined) {
      this.storesWithoutSubmit++
      return
    }
    swapout.startNs = ts
    swapout.storedBy = task.id
    if (task.gate === swapout) swapout.path = 'inline'
    else {
      swapout.path = swapout.taskId === task.id ? 'displaced' : 'queued'
      this.#popped[this.#pops++ % POPS_UNDER_WAY] = swapout.submitNs
      if (swapout.submitNs > this.#lastPoppedNs) this.#lastPoppedNs = swapout.submitNs
      if (swapout.path === 'queued' && task.kind !== 'kswapd') task.kind = 'compressor'
    }
    swapout.awaits |= AWAITS_STORE
    swapout.place = this.#setting.devicePlace
    this.#settlePassed()
  }

  storeEnd(task: Task, ts: number): void {
    const swapout = task.store
    task.store = undefined
    if (swapout === undefined) return
    swapout.storedNs = ts
    this.#settle(swapout, AWAITS_STORE)
  }

  pageFreed(pfn: number, ts: number): void {
    this.freesSeen = true
    const swapout = this.#byPfn.get(pfn)
    if (swapout === undefined) return
    swapout.freedNs = ts
    this.#settle(swapout, AWAITS_FREE)
  }

  /** Events of the task were lost: what it had in hand is not completed any more. */
  lose(task: Task): void {
    this.#leaveGate(task)
    const store = task.store
    task.store = undefined
    if (store !== undefined) this.#settle(store, AWAITS_STORE)
  }

  finish(tasks: Iterable<Task>): void {
    for (const task of tasks) this.lose(task)
    for (const swapout of [...this.#pending.values()])
      this.#settle(swapout, AWAITS_STORE | AWAITS_GATE | AWAITS_FREE)
    for (const swapout of [...this.#byPfn.values()]) this.#settle(swapout, AWAITS_FREE)
  }

  /** Rows that wait for something, for tests of bounded memory. */
  get waiting(): number {
    return this.#pending.size + this.#byPfn.size
  }

  #gateDone(swapout: OpenSwapout, ts: number): void {
    if (!this.#setting.asynchronous) {
      swapout.path = 'inline'
      swapout.startNs = swapout.submitNs
      swapout.storedNs = Number.isNaN(swapout.gateEndNs) ? ts : swapout.gateEndNs
      swapout.storedBy = swapout.taskId
      this.#settle(swapout, AWAITS_GATE | AWAITS_STORE)
      return
    }
    // Stored inside the gate, or not popped yet: only kswapd's folios can be in a queue.
    if (swapout.path === undefined && swapout.context === 'kswapd') {
      if (!this.#setting.storeProbes) {
        this.#settle(swapout, AWAITS_GATE)
        return
      }
      swapout.awaits = (swapout.awaits & ~AWAITS_GATE) | AWAITS_STORE
      return
    }
    if (swapout.path === undefined) this.#storedInGate(swapout)
    this.#settle(swapout, AWAITS_GATE)
  }

  #storedInGate(swapout: OpenSwapout): void {
    swapout.startNs = swapout.submitNs
    swapout.storedNs = Number.isNaN(swapout.gateEndNs) ? swapout.ts : swapout.gateEndNs
    swapout.storedBy = swapout.taskId
  }

  /** Clears what the swap-out waited for; completes the row when nothing is left. */
  #settle(swapout: OpenSwapout, done: number): void {
    const given = swapout.awaits & done & AWAITS_STORE
    swapout.awaits &= ~done
    if (swapout.awaits !== 0) return
    if (given !== 0 && Number.isNaN(swapout.startNs) && swapout.submitNs <= this.#lastPoppedNs)
      // Younger folios were popped: this one never was in the queue.
      this.#storedInGate(swapout)
    if (this.#pending.get(swapout.key) === swapout) this.#pending.delete(swapout.key)
    if (this.#byPfn.get(swapout.pfn) === swapout) this.#byPfn.delete(swapout.pfn)
    this.#emit(swapout)
    this.#spare.push(swapout)
  }

  #leaveGate(task: Task): void {
    const { gate } = task
    task.gate = undefined
    if (gate === undefined) return
    // pageout() reports nothing when the folio was activated again: the store, if there was one, ended at the gate's return.
    this.#gateDone(gate, gate.gateEndNs)
  }

  /** Folios handed over before one that was popped a while ago never were in the queue. */
  #settlePassed(): void {
    const passedNs = this.#popped[this.#pops % POPS_UNDER_WAY] ?? Number.NEGATIVE_INFINITY
    for (const swapout of this.#pending.values()) {
      const passed = swapout.submitNs < passedNs
      if (!passed && this.#pending.size <= MOST_PENDING) return
      // Inside a gate or being stored at this moment: its own events complete it.
      if ((swapout.awaits & AWAITS_GATE) !== 0 || swapout.path !== undefined) continue
      this.#settle(swapout, AWAITS_STORE)
    }
  }

  #withoutGate(task: Task, ts: number, cpu: number): OpenSwapout {
    const swapout = this.#take()
    swapout.id = ++this.submitted
    swapout.key = Number.NaN
    swapout.taskId = task.id
    swapout.tid = task.tid
    swapout.cpu = cpu
    swapout.node = task.kind === 'kswapd' ? task.node : Number.NaN
    swapout.context = contextOf(task)
    swapout.spanId = innermostReclaim(task)
    swapout.submitNs = Number.NaN
    swapout.gateEndNs = ts
    swapout.awaits = AWAITS_GATE
    return swapout
  }

  #take(): OpenSwapout {
    const swapout = this.#spare.pop() ?? {
      id: 0,
      pageId: Number.NaN,
      key: 0,
      awaits: 0,
      submitNs: Number.NaN,
      gateEndNs: Number.NaN,
      startNs: Number.NaN,
      storedNs: Number.NaN,
      ts: Number.NaN,
      freedNs: Number.NaN,
      taskId: 0,
      tid: 0,
      cpu: 0,
      node: Number.NaN,
      pfn: Number.NaN,
      order: Number.NaN,
      context: 'proactive',
      path: undefined,
      storedBy: Number.NaN,
      place: undefined,
      spanId: Number.NaN,
    }
    swapout.pageId = Number.NaN
    swapout.gateEndNs = Number.NaN
    swapout.startNs = Number.NaN
    swapout.storedNs = Number.NaN
    swapout.ts = Number.NaN
    swapout.freedNs = Number.NaN
    swapout.pfn = Number.NaN
    swapout.order = Number.NaN
    swapout.path = undefined
    swapout.storedBy = Number.NaN
    swapout.place = undefined
    return swapout
  }

  #emit(swapout: OpenSwapout): void {
    const { rows } = this
    const row = rows.add()
    rows.number(row, 'swapout_id', swapout.id)
    rows.number(row, 'page_id', swapout.pageId)
    rows.number(row, 'ts_ns', swapout.ts)
    rows.number(row, 'submit_ns', swapout.submitNs)
    rows.number(row, 'start_ns', swapout.startNs)
    rows.number(row, 'stored_ns', swapout.storedNs)
    rows.number(row, 'freed_ns', swapout.freedNs)
    rows.number(row, 'task_id', swapout.taskId)
    rows.number(row, 'tid', swapout.tid)
    rows.number(row, 'cpu', swapout.cpu)
    rows.number(row, 'node', swapout.node)
    rows.number(row, 'pfn', swapout.pfn)
    if (!Number.isNaN(swapout.key)) {
      const { type, offset } = fromSwapKey(swapout.key)
      rows.number(row, 'swap_type', type)
      rows.number(row, 'swap_offset', offset)
    }
    rows.number(row, 'folio_order', swapout.order)
    rows.text(row, 'context', swapout.context)
    rows.text(row, 'path', swapout.path)
    rows.number(row, 'stored_by', swapout.storedBy)
    rows.text(row, 'place', this.#placeOf(swapout))
    rows.number(row, 'span_id', swapout.spanId)
    rows.number(row, 'gate_ns', swapout.gateEndNs - swapout.submitNs)
    rows.number(row, 'unresolved', Number.isNaN(swapout.startNs) ? 1 : 0)
  }

  #placeOf(swapout: OpenSwapout): string | undefined {
    if (swapout.place !== undefined) return swapout.place
    const setting = this.#setting
    if (setting.zswapProbes && !setting.asynchronous && !Number.isNaN(swapout.submitNs))
      return 'zero'
    return setting.defaultPlace
  }
}

const CONTEXTS: Readonly<Record<SpanKind, Context | undefined>> = {
  direct: 'direct',
  node: 'direct',
  memcg: 'memcg',
  memcg_softlimit: 'memcg',
  throttle: undefined,
  compaction: undefined,
}

function contextOf(task: Task): Context {
  const { spans } = task
  // Soft limit reclaim runs inside kswapd or direct reclaim; the innermost span decides.
  for (let i = spans.length - 1; i >= 0; i--) {
    const kind = spans[i]?.kind
    const context = kind === undefined ? undefined : CONTEXTS[kind]
    if (context !== undefined) return context
  }
  return task.kind === 'kswapd' ? 'kswapd' : 'proactive'
}

function innermostReclaim(task: Task): number {
  return task.spans.at(-1)?.id ?? Number.NaN
}
