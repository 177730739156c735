import type { Recording } from './recording.ts'
import type { Stores } from './stores.ts'

/** 1 at the stores that took no memory of the pool: zero and same-filled pages, and those that zswap refused. */
export function storesOutsidePool(recording: Recording, stores: Stores): Uint8Array {
  const outside = stores.isSame.slice()
  const { refusals } = recording
  if (refusals === undefined) return outside
  let next = 0
  for (let k = 0; k < stores.length; k++) {
    const ns = recording.ns[stores.event[k] ?? 0] ?? 0
    while ((refusals.ns[next] ?? Number.POSITIVE_INFINITY) < ns) next++
    for (let row = next; refusals.ns[row] === ns; row++)
      if (refusals.entry[row] === stores.entry[k]) outside[k] = 1
  }
  return outside
}
