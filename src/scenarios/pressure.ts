import type { DeviceQueue, SwapBackend } from '../memory/backends/backend.ts'
import { PstraceError } from '../model/error.ts'
import { TASK_OPS, type Workload } from '../workload/types.ts'

/** What a published test did not say and a replay must assume. Times in ns. */
export interface Assumptions {
  /** Share of a second CPU left to kswapd and the shrink worker, 0..1. */
  readonly idleCpu: number
  /** Requests that the block layer lets wait; who submits more sleeps. */
  readonly requests: number
  /** CPU time of one page: fault, scan and unmap, compression, decompression, submission of one request. */
  readonly faultNs: number
  readonly scanNs: number
  readonly compressNs: number
  readonly decompressNs: number
  readonly submitNs: number
  /** CPU time of a page examined and kept. */
  readonly keptNs: number
  /** User time lost to cold caches and interrupts, as a share of the time that the task slept. */
  readonly coldShare: number
  /** Pages read around a fault from the device. */
  readonly readahead: number
}

/** The columns of the published tables; times in seconds, amounts in pages. */
export interface PressureFigures {
  readonly elapsed: number
  readonly user: number
  readonly sys: number
  readonly pswpin: number
  readonly pswpout: number
  readonly zswpin: number
  readonly zswpout: number
  readonly zswpwb: number
  readonly poolStart: number
  readonly poolEnd: number
}

export interface PressureRun {
  readonly workload: Workload
  readonly backend: SwapBackend
  readonly device: DeviceQueue
  readonly assumptions: Assumptions
  /** Bytes of a page by its id; `key` names the content. */
  readonly content: (page: number) => { readonly bytes: Uint8Array; readonly key: number }
  /** Memory cgroup of the task: its pages are limited to `limitPages` instead of by the machine's watermarks. */
  readonly memcg?: { readonly index: number; readonly limitPages: number }
}

const RECLAIM_BATCH = 32
const RESIDENT = 1
const SWAPPED = 2
const WRITING = 3
const IDLE_STEP_NS = 1_000_000
/** The task, kswapd and the shrink worker. */
const SUBMITTERS = 3

/**
 * One task under memory pressure against a swap backend and its device: enough of a machine to compare shrinkers, with one CPU for the task
 * and its own reclaim and a second one for kswapd and the shrink worker. Everything is reclaimed in the order in which it was last used.
 */
export function runPressure(run: PressureRun): PressureFigures {
  return new PressureMachine(run).run()
}

class PressureMachine {
  readonly #run: PressureRun
  readonly #state: Uint8Array
  readonly #next: Int32Array
  readonly #prev: Int32Array
  /** Swapped pages of a cluster are neighbours in slot order; slot = order of first swap-out. */
  readonly #slot: Int32Array
  readonly #pageOfSlot: number[] = [-1]
  #head = -1
  #tail = -1
  #free: number
  readonly #low: number
  readonly #high: number
  /** Completions of writes in order, each giving back pages. */
  readonly #doneNs: number[] = []
  readonly #donePages: number[] = []
  readonly #doneFrom: number[] = []
  #done = 0
  #taskNs = 0
  #otherNs = 0
  #userNs = 0
  #sysNs = 0
  #kswapd = false
  #kswapdTurn = true
  #sleeperUntilNs = 0
  #readPages = 0
  readonly #ownDoneNs: number[] = []
  #ownDone = 0
  #ownMoves = 0
  /** Slots whose page is on the device: what readahead may bring. */
  readonly #onDisk = new Set<number>()

  constructor(run: PressureRun) {
    this.#run = run
    const { pages, machine } = run.workload
    this.#state = new Uint8Array(pages.length)
    this.#slot = new Int32Array(pages.length).fill(-1)
    this.#next = new Int32Array(pages.length).fill(-1)
    this.#prev = new Int32Array(pages.length).fill(-1)
    const [zone] = machine.zones
    const [node] = machine.nodes
    if (zone === undefined || node === undefined)
      throw new PstraceError('scenario', 'scenario: the workload has no zone')
    this.#free = run.memcg?.limitPages ?? node.freeAtStart.value - run.backend.poolPages
    this.#low = run.memcg === undefined ? zone.low : 0
    this.#high = run.memcg === undefined ? zone.high : 0
  }

  run(): PressureFigures {
    const { backend, workload } = this.#run
    const before = backend.counters()
    const poolStart = backend.poolPages
    backend.onMove = ({ page, reason }) => {
      if (page >= 0 && reason === 'writeback') this.#ownMoves++
    }
    const [task] = workload.tasks
    if (task === undefined) throw new PstraceError('scenario', 'scenario: the workload has no task')
    for (let row = 0; row < task.op.length; row++) {
      const cpu = task.cpuNs[row] ?? 0
      this.#userNs += cpu
      this.#taskNs += cpu
      this.#catchUp()
      const op = TASK_OPS[task.op[row] ?? 0]
      const page = task.arg[row] ?? 0
      if (op === 'alloc') this.#allocate(page)
      else if (op === 'touch') this.#touch(page)
      else if (op === 'sleep') this.#taskNs += page
    }
    const after = backend.counters()
    const delta = (name: string) => (after[name] ?? 0) - (before[name] ?? 0)
    return {
      elapsed: this.#taskNs / 1e9,
      user: this.#userNs / 1e9,
      sys: this.#sysNs / 1e9,
      pswpin: this.#readPages,
      pswpout: delta('pswpout'),
      zswpin: delta('zswpin'),
      zswpout: delta('zswpout'),
      zswpwb: delta('zswpwb'),
      poolStart,
      poolEnd: backend.poolPages,
    }
  }

  #allocate(page: number): void {
    if (this.#state[page] !== 0) {
      this.#touch(page)
      return
    }
    this.#sys(this.#run.assumptions.faultNs)
    this.#takePage()
    this.#enter(page)
  }

  #touch(page: number): void {
    const state = this.#state[page]
    if (state === 0) {
      this.#allocate(page)
      return
    }
    if (state === RESIDENT) {
      this.#leave(page)
      this.#enter(page)
      return
    }
    const { assumptions, backend, device } = this.#run
    this.#sys(assumptions.faultNs)
    // A page still under writeback is found in the swap cache.
    if (state === WRITING) {
      this.#rescue(page)
      return
    }
    const slot = this.#slot[page] ?? 0
    this.#takePage()
    const place = backend.load(slot, undefined, this.#taskNs)
    if (place !== 'disk') {
      this.#sys(assumptions.decompressNs)
      this.#enter(page)
      return
    }
    this.#sys(assumptions.submitNs)
    const first = Math.max(1, slot - (slot % assumptions.readahead))
    const around: number[] = []
    for (let near = first; near < first + assumptions.readahead; near++) {
      const other = this.#pageOfSlot[near] ?? -1
      if (other >= 0 && other !== page && this.#state[other] === SWAPPED && this.#onDisk.has(near))
        around.push(other)
    }
    const done = device.submit('read', this.#taskNs, around.length + 1)
    this.#readPages += around.length + 1
    this.#sleepUntil(done)
    this.#enter(page)
    this.#onDisk.delete(slot)
    for (const other of around) {
      if (this.#state[other] !== SWAPPED) continue
      this.#takePage()
      this.#onDisk.delete(this.#slot[other] ?? 0)
      this.#enter(other)
    }
  }

  #takePage(): void {
    this.#reap(this.#taskNs)
    if (this.#low > 0 && this.#free < this.#low) this.#kswapd = true
    while (this.#free <= 0) {
      const freed = this.#reclaim('task')
      if (freed === 0 && this.#free <= 0) this.#waitForWrite()
    }
    this.#free--
  }

  /** Second CPU: kswapd and the shrink worker take turns until it has caught up with the task. */
  #catchUp(): void {
    const { backend, assumptions } = this.#run
    this.#reap(this.#taskNs)
    while (this.#otherNs < this.#taskNs) {
      const shrinks =
        backend.pendingShrink === true &&
        this.#sleeperUntilNs <= this.#otherNs &&
        this.#ownInFlight(this.#otherNs) < assumptions.requests / SUBMITTERS
      const reclaims = this.#kswapd && this.#pressed() < assumptions.requests
      if (!shrinks && !reclaims) {
        const wake =
          backend.pendingShrink === true && this.#sleeperUntilNs > this.#otherNs
            ? this.#sleeperUntilNs
            : this.#taskNs
        this.#otherNs = Math.min(this.#taskNs, Math.max(this.#otherNs + 1, wake))
        continue
      }
      this.#kswapdTurn = !this.#kswapdTurn
      if (reclaims && (this.#kswapdTurn || !shrinks)) {
        if (this.#reclaim('kswapd') === 0) this.#otherNs += IDLE_STEP_NS
        if (this.#free >= this.#high) this.#kswapd = false
      } else this.#shrink()
    }
  }

  #shrink(): void {
    const { backend, assumptions, device } = this.#run
    const step = backend.shrinkStep?.(this.#otherNs)
    if (step === undefined) return
    if (step.sleepUntilNs > this.#otherNs) {
      this.#sleeperUntilNs = step.sleepUntilNs
      return
    }
    this.#free += this.#ownShare(step.poolPagesFreed, step.deviceWrites)
    this.#other(assumptions.submitNs + step.deviceWrites * assumptions.decompressNs)
    // Writeback goes page by page through a fresh page that is free again when the write is done.
    if (this.#low > 0) this.#free -= step.deviceWrites
    for (let i = 0; i < step.deviceWrites; i++) {
      const done = device.submit('write', this.#otherNs)
      this.#complete(done, this.#low > 0 ? 1 : 0, -1)
      this.#ownDoneNs.push(done)
    }
  }

  /** A memory cgroup gets back only what its own entries took. */
  #ownShare(freed: number, written: number): number {
    const own = this.#ownMoves
    this.#ownMoves = 0
    if (this.#run.memcg === undefined) return freed
    return written === 0 ? 0 : Math.round((freed * own) / written)
  }

  /** One batch from the cold end; returns pages free at once. */
  #reclaim(who: 'task' | 'kswapd'): number {
    const { assumptions, backend, device, content, memcg } = this.#run
    const spend = (ns: number) => (who === 'task' ? this.#sys(ns) : this.#other(ns))
    const now = () => (who === 'task' ? this.#taskNs : this.#otherNs)
    let freed = 0
    const rejected: number[] = []
    for (let i = 0; i < RECLAIM_BATCH && this.#head >= 0; i++) {
      const page = this.#head
      this.#leave(page)
      const slot = this.#slotOf(page)
      const { bytes, key } = content(page)
      const result = backend.store({
        slot,
        page,
        bytes,
        key,
        memcg: memcg?.index ?? -1,
        nowNs: now(),
      })
      spend(assumptions.scanNs + result.compressions * assumptions.compressNs)
      if (result.place === 'disk') {
        this.#state[page] = WRITING
        rejected.push(page)
        this.#onDisk.add(slot)
        continue
      }
      this.#state[page] = SWAPPED
      freed += 1 - result.poolPagesTaken
    }
    this.#free += freed
    if (rejected.length > 0) {
      // Neighbouring slots of one batch are merged by the plug into one request.
      spend(assumptions.submitNs)
      while (who === 'task' && this.#pressed() >= assumptions.requests) this.#waitForWrite()
      const done = device.submit('write', now(), rejected.length)
      for (const page of rejected) this.#complete(done, 1, page)
    }
    return freed
  }

  /** Pages come back, or stay when `from` was faulted back meanwhile. */
  #complete(doneNs: number, pages: number, from: number): void {
    this.#doneNs.push(doneNs)
    this.#donePages.push(pages)
    this.#doneFrom.push(from)
  }

  /** Requests of the shrink worker under way. Waiters are served in turn, so each submitter has its share of the requests. */
  #ownInFlight(nowNs: number): number {
    while ((this.#ownDoneNs[this.#ownDone] ?? nowNs + 1) <= nowNs) this.#ownDone++
    return this.#ownDoneNs.length - this.#ownDone
  }

  #pressed(): number {
    return this.#doneNs.length - this.#done === 0
      ? 0
      : this.#run.device.inFlight(Math.max(this.#taskNs, this.#otherNs))
  }

  #reap(nowNs: number): void {
    while (this.#done < this.#doneNs.length && (this.#doneNs[this.#done] ?? 0) <= nowNs) {
      const page = this.#doneFrom[this.#done] ?? -1
      // A page that was faulted back while it was written stays.
      if (page < 0) this.#free += this.#donePages[this.#done] ?? 0
      else if (this.#state[page] === WRITING) {
        this.#state[page] = SWAPPED
        this.#free++
      }
      this.#done++
    }
  }

  #waitForWrite(): void {
    const done = this.#doneNs[this.#done]
    if (done === undefined) {
      // Nothing under way: kswapd or the worker must get on.
      this.#sleepUntil(this.#taskNs + IDLE_STEP_NS)
      return
    }
    // Reclaim that found only pages under writeback has looked at a batch in vain.
    this.#sys(RECLAIM_BATCH * this.#run.assumptions.keptNs)
    this.#sleepUntil(done)
  }

  #sleepUntil(ns: number): void {
    if (ns > this.#taskNs) {
      this.#userNs += Math.floor((ns - this.#taskNs) * this.#run.assumptions.coldShare)
      this.#taskNs = ns
    }
    this.#catchUp()
  }

  #rescue(page: number): void {
    this.#onDisk.delete(this.#slot[page] ?? 0)
    this.#enter(page)
  }

  #slotOf(page: number): number {
    const known = this.#slot[page] ?? -1
    if (known >= 0) return known
    const slot = this.#pageOfSlot.length
    this.#pageOfSlot.push(page)
    this.#slot[page] = slot
    return slot
  }

  #sys(ns: number): void {
    this.#sysNs += ns
    this.#taskNs += ns
  }

  #other(ns: number): void {
    this.#otherNs += Math.ceil(ns / this.#run.assumptions.idleCpu)
  }

  #enter(page: number): void {
    this.#state[page] = RESIDENT
    this.#prev[page] = this.#tail
    this.#next[page] = -1
    if (this.#tail >= 0) this.#next[this.#tail] = page
    else this.#head = page
    this.#tail = page
  }

  #leave(page: number): void {
    const next = this.#next[page] ?? -1
    const prev = this.#prev[page] ?? -1
    if (prev >= 0) this.#next[prev] = next
    else this.#head = next
    if (next >= 0) this.#prev[next] = prev
    else this.#tail = prev
  }
}
