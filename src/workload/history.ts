import { PstraceError } from '../model/error.ts'
import { readClocks } from './clock-reader.ts'
import { type MeasuredCosts, measureCosts } from './costs.ts'
import { findSameShare } from './counters.ts'
import { type Demand, type DemandTasks, findDemand, listDemandTasks } from './demand-of-tasks.ts'
import { placeKept } from './kept-pages.ts'
import { findZeroMap } from './kernel.ts'
import { findRecordPages, findZones } from './machine.ts'
import { type Shares, spreadFree, spreadPages } from './nodes.ts'
import { listStores, listTouches, nodeFinder, type StoreList, type Touch } from './page-events.ts'
import { followPages, type Identities } from './pages.ts'
import { EVENT, type RecordedZone, type Recording } from './recording.ts'
import { findStolen, type Stolen } from './stolen.ts'
import { findMemoryUsers, type MemoryUsers, type SwitchCost } from './threads.ts'
import type { Based, Workload } from './types.ts'
import { drawTouches, type UnseenTouches } from './unseen-touches.ts'
import { endOfDemand, WorkTimes } from './work-share.ts'
import { usableByNode } from './zoneinfo.ts'

/** What flushes and switches cost the tasks beside their own work. */
export type Disturbances = Pick<Workload['costs'], 'flushReceived' | 'switch' | 'switchAnyRun'>

/** What a recording shows that its tasks did and what became of their pages, before it is rows of a workload. */
export interface History {
  readonly users: MemoryUsers
  readonly zones: readonly RecordedZone[]
  readonly recordPagesPerSlot: Based<number>
  readonly stolen: Stolen
  /** Costs from all of the recording. */
  readonly whole: MeasuredCosts
  costsUntil(untilEvent: number): MeasuredCosts
  readonly switchCost: SwitchCost
  readonly tasks: DemandTasks
  readonly demand: Demand
  readonly stores: StoreList
  readonly touches: readonly Touch[]
  readonly identities: Identities
  readonly unseenTouches: UnseenTouches
  /** Anonymous pages in memory at the start. */
  readonly resident: number
  readonly work: WorkTimes
  /** The first sign of low memory. */
  readonly startEvent: number
  readonly startNs: number
  readonly halfNs: number
  readonly endNs: number
}

/** Throws PstraceError where nobody asked for memory, or nothing was swapped out. `disturbances` undefined = what the whole recording shows. */
export function readHistory(recording: Recording, disturbances: Disturbances | undefined): History {
  const users = findMemoryUsers(recording)
  checkPressure(recording, users)
  const startEvent = findStart(recording)
  const startNs = recording.ns[startEvent] ?? 0
  const zones = findZones(recording)
  const sameShare = findSameShare(recording)
  const stolen = findStolen(recording, users.owners, startNs, recording.endNs)
  const costOptions = {
    sameShare,
    zeroMap: findZeroMap(recording).value,
    stolenOfStep: stolen.ofStep,
  }
  const whole = measureCosts(recording, users.owners, {
    ...costOptions,
    untilEvent: recording.length,
  })
  const { isUnmapped } = whole
  const costsUntil = (untilEvent: number): MeasuredCosts =>
    measureCosts(recording, users.owners, { ...costOptions, isUnmapped, untilEvent })
  const { flushReceived, switch: switched, switchAnyRun } = disturbances ?? whole.costs
  const switchCost = { usualNs: switched.fixedNs, anyRunNs: switchAnyRun.fixedNs }
  const clocks = readClocks(recording, users.owners, {
    startEvent,
    flushNs: flushReceived.fixedNs,
    switchCost,
    wanted: (tid) => users.demanders.has(tid),
    hasWaking: recording.events.has('sched_waking') || recording.events.has('sched_wakeup'),
  })
  const tasks = listDemandTasks(users, clocks)
  const recordPagesPerSlot = findRecordPages(recording)
  const demand = findDemand(recording, {
    ...{ stores: whole.stores, zones, startEvent, users, tasks },
    recordPagesPerSlot,
  })
  const stores = listStores(recording, whole.stores, startEvent, nodeFinder(recording, zones))
  const seen = listTouches(recording, tasks.clocks, tasks.rows, startEvent)
  const touches = placeKept(recording, stores.list, seen, startEvent)
  const { allocations, balance, cache } = demand
  const resident = Math.max(0, balance.lruAtStart.value - cache.atStart)
  const nodeAtStart = spreadPages(resident, residentByNode(recording, zones, demand))
  const identities = followPages(stores.list, touches, allocations, nodeAtStart)
  return {
    ...{ users, zones, recordPagesPerSlot, stolen, whole, costsUntil, switchCost, tasks, demand },
    ...{ stores, touches, resident, startEvent, startNs },
    identities,
    // What was not freed yet had not been evicted.
    unseenTouches: drawTouches(
      stores.list,
      seen,
      { ...identities, allocatedNs: allocations.ns },
      Math.ceil(resident / RECENT_PER_RESIDENT),
    ),
    ...findTimes({ startNs, tasks, demand, touches }),
  }
}

/** Pages evicted last are an eighth of what was in memory at the start: 2,000 to 11,000 in the recordings. */
const RECENT_PER_RESIDENT = 8

/** Free memory, the LRU and the page cache are in proportion to what the nodes had before; where one ran low first, its free memory is on the LRU instead. */
function residentByNode(
  recording: Recording,
  zones: readonly RecordedZone[],
  { balance, cache, firstLow }: Demand,
): Shares {
  const { lruAtStart, freeAtStart } = balance
  const usable = usableByNode({ ...recording, zones })
  const free = spreadFree(freeAtStart.value, zones, firstLow)
  const all = [...usable.values()].reduce((sum, pages) => sum + pages, 0)
  const held = lruAtStart.value + freeAtStart.value - cache.atStart
  return new Map(
    [...usable].map(([node, pages]) => [
      node,
      Math.max(0, (held * pages) / all - (free.get(node) ?? 0)),
    ]),
  )
}

/** When half of the demand, and all of it, had been asked for. */
function findTimes({
  startNs,
  tasks,
  demand: { allocations, cache },
  touches,
}: Pick<History, 'startNs' | 'tasks' | 'demand' | 'touches'>): Pick<
  History,
  'work' | 'halfNs' | 'endNs'
> {
  const read = cache.reads
  const touchedNs = touches.map((touch) => touch.ns)
  const work = new WorkTimes(allocations.ns, touchedNs, read)
  const endNs = endOfDemand({
    startNs,
    allocated: allocations.ns,
    touches,
    read: read.task < 0 ? new Float64Array(0) : read.ns,
    clocks: tasks.list,
  })
  return { work, halfNs: work.at(0.5), endNs }
}

function checkPressure(recording: Recording, users: MemoryUsers): void {
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
