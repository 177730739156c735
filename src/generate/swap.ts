import type { Cpus } from './cpus.ts'
import type { Random } from './random.ts'
import { type Running, STEP_NS, type Steps, spend } from './running.ts'
import {
  type DeviceRequests,
  type Duration,
  hasFolios,
  type Scenario,
  type Step,
} from './scenario.ts'
import { MAX_SWAPPED, Slots, type SwappedPage, SwappedPages } from './swapped-pages.ts'
import type { Tracer } from './tracer.ts'

/** Where the addresses of pages begin, in the order in which they are swapped out. */
const FIRST_ADDRESS = 0x7f00_0000_0000
const PAGE_BYTES = 4096
const PAGE_SECTORS = PAGE_BYTES / 512
/** A page is put into the queue. */
const HAND_OVER_NS = 700
/** reclaim_flags of vmscan's events: RECLAIM_WB_ANON and RECLAIM_WB_ASYNC. */
export const WB_ANON_ASYNC = 9

/** Hand-overs and stores of one lane so far. */
interface Lane {
  readonly name: string
  submitted: number
  started: number
  done: number
}

/** A folio that was handed over and waits for a worker. */
interface QueuedPage {
  /** The first of its folio's. */
  readonly page: SwappedPage
  readonly order: number
  readonly lane: Lane
  readonly type: number
}

/** Pages on their way out and back: stores, their queue, requests to the disk, faults. */
export class Swap {
  readonly #scenario: Scenario
  readonly #tracer: Tracer
  readonly #cpus: Cpus
  readonly #random: Random
  readonly #running: readonly Running[]
  readonly #swapped = new SwappedPages()
  readonly #slots: readonly Slots[]
  readonly #queue: QueuedPage[] = []
  readonly #lanes = new Map<string, Lane>()
  /** Pages. */
  #swapOuts = 0
  readonly #hasFolios: boolean

  constructor(
    scenario: Scenario,
    tracer: Tracer,
    cpus: Cpus,
    random: Random,
    running: readonly Running[],
  ) {
    this.#scenario = scenario
    this.#tracer = tracer
    this.#cpus = cpus
    this.#random = random
    this.#running = running
    this.#slots = scenario.swapDevices.map(() => new Slots())
    this.#hasFolios = hasFolios(scenario)
  }

  *swapOut(step: Step & { do: 'batch' }, running: Running): Steps {
    const { cpu, tid, node } = running.actor
    const { account } = running
    const index = step.device ?? 0
    const device = this.#scenario.swapDevices[index]
    const type = device?.swapType ?? 0
    const order = step.order ?? 0
    yield* spend(running, this.#drawEach(step.unmapNs, order))
    const offset = this.#slots[index]?.takeRow(1 << order) ?? 0
    const number = this.#swapOuts
    this.#swapOuts += 1 << order
    const pfn = this.#framesOf(node, number)
    const context = running.contexts.at(-1) ?? 'proactive'
    const start = this.#tracer.now
    const lane = this.#laneOf(`${node}/${context === 'node' ? 'direct' : context}`)
    const submitRank = this.#tracer.isRecording ? ++lane.submitted : undefined
    this.#tracer.emit('swapWrite', cpu, tid, type, offset, order)
    account.did('unmap', this.#tracer.now)
    const what = {
      lane: lane.name,
      node,
      place: device?.kind === 'zram' ? 'zram' : 'disk',
      tid,
      cpu,
      pfn,
      swap_type: type,
      swap_offset: offset,
      folio_order: this.#hasFolios ? order : undefined,
      context,
      span: running.spans.at(-1),
    }
    const row =
      this.#tracer.truth?.add('swapouts', { ...what, submit_rank: submitRank, start_ns: start }) ??
      -1
    const page = { device: index, offset, row, before: number }
    const { storeQueue } = this.#scenario
    const isQueued =
      storeQueue !== undefined && context === 'kswapd' && this.#queue.length < storeQueue.depth
    if (isQueued) {
      yield* spend(running, HAND_OVER_NS)
      this.#queue.push({ page, order, lane, type })
    } else yield* this.#store({ page, order, lane, type }, step.storeNs, running, 'inline')
    const stored = this.#tracer.now
    this.#tracer.emit('swapWriteReturn', cpu, tid, 0)
    account.did('store', this.#tracer.now)
    if (isQueued) this.#wakeWorker(running)
    yield* spend(running, STEP_NS)
    this.#tracer.emit('write', cpu, tid, pfn, WB_ANON_ASYNC)
    account.did('store', this.#tracer.now)
    const writtenNs = this.#tracer.now
    const { truth } = this.#tracer
    if (row >= 0) truth?.set('swapouts', row, { write_ns: writtenNs })
    else if (truth !== undefined)
      page.row = truth.add('swapouts', { ...what, stored_ns: stored, write_ns: writtenNs })
    running.reclaimed += 1 << order
    if (!isQueued) this.#leave(page, order, running)
    yield* spend(running, STEP_NS)
  }

  /** The store itself, by whoever does it; between its own probes where there is a queue. */
  *#store(
    { page, order, lane, type }: QueuedPage,
    storeNs: Duration,
    running: Running,
    path: 'inline' | 'queued',
  ): Steps {
    const { cpu, tid } = running.actor
    const isProbed = this.#scenario.storeQueue !== undefined
    if (isProbed) {
      yield* spend(running, STEP_NS)
      this.#tracer.emit('store', cpu, tid, type, page.offset)
      if (path === 'queued') running.account.beginStore(this.#tracer.now)
    }
    if (page.row >= 0)
      this.#tracer.truth?.set('swapouts', page.row, {
        path,
        start_rank: ++lane.started,
        begin_ns: this.#tracer.now,
        stored_tid: tid,
      })
    yield* spend(running, this.#drawEach(storeNs, order))
    if (page.row >= 0)
      this.#tracer.truth?.set('swapouts', page.row, {
        done_rank: ++lane.done,
        stored_ns: this.#tracer.now,
      })
    if (!isProbed) return
    this.#tracer.emit('storeReturn', cpu, tid, 0)
    if (path === 'queued') running.account.endStore(this.#tracer.now)
    yield* spend(running, STEP_NS)
  }

  *storeQueued(step: Step & { do: 'storeQueued' }, running: Running): Steps {
    for (;;) {
      const queued = this.#queue.shift()
      if (queued === undefined) {
        yield* spend(running, 0, 'wait')
        continue
      }
      yield* this.#store(queued, step.ns, running, 'queued')
      this.#leave(queued.page, queued.order, running)
    }
  }

  *swapIn(step: Step & { do: 'swapIn' }, running: Running): Steps {
    const { cpu, tid } = running.actor
    const count = this.#swapped.length
    if (count === 0) return
    const index =
      step.page === 'oldest' ? 0 : step.page === 'newest' ? count - 1 : this.#random.below(count)
    const page = this.#swapped.take(index)
    const device = this.#scenario.swapDevices[page.device]
    const type = device?.swapType ?? 0
    const start = this.#tracer.now
    const recorded = this.#tracer.isRecording
    this.#tracer.emit('fault', cpu, tid, FIRST_ADDRESS + page.before * PAGE_BYTES)
    yield* spend(running, STEP_NS)
    const read = this.#tracer.now
    this.#tracer.emit('swapRead', cpu, tid, type, page.offset)
    if (device?.requests !== undefined) {
      yield* spend(running, STEP_NS)
      const ns = this.#request(device.requests, 'R', page, running, () => undefined)
      yield* spend(running, ns, 'io')
    }
    yield* spend(running, this.#random.draw(step.ns))
    this.#freeSlot(page, cpu, tid)
    yield* spend(running, STEP_NS)
    this.#tracer.emit('faultReturn', cpu, tid, 0)
    if (recorded)
      this.#tracer.truth?.add('swapins', {
        ts_ns: read,
        end_ns: this.#tracer.now,
        tid,
        cpu,
        swap_type: type,
        swap_offset: page.offset,
        swapout: page.row < 0 ? undefined : page.row,
        fault_ns: start,
        refault_distance: page.row < 0 ? undefined : this.#swapOuts - page.before - 1,
      })
    yield* spend(running, STEP_NS)
  }

  /** A stored folio is single pages: on a disk that takes requests each is still to be written. */
  #leave(first: SwappedPage, order: number, running: Running): void {
    for (let part = 0; part < 1 << order; part++) {
      const page = { ...first, offset: first.offset + part, before: first.before + part }
      const keep = () => this.#keep(page, running.actor.cpu)
      const requests = this.#scenario.swapDevices[page.device]?.requests
      if (requests === undefined) keep()
      else this.#request(requests, 'W', page, running, keep)
    }
  }

  /** What each page of a folio takes, together. */
  #drawEach(ns: Duration, order: number): number {
    let sum = 0
    for (let part = 0; part < 1 << order; part++) sum += this.#random.draw(ns)
    return sum
  }

  /** The page may be swapped in from now on; where there are too many, one is given up. */
  #keep(page: SwappedPage, cpu: number): void {
    this.#swapped.push(page)
    if (this.#swapped.length > MAX_SWAPPED) this.#dropOne(cpu, this.#cpus.tidOn(cpu))
  }

  /** Issues a request for a page's slot; returns what it takes. An interrupt of the same CPU completes it, before `then`. */
  #request(
    { major, minor, readNs, writeNs }: DeviceRequests,
    operation: 'R' | 'W',
    { offset }: SwappedPage,
    { actor: { cpu, tid, comm } }: Running,
    then: () => void,
  ): number {
    const dev = major * 2 ** 20 + minor
    const sector = offset * PAGE_SECTORS
    const flags = this.#tracer.text(operation)
    const ns = this.#random.draw(operation === 'R' ? readNs : writeNs)
    const name = this.#tracer.text(comm)
    this.#tracer.emit('blockIssue', cpu, tid, dev, sector, PAGE_SECTORS, PAGE_BYTES, flags, name)
    const row = this.#tracer.truth?.add('block_ios', {
      device: `${major}:${minor}`,
      sector,
      sectors: PAGE_SECTORS,
      op: operation,
      issue_ns: this.#tracer.now,
      tid,
    })
    this.#cpus.after(ns, () => {
      const by = this.#cpus.tidOn(cpu)
      this.#tracer.emit('blockComplete', cpu, by, dev, sector, PAGE_SECTORS, 0, flags)
      if (row !== undefined)
        this.#tracer.truth?.set('block_ios', row, { complete_ns: this.#tracer.now })
      then()
    })
    return ns
  }

  #wakeWorker(waker: Running): void {
    const worker = this.#running.find(
      ({ actor, waiting }) => actor.kind === 'compressor' && waiting,
    )
    if (worker === undefined) return
    worker.waiting = false
    this.#cpus.wake(worker, waker)
  }

  /** The frame of the next page of a node: frames are used again when all were. */
  #framesOf(node: number, number: number): number {
    const zone = this.#scenario.zones.find((candidate) => candidate.node === node)
    return (zone?.startPfn ?? 0x10_0000) + (number % (zone?.managed ?? 0x10_0000))
  }

  #laneOf(name: string): Lane {
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      lane = { name, submitted: 0, started: 0, done: 0 }
      this.#lanes.set(name, lane)
    }
    return lane
  }

  /** Some page's owner gives it up: its slot is freed without a fault. */
  #dropOne(cpu: number, tid: number): void {
    this.#freeSlot(this.#swapped.take(this.#random.below(this.#swapped.length)), cpu, tid)
  }

  #freeSlot(page: SwappedPage, cpu: number, tid: number): void {
    this.#slots[page.device]?.giveBack(page.offset)
    if (this.#scenario.swapDevices[page.device]?.kind !== 'zram') return
    this.#tracer.emit('slotFree', cpu, tid, page.offset)
    this.#tracer.truth?.add('pool_moves', {
      ts_ns: this.#tracer.now,
      swapout: page.row < 0 ? undefined : page.row,
      from_place: 'zram',
      reason: 'invalidate',
    })
  }
}
