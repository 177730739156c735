import { Cpu } from '../../src/replay/cpu.ts'
import { rootMemcg } from '../../src/replay/memcgs.ts'
import { Scheduler } from '../../src/replay/scheduler.ts'
import { RUNNABLE, RUNNING, Thread } from '../../src/replay/thread.ts'

export function threadOn(cpu: number, allowed: readonly number[]): Thread {
  const thread = new Thread(0, {
    taskId: 1,
    tid: 1,
    name: 'app',
    kind: 'user',
    node: 0,
    allowed: Uint8Array.from(allowed),
    hasMemory: false,
    memcg: rootMemcg(),
  })
  thread.cpu = cpu
  thread.recentCpu = cpu
  return thread
}

/** CPUs by what each runs (1) and how many wait there; the threads have long done so. */
export function machine(...loads: readonly (readonly [current: 0 | 1, waiting: number])[]): {
  readonly cpus: Cpu[]
  readonly threads: Thread[]
} {
  const anywhere = loads.map(() => 1)
  const threads: Thread[] = []
  const busy = (cpu: number, state: number): Thread => {
    const thread = threadOn(cpu, anywhere)
    thread.state = state
    thread.loadAvg = 1024
    thread.utilAvg = state === RUNNING ? 1024 : 0
    threads.push(thread)
    return thread
  }
  const cpus = loads.map(([current, waiting], index) => {
    const cpu = new Cpu(index, 0, 1)
    if (current === 1) cpu.current = busy(index, RUNNING)
    for (let place = 0; place < waiting; place++) cpu.queue.push(busy(index, RUNNABLE))
    return cpu
  })
  return { cpus, threads }
}

/** A scheduler whose switches cost nothing and that nobody watches. */
export function schedulerOf(
  cpus: readonly { readonly node: number; readonly speed: number }[],
  wakeNs = 0,
): Scheduler {
  return new Scheduler(cpus, {
    onInterval() {},
    onMoment() {},
    onWake() {},
    onState() {},
    onIdle() {},
    onSwitch() {},
    wakeLatency: () => wakeNs,
    switchCost: () => 0,
    random: () => 0,
    isFurther: () => true,
  })
}
