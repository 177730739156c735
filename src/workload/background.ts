import { Numbers } from './numbers.ts'
import { BEGINS_RECLAIM, ENDS_RECLAIM, EVENT, type Recording, STATE } from './recording.ts'
import { type Thread, Threads } from './threads.ts'

/** One task that only runs and sleeps: bursts of CPU time, each after a sleep. */
export interface Load {
  readonly tid: number
  readonly startNs: number
  readonly sleepNs: Float64Array
  readonly cpuNs: Float64Array
  readonly cpus: readonly number[]
}

/** Tasks whose reclaim or stores are a result of the policy, not load. */
const RESULT_THREAD = /^(kswapd|kcompactd|kcompressd)\d*/

/** Less CPU time than this share of the recording is left out. */
const LEAST_SHARE = 0.0002
/** What is left of a burst without the switches in it. */
const LEAST_LEFT_SHARE = 0.1

/** Busy intervals of the tasks outside the demand, from the workload's start. Time in direct reclaim is left out: it is a result. */
export function readBackground(
  recording: Recording,
  owners: ReadonlySet<number>,
  options: {
    readonly startEvent: number
    readonly endNs: number
    /** CPU time that each switch to a task costs it. */
    readonly switchNs: number
    readonly isDemand: (tid: number) => boolean
  },
): { readonly loads: readonly Load[]; readonly leftOutNs: number } {
  const threads = new Threads(recording, owners)
  const startNs = recording.ns[options.startEvent] ?? 0
  const bursts = new Map<
    number,
    {
      sleep: Numbers
      cpu: Numbers
      mark: number
      idleSince: number
      burst: number
      cpus: Set<number>
      isResult: boolean
      direct: number
      /** Switches to the task when its present burst began. */
      switches: number
    }
  >()
  const of = (thread: Thread) => {
    let load = bursts.get(thread.tid)
    if (load === undefined) {
      const comm = recording.tasks.get(thread.tid)?.comm ?? ''
      load = {
        sleep: new Numbers(),
        cpu: new Numbers(),
        mark: -1,
        idleSince: startNs,
        burst: 0,
        cpus: new Set(),
        isResult: thread.tid === 0 || RESULT_THREAD.test(comm) || options.isDemand(thread.tid),
        direct: 0,
        switches: thread.switches,
      }
      bursts.set(thread.tid, load)
    }
    return load
  }
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    const ns = recording.ns[i] ?? 0
    if (ns > options.endNs) break
    if (kind === EVENT.store && ns >= startNs) {
      // Whoever stores for others is a worker of the recorded policy.
      const thread = threads.get(recording.tid[i] ?? 0)
      if (!thread.isUser) of(thread).isResult = true
    }
    if (kind !== undefined && (BEGINS_RECLAIM.has(kind) || ENDS_RECLAIM.has(kind))) {
      const thread = threads.get(recording.tid[i] ?? 0)
      const load = of(thread)
      if (load.mark >= 0 && !thread.inDirect) load.burst += thread.cpuAt(ns) - load.mark
      load.mark = thread.cpuAt(ns)
      threads.step(i)
      continue
    }
    if (kind !== EVENT.switch) {
      threads.step(i)
      continue
    }
    const from = threads.get(recording.a[i] ?? 0)
    const to = threads.get(recording.c[i] ?? 0)
    const wokenNs = to.wokenNs
    const leaving = of(from)
    if (leaving.mark >= 0 && !from.inDirect) leaving.burst += from.cpuAt(ns) - leaving.mark
    leaving.mark = -1
    const state = recording.b[i] ?? 0
    if (ns >= startNs && state !== STATE.runnable && leaving.burst > 0 && !from.inDirect) {
      const switched = (from.switches - leaving.switches) * options.switchNs
      leaving.cpu.push(Math.max(leaving.burst - switched, leaving.burst * LEAST_LEFT_SHARE))
      leaving.switches = from.switches
      leaving.burst = 0
      leaving.idleSince = ns
    }
    threads.step(i)
    if (ns < startNs) continue
    const arriving = of(to)
    arriving.mark = to.cpuAt(ns)
    arriving.cpus.add(recording.cpu[i] ?? 0)
    if (arriving.burst === 0 && arriving.sleep.length === arriving.cpu.length) {
      const woken = wokenNs >= arriving.idleSince ? wokenNs : ns
      arriving.sleep.push(Math.max(0, woken - arriving.idleSince))
    }
  }
  const loads: Load[] = []
  let leftOutNs = 0
  for (const [tid, load] of bursts) {
    if (load.isResult || load.cpu.length === 0) continue
    const cpuNs = load.cpu.copyValues()
    const total = cpuNs.reduce((sum, ns) => sum + ns, 0)
    if (total < LEAST_SHARE * (options.endNs - startNs)) {
      leftOutNs += total
      continue
    }
    const comm = recording.tasks.get(tid)?.comm ?? ''
    // Per-cpu kernel threads carry their CPU in the name.
    const bound = /^(?:ksoftirqd|migration|kworker|rcuc|cpuhp)\/(\d+)/.exec(comm)
    loads.push({
      tid,
      startNs: 0,
      sleepNs: load.sleep.copyValues().slice(0, cpuNs.length),
      cpuNs,
      cpus: bound === null ? [] : [Number(bound[1])],
    })
  }
  loads.sort((x, y) => x.tid - y.tid)
  return { loads, leftOutNs }
}
