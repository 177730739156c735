import { PstraceError } from '../model/error.ts'
import { readBackground } from './background.ts'
import type { Balance } from './balance.ts'
import { readClocks } from './clock-reader.ts'
import { type MeasuredCosts, measureCosts } from './costs.ts'
import { findSameShare, findZeroMap } from './counters.ts'
import { balanceUntil, findDemand, listDemandTasks } from './demand-of-tasks.ts'
import { readDeviceRequests } from './device.ts'
import { loadRecording } from './load.ts'
import { withLostStores } from './lost-stores.ts'
import { describeMachine, findRecordPages, findZones } from './machine.ts'
import { findMemcgs, memcgOfPages } from './memcgs.ts'
import { listStores, listTouches, nodeFinder } from './page-events.ts'
import { buildPages, buildStream } from './page-rows.ts'
import { followPages } from './pages.ts'
import { recognisePolicy } from './recorded-policy.ts'
import { EVENT, type Recording } from './recording.ts'
import { listResiduals } from './residuals.ts'
import { findStolen } from './stolen.ts'
import { readBackendFigures } from './stored-sizes.ts'
import type { WorkloadTables } from './table-columns.ts'
import { buildLoad, buildTask } from './tasks.ts'
import { findMemoryUsers } from './threads.ts'
import type { Based, Workload, WorkloadTask } from './types.ts'
import { type WithSwapIns, withUnseenSwapIns } from './unseen-swap-ins.ts'
import { endOfDemand, eventAt, WorkTimes } from './work-share.ts'

export interface ExtractOptions {
  /** Costs come from events before this share of the recorded work only; 1 = all. */
  readonly costsUntilShare?: number
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
  const { recording: complete, lost } = withLostStores(recorded)
  const recording = { ...withUnseenSwapIns(complete), lost }
  const extraction = extractPart(recording, share, undefined)
  // What disturbances took from the tasks' own time must be what a replay with these costs puts back.
  return share < 1 ? extractPart(recording, share, extraction.workload.costs) : extraction
}

type Costs = Workload['costs']

/** `disturbances` tells what flushes and switches have cost the tasks; undefined = what the whole recording shows. */
function extractPart(
  { recording, unseen, lost }: WithSwapIns & { readonly lost: number },
  share: number,
  disturbances: Pick<Costs, 'flushReceived' | 'switch'> | undefined,
): Extraction {
  const users = findMemoryUsers(recording)
  if (users.demanders.size === 0)
    throw new PstraceError(
      'workload_no_demand',
      `${recording.name}: no task allocated under memory pressure; a workload needs direct reclaim, kswapd wake-ups or swap-ins by tasks, with sched_switch recorded`,
      { exitStatus: 3 },
    )
  if (!recording.kind.includes(EVENT.written) && !recording.kind.includes(EVENT.gate))
    throw new PstraceError(
      'workload_no_swapouts',
      `${recording.name}: no page was swapped out while the trace was recorded; a workload needs mm_vmscan_write_folio or a probe of swap_writepage`,
      { exitStatus: 3 },
    )
  const startEvent = findStart(recording)
  const startNs = recording.ns[startEvent] ?? 0
  const zones = findZones(recording)
  const sameShare = findSameShare(recording)
  const stolen = findStolen(recording, users.owners, startNs, recording.endNs)
  const costsUntil = (untilEvent: number): MeasuredCosts =>
    measureCosts(recording, users.owners, {
      sameShare: sameShare?.value,
      stolenOfStep: stolen.ofStep,
      untilEvent,
    })
  const whole = costsUntil(recording.length)
  const { flushReceived, switch: switched } = disturbances ?? whole.costs
  const demandTasks = listDemandTasks(
    users,
    readClocks(recording, users.owners, {
      startEvent,
      flushNs: flushReceived.fixedNs,
      switchNs: switched.fixedNs,
      wanted: (tid) => users.demanders.has(tid),
      hasWaking: recording.events.has('sched_waking') || recording.events.has('sched_wakeup'),
    }),
  )
  const recordPagesPerSlot = findRecordPages(recording)
  const balanceParts = { stores: whole.stores, zones, startEvent }
  const demand = findDemand(recording, {
    ...balanceParts,
    users,
    tasks: demandTasks,
    recordPagesPerSlot: recordPagesPerSlot.value,
  })
  const { balance, allocations, cache } = demand
  const file = cache.reads

  const stores = listStores(recording, whole.stores, startEvent, nodeFinder(recording, zones))
  const touches = listTouches(recording, demandTasks.clocks, demandTasks.rows, startEvent)
  const resident = Math.max(0, balance.lruAtStart.value - cache.atStart)
  const identities = followPages(stores.list, touches, allocations, resident)

  const touchedNs = touches.map((touch) => touch.ns)
  const work = new WorkTimes(allocations.ns, touchedNs, file.ns)
  const halfNs = work.at(0.5)
  const endNs = endOfDemand({
    startNs,
    allocated: allocations.ns,
    touches,
    read: file.task < 0 ? new Float64Array(0) : file.ns,
    clocks: demandTasks.list,
  })
  const background = readBackground(recording, users.owners, {
    startEvent,
    endNs,
    switchNs: switched.fixedNs,
    isDemand: (tid) => demandTasks.rows.has(tid),
  })
  const memcgs = findMemcgs(
    recording,
    demandTasks.list.map(({ tid }) => tid),
  )
  const taskParts = {
    ...{ startNs, halfNs, resident, allocations, touches, identities, file, users },
    memcgs,
  }
  const tasks: WorkloadTask[] = demandTasks.list.map((clock, row) =>
    buildTask(recording, clock, row, taskParts),
  )
  for (const load of background.loads) tasks.push(buildLoad(recording, load))

  const untilNs = share >= 1 ? recording.endNs : work.at(share)
  const measured = share >= 1 ? whole : costsUntil(eventAt(recording, untilNs))
  // Machine parameters come from the same part as the costs; what was there at the start comes from the whole balance.
  const measuredBalance: Balance =
    share >= 1
      ? balance
      : {
          ...balanceUntil(recording, balanceParts, untilNs),
          freeAtStart: balance.freeAtStart,
          lruAtStart: balance.lruAtStart,
        }
  const deviceRequests = readDeviceRequests(recording, untilNs)
  const pages = buildPages({
    stores,
    identities,
    allocations,
    recording,
    nodes: zones,
    cached: cache.atStart,
  })
  const used = { touches, ofTouch: identities.ofTouch }
  const workload: Workload = {
    version: 1,
    source: { trace: recording.name },
    recordedPolicy: recognisePolicy(recording, whole.stores.length),
    startOffsetNs: {
      value: startNs,
      basis: 'event',
      from: 'first wake-up of kswapd or direct reclaim',
    },
    machine: {
      ...describeMachine(recording, {
        balance: measuredBalance,
        boostFree: demand.boostFree(untilNs),
        recordPagesPerSlot,
        zones,
        hasZeroMap: findZeroMap(recording),
      }),
      ...(memcgs.list.length === 0 ? {} : { memcgs: memcgs.list }),
    },
    pages:
      memcgs.list.length === 0
        ? pages
        : { ...pages, memcg: memcgOfPages(pages.owner, tasks, used) },
    tasks,
    stream: buildStream(stores.list.length, identities, cache.atStart),
    costs: measured.costs,
    stolen: stolen.kernel.byWork(work),
    stolenDirect: stolen.direct.byWork(work),
    ...(deviceRequests === undefined ? {} : { deviceRequests }),
    unknownNextTouch: {
      value: stores.list.length === 0 ? 0 : identities.neverBack / stores.list.length,
      basis: 'event',
      n: stores.list.length,
      from: 'swapped-out pages that no swap-in followed',
    },
    dirtiedShare: shareOfDirtied(identities),
    residuals: listResiduals({
      recording,
      demand,
      clocks: demandTasks.list,
      identities,
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
    anonPages: allocations.length,
    filePages: file.total,
    touches: touches.length,
    poolPeak: balance.poolPeak,
    allocNs: allocations.ns,
  }
}

function shareOfDirtied(pages: {
  readonly storedAgain: number
  readonly cleanAgain: number
}): Based<number> {
  const backAgain = pages.storedAgain + pages.cleanAgain
  if (backAgain === 0) return { value: 1, basis: 'default', from: 'no page came back twice' }
  return {
    value: pages.storedAgain / backAgain,
    basis: 'event',
    n: backAgain,
    from: 'pages stored again after they came back',
  }
}

/** The first sign of low memory: a kswapd wake-up or a direct reclaim. */
function findStart(recording: Recording): number {
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    if (
      kind === EVENT.wakeKswapd ||
      kind === EVENT.kswapdWake ||
      kind === EVENT.directBegin ||
      kind === EVENT.gate
    )
      return i
  }
  return 0
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
  const figures = await readBackendFigures(tables, traceId, recording, machine.backend.value)
  return {
    ...extraction,
    workload: {
      ...extraction.workload,
      machine: { ...machine, backendParameters: { ...machine.backendParameters, ...figures } },
    },
  }
}
