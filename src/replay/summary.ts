import type { TaskProgress } from './demand.ts'
import type { Kernel } from './kernel.ts'
import type { Lane } from './ranks.ts'
import type { Scheduler } from './scheduler.ts'
import type { StallTally, Tally } from './tally.ts'
import { DOINGS, FILE, RUNNABLE, SCAN, SLAB, STORE, type Thread, UNMAP } from './thread.ts'

export interface StallSummary {
  /** Direct reclaims, begin to end. */
  readonly count: number
  /** The kernel's allocstall counter: rounds of a call that frees nothing count again. */
  readonly rounds: number
  readonly totalNs: number
  readonly p50Ns: number
  readonly p99Ns: number
  readonly maxNs: number
  /** Waiting before direct reclaim until kswapd's call returned, and for memory.high; not in `totalNs`. */
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
  /** Folios that were swapped out and not freed at once, by the scan that freed them; `mostScansAgain`: of one folio. */
  readonly freedAtNextScan: number
  readonly freedAtSecondScan: number
  readonly freedAtThirdScan: number
  readonly freedAtLaterScan: number
  readonly mostScansAgain: number
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
  const { tally, zones } = kernel
  const { threads, ...cpu } = summarizeCpu(scheduler)
  const lanes = summarizeLanes(kernel)
  const demand = summarizeDemand(progress)
  return {
    swapOuts: tally.swapOuts,
    swapIns: tally.swapIns,
    zeroPages: tally.zeroPages,
    stores: tally.stores,
    handedOver: tally.handedOver,
    workNs,
    ...summarizeReclaim(tally, workNs),
    application: summarizeStalls([tally.application]),
    worker: summarizeStalls([tally.worker]),
    all: summarizeStalls([tally.application, tally.worker]),
    throttled: tally.throttled,
    kswapdWakes: tally.kswapdWakes,
    ...summarizeKswapd(tally, cpu, { workNs, nodes: zones.nodes.length }),
    ...lanes,
    bypassed: tally.swapOuts - lanes.laneSubmitted,
    refaultsQueued: tally.refaultsQueued + tally.refaultsStoring,
    refaultsStored: tally.refaultsStored,
    readaheads: tally.readaheads,
    readaheadHits: tally.readaheadHits,
    compressedBytes: tally.compressedBytes,
    cpuNs: cpu.allNs,
    appUserNs: demand.cpuNs,
    appSysNs: cpu.taskNs - demand.cpuNs,
    workerCpuNs: cpu.workerNs,
    poolPeakPages: tally.poolPeakPages,
    poolPeakBytes: tally.poolPeakBytes,
    poolEndPages: kernel.backend.poolPages,
    queuePeak: tally.queuePeak,
    boosts: tally.boosts,
    isolatedAtStore: tally.isolatedAtStore,
    ...summarizeScansAgain(tally),
    writestalls: tally.writestalls,
    rejects: tally.rejects,
    failedStores: tally.failedStores,
    contextSwitches: scheduler.switches,
    lowestFree: Math.min(...zones.nodes.map((node) => node.lowestFree)),
    psiSomeNs: kernel.pressure.someNs,
    psiFullNs: kernel.pressure.fullNs,
    workUsed: demand.rows > 0 ? demand.done / demand.rows : 1,
    threads,
  }
}

/** What left memory, and what was looked at for it. */
function summarizeReclaim(tally: Tally, workNs: number) {
  const seconds = workNs / 1e9
  const perSecond = (count: number): number => (seconds > 0 ? count / seconds : 0)
  const pgstealAnon = tally.stealAnonKswapd + tally.stealAnonDirect
  return {
    swapOutsPerSecond: perSecond(tally.swapOuts),
    pgstealAnon,
    pgstealAnonPerSecond: perSecond(pgstealAnon),
    pgstealKswapd: tally.stealAnonKswapd + tally.stealFileKswapd,
    pgstealDirect: tally.stealAnonDirect + tally.stealFileDirect,
    pgscanKswapd: tally.scanKswapd,
    pgscanDirect: tally.scanDirect,
  }
}

function summarizeScansAgain({ freedAfter, mostScansAgain }: Tally) {
  const [next = 0, second = 0, third = 0, later = 0] = freedAfter
  return {
    freedAtNextScan: next,
    freedAtSecondScan: second,
    freedAtThirdScan: third,
    freedAtLaterScan: later,
    mostScansAgain,
  }
}

/** Shares of the time that the kswapd of all nodes had, and of the pages stolen. */
function summarizeKswapd(
  tally: Tally,
  cpu: Omit<ReturnType<typeof summarizeCpu>, 'threads'>,
  of: { readonly workNs: number; readonly nodes: number },
) {
  const share = (ns: number): number => (of.workNs > 0 ? ns / of.workNs / of.nodes : 0)
  const own = tally.stealAnonKswapd + tally.stealFileKswapd
  const stolen = own + tally.stealAnonDirect + tally.stealFileDirect
  return {
    kswapdBusyShare: share(cpu.kswapdNs),
    kswapdScanShare: share(cpu.kswapdScanNs),
    kswapdStoreShare: share(cpu.kswapdStoreNs),
    kswapdRunnableNs: cpu.kswapdRunnableNs,
    kswapdStealShare: stolen > 0 ? own / stolen : 0,
  }
}

/** CPU time of every thread, and by kind of thread. */
function summarizeCpu(scheduler: Scheduler) {
  const threads = scheduler.threads.map((thread) => {
    scheduler.account(thread)
    return summarizeThread(thread)
  })
  const sum = (of: (thread: ThreadSummary) => number, kind?: Thread['kind']): number =>
    threads.reduce(
      (ns, thread) => (kind === undefined || thread.kind === kind ? ns + of(thread) : ns),
      0,
    )
  return {
    threads,
    allNs: sum(({ runningNs }) => runningNs),
    workerNs: sum(({ runningNs }) => runningNs, 'worker'),
    taskNs: sum(({ runningNs }) => runningNs, 'user'),
    kswapdNs: sum(({ runningNs }) => runningNs, 'kswapd'),
    kswapdStoreNs: sum(({ storeNs }) => storeNs, 'kswapd'),
    kswapdScanNs: sum((part) => part.scanNs + part.unmapNs + part.slabNs + part.fileNs, 'kswapd'),
    kswapdRunnableNs: sum(({ runnableNs }) => runnableNs, 'kswapd'),
  }
}

function summarizeThread({ taskId, name, kind, parts }: Thread): ThreadSummary {
  const part = (index: number): number => parts[index] as number
  return {
    taskId,
    name,
    kind,
    runningNs: DOINGS.reduce((ns, _, doing) => ns + part(doing), 0),
    runnableNs: part(DOINGS.length - 1 + RUNNABLE),
    scanNs: part(SCAN),
    unmapNs: part(UNMAP),
    storeNs: part(STORE),
    slabNs: part(SLAB),
    fileNs: part(FILE),
  }
}

/** Order of the pages that the kswapd of each node submitted. */
function summarizeLanes(kernel: Kernel) {
  const lanes = kernel.zones.nodes.map(({ lanes: [lane] }) => lane)
  const sum = (of: (lane: Lane) => number): number => lanes.reduce((all, lane) => all + of(lane), 0)
  const most = (of: (lane: Lane) => number): number =>
    lanes.reduce((all, lane) => Math.max(all, of(lane)), 0)
  return {
    laneSubmitted: sum(({ submitted }) => submitted),
    startInversions: sum(({ startInversions }) => startInversions),
    startDisplacement: most(({ startDisplacement }) => startDisplacement),
    doneInversions: sum(({ doneInversions }) => doneInversions),
    doneDisplacement: most(({ doneDisplacement }) => doneDisplacement),
  }
}

/** What the recorded tasks asked for, without the load beside them. */
function summarizeDemand(progress: readonly TaskProgress[]) {
  let rows = 0
  let done = 0
  let cpuNs = 0
  for (const task of progress) {
    if (task.kind === 'background') continue
    rows += task.rows
    done += task.done
    cpuNs += task.cpuNs
  }
  return { rows, done, cpuNs }
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
