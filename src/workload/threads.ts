import { shareOfSwitch } from '../model/warmth.ts'
import {
  BEGINS_RECLAIM,
  ENDS_RECLAIM,
  EVENT,
  LOST_TID,
  type RecordedTask,
  type Recording,
  STATE,
} from './recording.ts'

/** How often a thread was switched to, and how much of a usual switch these were in all. */
export interface Switches {
  readonly switches: number
  readonly switchShares: number
}

/** CPU time that a switch to a task costs it: after a run of usual length, by its share, and besides after any run. */
export interface SwitchCost {
  readonly usualNs: number
  readonly anyRunNs: number
}

/** What the switches from one count to a later one cost. */
export function switchedNs(before: Switches, now: Switches, cost: SwitchCost): number {
  return (
    (now.switches - before.switches) * cost.anyRunNs +
    (now.switchShares - before.switchShares) * cost.usualNs
  )
}

/** One thread while a recording is walked. CPU times are ns at speed 1 since the recording began. */
export class Thread {
  readonly tid: number
  readonly hasMemory: boolean
  readonly isUser: boolean
  cpuNs = 0
  /** -1 = not running. */
  cpu = -1
  sinceNs = 0
  /** Of the CPU that it runs on, or ran on last. */
  speed = 1
  /** State in which it left its CPU last. */
  left: number = STATE.runnable
  leftNs = 0
  wokenNs = -1
  /** Pages of its address space unmapped elsewhere while it ran. */
  flushes = 0
  /** How often it was switched to where another task had run since it did. */
  switches = 0
  /** What they cost, in switches after runs of usual length. */
  switchShares = 0
  /** How long it had run when it left its CPU last; NaN = that was not seen. */
  ranNs = Number.NaN
  /** Of its CPU time, what the machine did not have; kept by who knows it. */
  stolenNs = 0
  /** Steps of which something was stolen; kept by the same. */
  strikes = 0
  inDirect = false
  inFault = false
  /** It has unmapped pages. */
  unmaps = false

  constructor(tid: number, traits: { readonly hasMemory: boolean; readonly isUser: boolean }) {
    this.tid = tid
    this.hasMemory = traits.hasMemory
    this.isUser = traits.isUser
  }

  /** Rises with everything from outside that makes a step of the thread longer. */
  get disturbances(): number {
    return this.flushes + this.switches + this.strikes
  }

  cpuAt(ns: number): number {
    return this.cpu < 0 ? this.cpuNs : this.cpuNs + (ns - this.sinceNs) * this.speed
  }
}

/** Comm of kernel threads that allocate no memory of their own. */
const KERNEL_THREAD =
  /^(kswapd|kcompactd|kcompressd|kworker|ksoftirqd|rcu_|rcuog|rcuop|migration|kthreadd|khugepaged|ksmd|oom_reaper|jbd2|irq\/|cpuhp|idle_inject|watchdog|swapper|<idle>)/

function isKernelThread(comm: string): boolean {
  return KERNEL_THREAD.test(comm)
}

/** What a thread's events say of its memory. */
export interface MemoryUse {
  reads: number
  /** Allocations of anonymous pages that met low memory: of zeroed movable ones where the kernel asks for such. */
  anonEvidence: number
  /** Allocations for the page cache that met low memory. */
  fileEvidence: number
}

export interface MemoryUsers {
  readonly uses: ReadonlyMap<number, MemoryUse>
  /** Threads with anonymous memory that reclaim works on. */
  readonly owners: ReadonlySet<number>
  /** Threads whose allocations are the demand: owners and readers of files. */
  readonly demanders: ReadonlySet<number>
}

/** gfp bits that have kept their places since 4.x. */
const GFP_MOVABLE = 0x8
const GFP_ZERO = 0x100

/** Memory for a page that is read, from swap or from a file: movable, and not to be zeroed. */
export function isFilledByKernel(gfp: number): boolean {
  return (gfp & GFP_MOVABLE) !== 0 && (gfp & GFP_ZERO) === 0
}

/** A thread below this share of the swap-ins and of the allocations that met low memory is load, not demand. */
const USER_SHARE = 0.01

/** Tells by their events which threads' memory reclaim works on. */
export function findMemoryUsers(recording: Recording): MemoryUsers {
  const uses = new Map<number, MemoryUse>()
  const useOf = (tid: number): MemoryUse | undefined => {
    let use = uses.get(tid)
    if (use === undefined) {
      const task = recording.tasks.get(tid)
      if (tid === 0 || task === undefined || !isProcess(task)) return undefined
      use = { reads: 0, anonEvidence: 0, fileEvidence: 0 }
      uses.set(tid, use)
    }
    return use
  }
  for (let i = 0; i < recording.length; i++)
    if (recording.kind[i] === EVENT.read) {
      const use = useOf(recording.tid[i] ?? 0)
      if (use !== undefined) use.reads++
    }
  let reads = 0
  let evidence = 0
  for (const use of uses.values()) reads += use.reads
  const swappingIn = new Set<number>()
  const unzeroed = new Map<MemoryUse, number>()
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    if (kind === EVENT.fault) swappingIn.add(recording.tid[i] ?? 0)
    if (kind === EVENT.faultReturn) swappingIn.delete(recording.tid[i] ?? 0)
    if (kind !== EVENT.directBegin && kind !== EVENT.wakeKswapd) continue
    const use = useOf(recording.tid[i] ?? 0)
    if (use === undefined) continue
    evidence++
    const gfp = recording.b[i] ?? 0
    if (kind === EVENT.wakeKswapd && gfp === 0) continue
    const isZeroed = (gfp & GFP_ZERO) !== 0
    const isMovable = (gfp & GFP_MOVABLE) !== 0
    if (isZeroed && isMovable) use.anonEvidence++
    else if (isZeroed) continue
    else if (!isMovable || use.reads === 0) use.fileEvidence++
    else if (!swappingIn.has(recording.tid[i] ?? 0)) unzeroed.set(use, (unzeroed.get(use) ?? 0) + 1)
  }
  // Not every architecture asks the allocator for zeroed pages (arm, riscv and others clear them in the fault: vma_alloc_zeroed_movable_folio).
  if (![...uses.values()].some((use) => use.anonEvidence > 0))
    for (const [use, count] of unzeroed) use.anonEvidence = count
  const owners = new Set<number>()
  const demanders = new Set<number>()
  for (const [tid, use] of uses) {
    const isOwner =
      use.reads > 0.5 + reads * USER_SHARE || use.anonEvidence > 0.5 + evidence * USER_SHARE
    if (isOwner) owners.add(tid)
    if (isOwner || use.fileEvidence > 0.5 + evidence * USER_SHARE) demanders.add(tid)
  }
  return { uses, owners, demanders }
}

/** Is it a program, which has an address space? */
export function isProcess({ kind, comm }: Pick<RecordedTask, 'kind' | 'comm'>): boolean {
  return kind === 'user' && !isKernelThread(comm)
}

/** Who runs where, while a recording is walked event by event. */
export class Threads {
  readonly byTid = new Map<number, Thread>()
  readonly running: (Thread | undefined)[]
  /** By CPU, 1 = an owner's page tables are still loaded there, whatever runs. */
  readonly #holds: Uint8Array
  /** By CPU, 1 = a kernel thread has unmapped pages since the owner left, on whichever CPU: some recorded flushes drop the page tables there. */
  readonly #isDoubtful: Uint8Array
  /** By CPU: the task that ran there last, idling left out. */
  readonly #last: (Thread | undefined)[]
  readonly #recording: Recording
  readonly #owners: ReadonlySet<number>

  constructor(recording: Recording, owners: ReadonlySet<number>) {
    this.#recording = recording
    this.#owners = owners
    this.running = new Array<Thread | undefined>(recording.cpus).fill(undefined)
    this.#last = this.running.slice()
    this.#holds = new Uint8Array(recording.cpus)
    this.#isDoubtful = new Uint8Array(recording.cpus)
  }

  get(tid: number): Thread {
    let thread = this.byTid.get(tid)
    if (thread === undefined) {
      const task = this.#recording.tasks.get(tid)
      const isUser = task !== undefined && tid !== 0 && isProcess(task)
      thread = new Thread(tid, { hasMemory: this.#owners.has(tid), isUser })
      this.byTid.set(tid, thread)
    }
    return thread
  }

  /** Applies event `i`; the caller reads the thread's state before or after as it needs. */
  step(i: number): void {
    const recording = this.#recording
    const kind = recording.kind[i]
    const ns = recording.ns[i] ?? 0
    const cpu = recording.cpu[i] ?? 0
    if (kind === EVENT.switch) {
      const from = this.get(recording.a[i] ?? 0)
      if (from.cpu >= 0) {
        from.cpuNs += (ns - from.sinceNs) * from.speed
        from.ranNs = ns - from.sinceNs
        from.cpu = -1
      } else if (from.sinceNs === 0) {
        // It has run since before the trace began.
        from.cpuNs += ns * this.#speedOf(cpu)
      }
      from.left = recording.b[i] ?? 0
      from.leftNs = ns
      from.wokenNs = -1
      const to = this.get(recording.c[i] ?? 0)
      to.cpu = cpu
      to.sinceNs = ns
      this.#runsOn(cpu, to)
      if (to.tid !== 0 && this.#last[cpu] !== to) {
        this.#last[cpu] = to
        to.switches++
        to.switchShares += shareOfSwitch(to.ranNs)
      }
      return
    }
    if (kind === EVENT.waking || kind === EVENT.wakeup) {
      const woken = this.get(recording.a[i] ?? 0)
      if (woken.wokenNs < 0) woken.wokenNs = ns
      return
    }
    if (recording.tid[i] === LOST_TID) return
    const thread = this.get(recording.tid[i] ?? 0)
    if (thread.cpu < 0 && thread.tid !== 0) {
      thread.cpu = cpu
      thread.sinceNs = ns
      this.#runsOn(cpu, thread)
    }
    if (kind === EVENT.gate) {
      thread.unmaps = true
      if (!thread.isUser) {
        if (!this.isHeldElsewhere(cpu)) this.#holds[cpu] = 0
        this.running.forEach((runs, at) => {
          if (runs?.hasMemory !== true) this.#isDoubtful[at] = 1
        })
      }
      for (const other of this.running)
        if (other !== undefined && other !== thread && other.hasMemory) other.flushes++
    }
    if (kind !== undefined && BEGINS_RECLAIM.has(kind)) thread.inDirect = true
    else if (kind !== undefined && ENDS_RECLAIM.has(kind)) thread.inDirect = false
    else if (kind === EVENT.fault) thread.inFault = true
    else if (kind === EVENT.faultReturn) thread.inFault = false
  }

  #speedOf(cpu: number): number {
    return this.#recording.cpuSpeeds?.value[cpu] ?? 1
  }

  #runsOn(cpu: number, thread: Thread): void {
    this.running[cpu] = thread
    thread.speed = this.#speedOf(cpu)
    // A process brings its own page tables; kernel threads and idling keep those that are there.
    if (!thread.isUser) return
    this.#holds[cpu] = thread.hasMemory ? 1 : 0
    this.#isDoubtful[cpu] = 0
  }

  /**
   * A CPU other than this one has the owners' page tables loaded, though it may run a kernel thread or idle. Then an unmapped page is flushed
   * before it is written, with all else (arch_tlbbatch_should_defer, arch_tlbbatch_flush), and CPUs that run no owner are spared; where no other
   * has them, a kernel thread that flushes on a CPU which has them drops them (flush_tlb_func).
   */
  isHeldElsewhere(cpu: number): boolean {
    return this.#holds.some((holds, other) => holds === 1 && other !== cpu)
  }

  /** The same, and nothing has happened since an owner ran there by which it could have dropped them. */
  isSurelyHeldElsewhere(cpu: number): boolean {
    return this.#holds.some(
      (holds, other) => holds === 1 && other !== cpu && this.#isDoubtful[other] === 0,
    )
  }

  /** Who runs on other CPUs that may unmap pages of this thread's memory meanwhile: nobody, kernel threads, or tasks that reclaim for themselves. */
  unmapperBeside(thread: Thread): 'none' | 'kernel' | 'task' {
    let found: 'none' | 'kernel' = 'none'
    for (const other of this.running) {
      if (other === undefined || other === thread) continue
      if (other.inDirect && other.isUser) return 'task'
      if (other.unmaps && !other.isUser) found = 'kernel'
    }
    return found
  }

  /** An owner of memory runs on a CPU other than this thread's. */
  hasRemoteOwner(thread: Thread): boolean {
    for (const other of this.running)
      if (other !== undefined && other !== thread && other.hasMemory) return true
    return false
  }
}
