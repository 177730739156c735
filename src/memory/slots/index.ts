import { PstraceError } from '../../model/error.ts'
import { cluster } from './cluster.ts'
import type { SlotOptions, SlotProvider, SwapSlots } from './slots.ts'
import { swapDesc } from './swap-desc.ts'
import { swapMap } from './swap-map.ts'
import { swapTablePhases } from './swap-table.ts'

/** Every slot allocator; a new one is one file and one line here. */
export const SLOT_ALLOCATORS: readonly SlotProvider[] = [
  swapMap,
  cluster,
  ...swapTablePhases,
  swapDesc,
]

/** Throws a PstraceError that names those there are. */
export function openSlots(name: string, options: SlotOptions): SwapSlots {
  const provider = SLOT_ALLOCATORS.find((each) => each.name === name)
  if (provider === undefined)
    throw new PstraceError(
      'slots-unknown',
      `slot allocator "${name}" is unknown; known are ${SLOT_ALLOCATORS.map((each) => each.name).join(', ')}`,
      { exitStatus: 2 },
    )
  return provider.open(options)
}
