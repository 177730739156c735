import type { TaskProgress } from './demand.ts'
import type { Kernel } from './kernel.ts'
import { DOINGS, FILE, RUNNABLE, SCAN, type Scheduler, SLAB, STORE, UNMAP } from './scheduler.ts'
import type { StallTally } from './tally.ts'

export interface StallSummary {
  /** Direct reclaims, begin to end. */
  readonly count: number
  /** The kernel's allocstall counter: rounds of a call that frees nothing count again. */
  readonly rounds: number
  readonly totalNs: number
  readonly p50Ns: number
  readonly p99Ns: number
  readonly maxNs: number
  /** Waiting before direct reclaim until kswapd's call returned; not in `totalNs`. */
  readonly throttledNs: number
}

export interface ThreadSummary {
  readonly taskId: number
  readonly name: string
  readonly kind: string
  readonly runningNs: number
  readonly runnableNs: number
  readonly scanNs: number
  readonly unmapNs: number
  readonly storeNs: number
  readonly slabNs: number
  readonly fileNs: number
}

/** Figures of one run. Times in virtual ns, amounts in pages. */
export interface RunSummary {
  readonly swapOuts: number
  readonly swapIns: number
  readonly zeroPages: number
  readonly stores: number
  readonly handedOver: number
  /** From the start until the last task had consumed its demand. */
  readonly workNs: number
  readonly swapOutsPerSecond: number
  readonly pgstealAnon: number
  readonly pgstealAnonPerSecond: number
  readonly pgstealKswapd: number
  readonly pgstealDirect: number
  readonly pgscanKswapd: number
  readonly pgscanDirect: number
  readonly application: StallSummary
  readonly worker: StallSummary
  readonly all: StallSummary
  readonly throttled: number
  readonly kswapdWakes: number
  /** Share of the run that kswapd spent on a CPU, and what of it was scanning (with unmapping, slab) and storing. */
  readonly kswapdBusyShare: number
  readonly kswapdScanShare: number
  readonly kswapdStoreShare: number
  readonly kswapdRunnableNs: number
  /** Of all pages stolen, the share that kswapd freed. */
  readonly kswapdStealShare: number
  readonly laneSubmitted: number
  readonly startInversions: number
  readonly startDisplacement: number
  readonly doneInversions: number
  readonly doneDisplacement: number
  readonly bypassed: number
  readonly refaultsQueued: number
  readonly refaultsStored: number
  readonly readaheads: number
  readonly readaheadHits: number
  readonly compressedBytes: number
  readonly cpuNs: number
  /** CPU time of the tasks: what their own clock asked for, and the rest: faults, their own reclaim, interrupts. */
  readonly appUserNs: number
  readonly appSysNs: number
  readonly workerCpuNs: number
  readonly poolPeakPages: number
  readonly poolPeakBytes: number
  readonly poolEndPages: number
  readonly queuePeak: number
  readonly boosts: number
  readonly isolatedAtStore: number
  readonly writestalls: number
  readonly rejects: number
  readonly failedStores: number
  readonly contextSwitches: number
  readonly lowestFree: number
  /** Memory pressure, some and full, as /proc/pressure/memory totals it. */
  readonly psiSomeNs: number
  readonly psiFullNs: number
  /** Share of the demand that was consumed: below 1 only when the page stream was exhausted. */
  readonly workUsed: number
  readonly threads: readonly ThreadSummary[]
}

/** Figures of a run that is over; `workNs` is how long its tasks needed. */
export function summarize(
  kernel: Kernel,
  scheduler: Scheduler,
  progress: readonly TaskProgress[],
  workNs: number,
): RunSummary {
  const { tally } = kernel
  const seconds = workNs / 1e9
  let kswapdNs = 0
  let kswapdStoreNs = 0
  let kswapdScanNs = 0
  let kswapdRunnableNs = 0
  let workerCpuNs = 0
  let cpuNs = 0
  let taskCpuNs = 0
  const threads: ThreadSummary[] = []
  for (const thread of scheduler.threads) {
    scheduler.account(thread)
    const { parts } = thread
    let runningNs = 0
    for (let doing = 0; doing < DOINGS.length; doing++) runningNs += parts[doing] as number
    const part = (index: number): number => parts[index] as number
    const runnableNs = part(DOINGS.length - 1 + RUNNABLE)
    cpuNs += runningNs
    if (thread.kind === 'worker') workerCpuNs += runningNs
    if (thread.kind === 'user') taskCpuNs += runningNs
    if (thread.kind === 'kswapd') {
      kswapdNs += runningNs
      kswapdStoreNs += part(STORE)
      kswapdScanNs += part(SCAN) + part(UNMAP) + part(SLAB) + part(FILE)
      kswapdRunnableNs += runnableNs
    }
    threads.push({
      taskId: thread.taskId,
      name: thread.name,
      kind: thread.kind,
      runningNs,
      runnableNs,
      scanNs: part(SCAN),
      unmapNs: part(UNMAP),
      storeNs: part(STORE),
      slabNs: part(SLAB),
      fileNs: part(FILE),
    })
  }
  let laneSubmitted = 0
  let startInversions = 0
  let startDisplacement = 0
  let doneInversions = 0
  let doneDisplacement = 0
  let lowestFree = Number.POSITIVE_INFINITY
  for (const { lanes, lowestFree: lowest } of kernel.zones.nodes) {
    const [lane] = lanes
    laneSubmitted += lane.submitted
    startInversions += lane.startInversions
    startDisplacement = Math.max(startDisplacement, lane.startDisplacement)
    doneInversions += lane.doneInversions
    doneDisplacement = Math.max(doneDisplacement, lane.doneDisplacement)
    lowestFree = Math.min(lowestFree, lowest)
  }
  const pgstealAnon = tally.stealAnonKswapd + tally.stealAnonDirect
  const stolen = pgstealAnon + tally.stealFileKswapd + tally.stealFileDirect
  let rows = 0
  let done = 0
  let appUserNs = 0
  for (const task of progress) {
    if (task.kind === 'background') continue
    rows += task.rows
    done += task.done
    appUserNs += task.cpuNs
  }
  const perSecond = (count: number): number => (seconds > 0 ? count / seconds : 0)
  const share = (ns: number): number => (workNs > 0 ? ns / workNs / kernel.zones.nodes.length : 0)
  return {
    swapOuts: tally.swapOuts,
    swapIns: tally.swapIns,
    zeroPages: tally.zeroPages,
    stores: tally.stores,
    handedOver: tally.handedOver,
    workNs,
    swapOutsPerSecond: perSecond(tally.swapOuts),
    pgstealAnon,
    pgstealAnonPerSecond: perSecond(pgstealAnon),
    pgstealKswapd: tally.stealAnonKswapd + tally.stealFileKswapd,
    pgstealDirect: tally.stealAnonDirect + tally.stealFileDirect,
    pgscanKswapd: tally.scanKswapd,
    pgscanDirect: tally.scanDirect,
    application: summarizeStalls([tally.application]),
    worker: summarizeStalls([tally.worker]),
    all: summarizeStalls([tally.application, tally.worker]),
    throttled: tally.throttled,
    kswapdWakes: tally.kswapdWakes,
    kswapdBusyShare: share(kswapdNs),
    kswapdScanShare: share(kswapdScanNs),
    kswapdStoreShare: share(kswapdStoreNs),
    kswapdRunnableNs,
    kswapdStealShare: stolen > 0 ? (tally.stealAnonKswapd + tally.stealFileKswapd) / stolen : 0,
    laneSubmitted,
    startInversions,
    startDisplacement,
    doneInversions,
    doneDisplacement,
    bypassed: tally.swapOuts - laneSubmitted,
    refaultsQueued: tally.refaultsQueued + tally.refaultsStoring,
    refaultsStored: tally.refaultsStored,
    readaheads: tally.readaheads,
    readaheadHits: tally.readaheadHits,
    compressedBytes: tally.compressedBytes,
    cpuNs,
    appUserNs,
    appSysNs: taskCpuNs - appUserNs,
    workerCpuNs,
    poolPeakPages: tally.poolPeakPages,
    poolPeakBytes: tally.poolPeakBytes,
    poolEndPages: kernel.backend.poolPages,
    queuePeak: tally.queuePeak,
    boosts: tally.boosts,
    isolatedAtStore: tally.isolatedAtStore,
    writestalls: tally.writestalls,
    rejects: tally.rejects,
    failedStores: tally.failedStores,
    contextSwitches: scheduler.switches,
    lowestFree,
    psiSomeNs: kernel.pressure.someNs,
    psiFullNs: kernel.pressure.fullNs,
    workUsed: rows > 0 ? done / rows : 1,
    threads,
  }
}

function summarizeStalls(tallies: readonly StallTally[]): StallSummary {
  const durations = tallies.flatMap((tally) => tally.durations).sort((a, b) => a - b)
  const sum = (of: (tally: StallTally) => number): number =>
    tallies.reduce((total, tally) => total + of(tally), 0)
  return {
    count: durations.length,
    rounds: sum((tally) => tally.rounds),
    totalNs: sum((tally) => tally.total),
    p50Ns: quantile(durations, 1, 2),
    p99Ns: quantile(durations, 99, 100),
    maxNs: durations.at(-1) ?? 0,
    throttledNs: sum((tally) => tally.throttledNs),
  }
}

/** Nearest rank in a sorted list; 0 for an empty one. */
function quantile(sorted: readonly number[], numerator: number, denominator: number): number {
  if (sorted.length === 0) return 0
  const rank = Math.ceil((sorted.length * numerator) / denominator)
  return sorted[Math.max(0, rank - 1)] ?? 0
}
