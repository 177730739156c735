import type { RowBuffer } from '../model/rows.ts'
import { swapKey } from '../model/swap-entry.ts'
import { numbersOf, textsOf } from './cells.ts'
import type { Clock } from './clock.ts'
import type { PageIdentities } from './identities.ts'
import type { Swapouts } from './swapouts.ts'
import type { OpenRead, Task } from './task.ts'

const PAGE_BYTES = 4096

export interface SwapinSetting {
  /** zswap_load's return is recorded: it tells whether the page was in the pool. */
  readonly zswapLoads: boolean
  /** What a page met that was read from the device itself. */
  readonly deviceMet: 'pool' | 'disk' | undefined
}

/** Follows page reads from swap_readpage to the end of the fault that wanted them. */
export class Swapins {
  readonly #clock: Clock
  readonly #setting: SwapinSetting
  readonly #identities: PageIdentities
  readonly #swapouts: Swapouts
  readonly #cells
  readonly #spare: OpenRead[] = []

  /** `rows` are swapins. */
  constructor(
    clock: Clock,
    setting: SwapinSetting,
    rows: RowBuffer,
    followed: { identities: PageIdentities; swapouts: Swapouts },
  ) {
    this.#clock = clock
    this.#setting = setting
    this.#identities = followed.identities
    this.#swapouts = followed.swapouts
    this.#cells = swapinCells(rows)
  }

  /** Entry of do_swap_page. */
  fault(task: Task, address: number): void {
    this.abandon(task)
    task.faultNs = this.#clock.now
    task.faultAddress = address
  }

  /** Return of the fault handler: what the fault read is complete. */
  faultEnd(task: Task): void {
    const { now } = this.#clock
    const { end, wait } = this.#cells
    const isSingle = task.reads.length === 1
    for (const read of task.reads) {
      const row = this.#emit(task, read, isSingle)
      end.values[row] = now
      wait.values[row] = now - (Number.isNaN(task.faultNs) ? read.ts : task.faultNs)
    }
    this.#forget(task)
    task.faultNs = Number.NaN
    task.faultAddress = Number.NaN
  }

  /** Entry of swap_readpage; `type` and `offset` NaN = the entry is not recorded. */
  read(task: Task, cpu: number, type: number, offset: number): void {
    const inFault = !Number.isNaN(task.faultNs)
    if (!inFault) this.abandon(task)
    const read = this.#spare.pop() ?? newRead()
    read.ts = this.#clock.now
    read.cpu = cpu
    read.type = type
    read.offset = offset
    read.loaded = Number.NaN
    read.page = 0
    read.swapoutId = 0
    task.reads.push(read)
    if (!inFault && !this.#setting.zswapLoads) this.abandon(task)
  }

  /** Return of zswap_load. */
  loaded(task: Task, taken: boolean): void {
    const read = task.reads.at(-1)
    if (read !== undefined) read.loaded = taken ? 1 : 0
  }

  /** The entry is given back. A fault does so before it ends (do_swap_page): what the entry held is known only until then. */
  slotFreed(task: Task, key: number): void {
    for (const read of task.reads) {
      if (read.page !== 0 || swapKey(read.type, read.offset) !== key) continue
      read.swapoutId = this.#identities.swapoutOf(key) ?? 0
      read.page = this.#identities.read(key, spaceOf(task), placeOf(task))
    }
  }

  /** The end of the task's fault was not seen: its reads have no end. */
  abandon(task: Task): void {
    const { reads } = task
    if (reads.length === 0) return
    const isSingle = reads.length === 1
    for (const read of reads) this.#emit(task, read, isSingle)
    this.#forget(task)
  }

  #forget({ reads }: Task): void {
    // V8 sets `length` by a call out of optimized code.
    for (let read = reads.pop(); read !== undefined; read = reads.pop()) this.#spare.push(read)
  }

  #emit(task: Task, read: OpenRead, isSingle: boolean): number {
    const identities = this.#identities
    const key = swapKey(read.type, read.offset)
    const isResolved = read.page !== 0
    // A probe without the swap entry tells of a read, not of which page.
    const isKnown = !Number.isNaN(read.offset)
    const entryHolds = isKnown ? identities.swapoutOf(key) : undefined
    const swapoutId = isResolved ? read.swapoutId || undefined : entryHolds
    let { page } = read
    if (!isResolved)
      page = isKnown ? identities.read(key, spaceOf(task), placeOf(task)) : Number.NaN
    const cells = this.#cells
    const row = cells.rows.add()
    const isInFault = !Number.isNaN(task.faultNs)
    cells.page.values[row] = page
    cells.ts.values[row] = isInFault ? task.faultNs : read.ts
    cells.task.values[row] = task.id
    cells.tid.values[row] = task.tid
    cells.cpu.values[row] = read.cpu
    cells.type.values[row] = read.type
    cells.offset.values[row] = read.offset
    cells.met.codes[row] = this.#metOf(read)
    // With several reads in one fault it is not known which page was wanted and which came along.
    if (isSingle && isInFault) cells.readahead.values[row] = 0
    if (swapoutId === undefined) return row
    cells.swapout.values[row] = swapoutId
    cells.distance.values[row] = this.#swapouts.submitted - swapoutId
    return row
  }

  /** Code of what the page met. */
  #metOf(read: OpenRead): number {
    const { zswapLoads, deviceMet } = this.#setting
    const { pool, disk } = this.#cells
    if (zswapLoads) return Number.isNaN(read.loaded) ? -1 : read.loaded === 1 ? pool : disk
    if (deviceMet === undefined) return -1
    return deviceMet === 'pool' ? pool : disk
  }
}

function newRead(): OpenRead {
  return {
    ts: Number.NaN,
    cpu: 0,
    type: Number.NaN,
    offset: Number.NaN,
    loaded: Number.NaN,
    page: 0,
    swapoutId: 0,
  }
}

/** The page's number in its address space if the task's fault reads one page and its address is known; else NaN. */
function placeOf({ reads, faultNs, faultAddress }: Task): number {
  return reads.length === 1 && !Number.isNaN(faultNs)
    ? Math.floor(faultAddress / PAGE_BYTES)
    : Number.NaN
}

/** The address space, as far as it is known: without thread groups every thread is taken to have its own. */
function spaceOf({ id, tgid }: Task): number {
  return Number.isNaN(tgid) ? -id : tgid
}

function swapinCells(rows: RowBuffer) {
  return {
    rows,
    page: numbersOf(rows, 'page_id'),
    swapout: numbersOf(rows, 'swapout_id'),
    ts: numbersOf(rows, 'ts_ns'),
    end: numbersOf(rows, 'end_ns'),
    task: numbersOf(rows, 'task_id'),
    tid: numbersOf(rows, 'tid'),
    cpu: numbersOf(rows, 'cpu'),
    type: numbersOf(rows, 'swap_type'),
    offset: numbersOf(rows, 'swap_offset'),
    met: textsOf(rows, 'met'),
    wait: numbersOf(rows, 'wait_ns'),
    readahead: numbersOf(rows, 'readahead'),
    distance: numbersOf(rows, 'refault_distance'),
    pool: rows.code('met', 'pool'),
    disk: rows.code('met', 'disk'),
  }
}
