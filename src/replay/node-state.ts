import { MAX_CHUNK_PAGES } from '../model/buddy.ts'
import { HUGE_CLUSTER_SLOTS } from '../model/swap-clusters.ts'
import type { Machine } from '../workload/types.ts'
import { CounterDeltas } from './counter-deltas.ts'
import { rulesOf } from './kernel-rules.ts'
import { PageBlocks, PLACES, RECLAIMABLE, TYPES, UNMOVABLE } from './page-blocks.ts'
import { PageLists } from './page-lists.ts'
import { Lane } from './ranks.ts'
import type { Thread } from './thread.ts'
import { type SwapClusters, TreeNodes } from './tree-nodes.ts'
import { ZoneList } from './zone-list.ts'

/** A CPU's lists of free pages, in the order of the kernel's (order_to_pindex): single pages of each type, then chunks for the slabs of tree nodes. */
export const SLABS = TYPES
export const LISTS = TYPES + 1

/** One node's memory, in pages. */
export interface NodeState {
  readonly index: number
  free: number
  readonly min: number
  readonly low: number
  readonly high: number
  boost: number
  /** Where the workload tells the zones apart: `free` and `boost` are their sums. */
  readonly zoneList: ZoneList | undefined
  poolSinceBoost: number
  kswapd: Thread | undefined
  kswapdAsleep: boolean
  /** Since when kswapd is up, -1 = it sleeps. */
  awakeSince: number
  failures: number
  readonly throttled: Thread[]
  /** Free pages outside `free`: on the lists of the CPUs. */
  readonly lists: PageLists
  /** What the zone's counter of free pages, with which watermarks are compared, lacks of `free`. */
  readonly deltas: CounterDeltas
  /** The second in which the lists were last shortened. */
  decayedAt: number
  /** Free pages of lower zones that are kept for those who need them (lowmem_reserve). */
  readonly held: number
  /** What allocations leave in lower zones (lowmem_reserve), where `free`, which is compared with the sum of the zones' marks, leaves it out. */
  readonly reserved: number
  /** Where the others are by mobility type. */
  readonly blocks: PageBlocks
  /** Pages on the lists by CPU, list and told block; of movable pages of the rest the lists' counts tell. */
  readonly listed: Int32Array
  /** Of the movable pages on each CPU's list, those of told blocks; they lie at the list's end. */
  readonly borrowedOnList: Int32Array
  /** Frames of told blocks that reclaim has freed and not yet given: of each block, and of all. */
  readonly returning: Int32Array
  returningAll: number
  /** Frames of told blocks in the pool, likewise. */
  readonly pooled: Int32Array
  pooledAll: number
  readonly treeNodes: TreeNodes
  /** Slots in use, the most ever, and what the kernel's records of them have cost of the page they fill next. */
  slotsHeld: number
  mostSlotsHeld: number
  recordShare: number
  newPages: number
  readonly lanes: readonly [Lane, Lane]
  /** Pages that are nobody's: neither free nor on a list nor in the pool. */
  readonly fixed: number
  lowestFree: number
}

/** A node before anything happened. */
export function toNodeState(
  machine: Machine,
  given: Machine['nodes'][number],
  cpus: readonly { readonly node: number }[],
  watermarkScale: number,
): NodeState {
  const { node, freeAtStart, refillAtStart, unmovableFree, reclaimableFree } = given
  const zones = machine.zones.filter((zone) => zone.node === node)
  const min = sumOf(zones, 'min')
  const low = sumOf(zones, 'low')
  const high = sumOf(zones, 'high')
  const zoneList =
    zones.length > 0 && zones.every((zone) => zone.freeAtStart !== undefined)
      ? new ZoneList(zones, watermarkScale)
      : undefined
  const free = zoneList?.free ?? freeAtStart.value
  const allLow = sumOf(machine.zones, 'low')
  const other = allLow > 0 ? Math.round(((machine.boostBelowFree?.value ?? 0) * low) / allLow) : 0
  const held = Math.min(
    free,
    zones.reduce((sum, zone) => sum + (zone.reserve ? zone.reserve + zone.low : 0), 0),
  )
  const smp = machine.smp?.value ?? true
  const cpusOfNode = cpus.filter((cpu) => cpu.node === node).length
  const state: NodeState = {
    index: node,
    free,
    min,
    low: min + Math.round((low - min) * watermarkScale),
    high: min + Math.round((high - min) * watermarkScale),
    boost: 0,
    zoneList,
    poolSinceBoost: 0,
    kswapd: undefined,
    kswapdAsleep: true,
    awakeSince: -1,
    failures: 0,
    throttled: [],
    lists: new PageLists(
      cpus.length,
      { managed: sumOf(zones, 'managed'), low, cpusOfNode },
      {
        tunes: rulesOf(machine).tunesPageLists,
        decays: smp,
        areFilling: refillAtStart !== undefined,
      },
    ),
    deltas: new CounterDeltas(cpus.length, { managed: sumOf(zones, 'managed'), min, low }, smp),
    decayedAt: 0,
    held,
    reserved:
      zoneList === undefined ? zones.reduce((sum, { reserve }) => sum + (reserve ?? 0), 0) : 0,
    // Where boosts are off, blocks are chunks of the largest order.
    blocks: new PageBlocks(machine.boostStep.value || MAX_CHUNK_PAGES, {
      all: free - held,
      unmovable: unmovableFree?.value ?? other >> 1,
      reclaimable: reclaimableFree?.value ?? other - (other >> 1),
    }),
    listed: new Int32Array(cpus.length * LISTS * PLACES),
    borrowedOnList: new Int32Array(cpus.length),
    returning: new Int32Array(PLACES),
    returningAll: 0,
    pooled: new Int32Array(PLACES),
    pooledAll: 0,
    treeNodes: new TreeNodes(clustersOf(machine)),
    slotsHeld: 0,
    mostSlotsHeld: 0,
    recordShare: 0,
    newPages: 0,
    lanes: [new Lane(), new Lane()],
    fixed: 0,
    lowestFree: free,
  }
  const cpu = cpus.findIndex((each) => each.node === node)
  if (cpu >= 0) {
    putOnList(state, cpu, UNMOVABLE, given.unmovableListed?.value ?? 0)
    putOnList(state, cpu, RECLAIMABLE, given.reclaimableListed?.value ?? 0)
  }
  return state
}

function clustersOf({ swapSlots, swapClusterSlots }: Machine): SwapClusters | undefined {
  if (swapSlots === undefined) return undefined
  return { slots: swapSlots.value, perCluster: swapClusterSlots?.value ?? HUGE_CLUSTER_SLOTS }
}

/** So many of the type's free pages lie on the CPU's list, not in the zone. */
function putOnList(node: NodeState, cpu: number, type: number, pages: number): void {
  const { blocks, listed, lists } = node
  const listable = Math.min(pages, blocks.freeOf(type))
  const got = blocks.take(type, 0, listable, listed, (cpu * LISTS + type) * PLACES)
  lists.addKernel(cpu, got)
  node.free -= got
  node.lowestFree -= got
}

function sumOf(zones: Machine['zones'], of: 'min' | 'low' | 'high' | 'managed'): number {
  return zones.reduce((sum, zone) => sum + zone[of], 0)
}
