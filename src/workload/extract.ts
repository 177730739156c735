import { PstraceError } from '../model/error.ts'
import { readBackground } from './background.ts'
import { type Balance, balanceMemory } from './balance.ts'
import { readClocks, type TaskClock } from './clocks.ts'
import { measureCosts } from './costs.ts'
import {
  type Allocations,
  type Allocator,
  fitDemand,
  type Knot,
  spreadAllocations,
  toAnonAnchors,
} from './demand.ts'
import { readDeviceRequests } from './device.ts'
import { loadRecording, type WorkloadTables } from './load.ts'
import {
  counterRise,
  describeMachine,
  findBoostLevel,
  findRecordPages,
  findZones,
  largestZones,
  readCounter,
  snapshotText,
} from './machine.ts'
import { type FileReads, RECLAIM_FILE, readPageCache } from './page-cache.ts'
import { followPages, type StoredPage, type TouchedPage } from './pages.ts'
import { recognisePolicy } from './recorded-policy.ts'
import { EVENT, type RecordedZone, type Recording } from './recording.ts'
import { storesOutsidePool } from './refused.ts'
import { findStolen } from './stolen.ts'
import { readBackendFigures } from './stored-sizes.ts'
import type { Stores } from './stores.ts'
import { findMemoryUsers, type MemoryUsers } from './threads.ts'
import {
  type Based,
  PAGE_FILLS,
  PAGE_KINDS,
  type Residual,
  TASK_OPS,
  type TaskOp,
  type Workload,
  type WorkloadPages,
  type WorkloadTask,
} from './types.ts'

export interface ExtractOptions {
  /** Costs come from events before this share of the recorded work only; 1 = all. */
  readonly costsUntilShare?: number
}

/** What an extraction knows beside the workload: for those who compare with the recording. */
export interface Extraction {
  readonly workload: Workload
  readonly recording: Recording
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

const OP = Object.fromEntries(TASK_OPS.map((op, index) => [op, index])) as Readonly<
  Record<TaskOp, number>
>

/** Takes the recorded policy out of a recording: what the machine was asked to do, and what each step of reclaim costs on it. */
function extractFromRecording(recording: Recording, options: ExtractOptions = {}): Extraction {
  const share = options.costsUntilShare ?? 1
  const extraction = extractPart(recording, share, undefined)
  // What disturbances took from the tasks' own time must be what a replay with these costs puts back.
  return share < 1 ? extractPart(recording, share, extraction.workload.costs) : extraction
}

type Costs = Workload['costs']

/** `disturbances` tells what flushes and switches have cost the tasks; undefined = what the whole recording shows. */
function extractPart(
  recording: Recording,
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
  const whole = measureCosts(recording, users.owners, {
    sameShare: sameShare?.value,
    stolenOfStep: stolen.ofStep,
    untilEvent: recording.length,
  })
  const { flushReceived, switch: switched } = disturbances ?? whole.costs
  const balanceOptions = {
    startEvent,
    endNs: recording.endNs,
    ...watermarkSums(zones),
    poolSnapshot: poolPerPageSnapshot(recording),
    totalSnapshot: undefined,
  }
  let balance = balanceMemory(recording, whole.stores, balanceOptions)
  const hasWaking = recording.events.has('sched_waking') || recording.events.has('sched_wakeup')
  const clocks = readClocks(recording, users.owners, {
    startEvent,
    flushNs: flushReceived.fixedNs,
    switchNs: switched.fixedNs,
    wanted: (tid) => users.demanders.has(tid),
    hasWaking,
  })
  const tids = [...users.demanders].filter((tid) => clocks.has(tid)).sort((x, y) => x - y)
  const rows = new Map(tids.map((tid, row) => [tid, row]))
  const clockList = tids.map((tid) => clocks.get(tid) ?? missingClock(tid))
  const allocators = clockList.map(
    (clock): Allocator => ({ clock, weight: allocationRate(clock, recording, users, clocks) }),
  )
  const cache = readPageCache(recording, clockList, users, startEvent)
  const clockAt = (ns: number): number => {
    let sum = 0
    for (const { clock, weight } of allocators) sum += weight * clock.ownAt(ns)
    return sum
  }
  const spread = (): { knots: Knot[]; allocations: Allocations } => {
    // The balance takes every page-cache page that went for one that was read since; those of the start were not.
    const anchors = balance.anchors.map((anchor) => ({
      ...anchor,
      anon: anchor.anon + Math.min(anchor.file, cache.atStart),
    }))
    const knots = fitDemand(toAnonAnchors(anchors, startNs), clockAt)
    return { knots, allocations: spreadAllocations(knots, allocators) }
  }
  let { knots, allocations } = spread()
  const recordPagesPerSlot = findRecordPages(recording)
  const boostFree = (untilNs: number): number[] =>
    freeAtBoosts(recording, {
      balance,
      allocNs: allocations.ns,
      stores: whole.stores,
      startEvent,
      untilNs,
      recordPagesPerSlot: recordPagesPerSlot.value,
      cacheAtStart: cache.atStart,
    })
  if (isBoostWake(recording, startEvent)) {
    // The first wake-up came when the movable pages were used up, not at low. What is free then and what later boosts show depend on each other.
    const { low } = watermarkSums(zones)
    const levelNow = (): number =>
      findBoostLevel(boostFree(recording.endNs), low).boostBelowFree?.value ?? low
    const balanceFrom = (freeAtStart: number): void => {
      balance = balanceMemory(recording, whole.stores, { ...balanceOptions, freeAtStart })
      ;({ knots, allocations } = spread())
    }
    const first = levelNow()
    balanceFrom(first)
    balanceFrom(Math.round((first + levelNow()) / 2))
  }

  const nodeOf = nodeFinder(recording, zones)
  const stores = listStores(recording, whole.stores, startEvent, nodeOf)
  const touches = listTouches(recording, clocks, rows, startEvent)
  const resident = Math.max(0, balance.lruAtStart.value - cache.atStart)
  const identities = followPages(stores.list, touches, allocations, resident)

  const file = cache.reads
  const half = halfOf(
    allocations.ns,
    touches.map((touch) => touch.ns),
    file.ns,
  )
  const endNs = endOfDemand(recording, clockList, allocations.ns, touches, startNs)
  const background = readBackground(recording, users.owners, {
    startEvent,
    endNs,
    switchNs: switched.fixedNs,
    isDemand: (tid) => rows.has(tid),
  })

  const tasks: WorkloadTask[] = clockList.map((clock, row) =>
    buildTask(recording, clock, row, {
      startNs,
      halfNs: half,
      resident,
      allocations,
      touches,
      identities,
      file,
      users,
    }),
  )
  for (const load of background.loads) tasks.push(buildLoad(recording, load))

  const touchedNs = touches.map((touch) => touch.ns)
  const untilNs = share >= 1 ? recording.endNs : workAt(allocations.ns, touchedNs, file.ns, share)
  const measured =
    share >= 1
      ? whole
      : measureCosts(recording, users.owners, {
          sameShare: sameShare?.value,
          stolenOfStep: stolen.ofStep,
          untilEvent: eventAt(recording, untilNs),
        })
  // Machine parameters come from the same part as the costs; what was there at the start comes from the whole balance.
  const measuredBalance: Balance =
    share >= 1
      ? balance
      : {
          ...balanceMemory(recording, whole.stores, {
            startEvent,
            endNs: untilNs,
            ...watermarkSums(zones),
            poolSnapshot: poolPerPageSnapshot(recording),
            totalSnapshot: undefined,
          }),
          freeAtStart: balance.freeAtStart,
          lruAtStart: balance.lruAtStart,
        }

  const pages = buildPages({
    stores,
    identities,
    allocations,
    recording,
    nodes: zones,
    cached: cache.atStart,
  })
  const stream = buildStream(stores.list.length, identities, cache.atStart)
  const backAgain = identities.storedAgain + identities.cleanAgain
  const machine = describeMachine(recording, {
    balance: measuredBalance,
    boostFree: boostFree(untilNs),
    recordPagesPerSlot,
    zones,
    hasZeroMap: findZeroMap(recording),
  })
  const deviceRequests = readDeviceRequests(recording, untilNs)
  const anonPages = allocations.length
  const residuals: Residual[] = [
    {
      name: 'demand_unplaced',
      value: Math.round((knots[knots.length - 1]?.pages ?? 0) - anonPages),
      unit: 'pages',
      meaning: 'demand by balance for which no task was running',
    },
    {
      name: 'demand_last_anchor',
      value: Math.round(
        (balance.anchors[balance.anchors.length - 1]?.anon ?? 0) -
          (knots[knots.length - 1]?.pages ?? 0),
      ),
      unit: 'pages',
      meaning: 'balance at the last anchor less the fitted demand',
    },
    {
      name: 'pool_line',
      value: Math.round(balance.residual),
      unit: 'pages',
      meaning: 'median distance of exact anchors from available + pool = constant',
    },
    {
      name: 'stores_unmatched',
      value: identities.unmatched,
      unit: 'pages',
      meaning: 'stores for which no page was waiting on the LRU',
    },
    {
      name: 'touches_unplaced',
      value: identities.ofTouch.reduce((count, page) => count + (page < 0 ? 1 : 0), 0),
      unit: '',
      meaning: 'faults on pages still in memory whose identity no swap-in told',
    },
    {
      name: 'background_left_out',
      value: background.leftOutNs,
      unit: 'ns',
      meaning: 'CPU time of tasks too small to be listed',
    },
    {
      name: 'blocked',
      value: clockList.reduce((sum, clock) => sum + clock.blockedNs, 0),
      unit: 'ns',
      meaning:
        'uninterruptible waits of the demand outside direct reclaim: throttling and locked pages, results and not demand',
    },
    {
      name: 'flush_debt',
      value: clockList.reduce((sum, clock) => sum + clock.debtNs, 0),
      unit: 'ns',
      meaning: 'interruptions and switches that did not fit into the own time of their task',
    },
    {
      name: 'time_cut',
      value: recording.endNs - endNs,
      unit: 'ns',
      meaning: 'end of the recording after the last demand',
    },
  ]
  const workload: Workload = {
    version: 1,
    source: { trace: recording.name },
    recordedPolicy: recognisePolicy(recording, whole.stores.length),
    startOffsetNs: {
      value: startNs,
      basis: 'event',
      from: 'first wake-up of kswapd or direct reclaim',
    },
    machine,
    pages,
    tasks,
    stream,
    costs: measured.costs,
    stolen: stolen.kernel,
    stolenDirect: stolen.direct,
    ...(deviceRequests === undefined ? {} : { deviceRequests }),
    unknownNextTouch: {
      value: stores.list.length === 0 ? 0 : identities.neverBack / stores.list.length,
      basis: 'event',
      n: stores.list.length,
      from: 'swapped-out pages that no swap-in followed',
    },
    dirtiedShare:
      backAgain === 0
        ? { value: 1, basis: 'default', from: 'no page came back twice' }
        : {
            value: identities.storedAgain / backAgain,
            basis: 'event',
            n: backAgain,
            from: 'pages stored again after they came back',
          },
    residuals,
  }
  return {
    workload,
    recording,
    startNs,
    endNs,
    halfNs: half,
    anonPages,
    filePages: file.total,
    touches: touches.length,
    poolPeak: balance.poolPeak,
    allocNs: allocations.ns,
  }
}

function missingClock(tid: number): TaskClock {
  throw new PstraceError('workload_no_clock', `task ${tid} has no own clock`)
}

interface BoostParts {
  readonly balance: Balance
  readonly allocNs: Float64Array
  readonly stores: Stores
  readonly startEvent: number
  readonly untilNs: number
  readonly recordPagesPerSlot: number
  readonly cacheAtStart: number
}

/** Entries of a page table on 64-bit machines with pages of 4 KiB. */
const TABLE_ENTRIES = 512

/** mm/page_alloc.c rmqueue: woken without allocation flags. */
function isBoostWake(recording: Recording, event: number): boolean {
  return (
    recording.kind[event] === EVENT.wakeKswapd &&
    recording.b[event] === 0 &&
    recording.a[event] === 0
  )
}

/**
 * Free memory by balance at each wake-up of kswapd that no allocation flag asked for: rmqueue wakes it with gfp 0 after a fallback
 * allocation boosted the watermarks (mm/page_alloc.c, ZONE_BOOSTED_WATERMARK).
 */
function freeAtBoosts(recording: Recording, parts: BoostParts): number[] {
  const { balance, allocNs, stores } = parts
  const per = balance.poolPerPage.value
  const constant = balance.lruAtStart.value + balance.freeAtStart.value
  const outsidePool = storesOutsidePool(recording, stores)
  const outside = new Set<number>()
  const found: number[] = []
  let store = 0
  let stored = 0
  let allocated = 0
  let reclaimed = 0
  let swappedIn = 0
  let mostStored = 0
  let reclaimedFile = 0
  for (let i = 0; i < recording.length; i++) {
    const ns = recording.ns[i] ?? 0
    while (store < stores.length && (stores.event[store] ?? 0) <= i) {
      if (outsidePool[store] === 1) outside.add(stores.entry[store] ?? 0)
      else stored++
      store++
    }
    if (i < parts.startEvent) continue
    if (ns > parts.untilNs) break
    while (allocated < allocNs.length && (allocNs[allocated] ?? 0) <= ns) allocated++
    switch (recording.kind[i]) {
      case EVENT.batchEnd:
        // What the page cache took and gave back since the start leaves free memory as it was.
        if (((recording.c[i] ?? 0) & RECLAIM_FILE) === 0) reclaimed += recording.b[i] ?? 0
        else reclaimedFile += recording.b[i] ?? 0
        break
      case EVENT.read:
        swappedIn++
        if (!outside.delete(recording.a[i] ?? 0)) stored--
        break
      case EVENT.wakeKswapd:
        // While the first page cache goes, how much was allocated meanwhile is known too coarsely.
        if (isBoostWake(recording, i) && allocated > 0 && reclaimedFile >= parts.cacheAtStart) {
          mostStored = Math.max(mostStored, stored + outside.size)
          found.push(
            constant -
              per * stored -
              (balance.lruAtStart.value + allocated + swappedIn - reclaimed) +
              Math.min(reclaimedFile, parts.cacheAtStart) +
              parts.recordPagesPerSlot * mostStored +
              allocated / TABLE_ENTRIES,
          )
        }
        break
      default:
    }
  }
  return found
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

function watermarkSums(zones: readonly RecordedZone[]): {
  low: number
  min: number
  high: number
  managed: number
} {
  const sum = (of: (zone: RecordedZone) => number): number =>
    zones.reduce((total, zone) => total + of(zone), 0)
  return {
    low: sum((zone) => zone.low),
    high: sum((zone) => zone.high),
    managed: sum((zone) => zone.managed),
    min: Math.max(0, ...largestZones(zones).map((zone) => zone.min)),
  }
}

/** Pages in zram below which their kinds tell nothing of all stores. */
const FEWEST_HELD = 1000

function findSameShare(recording: Recording): { value: number } | undefined {
  const zero = counterRise(recording, 'vmstat.swpout_zero')
  const out = counterRise(recording, 'vmstat.pswpout')
  const zswap = counterRise(recording, 'vmstat.zswpout') ?? 0
  if (zero === undefined) {
    // Without a zero map zram itself finds them: of what it holds at the end they are as large a share as of what was stored.
    const same = readCounter(recording, 'mm_stat.same_pages')?.last
    const original = readCounter(recording, 'mm_stat.orig_data_size')?.last ?? 0
    return same === undefined || original < FEWEST_HELD * recording.pageSize
      ? undefined
      : { value: same / (original / recording.pageSize) }
  }
  if (out === undefined || zero + out + zswap <= 0) return undefined
  return { value: zero / (zero + out + zswap) }
}

function findZeroMap(recording: Recording): Based<boolean> {
  const counter = readCounter(recording, 'vmstat.swpout_zero')
  if (counter !== undefined) return { value: true, basis: 'snapshot', from: 'vmstat swpout_zero' }
  const known = readCounter(recording, 'vmstat.pswpout') !== undefined
  return known
    ? { value: false, basis: 'snapshot', from: 'vmstat without swpout_zero' }
    : { value: false, basis: 'default', from: 'no vmstat' }
}

function poolPerPageSnapshot(recording: Recording): number | undefined {
  const used = readCounter(recording, 'mm_stat.mem_used_total')?.last
  const original = readCounter(recording, 'mm_stat.orig_data_size')?.last
  return used === undefined ||
    original === undefined ||
    original <= 0 ||
    // A pool that was emptied since holds its overhead only.
    used > original
    ? undefined
    : used / original
}

/** Pages per own CPU time of a task's class (its name without numbers), from how often its allocations met low memory. */
function allocationRate(
  clock: TaskClock,
  recording: Recording,
  users: MemoryUsers,
  clocks: ReadonlyMap<number, TaskClock>,
): number {
  const classOf = (tid: number): string =>
    (recording.tasks.get(tid)?.comm ?? '').replace(/\d+/g, '')
  const own = classOf(clock.tid)
  let evidence = 0
  let time = 0
  for (const tid of users.demanders) {
    if (classOf(tid) !== own) continue
    evidence += users.uses.get(tid)?.anonEvidence ?? 0
    time += clocks.get(tid)?.ownNs ?? 0
  }
  return time > 0 ? evidence / time : 0
}

function nodeFinder(
  recording: Recording,
  zones: readonly RecordedZone[],
): (event: number, pfn: number) => number {
  const ranged = zones.filter((zone) => zone.startPfn >= 0 && zone.spanned > 0)
  const several = new Set(zones.map((zone) => zone.node)).size > 1
  return (event, pfn) => {
    if (!several) return zones[0]?.node ?? 0
    for (const zone of ranged)
      if (pfn >= zone.startPfn && pfn < zone.startPfn + zone.spanned) return zone.node
    const match = /^kswapd(\d+)$/.exec(recording.tasks.get(recording.tid[event] ?? 0)?.comm ?? '')
    return match === null ? 0 : Number(match[1])
  }
}

interface StoreList {
  readonly list: readonly StoredPage[]
}

/** Every page that reclaim gave to the gate, in order, whoever stored it later. */
function listStores(
  recording: Recording,
  stores: {
    readonly length: number
    readonly event: Uint32Array
    readonly entry: Float64Array
    readonly isSame: Uint8Array
  },
  startEvent: number,
  nodeOf: (event: number, pfn: number) => number,
): StoreList {
  const sameAt = new Set<number>()
  for (let k = 0; k < stores.length; k++)
    if (stores.isSame[k] === 1) sameAt.add(stores.event[k] ?? 0)
  const list: StoredPage[] = []
  const gate = new Map<number, number>()
  for (let i = startEvent; i < recording.length; i++) {
    const kind = recording.kind[i]
    const tid = recording.tid[i] ?? 0
    if (kind === EVENT.gate) {
      gate.set(tid, list.length)
      list.push({
        ns: recording.ns[i] ?? 0,
        entry: recording.a[i] ?? 0,
        isSame: sameAt.has(i),
        node: 0,
      })
    } else if (kind === EVENT.written) {
      const row = gate.get(tid)
      const stored = row === undefined ? undefined : list[row]
      if (row !== undefined && stored !== undefined) {
        const node = nodeOf(i, recording.a[i] ?? 0)
        if (node !== 0) list[row] = { ...stored, node }
      } else if (row === undefined && ((recording.b[i] ?? 0) & 1) !== 0)
        // Without a probe on the gate the write event is all there is: no entry, so never followed.
        list.push({
          ns: recording.ns[i] ?? 0,
          entry: -1 - i,
          isSame: false,
          node: nodeOf(i, recording.a[i] ?? 0),
        })
      gate.delete(tid)
    }
  }
  return { list }
}

interface Touch extends TouchedPage {
  readonly own: number
}

/**
 * Swap-ins, and faults on pages whose content was still in memory (queued, or stored and not yet freed): those read nothing, so only
 * their address tells which page it was.
 */
function listTouches(
  recording: Recording,
  clocks: ReadonlyMap<number, TaskClock>,
  rows: ReadonlyMap<number, number>,
  startEvent: number,
): Touch[] {
  const touches: Touch[] = []
  const next = new Map<number, number>()
  const faults = new Map<number, { address: number; hasRead: boolean }>()
  for (let i = startEvent; i < recording.length; i++) {
    const kind = recording.kind[i]
    const tid = recording.tid[i] ?? 0
    const ns = recording.ns[i] ?? 0
    const row = rows.get(tid) ?? -1
    const clock = row < 0 ? undefined : clocks.get(tid)
    const space = recording.tasks.get(tid)?.tgid ?? -1
    if (kind === EVENT.fault) faults.set(tid, { address: recording.a[i] ?? -1, hasRead: false })
    else if (kind === EVENT.faultReturn) {
      const fault = faults.get(tid)
      faults.delete(tid)
      if (fault === undefined || fault.hasRead || clock === undefined) continue
      const { address } = fault
      touches.push({ ns, entry: -1, space, address, task: row, node: 0, own: clock.ownAt(ns) })
    } else if (kind === EVENT.read) {
      const fault = faults.get(tid)
      if (fault !== undefined) fault.hasRead = true
      let own = 0
      let address = -1
      if (clock !== undefined) {
        const at = next.get(tid) ?? 0
        if (clock.readEvent.at(at) === i) {
          own = clock.readOwn.at(at)
          address = clock.readAddress.at(at)
          next.set(tid, at + 1)
        }
      }
      touches.push({
        ns,
        entry: recording.a[i] ?? 0,
        space,
        address,
        task: row,
        node: 0,
        own,
      })
    }
  }
  return touches
}

/** The moment by which a share of all allocations, touches and file reads had been asked for. */
function workAt(
  allocated: Float64Array,
  touched: readonly number[],
  read: Float64Array,
  share: number,
): number {
  const all = Float64Array.from([...allocated, ...touched, ...read]).sort()
  return all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0
}

function halfOf(allocated: Float64Array, touched: readonly number[], read: Float64Array): number {
  return workAt(allocated, touched, read, 0.5)
}

function eventAt(recording: Recording, ns: number): number {
  let low = 0
  let high = recording.length
  while (low < high) {
    const mid = (low + high) >> 1
    if ((recording.ns[mid] ?? 0) < ns) low = mid + 1
    else high = mid
  }
  return low
}

/** The last allocation, touch or burst of own time of the demand: what follows is idle. */
function endOfDemand(
  recording: Recording,
  clocks: readonly TaskClock[],
  allocated: Float64Array,
  touches: readonly TouchedPage[],
  startNs: number,
): number {
  let end = startNs
  for (const ns of allocated) end = Math.max(end, ns)
  for (const { ns, task } of touches) if (task >= 0) end = Math.max(end, ns)
  for (const clock of clocks) {
    const last = clock.sleepAtNs.length
    if (last > 0) end = Math.max(end, Math.min(clock.lastNs, clock.sleepAtNs.at(last - 1)))
  }
  return Math.min(end, recording.endNs)
}

interface TaskParts {
  readonly startNs: number
  readonly halfNs: number
  readonly resident: number
  readonly allocations: {
    readonly length: number
    readonly task: Int32Array
    readonly own: Float64Array
  }
  readonly touches: readonly Touch[]
  readonly identities: { readonly ofTouch: Int32Array }
  readonly file: FileReads
  readonly users: MemoryUsers
}

function buildTask(
  recording: Recording,
  clock: TaskClock,
  row: number,
  parts: TaskParts,
): WorkloadTask {
  const ops: number[] = []
  const owns: number[] = []
  const args: number[] = []
  const add = (own: number, op: number, arg: number): void => {
    owns.push(own)
    ops.push(op)
    args.push(arg)
  }
  add(0, OP.mark, 0)
  add(clock.ownAt(parts.halfNs), OP.mark, 1)
  for (let n = 0; n < parts.allocations.length; n++)
    if (parts.allocations.task[n] === row)
      add(parts.allocations.own[n] ?? 0, OP.alloc, parts.resident + n)
  parts.touches.forEach((touch, index) => {
    const page = parts.identities.ofTouch[index] ?? -1
    if (touch.task === row && page >= 0) add(touch.own, OP.touch, page)
  })
  for (let n = 0; n < clock.sleepNs.length; n++)
    add(clock.sleepOwn.at(n), OP.sleep, clock.sleepNs.at(n))
  for (let n = 0; n < clock.memcgPages.length; n++)
    add(clock.memcgOwn.at(n), OP.reclaim, clock.memcgPages.at(n))
  if (parts.file.task === row)
    for (let n = 0; n < parts.file.ns.length; n++) {
      const own = clock.ownAt(parts.file.ns[n] ?? 0)
      const last = owns.length - 1
      if (ops[last] === OP.file && owns[last] === own)
        args[last] = (args[last] ?? 0) + (parts.file.pages[n] ?? 0)
      else add(own, OP.file, parts.file.pages[n] ?? 0)
    }
  const order = Uint32Array.from(ops, (_, index) => index)
  order.sort((x, y) => (owns[x] ?? 0) - (owns[y] ?? 0) || x - y)
  // Sleeping on at the end is no demand.
  let length = order.length
  while (length > 0 && ops[order[length - 1] ?? 0] === OP.sleep) length--
  const task = recording.tasks.get(clock.tid)
  const op = new Uint8Array(length)
  const cpuNs = new Float64Array(length)
  const arg = new Float64Array(length)
  let before = 0
  for (let k = 0; k < length; k++) {
    const index = order[k] ?? 0
    const own = owns[index] ?? 0
    op[k] = ops[index] ?? 0
    arg[k] = args[index] ?? 0
    cpuNs[k] = Math.max(0, Math.round(own - before))
    before = own
  }
  return {
    taskId: task?.taskId ?? clock.tid,
    tid: clock.tid,
    comm: task?.comm ?? '',
    kind: task?.kind === 'kworker' ? 'kworker' : 'user',
    cpus: [],
    hasMemory: parts.users.owners.has(clock.tid),
    op,
    cpuNs,
    arg,
    startNs: Math.max(0, Math.round(clock.firstNs - parts.startNs)),
  }
}

function buildLoad(
  recording: Recording,
  load: {
    readonly tid: number
    readonly sleepNs: Float64Array
    readonly cpuNs: Float64Array
    readonly cpus: readonly number[]
  },
): WorkloadTask {
  const count = load.cpuNs.length
  const op = new Uint8Array(count * 2)
  const cpuNs = new Float64Array(count * 2)
  const arg = new Float64Array(count * 2)
  for (let k = 0; k < count; k++) {
    op[2 * k] = OP.sleep
    arg[2 * k] = Math.round(load.sleepNs[k] ?? 0)
    // The burst is spent before a sleep of no length.
    op[2 * k + 1] = OP.sleep
    cpuNs[2 * k + 1] = Math.round(load.cpuNs[k] ?? 0)
  }
  const task = recording.tasks.get(load.tid)
  return {
    taskId: task?.taskId ?? load.tid,
    tid: load.tid,
    comm: task?.comm ?? '',
    kind: 'background',
    cpus: load.cpus,
    hasMemory: false,
    op,
    cpuNs,
    arg,
    startNs: 0,
  }
}

interface PageParts {
  readonly stores: StoreList
  readonly identities: {
    readonly length: number
    readonly resident: number
    readonly inSwap: number
    readonly ofStore: Int32Array
  }
  readonly allocations: { readonly length: number; readonly task: Int32Array }
  readonly recording: Recording
  readonly nodes: readonly RecordedZone[]
  /** Pages of the page cache at the start: the last ones, after those in swap. */
  readonly cached: number
}

function buildPages(parts: PageParts): WorkloadPages {
  const { identities, allocations, stores, recording, cached } = parts
  const { length: known } = identities
  const length = known + cached
  const owner = new Int32Array(length).fill(-1)
  for (let n = 0; n < allocations.length; n++)
    owner[identities.resident + n] = allocations.task[n] ?? -1
  const residentAtStart = new Uint8Array(length).fill(1, 0, identities.resident).fill(1, known)
  const swappedAtStart = new Uint8Array(length).fill(1, known - identities.inSwap, known)
  const slot = new Float64Array(length).fill(-1)
  const fill = new Uint8Array(length)
  const node = spreadNodes(length, parts.nodes)
  const zero = PAGE_FILLS.indexOf('zero')
  const data = PAGE_FILLS.indexOf('data')
  stores.list.forEach((store, index) => {
    const page = identities.ofStore[index] ?? -1
    if (page < 0 || (slot[page] ?? 0) >= 0) return
    slot[page] = store.entry % SLOT_SPAN
    fill[page] = store.isSame ? zero : data
    node[page] = store.node
  })
  const kind = new Uint8Array(length).fill(PAGE_KINDS.indexOf('anon'))
  // Shared memory of the start (tmpfs, the root file system in memory) is older than what was allocated since.
  const shmem = Math.min(sharedPages(recording), identities.resident)
  kind.fill(PAGE_KINDS.indexOf('shmem'), 0, shmem)
  kind.fill(PAGE_KINDS.indexOf('file'), known)
  return {
    length,
    node,
    kind,
    order: new Uint8Array(length),
    fill,
    slot,
    owner,
    residentAtStart,
    swappedAtStart,
    recordedBytes: new Int32Array(length).fill(-1),
  }
}

/** Offsets of one swap device lie below this (RecordedEntry = type * 2^40 + offset). */
const SLOT_SPAN = 2 ** 40

function sharedPages(recording: Recording): number {
  const counter = readCounter(recording, 'vmstat.nr_shmem')
  if (counter !== undefined) return counter.first
  const text = snapshotText(recording, 'zoneinfo.before')
  let sum = 0
  for (const match of (text ?? '').matchAll(/^\s+nr_shmem\s+(\d+)/gm)) sum += Number(match[1])
  return sum
}

/** Pages never seen in reclaim lie on the nodes in proportion to their memory. */
function spreadNodes(length: number, zones: readonly RecordedZone[]): Uint8Array {
  const node = new Uint8Array(length)
  const shares = new Map<number, number>()
  for (const zone of zones) shares.set(zone.node, (shares.get(zone.node) ?? 0) + zone.managed)
  if (shares.size < 2) return node.fill(zones[0]?.node ?? 0)
  const total = [...shares.values()].reduce((sum, share) => sum + share, 0)
  const due = new Map<number, number>()
  for (let page = 0; page < length; page++) {
    let best = 0
    let most = Number.NEGATIVE_INFINITY
    for (const [id, share] of shares) {
      const owed = (due.get(id) ?? 0) + share / total
      due.set(id, owed)
      if (owed > most) {
        most = owed
        best = id
      }
    }
    due.set(best, (due.get(best) ?? 0) - 1)
    node[page] = best
  }
  return node
}

function buildStream(
  stores: number,
  identities: { readonly length: number; readonly inSwap: number; readonly ofStore: Int32Array },
  cached: number,
): Uint32Array {
  const met = new Uint8Array(identities.length)
  const stream: number[] = []
  for (let k = 0; k < stores; k++) {
    const page = identities.ofStore[k] ?? -1
    if (page < 0 || met[page] === 1) continue
    met[page] = 1
    stream.push(page)
  }
  for (let page = 0; page < identities.length - identities.inSwap; page++)
    if (met[page] === 0) stream.push(page)
  for (let page = 0; page < cached; page++) stream.push(identities.length + page)
  return Uint32Array.from(stream)
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
