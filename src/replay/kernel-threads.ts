import type { WorkloadCpu } from '../workload/types.ts'
import type { Memcg } from './memcgs.ts'
import type { Scheduler } from './scheduler.ts'
import type { Steps } from './steps.ts'
import type { Thread } from './thread.ts'

/** A thread of the run, for the tasks table. */
export interface RunTask {
  readonly taskId: number
  readonly tid: number
  readonly comm: string
  readonly kind: 'user' | 'kworker' | 'kswapd' | 'compressor' | 'background'
  readonly node: number
}

/** Which CPUs a thread may run on: a flag for each. A thread whose CPUs were all taken away may run anywhere, as after CPU hotplug. */
export function toAffinity(
  cpus: readonly WorkloadCpu[],
  allows: (cpu: WorkloadCpu) => boolean,
): Uint8Array {
  const allowed = Uint8Array.from(cpus, (cpu) => (allows(cpu) ? 1 : 0))
  return allowed.includes(1) ? allowed : allowed.fill(1)
}

/** Threads that the engine adds to the workload's. */
export class KernelThreads {
  readonly tasks: RunTask[] = []
  readonly #scheduler: Scheduler
  readonly #cpus: readonly WorkloadCpu[]
  readonly #root: Memcg
  #nextTask: number

  constructor(
    scheduler: Scheduler,
    cpus: readonly WorkloadCpu[],
    /** Kernel threads are in the root cgroup. */
    root: Memcg,
    firstTask: number,
  ) {
    this.#root = root
    this.#scheduler = scheduler
    this.#cpus = cpus
    this.#nextTask = firstTask
  }

  /** A process of the recording itself: neither the workload's nor the kernel's. */
  addReader(name: string, program: (thread: Thread) => Steps): Thread {
    const taskId = this.#nextTask++
    this.tasks.push({ taskId, tid: taskId, comm: name, kind: 'background', node: 0 })
    return this.#scheduler.add(
      {
        taskId,
        tid: taskId,
        name,
        kind: 'background',
        node: 0,
        allowed: toAffinity(this.#cpus, () => true),
        hasMemory: false,
        isProcess: true,
        memcg: this.#root,
      },
      program,
    )
  }

  /** An unbound thread runs on the CPUs of all nodes. It neither runs nor sleeps yet. */
  add(
    of: {
      readonly name: string
      readonly kind: 'kworker' | 'kswapd' | 'compressor'
      readonly node: number
      readonly isUnbound: boolean
    },
    program: (thread: Thread) => Steps,
  ): Thread {
    const { name, kind, node, isUnbound } = of
    const taskId = this.#nextTask++
    this.tasks.push({ taskId, tid: taskId, comm: name, kind, node })
    return this.#scheduler.add(
      {
        taskId,
        tid: taskId,
        name,
        kind: kind === 'kswapd' ? 'kswapd' : 'worker',
        node,
        allowed: toAffinity(this.#cpus, (cpu) => isUnbound || cpu.node === node),
        hasMemory: false,
        memcg: this.#root,
      },
      program,
    )
  }
}
