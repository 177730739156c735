import { EVENT, IDLE_TID, type Recording, RecordingBuilder, STATE } from './recording.ts'
import { isProcess } from './threads.ts'

/** Fewer runs do not show whom a kernel thread works for. */
const LEAST_RUNS = 30
/** A kernel thread works for the process after which it runs this often; it does so this much more often than one that just meets it. */
const SERVES_SHARE = 0.5
const OVER_CHANCE = 2

/** A kernel thread that took the CPU where a process left it, until it sleeps. */
interface Run {
  /** Switches to the kernel thread and from it. */
  readonly begin: number
  readonly end: number
  readonly server: number
  /** Process that had the CPU before. */
  readonly served: number
}

/**
 * A process that hands work to a kernel thread (a file's writeback by a kworker, say) gives up its CPU to it, as it waits for it or is preempted by
 * it, and has it back when that is done. Such runs are the process's: taken for loads of their own, the two would wait for and preempt others
 * where they wait for each other. Without wake-ups in the trace, only the order of switches tells: nearly all of such a thread's runs follow
 * one process, however little that runs.
 */
export function withHandOvers(recording: Recording): Recording {
  const runs = listRuns(recording)
  const servers = findServers(recording, runs)
  const handed = runs.filter(({ server, served }) => servers.get(server) === served)
  if (handed.length === 0) return recording
  const left = new Map<number, number | undefined>()
  for (const { begin, end, served } of handed) {
    left.set(begin, undefined)
    left.set(end, recording.c[end] === served ? undefined : served)
  }
  return { ...recording, ...withoutRuns(recording, left) }
}

/** `left`: by switch, who leaves the CPU there in truth; undefined = nobody does. */
function withoutRuns(
  recording: Recording,
  left: ReadonlyMap<number, number | undefined>,
): ReturnType<RecordingBuilder['finish']> {
  const { a, b, c, length } = recording
  const builder = new RecordingBuilder()
  for (let i = 0; i < length; i++) {
    const from = left.get(i)
    if (from === undefined && left.has(i)) continue
    const state = from === undefined ? (b[i] ?? 0) : STATE.runnable
    builder.addWith(recording, i, from ?? a[i] ?? 0, state, c[i] ?? 0)
  }
  return builder.finish()
}

/** Runs of kernel threads that began where a process was preempted or blocked, and ended asleep, with nothing of reclaim in them and the process off all CPUs. */
function listRuns(recording: Recording): Run[] {
  const { a, b, c, cpu, kind, tid } = recording
  const runs: Run[] = []
  const open = new Map<number, Omit<Run, 'end'>>()
  for (let i = 0; i < recording.length; i++) {
    const on = cpu[i] ?? 0
    const run = open.get(on)
    if (kind[i] !== EVENT.switch) {
      const isWaking = kind[i] === EVENT.waking || kind[i] === EVENT.wakeup
      if (!isWaking && run !== undefined && tid[i] === run.server) open.delete(on)
      continue
    }
    for (const [of, { served }] of open) if (of !== on && served === c[i]) open.delete(of)
    open.delete(on)
    if (run !== undefined && run.server === a[i] && b[i] === STATE.sleeping)
      runs.push({ ...run, end: i })
    const served = a[i] ?? 0
    const server = c[i] ?? 0
    const isLeft = b[i] === STATE.runnable || b[i] === STATE.blocked
    if (isLeft && isOfProcess(recording, served) && isOfKernel(recording, server))
      open.set(on, { begin: i, server, served })
  }
  return runs
}

function isOfProcess(recording: Recording, tid: number): boolean {
  const task = recording.tasks.get(tid)
  return tid !== IDLE_TID && task !== undefined && isProcess(task)
}

function isOfKernel(recording: Recording, tid: number): boolean {
  const task = recording.tasks.get(tid)
  return tid !== IDLE_TID && task !== undefined && !isProcess(task)
}

/** By kernel thread, the process that it works for. */
function findServers(recording: Recording, runs: readonly Run[]): ReadonlyMap<number, number> {
  const after = new Map<number, Map<number, number>>()
  for (const { server, served } of runs) {
    const counts = after.get(server) ?? new Map<number, number>()
    counts.set(served, (counts.get(served) ?? 0) + 1)
    after.set(server, counts)
  }
  const { all, shareOf } = countRuns(recording)
  const servers = new Map<number, number>()
  for (const [server, counts] of after)
    for (const [served, count] of counts) {
      const share = count / Math.max(LEAST_RUNS, all.get(server) ?? 0)
      if (share > SERVES_SHARE && share > OVER_CHANCE * shareOf(served)) servers.set(server, served)
    }
  return servers
}

/** How often each task was switched to, and its share of all time that tasks ran. */
function countRuns(recording: Recording): {
  readonly all: ReadonlyMap<number, number>
  shareOf(tid: number): number
} {
  const { a, c, cpu, kind, ns } = recording
  const all = new Map<number, number>()
  const ran = new Map<number, number>()
  const since = new Float64Array(recording.cpus).fill(Number.NaN)
  let total = 0
  for (let i = 0; i < recording.length; i++) {
    if (kind[i] !== EVENT.switch) continue
    const on = cpu[i] ?? 0
    const from = a[i] ?? 0
    const spent = (ns[i] ?? 0) - (since[on] ?? Number.NaN)
    if (from !== IDLE_TID && spent > 0) {
      ran.set(from, (ran.get(from) ?? 0) + spent)
      total += spent
    }
    since[on] = ns[i] ?? 0
    all.set(c[i] ?? 0, (all.get(c[i] ?? 0) ?? 0) + 1)
  }
  return { all, shareOf: (tid) => (ran.get(tid) ?? 0) / Math.max(1, total) }
}
