import { PstraceError } from '../model/error.ts'
import { type Balance, balanceMemory } from './balance.ts'
import { freeAtBoosts, isBoostWake } from './boosts.ts'
import type { TaskClock } from './clocks.ts'
import { findZswapShare, poolPerPageAtPeak, poolPerPageSnapshot } from './counters.ts'
import {
  type Allocations,
  type Allocator,
  fitDemand,
  type Knot,
  spreadAllocations,
  toAnonAnchors,
} from './demand.ts'
import { type Filling, findFilling, freeBetween, missesRaisedLow } from './filling.ts'
import { findBoostLevel, findListed, findWholeBlocks, largestZones } from './machine.ts'
import type { ListedKernel } from './mobility.ts'
import { type FirstLow, hasSeveralNodes, sumByNode } from './nodes.ts'
import { type PageCache, readPageCache } from './page-cache.ts'
import type { RecordedZone, Recording } from './recording.ts'
import type { Stores } from './stores.ts'
import type { MemoryUsers } from './threads.ts'
import type { Based } from './types.ts'

/** The demand's tasks, in the order of their ids; a task's row is its place here. */
export interface DemandTasks {
  readonly clocks: ReadonlyMap<number, TaskClock>
  readonly list: readonly TaskClock[]
  readonly rows: ReadonlyMap<number, number>
}

/** Tasks that ask for memory, in the order of their tids. */
export function listDemandTasks(
  users: MemoryUsers,
  clocks: ReadonlyMap<number, TaskClock>,
): DemandTasks {
  const tids = [...users.demanders].filter((tid) => clocks.has(tid)).sort((x, y) => x - y)
  return {
    clocks,
    list: tids.map((tid) => clocks.get(tid) ?? missingClock(tid)),
    rows: new Map(tids.map((tid, row) => [tid, row])),
  }
}

function missingClock(tid: number): TaskClock {
  throw new PstraceError('workload_no_clock', `task ${tid} has no own clock`)
}

/** What a boost that begins the workload found. */
interface FoundAtBoost {
  /** Pages of whole blocks that are free for unmovable pages. */
  readonly wholeUnmovable: number
  /** Kernel pages on the CPU's lists. */
  readonly listed: ListedKernel | undefined
  /** Undefined: all nodes ran low together. */
  readonly firstLow: FirstLow | undefined
}

const NOTHING_FOUND: FoundAtBoost = { wholeUnmovable: 0, listed: undefined, firstLow: undefined }

/** What the tasks allocated, when, and the balance of memory that tells so. */
export interface Demand extends FoundAtBoost {
  readonly balance: Balance
  readonly knots: readonly Knot[]
  readonly allocations: Allocations
  readonly cache: PageCache
  readonly filling: Filling | undefined
  /** Free memory at boosts up to a moment. */
  boostFree(untilNs: number): number[]
}

interface DemandParts {
  readonly users: MemoryUsers
  readonly tasks: DemandTasks
  readonly stores: Stores
  readonly zones: readonly RecordedZone[]
  readonly startEvent: number
  readonly recordPagesPerSlot: Based<number>
}

/** The balance of memory up to a moment. */
export function balanceUntil(
  recording: Recording,
  parts: Pick<DemandParts, 'stores' | 'zones' | 'startEvent'>,
  endNs: number,
  freeAtStart?: number,
): Balance {
  return balanceMemory(recording, parts.stores, {
    startEvent: parts.startEvent,
    endNs,
    ...watermarkSums(parts.zones),
    poolCounted: findZswapShare(recording)?.value,
    poolSnapshot: poolPerPageSnapshot(recording) ?? poolPerPageAtPeak(recording, parts.stores),
    totalSnapshot: undefined,
    ...(freeAtStart === undefined ? {} : { freeAtStart }),
  })
}

export function findDemand(recording: Recording, parts: DemandParts): Demand {
  const { users, tasks, startEvent } = parts
  const startNs = recording.ns[startEvent] ?? 0
  const allocators = listAllocators(recording, users, tasks)
  const clockAt = (ns: number): number => {
    let sum = 0
    for (const { clock, weight } of allocators) sum += weight * clock.ownAt(ns)
    return sum
  }
  const cache = readPageCache(recording, tasks.list, users, startEvent)
  const { low } = watermarkSums(parts.zones)
  const filled = fillingOf(recording, startNs, parts.zones)
  const startsByBoost =
    isBoostWake(recording, startEvent) ||
    (filled !== undefined && missesRaisedLow(filled, { cpus: recording.cpus, low }))
  const filling = startsByBoost ? filled : undefined
  const demandBy = (balance: Balance, found: Partial<FoundAtBoost> = {}): Demand => {
    // The balance takes every page-cache page that went for one that was read since; when those were read is known better.
    const anchors = balance.anchors.map((anchor) => ({
      ...anchor,
      anon: anchor.anon + anchor.file - cache.readBy(anchor.ns),
    }))
    const knots = fitDemand(toAnonAnchors(anchors, startNs), clockAt)
    const allocations = spreadAllocations(knots, allocators)
    const boostFree = (untilNs: number): number[] =>
      freeAtBoosts(recording, {
        balance,
        allocNs: allocations.ns,
        stores: parts.stores,
        startEvent,
        untilNs,
        recordPagesPerSlot: parts.recordPagesPerSlot.value,
        cache,
      })
    return { ...NOTHING_FOUND, ...found, balance, knots, allocations, cache, filling, boostFree }
  }
  const demand = demandBy(balanceUntil(recording, parts, recording.endNs))
  if (!startsByBoost) return demand
  return demandAtBoost(recording, parts, {
    demand,
    demandFrom: (freeAtStart, found) =>
      demandBy(balanceUntil(recording, parts, recording.endNs, freeAtStart), found),
  })
}

/** The first wake-up came when the movable pages were used up, not at low. What is free then and what later boosts show depend on each other. */
function demandAtBoost(
  recording: Recording,
  parts: DemandParts,
  {
    demand,
    demandFrom,
  }: {
    /** As if it had been at low. */
    readonly demand: Demand
    demandFrom(freeAtStart: number, found?: Partial<FoundAtBoost>): Demand
  },
): Demand {
  const { startEvent, zones } = parts
  const { low } = watermarkSums(zones)
  const levelOf = ({ boostFree }: Demand): number =>
    findBoostLevel(boostFree(recording.endNs), low).boostBelowFree?.value ?? low
  const startNs = recording.ns[startEvent] ?? 0
  const sampled = sampledBesideBoost(recording, startNs, zones)
  if (sampled !== undefined) {
    // The boost tells of its node only: what else a sample has is on the others.
    const node = recording.c[startEvent] ?? 0
    const own = sumByNode(zones, (zone) => zone.low).get(node) ?? 0
    const level = levelOf(demandFrom(sampled))
    return demandFrom(sampled, { firstLow: { node, free: Math.round((level * own) / low) } })
  }
  const { balance, filling } = demand
  const known = { ...parts, balance }
  const wholeUnmovable = findWholeBlocks(recording, known)
  // A sample has the whole blocks, but for what is on the CPUs' lists.
  if (filling !== undefined) {
    const listed = findListed(recording, known, filling, startNs)
    if (listed === undefined) return demandFrom(filling.free, { wholeUnmovable })
    const free = listed.freeInZone + listed.unmovable + listed.reclaimable
    return demandFrom(free, { wholeUnmovable: listed.whole, listed })
  }
  const first = levelOf(demand)
  const level = Math.round((first + levelOf(demandFrom(first))) / 2)
  // Whole blocks were claimed before any later boost: that level does not have them.
  return demandFrom(level + wholeUnmovable, { wholeUnmovable })
}

/** Samples are the machine's: they tell of a zone where it is the only one. */
function fillingOf(
  recording: Recording,
  startNs: number,
  zones: readonly RecordedZone[],
): Filling | undefined {
  const [zone, other] = zones
  if (zone === undefined || other !== undefined) return undefined
  return findFilling(recording.samples.get('free_pages') ?? [], startNs, zone.managed)
}

/** Free memory when a boost woke the first of several kswapds; undefined = there is one node, or no sample was taken then. */
function sampledBesideBoost(
  recording: Recording,
  startNs: number,
  zones: readonly RecordedZone[],
): number | undefined {
  if (!hasSeveralNodes(zones)) return undefined
  return freeBetween(recording.samples.get('free_pages') ?? [], startNs)
}

function listAllocators(recording: Recording, users: MemoryUsers, tasks: DemandTasks): Allocator[] {
  const rates = tasks.list.map((clock) => allocationRate(clock, recording, users, tasks.clocks))
  // Where no allocation met low memory (kswapd kept up), owners of memory are taken to allocate alike.
  const isSilent = !rates.some((rate) => rate > 0)
  return tasks.list.map((clock, row) => ({
    clock,
    weight: isSilent ? Number(users.owners.has(clock.tid)) : (rates[row] ?? 0),
  }))
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
