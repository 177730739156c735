import { CLUSTER, DEF_PRIORITY } from '../model/vmscan.ts'
import type { Memcg } from './memcgs.ts'
import * as P from './pages.ts'
import { NONE } from './thread.ts'

/** MAX_RECLAIM_RETRIES: calls without progress after which kswapd gives up a node. */
export const MAX_FAILURES = 16
/** Ticks without any progress after which the run is cut: nothing will change. */
export const OOM_FRUITLESS = 200

export const KSWAPD_CONTEXT = 0
export const DIRECT_CONTEXT = 1

/** What one reclaiming thread works with (scan_control and its scratch lists). */
export class Scan {
  readonly context: number
  /** May start writes; a worker's own reclaim (GFP_NOIO) may not. */
  readonly mayWrite: boolean
  /** On whose behalf: only its subtree is reclaimed (target_mem_cgroup); undefined = memory as a whole is short. */
  memcg: Memcg | undefined = undefined
  /** Sees all cgroups instead of a part at a time (memcg_full_walk). */
  walksAll = false
  /** A cgroup was spared for its memory.low, and whether that is over (memcg_low_skipped, memcg_low_reclaim). */
  sparedLow = false
  takesLow = false
  priority = DEF_PRIORITY
  target = CLUSTER
  reclaimed = 0
  /** `reclaimed` at the beginning of the pass over a node. */
  began = 0
  scanned = 0
  mayDeactivateAnon = true
  mayDeactivateFile = true
  skippedDeactivate = false
  forceDeactivate = false
  mayUnmapSwap = true
  readonly batch = new Int32Array(64)
  batchLength = 0
  /** Base pages of the batch, and those passed over since the last one. */
  taken = 0
  skipped = 0
  /** Of the batch's folios those that stay, and the base pages looked at and freed. */
  readonly keep = new Int32Array(64)
  kept = 0
  looked = 0
  freed = 0
  /** The folio at hand: it has got its slots, others may hold its translation, what the thread did before. */
  isLeaving = false
  unmapsRemotely = false
  /** The folio before it in the batch was compressed by the reclaimer itself. */
  isAfterStore = false
  /** What a hypervisor takes while it is unmapped, ns. */
  lostNs = 0
  doing = NONE
  activated = 0
  writeback = 0
  /** In one pass over a node: pages met under writeback, and those of them that were met a second time. */
  underWriteback = 0
  immediate = 0
  written = 0
  /** How anonymous and file lists share the scan (get_scan_count), and of each list of one lruvec what is still to be scanned. */
  anonShare = 0
  fileShare = 0
  shares = 1
  readonly quota = new Float64Array(P.LISTS)

  constructor(context: number, mayWrite: boolean) {
    this.context = context
    this.mayWrite = mayWrite
  }

  /** Nothing of the batch has been looked at. */
  beginBatch(): void {
    this.activated = 0
    this.writeback = 0
    this.written = 0
    this.isAfterStore = false
    this.looked = 0
    this.freed = 0
  }
}
