import { IO, RUNNABLE, RUNNING, type Thread } from './thread.ts'

/** PSI_FREQ: CPUs are averaged over windows of so long. */
const WINDOW_NS = 2_000_000_000

/** Of a thread on the CPU it last ran on. */
const IS_RUNNING = 1
const IN_MEMSTALL = 2
const IN_IOWAIT = 4

interface CpuPressure {
  running: number
  memstall: number
  memstallRunning: number
  iowait: number
  /** Threads on the CPU (0 or 1) that are inside a stall section. */
  reclaiming: number
  since: number
  someNs: number
  fullNs: number
  busyNs: number
}

/**
 * Memory pressure of the whole machine (kernel/sched/psi.c, 6.1 to 6.12). A thread is stalled inside psi_memstall_enter and leave: throttling
 * and direct reclaim, kswapd's balancing, the read of a page that was in use when it was evicted. A CPU is `some` while it has a stalled
 * thread, `full` while besides no other thread could run there, or a stalled one does; each window's times are averaged over the CPUs, each
 * weighted by how long it was not idle.
 */
export class Pressure {
  someNs = 0
  fullNs = 0
  /** Called at each window's end and at the run's. */
  onWindow: ((ns: number) => void) | undefined
  readonly #cpus: readonly CpuPressure[]
  readonly #jiffyNs: number
  #flags = new Uint8Array(64)
  #places = new Int16Array(64).fill(-1)
  #onCpu = new Uint8Array(64)
  #stalled = new Uint8Array(64)
  #windowEnd = WINDOW_NS

  constructor(cpus: number, jiffyNs: number) {
    this.#jiffyNs = jiffyNs
    this.#cpus = Array.from({ length: cpus }, () => ({
      running: 0,
      memstall: 0,
      memstallRunning: 0,
      iowait: 0,
      reclaiming: 0,
      since: 0,
      someNs: 0,
      fullNs: 0,
      busyNs: 0,
    }))
  }

  /** psi_memstall_enter; false: it is inside one already, whose end is the end. */
  enter(thread: Thread, now: number): boolean {
    this.#reserve(thread)
    if (this.#stalled[thread.index] === 1) return false
    this.#stalled[thread.index] = 1
    this.changed(thread, now)
    return true
  }

  /** psi_memstall_leave, by who entered. */
  leave(thread: Thread, now: number, entered: boolean): void {
    if (!entered) return
    this.#stalled[thread.index] = 0
    this.changed(thread, now)
  }

  /** The thread's state or CPU is another one from now on. */
  changed(thread: Thread, now: number): void {
    this.#reserve(thread)
    const { index, state } = thread
    const isRunning = state === RUNNING || state === RUNNABLE
    const flags =
      (isRunning ? IS_RUNNING : 0) |
      (this.#stalled[index] === 1 ? IN_MEMSTALL : 0) |
      (state === IO ? IN_IOWAIT : 0)
    const onCpu = state === RUNNING ? 1 : 0
    if (
      flags === this.#flags[index] &&
      thread.cpu === this.#places[index] &&
      onCpu === this.#onCpu[index]
    )
      return
    this.#closeWindows(now)
    this.#count(
      this.#places[index] as number,
      this.#flags[index] as number,
      this.#onCpu[index] as number,
      -1,
      now,
    )
    this.#flags[index] = flags
    this.#places[index] = thread.cpu
    this.#onCpu[index] = onCpu
    this.#count(thread.cpu, flags, onCpu, 1, now)
  }

  /** The run is over. */
  finish(now: number): void {
    this.#closeWindows(now)
    this.#collect(now)
  }

  #count(place: number, flags: number, onCpu: number, by: number, now: number): void {
    const cpu = this.#cpus[place]
    if (cpu === undefined) return
    settle(cpu, now)
    const isRunning = flags & IS_RUNNING
    const isStalled = (flags & IN_MEMSTALL) / IN_MEMSTALL
    cpu.running += by * isRunning
    cpu.memstall += by * isStalled
    cpu.memstallRunning += by * isRunning * isStalled
    cpu.iowait += (by * (flags & IN_IOWAIT)) / IN_IOWAIT
    cpu.reclaiming += by * onCpu * isStalled
  }

  #closeWindows(now: number): void {
    while (now >= this.#windowEnd) {
      this.#collect(this.#windowEnd)
      this.#windowEnd += WINDOW_NS
    }
  }

  /** collect_percpu_times. */
  #collect(end: number): void {
    let busy = 0
    let some = 0
    let full = 0
    for (const cpu of this.#cpus) {
      settle(cpu, end)
      // nsecs_to_jiffies: times count by their CPU's busy jiffies.
      const jiffies = Math.floor(cpu.busyNs / this.#jiffyNs)
      busy += jiffies
      some += cpu.someNs * jiffies
      full += cpu.fullNs * jiffies
      cpu.someNs = 0
      cpu.fullNs = 0
      cpu.busyNs = 0
    }
    this.someNs += Math.floor(some / Math.max(busy, 1))
    this.fullNs += Math.floor(full / Math.max(busy, 1))
    this.onWindow?.(end)
  }

  #reserve({ index }: Thread): void {
    const had = this.#flags.length
    if (index < had) return
    const size = Math.max(index + 1, had * 2)
    const grown = <A extends Uint8Array | Int16Array>(from: A, to: A): A => {
      to.set(from)
      return to
    }
    this.#flags = grown(this.#flags, new Uint8Array(size))
    this.#places = grown(this.#places, new Int16Array(size).fill(-1))
    this.#onCpu = grown(this.#onCpu, new Uint8Array(size))
    this.#stalled = grown(this.#stalled, new Uint8Array(size))
  }
}

/** record_times and test_states: what the CPU was since the last change. */
function settle(cpu: CpuPressure, now: number): void {
  const elapsed = now - cpu.since
  if (elapsed <= 0) return
  cpu.since = now
  if (cpu.running > 0 || cpu.memstall > 0 || cpu.iowait > 0) cpu.busyNs += elapsed
  if (cpu.memstall === 0) return
  cpu.someNs += elapsed
  if (cpu.running === cpu.memstallRunning || cpu.reclaiming > 0) cpu.fullNs += elapsed
}
