import { DEFAULT_LOSSES, type Losses } from '../model/losses.ts'
import { type Load, readBackground } from './background.ts'
import type { Balance } from './balance.ts'
import { balanceUntil } from './demand-of-tasks.ts'
import { readDeviceRequests } from './device.ts'
import { withHandOvers } from './hand-overs.ts'
import { type Disturbances, type History, readHistory } from './history.ts'
import { findKernel, findZeroMap } from './kernel.ts'
import { loadRecording } from './load.ts'
import { withLostStores } from './lost-stores.ts'
import { describeMachine } from './machine.ts'
import { findMemcgs, type MemcgsOfTasks, memcgOfPages, withoutKeptLimits } from './memcgs.ts'
import type { Touch } from './page-events.ts'
import { buildPages, buildStream } from './page-rows.ts'
import type { Identities } from './pages.ts'
import { recognisePolicy } from './recorded-policy.ts'
import type { Recording } from './recording.ts'
import { listResiduals } from './residuals.ts'
import { readScheduler } from './scheduler.ts'
import { readBackendFigures } from './stored-sizes.ts'
import type { WorkloadTables } from './table-columns.ts'
import { buildLoad, buildTask } from './tasks.ts'
import type { Based, Workload, WorkloadTask } from './types.ts'
import { type WithSwapIns, withUnseenSwapIns } from './unseen-swap-ins.ts'
import { eventAt } from './work-share.ts'

export interface ExtractOptions {
  /** Costs come from events before this share of the recorded work only; 1 = all. */
  readonly costsUntilShare?: number
  /** What gaps hide; absent = what counters tell. */
  readonly losses?: Losses
}

/** What an extraction knows beside the workload: for those who compare with the recording. */
export interface Extraction {
  readonly workload: Workload
  readonly recording: Recording
  /** Costs from all of the recording. */
  readonly wholeCosts: Costs
  /** CPU time stolen from the recorded machine in the first and the second half of the work, ns. */
  readonly stolenHalvesNs: readonly [number, number]
  readonly startNs: number
  readonly endNs: number
  /** When half of the work had been asked for. */
  readonly halfNs: number
  readonly anonPages: number
  readonly filePages: number
  readonly touches: number
  readonly poolPeak: number
  /** When each page was allocated, ns from the trace start. */
  readonly allocNs: Float64Array
}

/** Takes the recorded policy out of a recording: what the machine was asked to do, and what each step of reclaim costs on it. */
function extractFromRecording(recorded: Recording, options: ExtractOptions = {}): Extraction {
  const share = options.costsUntilShare ?? 1
  const { losses = DEFAULT_LOSSES } = options
  const { recording: complete, lost } = withLostStores(recorded, losses)
  const recording = { ...withUnseenSwapIns(withHandOvers(complete)), lost }
  const extraction = extractPart(recording, share, undefined)
  // What disturbances took from the tasks' own time must be what a replay with these costs puts back.
  return share < 1 ? extractPart(recording, share, extraction.workload.costs) : extraction
}

type Costs = Workload['costs']

/** `disturbances` tells what flushes and switches have cost the tasks; undefined = what the whole recording shows. */
function extractPart(
  { recording, unseen, lost }: WithSwapIns & { readonly lost: number },
  share: number,
  disturbances: Disturbances | undefined,
): Extraction {
  const history = readHistory(recording, disturbances)
  const { demand, endNs, halfNs, startNs, stolen, touches, whole } = history
  const tids = history.tasks.list.map(({ tid }) => tid)
  const memcgs = findMemcgs(recording, tids)
  const tasks = buildTasks(recording, history, memcgs)
  const background = readBackground(recording, history.users.owners, {
    startEvent: history.startEvent,
    endNs,
    switchCost: history.switchCost,
    demandEndsNs: (tid) => endOfTask(history, tasks, tid),
  })
  const machine = describePart(recording, history, share)
  const rows = buildRows(recording, history, { tasks, loads: background.loads, memcgs })
  const workload: Workload = {
    version: 1,
    source: { trace: recording.name },
    ...recognisePolicy(recording, whole.stores.length),
    startOffsetNs: {
      value: startNs,
      basis: 'event',
      from: 'first wake-up of kswapd or direct reclaim',
    },
    machine:
      memcgs.list.length === 0
        ? machine
        : { ...machine, memcgs: withoutKeptLimits(memcgs.list, rows.tasks) },
    ...rows,
    ...describeSteps(recording, history, share),
    residuals: listResiduals({
      recording,
      demand,
      clocks: history.tasks.list,
      identities: history.identities,
      backgroundNs: background.leftOutNs,
      unseenSwapIns: unseen,
      lostStores: lost,
      cutNs: recording.endNs - endNs,
    }),
  }
  return {
    workload,
    recording,
    wholeCosts: whole.costs,
    stolenHalvesNs: [stolen.between(startNs, halfNs), stolen.between(halfNs, endNs)],
    startNs,
    endNs,
    halfNs,
    anonPages: demand.allocations.length,
    filePages: demand.cache.reads.total,
    touches: touches.length,
    poolPeak: demand.balance.poolPeak,
    allocNs: demand.allocations.ns,
  }
}

/** Until when the recording tells costs and the machine, ns from the trace's start. */
function endOfPart(recording: Recording, { work }: History, share: number): number {
  return share >= 1 ? recording.endNs : work.at(share)
}

/** The machine as the same part tells it as the costs; what was there at the start comes from the whole balance. */
function describePart(recording: Recording, history: History, share: number): Workload['machine'] {
  const { demand, recordPagesPerSlot, startEvent, whole, zones } = history
  const { balance } = demand
  const untilNs = endOfPart(recording, history, share)
  const part: Balance =
    share >= 1
      ? balance
      : {
          ...balanceUntil(recording, { stores: whole.stores, zones, startEvent }, untilNs),
          freeAtStart: balance.freeAtStart,
          lruAtStart: balance.lruAtStart,
        }
  const zeroMap = findZeroMap(recording)
  const machine = describeMachine(recording, {
    balance: part,
    boostFree: demand.boostFree(untilNs),
    wholeUnmovable: demand.wholeUnmovable,
    listed: demand.listed,
    filling: demand.filling,
    firstLow: demand.firstLow,
    recordPagesPerSlot,
    zones,
    kernel: findKernel(recording, zeroMap),
    zeroMap,
  })
  return { ...machine, scheduler: readScheduler(recording, untilNs) }
}

/** What the tasks of the demand did. */
function buildTasks(
  recording: Recording,
  history: History,
  memcgs: MemcgsOfTasks,
): readonly WorkloadTask[] {
  const { allocations, cache } = history.demand
  const parts = { ...history, allocations, file: cache.reads, memcgs }
  return history.tasks.list.map((clock, row) => buildTask(recording, clock, row, parts))
}

/** When a task had done all that its rows hold, ns from the trace's start; -1 = it is none of the demand. */
function endOfTask(
  { tasks: { list, rows } }: History,
  tasks: readonly WorkloadTask[],
  tid: number,
): number {
  const row = rows.get(tid) ?? -1
  const ownNs = tasks[row]?.cpuNs.reduce((sum, ns) => sum + ns, 0) ?? 0
  return list[row]?.wallAt(ownNs) ?? -1
}

/** What all tasks did, and their pages. */
function buildRows(
  recording: Recording,
  history: History,
  others: {
    readonly tasks: readonly WorkloadTask[]
    readonly loads: readonly Load[]
    readonly memcgs: MemcgsOfTasks
  },
): Pick<Workload, 'pages' | 'tasks' | 'stream'> {
  const { demand, identities, stores, touches, whole, zones } = history
  const { isUnmapped } = whole
  const { loads, memcgs } = others
  const { allocations, cache } = demand
  const taken = new Set(others.tasks.map(({ taskId }) => taskId))
  const tasks = [...others.tasks]
  for (const load of loads) {
    const task = buildLoad(recording, load, taken)
    taken.add(task.taskId)
    tasks.push(task)
  }
  const cached = cache.atStart
  const pages = buildPages({
    ...{ stores, identities, isUnmapped, allocations, recording, nodes: zones, cached },
  })
  const stream = buildStream(stores.list.length, identities, cached)
  if (memcgs.list.length === 0) return { pages, tasks, stream }
  const { ofStore, ofTouch } = identities
  const seen = { stores: stores.list, ofStore, ofTask: memcgs.ofTask, touches, ofTouch }
  return { pages: { ...pages, memcg: memcgOfPages(pages.owner, tasks, seen) }, tasks, stream }
}

type Steps = Pick<
  Workload,
  'costs' | 'stolen' | 'stolenDirect' | 'deviceRequests' | 'unknownNextTouch' | 'dirtiedShare'
>

/** What each step of reclaim costs, what was stolen from the machine meanwhile, and what becomes of swapped-out pages. */
function describeSteps(recording: Recording, history: History, share: number): Steps {
  const { identities, stolen, stores, whole, work } = history
  const untilNs = endOfPart(recording, history, share)
  const { costs } = share >= 1 ? whole : history.costsUntil(eventAt(recording, untilNs))
  const deviceRequests = readDeviceRequests(recording, untilNs)
  const n = stores.list.length
  return {
    costs,
    stolen: stolen.kernel.byWork(work),
    stolenDirect: stolen.direct.byWork(work),
    ...(deviceRequests === undefined ? {} : { deviceRequests }),
    unknownNextTouch: {
      value: n === 0 ? 0 : identities.neverBack / n,
      basis: 'event',
      n,
      from: 'swapped-out pages that no swap-in followed',
    },
    dirtiedShare: shareOfDirtied(history.touches, identities),
  }
}

/** Fewer pages still in memory may be those of faults that were begun twice. */
const LEAST_MET = 10

function shareOfDirtied(touches: readonly Touch[], pages: Identities): Based<number> {
  // A page that was read has left its slot, where the swap cache was bypassed, whatever the touch did.
  const met = touches.filter(({ givesSlot }) => givesSlot !== undefined)
  if (met.length >= LEAST_MET)
    return {
      value: met.filter(({ givesSlot }) => givesSlot === true).length / met.length,
      basis: 'event',
      n: met.length,
      from: 'faults on pages still in memory that gave their swap slots back',
    }
  const backAgain = pages.storedAgain + pages.cleanAgain
  if (backAgain === 0) return { value: 1, basis: 'default', from: 'no page came back twice' }
  return {
    value: pages.storedAgain / backAgain,
    basis: 'event',
    n: backAgain,
    from: 'pages stored again after they came back',
  }
}

/** The workload of a complete trace in the database. */
export async function extractWorkload(
  tables: WorkloadTables,
  traceId: number,
  options: ExtractOptions = {},
): Promise<Extraction> {
  const recording = await loadRecording(tables, traceId)
  const extraction = extractFromRecording(recording, options)
  const { machine } = extraction.workload
  const { losses = DEFAULT_LOSSES } = options
  const figures = await readBackendFigures(tables, traceId, recording, machine)
  return {
    ...extraction,
    workload: {
      ...extraction.workload,
      source: { ...extraction.workload.source, ...(losses === DEFAULT_LOSSES ? {} : { losses }) },
      machine: { ...machine, backendParameters: { ...machine.backendParameters, ...figures } },
    },
  }
}
