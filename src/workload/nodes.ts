import type { RecordedZone } from './recording.ts'

/** By node. */
export type Shares = ReadonlyMap<number, number>

/** The node that ran low first, and the free pages that it had then. */
export interface FirstLow {
  readonly node: number
  readonly free: number
}

export function hasSeveralNodes(zones: readonly Pick<RecordedZone, 'node'>[]): boolean {
  return zones.some(({ node }) => node !== zones[0]?.node)
}

export function sumByNode(
  zones: readonly RecordedZone[],
  of: (zone: RecordedZone) => number,
): Map<number, number> {
  const sums = new Map<number, number>()
  for (const zone of zones) sums.set(zone.node, (sums.get(zone.node) ?? 0) + of(zone))
  return sums
}

/** Free pages of each node: as their watermarks have it, but where one ran low before the others, these have what it has not. */
export function spreadFree(
  free: number,
  zones: readonly RecordedZone[],
  first: FirstLow | undefined,
): Map<number, number> {
  const isTold = zones.some((zone) => zone.low > 0)
  const low = sumByNode(zones, (zone) => (isTold ? zone.low : 1))
  const own = first === undefined ? 0 : Math.min(first.free, free)
  let others = 0
  for (const [node, share] of low) if (node !== first?.node) others += share
  return new Map(
    [...low].map(([node, share]) => [
      node,
      node === first?.node ? own : Math.round(((free - own) * share) / others),
    ]),
  )
}

/** The node of each page, nodes in turns by their shares; of fewer pages they are the first ones. */
export function spreadPages(length: number, shares: Shares): Uint8Array {
  const node = new Uint8Array(length)
  if (shares.size < 2) return node.fill([...shares.keys()][0] ?? 0)
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
