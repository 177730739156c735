import {
  hasChange,
  type KernelChange,
  type KernelRelease,
  parseKernelRelease,
} from '../model/kernel-release.ts'
import type { Machine } from '../workload/types.ts'

/** "sched/fair: Implement an EEVDF-like scheduling policy" */
const EEVDF: KernelChange = { series: '6.6' }
/** "sched/eevdf: Allow sched_delayed entities": DELAY_DEQUEUE, DELAY_ZERO */
const DELAYED_DEQUEUE: KernelChange = { series: '6.12' }
/** "sched/pelt: Avoid underestimation of task utilization" */
const ESTIMATES_OF_WAITERS: KernelChange = { series: '6.8' }
/** "sched: Reduce the default slice to avoid tasks getting an extra tick" */
const SHORTER_SLICE: KernelChange = { series: '6.15', stable: { '6.14': 9, '6.12': 31 } }
/** "sched/fair: Proportional newidle balance": NI_RANDOM */
const PROPORTIONAL_NEWIDLE: KernelChange = {
  series: '6.19',
  stable: { '6.18': 5, '6.12': 65, '6.6': 120, '6.1': 160 },
}
/** "mm: vmscan: restore incremental cgroup iteration" */
const PARTIAL_WALKS: KernelChange = { series: '6.11' }
/** "mm: multi-gen LRU: per-node lru_gen_folio lists" */
const MEMCG_LRU: KernelChange = { series: '6.3' }
/** "mm, swap_slots: remove slot cache for freeing path" */
const IMMEDIATE_RELEASES: KernelChange = { series: '6.14' }
/** "mm: swap: skip slot cache on freeing for mTHP" */
const WHOLE_RELEASES: KernelChange = { series: '6.12' }
/** SWAPFILE_CLUSTER, 512 pages: before, only such a folio's slots passed the CPU's by (put_swap_folio). */
const CLUSTER_ORDER = 9
/** "mm: PCP high auto-tuning" */
const TUNED_PAGE_LISTS: KernelChange = { series: '6.7' }

/** What kernels of different releases do differently, as far as the engine models it. */
export interface KernelRules {
  /** Picks threads and sets how long they keep their CPU. */
  readonly fairClass: 'eevdf' | 'cfs'
  /** sysctl_sched_base_slice before it grows with the CPUs (EEVDF). */
  readonly baseSliceNs: number
  /** Who sleeps with more than its share competes until that is made up for (EEVDF). */
  readonly delaysDequeue: boolean
  /** util_est of a thread that had to wait does not fall. */
  readonly keepsEstimateOfWaiters: boolean
  /** A CPU that becomes idle looks for work as often as that helped before. */
  readonly rationsNewidle: boolean
  /** Who reclaims for itself walks a part of the tree of memory cgroups at a time. */
  readonly walksMemcgsPartly: boolean
  /** The multi-generational LRU keeps memory cgroups in an order of their own. */
  readonly hasMemcgLru: boolean
  /** A CPU keeps freed swap slots until it has a batch of them (mm/swap_slots.c). */
  readonly batchesReleases: boolean
  /** Orders of folios whose slots it does not keep: this one and above. */
  readonly releasedOrder: number
  /** CPUs' lists of free pages find their own sizes. */
  readonly tunesPageLists: boolean
}

/** Those of the recorded release; where nobody says which, a zero map tells 6.12 from 6.1, each with late stable releases. */
export function rulesOf({ kernel, zeroMap }: Pick<Machine, 'kernel' | 'zeroMap'>): KernelRules {
  const named = kernel && parseKernelRelease(kernel.value)
  const release: KernelRelease = named ?? {
    series: zeroMap.value ? 6012 : 6001,
    stable: undefined,
  }
  return {
    fairClass: hasChange(release, EEVDF) ? 'eevdf' : 'cfs',
    baseSliceNs: hasChange(release, SHORTER_SLICE) ? 700_000 : 750_000,
    delaysDequeue: hasChange(release, DELAYED_DEQUEUE),
    keepsEstimateOfWaiters: hasChange(release, ESTIMATES_OF_WAITERS),
    rationsNewidle: hasChange(release, PROPORTIONAL_NEWIDLE),
    walksMemcgsPartly: hasChange(release, PARTIAL_WALKS),
    hasMemcgLru: hasChange(release, MEMCG_LRU),
    batchesReleases: !hasChange(release, IMMEDIATE_RELEASES),
    releasedOrder: hasChange(release, WHOLE_RELEASES) ? 1 : CLUSTER_ORDER,
    tunesPageLists: hasChange(release, TUNED_PAGE_LISTS),
  }
}
