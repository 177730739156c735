import { ClusterSlots } from './cluster.ts'
import { SLOT_DESIGNS } from './metadata.ts'
import type { SlotOptions, SlotProvider } from './slots.ts'

/** The swap table (6.18 and later) over the refined cluster allocator; phases differ in bookkeeping only. */
function phase(
  name: string,
  summary: string,
  design: 'table-2' | 'table-3' | 'table-4',
): SlotProvider {
  return {
    name,
    summary,
    open: (options: SlotOptions) =>
      new ClusterSlots(options, {
        name,
        design: SLOT_DESIGNS[design],
        slotCaches: false,
        nonfullFirst: true,
        clusterLocks: true,
      }),
  }
}

export const swapTablePhases: readonly SlotProvider[] = [
  phase(
    'swap-table',
    '6.18 to 7.0 (phases I and II): a table of 512 entries per cluster in use',
    'table-2',
  ),
  phase('swap-table-3', '7.1 (phase III): counts in the table, no swap map', 'table-3'),
  phase('swap-table-4', 'phase IV: cgroup ids in the cluster', 'table-4'),
]
