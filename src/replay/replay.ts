import type { SwapBackend } from '../memory/backends/backend.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { PstraceError } from '../model/error.ts'
import type { Policy, TunableValues } from '../policies/policy.ts'
import type { CostName, Workload, WorkloadCpu } from '../workload/types.ts'
import { openCosts } from './costs.ts'
import { runTask, type TaskProgress } from './demand.ts'
import { Kernel } from './kernel.ts'
import type { LogSink } from './log-events.ts'
import { type TunableChange, VirtualGate, widestLayout } from './policy-gate.ts'
import { Random } from './random.ts'
import type { ReadaheadBy } from './readahead.ts'
import { Recorder, type RowSink } from './recorder.ts'
import { DEFAULT_SCHEDULER, Scheduler, type SchedulerOptions, type Thread } from './scheduler.ts'
import { PlainSlots, type SwapSlots } from './slots.ts'
import type { Steps } from './steps.ts'
import { type RunSummary, summarize } from './summary.ts'
import { Tally } from './tally.ts'

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

/** A thread of the run, for the tasks table. */
export interface RunTask {
  readonly taskId: number
  readonly tid: number
  readonly comm: string
  readonly kind: 'user' | 'kworker' | 'kswapd' | 'compressor' | 'background'
  readonly node: number
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
  const costs = openCosts(workload, seed, options.costScale ?? {})
  const scheduler = new Scheduler(
    cpus,
    {
      onInterval: (thread, start, end) => recorder.interval(thread, start, end),
      onMoment: (value) => kernel.device.completed(value),
      onState: (thread) => kernel.pressure.changed(thread, scheduler.now),
      onSwitch: (thread) => recorder.note(scheduler.now, 'switch', thread, -1, thread.cpu),
      onWake: (thread, waker) => recorder.wakeup(scheduler.now, waker, thread, 'sched'),
      wakeLatency: () => costs.wakeLatency.draw(),
      switchCost: () => costs.switch.draw(),
    },
    { ...DEFAULT_SCHEDULER, ...options.scheduler },
  )
  const dirtied = new Random(seed, 1000)
  // Compared as integers: a share of 1 dirties always.
  const dirtiedBelow = Math.round(workload.dirtiedShare.value * 0x100000000)
  const kernel = new Kernel({
    workload,
    scheduler,
    costs,
    recorder,
    tally: new Tally(),
    backend,
    contents,
    slots: options.slots ?? new PlainSlots(),
    watermarkScale: options.watermarkScale ?? 1,
    readahead: options.readahead,
    readaheadBy: options.readaheadBy ?? 'slot',
    dirties: () => dirtied.next() < dirtiedBelow,
  })
  recorder.note(0, 'begin', undefined, -1, seed, policy.name)
  const added: RunTask[] = []
  let nextTask = options.firstThreadId ?? 1
  if (options.firstThreadId === undefined)
    for (const { taskId } of workload.tasks) nextTask = Math.max(nextTask, taskId + 1)
  const affinity = (allows: (cpu: WorkloadCpu) => boolean): Uint8Array => {
    const allowed = Uint8Array.from(cpus, (cpu) => (allows(cpu) ? 1 : 0))
    // A thread whose CPUs were all taken away may run anywhere, as after CPU hotplug.
    return allowed.includes(1) ? allowed : allowed.fill(1)
  }
  const addThread = (
    name: string,
    kind: RunTask['kind'],
    node: number,
    allowed: Uint8Array,
    program: (thread: Thread) => Steps,
  ): Thread => {
    const taskId = nextTask++
    added.push({ taskId, tid: taskId, comm: name, kind, node })
    return scheduler.add(
      {
        taskId,
        tid: taskId,
        name,
        kind: kind === 'kswapd' ? 'kswapd' : 'worker',
        node,
        allowed,
        hasMemory: false,
      },
      program,
    )
  }
  for (const node of kernel.zones.nodes) {
    node.kswapd = addThread(
      `kswapd${node.index}`,
      'kswapd',
      node.index,
      affinity((cpu) => cpu.node === node.index),
      (thread) => kernel.kswapd.main(thread, node),
    )
    scheduler.park(node.kswapd)
  }
  if (backend.shrinkStep !== undefined && kernel.zones.nodes[0] !== undefined) {
    const [first] = kernel.zones.nodes
    kernel.pool.shrinker = addThread(
      SHRINKER,
      'kworker',
      first.index,
      affinity(() => true),
      (thread) => kernel.pool.shrinkerMain(thread, first),
    )
    scheduler.park(kernel.pool.shrinker)
  }
  const { upkeep } = backend
  if (upkeep !== undefined && kernel.zones.nodes[0] !== undefined) {
    const [first] = kernel.zones.nodes
    const thread = addThread(
      UPKEEP,
      'kworker',
      first.index,
      affinity(() => true),
      (self) => kernel.pool.upkeepMain(self, first, upkeep),
    )
    scheduler.start(thread, 0)
  }
  const cpusOfNode = kernel.zones.nodes.map(
    ({ index }) => cpus.filter((cpu) => cpu.node === index).length,
  )
  // A policy without workers on any node, or without a gate for the backend, is mainline's synchronous store, to the last row.
  const isSynchronous =
    !policy.covers.some((covered) => covered === backend.name) ||
    cpusOfNode.every(
      (count, node) =>
        widestLayout(policy, { node, cpus: count }, tunables, changes).workers.length === 0,
    )
  if (!isSynchronous)
    kernel.gate = new VirtualGate(
      policy,
      tunables,
      kernel,
      cpusOfNode,
      changes,
      (name, node, unbound, program) =>
        addThread(
          name,
          name.startsWith('kworker') ? 'kworker' : 'compressor',
          node,
          affinity((cpu) => unbound || cpu.node === node),
          program,
        ),
    )
  const progress: TaskProgress[] = []
  let running = 0
  for (const task of workload.tasks) {
    const state: TaskProgress = {
      taskId: task.taskId,
      kind: task.kind,
      rows: task.op.length,
      done: 0,
      startNs: Number.NaN,
      endNs: Number.NaN,
      marks: [],
      ownNs: 0,
      cpuNs: 0,
    }
    progress.push(state)
    const isLoad = task.kind === 'background'
    if (!isLoad) running++
    const allowed = affinity((cpu) => task.cpus.length === 0 || task.cpus.includes(cpu.id))
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
      },
      function* (self): Steps {
        yield* runTask(
          self,
          kernel,
          task,
          home,
          state,
          isLoad ? 1 : (options.demandScale ?? 1),
          options.demand === 'open',
        )
        if (!isLoad && --running === 0) scheduler.stopped = true
      },
    )
    scheduler.start(thread, Math.max(0, Math.round(task.startNs)))
  }
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
  recorder.flush()
  return {
    summary,
    tunables,
    tasks: added,
    progress,
    exhausted: kernel.exhausted,
    endNs,
    contents: contents.description,
  }
}

function sortChanges(policy: Policy, changes: readonly TunableChange[]): readonly TunableChange[] {
  for (const { name, value } of changes) {
    completeTunables(policy, { [name]: value })
    if (name.startsWith('pstrace.'))
      throw new PstraceError(
        'policy-tunable',
        `${name} says how ${policy.name} is built; only the kernel's own tunables change while it runs`,
        { exitStatus: 2 },
      )
  }
  return changes.toSorted((a, b) => a.ns - b.ns)
}

/** Defaults filled in; unknown names and values out of range are refused. */
export function completeTunables(policy: Policy, given: TunableValues): TunableValues {
  const complete: Record<string, number> = {}
  for (const tunable of policy.tunables) complete[tunable.name] = tunable.default
  for (const [name, value] of Object.entries(given)) {
    const tunable = policy.tunables.find((candidate) => candidate.name === name)
    if (tunable === undefined)
      throw new PstraceError(
        'policy-tunable',
        `policy ${policy.name} has no tunable ${name}; it has ${policy.tunables.map((known) => known.name).join(', ') || 'none'}`,
        { exitStatus: 2 },
      )
    if (!Number.isInteger(value) || value < tunable.min || value > tunable.max)
      throw new PstraceError(
        'policy-tunable',
        `${name}: found ${value}, expected a whole number from ${tunable.min} to ${tunable.max}`,
        { exitStatus: 2 },
      )
    complete[name] = value
  }
  return complete
}
