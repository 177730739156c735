import type { RowBuffer } from '../model/rows.ts'
import { swapKey } from '../model/swap-entry.ts'
import { DEVICE_MET, ZSWAP_LOADS } from './assembly/_layout.ts'
import type { Clock } from './clock.ts'
import type { Following } from './follow-kernel.ts'
import type { PageIdentities } from './identities.ts'
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
  readonly #following: Following
  readonly #codes: { readonly pool: number; readonly disk: number }
  readonly #spare: OpenRead[] = []

  /** `rows` are swapins. */
  constructor(
    following: Following,
    clock: Clock,
    setting: SwapinSetting,
    rows: RowBuffer,
    identities: PageIdentities,
  ) {
    this.#following = following
    this.#clock = clock
    this.#setting = setting
    this.#identities = identities
    this.#codes = { pool: rows.code('met', 'pool'), disk: rows.code('met', 'disk') }
    following.words[ZSWAP_LOADS / 4] = setting.zswapLoads ? 1 : 0
    following.words[DEVICE_MET / 4] = this.#deviceMet
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
    const isSingle = task.reads.length === 1
    for (const read of task.reads) this.#emit(task, read, isSingle, now)
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
    for (const read of reads) this.#emit(task, read, isSingle, Number.NaN)
    this.#forget(task)
  }

  #forget({ reads }: Task): void {
    // V8 sets `length` by a call out of optimized code.
    for (let read = reads.pop(); read !== undefined; read = reads.pop()) this.#spare.push(read)
  }

  /** `end` is that of the fault, NaN = not seen. */
  #emit(task: Task, read: OpenRead, isSingle: boolean, end: number): void {
    const identities = this.#identities
    const { type, offset } = read
    const key = swapKey(type, offset)
    const isResolved = read.page !== 0
    // A probe without the swap entry tells of a read, not of which page.
    const isKnown = !Number.isNaN(offset)
    const entryHolds = isKnown ? identities.swapoutOf(key) : undefined
    const swapout = (isResolved ? read.swapoutId : entryHolds) || Number.NaN
    let { page } = read
    if (!isResolved)
      page = isKnown ? identities.read(key, spaceOf(task), placeOf(task)) : Number.NaN
    const isInFault = !Number.isNaN(task.faultNs)
    const begin = isInFault ? task.faultNs : read.ts
    // With several reads in one fault it is not known which page was wanted and which came along.
    const readahead = isSingle && isInFault ? 0 : Number.NaN
    const met = this.#metOf(read)
    const wait = end - begin
    const { kernel } = this.#following
    const { place } = task
    kernel.addSwapin(place, read.cpu, type, offset, met, begin, page, swapout, end, wait, readahead)
  }

  /** Code of what the page met. */
  #metOf(read: OpenRead): number {
    const { pool, disk } = this.#codes
    if (!this.#setting.zswapLoads) return this.#deviceMet
    return Number.isNaN(read.loaded) ? -1 : read.loaded === 1 ? pool : disk
  }

  get #deviceMet(): number {
    const { deviceMet } = this.#setting
    return deviceMet === undefined ? -1 : this.#codes[deviceMet]
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
