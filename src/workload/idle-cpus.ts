import { averageIdle, MIGRATION_COST_NS } from '../model/idle-average.ts'
import { EVENT, type Recording, STATE } from './recording.ts'

/** A CPU ran out of threads. */
export interface Idling {
  readonly cpu: number
  readonly ns: number
  /** The kernel's average of its idle times (update_avg(), at most twice sysctl_sched_migration_cost). */
  readonly avgIdleNs: number
  /** A thread waited on another CPU that had not run for sysctl_sched_migration_cost. */
  readonly isCold: boolean
  /** The CPU took one that waited. */
  readonly isPulled: boolean
}

/** Bound of the average. */
export const MOST_IDLE_NS = 2 * MIGRATION_COST_NS
/** Per-cpu kernel threads stay where they are. */
const BOUND = /^(?:ksoftirqd|migration|kworker|rcuc|cpuhp)\/\d+/

const SLEEPS = 0
const WAITS = 1
const RUNS = 2

interface Seen {
  state: number
  cpu: number
  ranUntilNs: number
  readonly isBound: boolean
}

/** Walks the recording as the kernel's idle CPUs saw it. */
export function* eachIdling(recording: Recording, untilNs: number): Generator<Idling> {
  const walk = new IdleWalk(recording)
  for (let i = 0; i < recording.length && (recording.ns[i] ?? 0) <= untilNs; i++) {
    const idling = walk.step(i)
    if (idling !== undefined) yield idling
  }
}

interface IdleCpu {
  isIdle: boolean
  /** -1 = it is not to be counted. */
  idleSinceNs: number
  avgIdleNs: number
}

function wakesOf({ events }: Recording): number | undefined {
  if (events.has('sched_wakeup')) return EVENT.wakeup
  return events.has('sched_waking') ? EVENT.waking : undefined
}

/** A CPU's idle time ends with a wake-up, and where none are recorded with its next switch. */
function endIdle(cpu: IdleCpu, ns: number): void {
  if (cpu.idleSinceNs < 0) return
  cpu.avgIdleNs = averageIdle(cpu.avgIdleNs, ns - cpu.idleSinceNs, MOST_IDLE_NS)
  cpu.idleSinceNs = -1
}

class IdleWalk {
  readonly #recording: Recording
  /** Kind of the events that tell wake-ups; undefined: none does. */
  readonly #wakes: number | undefined
  readonly #seen = new Map<number, Seen>()
  readonly #cpus: IdleCpu[]

  constructor(recording: Recording) {
    this.#recording = recording
    this.#wakes = wakesOf(recording)
    this.#cpus = Array.from({ length: recording.cpus }, () => ({
      isIdle: true,
      idleSinceNs: -1,
      avgIdleNs: MOST_IDLE_NS,
    }))
  }

  step(i: number): Idling | undefined {
    const kind = this.#recording.kind[i]
    if (kind === EVENT.switch) return this.#switch(i)
    if (kind === this.#wakes) this.#wake(i)
    return undefined
  }

  #switch(i: number): Idling | undefined {
    const { a, b, c, cpu: cpus, ns: times } = this.#recording
    const cpu = cpus[i] ?? 0
    const ns = times[i] ?? 0
    const own = this.#cpus[cpu]
    const leaving = a[i] ?? 0
    const next = c[i] ?? 0
    if (own === undefined) return undefined
    let idling: Idling | undefined
    if (leaving === 0 && this.#wakes === undefined) endIdle(own, ns)
    if (leaving !== 0) {
      const thread = this.#of(leaving)
      thread.cpu = cpu
      thread.ranUntilNs = ns
      thread.state = b[i] === STATE.runnable ? WAITS : SLEEPS
      if (thread.state === SLEEPS) idling = this.#look(cpu, ns, next)
    }
    own.isIdle = next === 0
    if (next === 0) own.idleSinceNs = ns
    else {
      const thread = this.#of(next)
      thread.state = RUNS
      thread.cpu = cpu
    }
    return idling
  }

  /** Undefined: a thread waits on the CPU itself. */
  #look(cpu: number, ns: number, next: number): Idling | undefined {
    let isCold = false
    for (const { state, cpu: where, isBound, ranUntilNs } of this.#seen.values()) {
      if (state !== WAITS) continue
      if (where === cpu) return undefined
      if (isBound || this.#cpus[where]?.isIdle !== false) continue
      if (ns - ranUntilNs > MIGRATION_COST_NS) isCold = true
    }
    const isPulled = next !== 0 && this.#of(next).state === WAITS
    // Who is next and did not wait was woken meanwhile: the CPU is not idle.
    if (next !== 0 && !isPulled) return undefined
    const avgIdleNs = this.#cpus[cpu]?.avgIdleNs ?? 0
    return { cpu, ns, avgIdleNs, isCold, isPulled }
  }

  #wake(i: number): void {
    const { a, b, ns: times } = this.#recording
    const thread = this.#of(a[i] ?? 0)
    if (thread.state !== SLEEPS) return
    const ns = times[i] ?? 0
    thread.state = WAITS
    thread.cpu = b[i] ?? 0
    const cpu = this.#cpus[thread.cpu]
    if (cpu !== undefined) endIdle(cpu, ns)
  }

  #of(tid: number): Seen {
    let seen = this.#seen.get(tid)
    if (seen === undefined) {
      const isBound = BOUND.test(this.#recording.tasks.get(tid)?.comm ?? '')
      seen = { state: SLEEPS, cpu: -1, ranUntilNs: Number.NEGATIVE_INFINITY, isBound }
      this.#seen.set(tid, seen)
    }
    return seen
  }
}
