import type { SwapBackend } from '../memory/backends/backend.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { PstraceError } from '../model/error.ts'
import { SLOT_BATCH } from '../model/swap-slots.ts'
import { shareOfSwitch, switchNsAfter } from '../model/warmth.ts'
import type { Policy, TunableValues } from '../policies/policy.ts'
import type { CostName, Workload, WorkloadCpu, WorkloadTask } from '../workload/types.ts'
import { openCosts } from './costs.ts'
import { type TaskProgress, TaskScript } from './demand.ts'
import { DemandProgress } from './demand-progress.ts'
import { Kernel } from './kernel.ts'
import { rulesOf } from './kernel-rules.ts'
import { KernelThreads, type RunTask, toAffinity } from './kernel-threads.ts'
import type { TunableChange } from './live-tunables.ts'
import type { LogSink } from './log-events.ts'
import { VirtualGate, widestLayout } from './policy-gate.ts'
import { Random } from './random.ts'
import type { ReadaheadBy } from './readahead.ts'
import { Recorder, type RowSink } from './recorder.ts'
import { Scheduler } from './scheduler.ts'
import { type SchedulerOptions, schedulerOf } from './scheduler-options.ts'
import { PlainSlots, type SwapSlots } from './slots.ts'
import type { Steps } from './steps.ts'
import { type RunSummary, summarize } from './summary.ts'
import { Tally } from './tally.ts'
import { RUNNING } from './thread.ts'
import { completeTunables, sortChanges } from './tunables.ts'

export type { RunSummary } from './summary.ts'

export interface ReplayOptions {
  readonly policy: Policy
  /** Values that differ from the policy's defaults. */
  readonly tunables?: TunableValues
  /** Values that they get while the run goes on. */
  readonly tunableChanges?: readonly TunableChange[]
  readonly seed?: number
  /** Task id of the first thread that the engine adds; default: the workload's largest and one. */
  readonly firstThreadId?: number
  /** Instead of the recorded machine's. */
  readonly cpus?: readonly WorkloadCpu[]
  /** Holds the pool of this run: a fresh one for each. */
  readonly backend: SwapBackend
  readonly contents: PageContents
  readonly slots?: SwapSlots
  /** closed: tasks wait for memory and go on later. open: they keep to their recorded clock as far as they can. */
  readonly demand?: 'closed' | 'open'
  /** Amount of memory asked for, 1 = as recorded. */
  readonly demandScale?: number
  readonly costScale?: Readonly<Partial<Record<CostName, number>>>
  /** Stretches the gaps min..low and min..high. */
  readonly watermarkScale?: number
  /** Pages that a swap-in may read around the fault (2^vm.page-cluster), 1 = readahead is off; default: as on the recorded machine. */
  readonly readahead?: number
  /** Neighbours of the slot (default), or of the address as on devices that do not rotate (vma_ra_enabled). */
  readonly readaheadBy?: ReadaheadBy
  readonly scheduler?: Partial<SchedulerOptions>
  /** Gets each table's rows when its buffer is full, and at the end; the buffer is emptied afterwards. */
  readonly sink?: RowSink
  readonly log?: LogSink
  /** Checks the invariants every so many virtual ns as well as at the end; 0 = only at the end. */
  readonly checkEveryNs?: number
}

export interface RunResult {
  readonly summary: RunSummary
  readonly tunables: TunableValues
  /** Threads that the engine added to the workload's. */
  readonly tasks: readonly RunTask[]
  readonly progress: readonly TaskProgress[]
  /** Reclaim needed a page and none was left: the run is cut at `summary.workUsed`. */
  readonly exhausted: boolean
  readonly endNs: number
  /** When half of the pages that the demand asks for had been asked for; NaN = the run was cut before. */
  readonly halfNs: number
  readonly contents: string
}

/** The worker of a backend's own shrinker. */
const SHRINKER = 'kworker/zswap-shrink'
/** The process that writes to the backend's files in sysfs. */
const UPKEEP = 'zram-upkeep'

/** Runs the workload under a policy in virtual time. Deterministic: the same arguments give the same rows. */
export function replay(workload: Workload, options: ReplayOptions): RunResult {
  const { policy, backend, contents } = options
  const seed = options.seed ?? 1
  const cpus = options.cpus ?? workload.machine.cpus
  if (cpus.length === 0)
    throw new PstraceError('replay-cpus', 'the machine has no CPU; give at least one')
  const tunables = completeTunables(policy, options.tunables ?? {})
  const changes = sortChanges(policy, options.tunableChanges ?? [])
  const recorder = new Recorder(options.sink, options.log)
  const demand = new DemandProgress()
  const kernel = openKernel(workload, options, { cpus, seed, recorder, progress: demand })
  const { scheduler } = kernel
  recorder.note(0, 'begin', undefined, -1, seed, policy.name)
  const firstThread = options.firstThreadId ?? followingTaskId(workload)
  const threads = new KernelThreads(scheduler, cpus, kernel.memcgs.root, firstThread)
  addReclaimers(kernel, threads)
  kernel.traceReaders?.start((name, program) => threads.addReader(name, program))
  kernel.gate = openGate(kernel, threads, { policy, tunables, changes, cpus })
  const { progress, running } = startTasks(kernel, cpus, options, demand)
  kernel.check()
  for (const node of kernel.zones.nodes)
    if (!kernel.zones.isAbove(node, 'low')) kernel.zones.wakeKswapd(node)
  const checkEvery = options.checkEveryNs ?? 0
  if (checkEvery > 0) scheduler.everyNs(checkEvery, () => kernel.check())
  if (running > 0) scheduler.run()
  const endNs = scheduler.now
  recorder.note(endNs, 'end', undefined, -1, 0)
  kernel.finish()
  const summary = summarize(kernel, scheduler, progress, endNs)
  kernel.check()
  backend.check()
  kernel.slots.check?.()
  recorder.flush()
  return {
    summary,
    tunables,
    tasks: threads.tasks,
    progress,
    exhausted: kernel.exhausted,
    endNs,
    halfNs: kernel.work.halfNs,
    contents: contents.description,
  }
}

/** The machine at the beginning of the run, without a thread. */
function openKernel(
  workload: Workload,
  options: ReplayOptions,
  of: {
    readonly cpus: readonly WorkloadCpu[]
    readonly seed: number
    readonly recorder: Recorder
    readonly progress: DemandProgress
  },
): Kernel {
  const { cpus, seed, recorder, progress } = of
  const costs = openCosts(workload, seed, options.costScale ?? {})
  const luck = new Random(seed, 1002)
  const scheduler = new Scheduler(
    cpus,
    {
      onInterval: recorder.recordsRows
        ? (thread, start, end) => recorder.interval(thread, start, end)
        : undefined,
      onMoment: (value) => kernel.device.completed(value),
      onIdle: (cpu) => {
        kernel.zones.cpuIdles(cpu)
        kernel.traceReaders?.add(cpu, 'switch')
      },
      onState: (thread) => {
        kernel.pressure.changed(thread, scheduler.now)
        if (thread.state === RUNNING) kernel.traceReaders?.add(thread.cpu, 'switch')
      },
      onSwitch: (thread) => recorder.note(scheduler.now, 'switch', thread, -1, thread.cpu),
      onWake: (thread, waker) => {
        recorder.wakeup(scheduler.now, waker, thread, 'sched')
        kernel.traceReaders?.add(waker?.cpu ?? thread.cpu, 'wake')
      },
      wakeLatency: () => costs.wakeLatency.draw(),
      switchCost: (ranNs, speed) => {
        const fillNs = Math.round(costs.switch.draw() * shareOfSwitch(ranNs))
        return switchNsAfter(ranNs, costs.switchAnyRun.draw() + fillNs, speed)
      },
      random: () => luck.next(),
      isFurther: () => progress.isFurther(),
    },
    { ...schedulerOf(workload.machine), ...options.scheduler },
  )
  const { batchesReleases, releasedOrder } = rulesOf(workload.machine)
  const dirtied = new Random(seed, 1000)
  const bins = new Random(seed, 1001)
  // Compared as integers: a share of 1 dirties always.
  const dirtiedBelow = Math.round(workload.dirtiedShare.value * 0x100000000)
  const kernel = new Kernel({
    workload,
    scheduler,
    costs,
    recorder,
    tally: new Tally(),
    backend: options.backend,
    contents: options.contents,
    slots:
      options.slots ?? new PlainSlots(undefined, batchesReleases ? SLOT_BATCH : 0, releasedOrder),
    watermarkScale: options.watermarkScale ?? 1,
    readahead: options.readahead,
    readaheadBy: options.readaheadBy ?? 'slot',
    dirties: () => dirtied.next() < dirtiedBelow,
    drawBin: (count) => bins.below(count),
  })
  return kernel
}

function followingTaskId({ tasks }: Workload): number {
  return tasks.reduce((next, { taskId }) => Math.max(next, taskId + 1), 1)
}

/** kswapd of every node, and the threads that serve a backend. */
function addReclaimers(kernel: Kernel, threads: KernelThreads): void {
  const { backend, pool, scheduler, zones } = kernel
  for (const node of zones.nodes) {
    node.kswapd = threads.add(
      { name: `kswapd${node.index}`, kind: 'kswapd', node: node.index, isUnbound: false },
      (thread) => kernel.kswapd.main(thread, node),
    )
    scheduler.park(node.kswapd)
  }
  const [first] = zones.nodes
  if (first === undefined) return
  const kworker = { kind: 'kworker', node: first.index, isUnbound: true } as const
  if (backend.shrinkStep !== undefined) {
    pool.shrinker = threads.add({ ...kworker, name: SHRINKER }, (thread) =>
      pool.shrinkerMain(thread, first),
    )
    scheduler.park(pool.shrinker)
  }
  const { upkeep } = backend
  if (upkeep !== undefined) {
    const thread = threads.add({ ...kworker, name: UPKEEP }, (self) =>
      pool.upkeepMain(self, first, upkeep),
    )
    scheduler.start(thread, 0)
  }
}

/** Undefined: a policy without workers on any node, or without a gate for the backend, is mainline's synchronous store, to the last row. */
function openGate(
  kernel: Kernel,
  threads: KernelThreads,
  of: {
    readonly policy: Policy
    readonly tunables: TunableValues
    readonly changes: readonly TunableChange[]
    readonly cpus: readonly WorkloadCpu[]
  },
): VirtualGate | undefined {
  const { policy, tunables, changes, cpus } = of
  if (!policy.covers.some((covered) => covered === kernel.backend.name)) return undefined
  const cpusOfNode = kernel.zones.nodes.map(
    ({ index }) => cpus.filter((cpu) => cpu.node === index).length,
  )
  const hasWorkers = cpusOfNode.some(
    (count, node) =>
      widestLayout(policy, { node, cpus: count }, tunables, changes).workers.length > 0,
  )
  if (!hasWorkers) return undefined
  return new VirtualGate(
    policy,
    tunables,
    kernel,
    cpusOfNode,
    changes,
    (name, node, isUnbound, program) => {
      const kind = name.startsWith('kworker') ? 'kworker' : 'compressor'
      return threads.add({ name, kind, node, isUnbound }, program)
    },
  )
}

/** Every task of the workload on its way; the run is over when those whose demand it is are done. */
function startTasks(
  kernel: Kernel,
  cpus: readonly WorkloadCpu[],
  options: ReplayOptions,
  demand: DemandProgress,
): { readonly progress: readonly TaskProgress[]; readonly running: number } {
  const { scheduler, workload } = kernel
  const isOpenLoop = options.demand === 'open'
  const ofDemand = workload.tasks.filter(({ kind }) => kind !== 'background').length
  let running = ofDemand
  const progress = workload.tasks.map((task) => {
    const state = newProgress(task)
    const isLoad = task.kind === 'background'
    const scale = isLoad ? 1 : (options.demandScale ?? 1)
    const allowed = toAffinity(cpus, (cpu) => task.cpus.length === 0 || task.cpus.includes(cpu.id))
    const home = cpus[Math.max(0, allowed.indexOf(1))]?.node ?? 0
    const thread = scheduler.add(
      {
        taskId: task.taskId,
        tid: task.tid,
        name: task.comm,
        kind: isLoad ? 'background' : 'user',
        node: home,
        allowed,
        hasMemory: task.hasMemory,
        isProcess: isLoad ? task.isProcess === true : true,
        memcg: kernel.memcgs.named(task.memcg),
      },
      function* (self): Steps {
        yield* new TaskScript(kernel, self, { task, home, scale, isOpenLoop }).run(state)
        if (!isLoad && --running === 0) scheduler.stopped = true
      },
    )
    if (!isLoad) demand.add(thread, state)
    scheduler.start(thread, Math.max(0, Math.round(task.startNs)))
    return state
  })
  return { progress, running: ofDemand }
}

function newProgress({ taskId, kind, op }: WorkloadTask): TaskProgress {
  return {
    taskId,
    kind,
    rows: op.length,
    done: 0,
    startNs: Number.NaN,
    endNs: Number.NaN,
    marks: [],
    ownNs: 0,
    cpuNs: 0,
  }
}
