/** Pairs (i < j) with values[i] > values[j], exact, by merge count: O(n log n). Equal values are no inversion. */
export function countInversions(values: ArrayLike<number>): number {
  let from = Float64Array.from(values)
  let to = new Float64Array(from.length)
  let inversions = 0
  for (let width = 1; width < from.length; width *= 2) {
    for (let left = 0; left < from.length; left += 2 * width)
      inversions += mergeRuns(from, to, left, width)
    const swapped = from
    from = to
    to = swapped
  }
  return inversions
}

/** By index: earlier values that are larger. The values are 1 to their number, each once. */
export function inversionsBefore(values: readonly number[]): Float64Array {
  const counts = new Float64Array(values.length)
  // A Fenwick tree: how many of the values seen so far lie in ranges of powers of two.
  const tree = new Int32Array(values.length + 1)
  for (const [i, value] of values.entries()) {
    let smaller = 0
    for (let at = value; at > 0; at -= at & -at) smaller += tree[at] ?? 0
    counts[i] = i - smaller
    for (let at = value; at <= values.length; at += at & -at) tree[at] = (tree[at] ?? 0) + 1
  }
  return counts
}

/** Merges two neighbouring sorted runs and returns how many pairs between them are inverted. */
function mergeRuns(from: Float64Array, to: Float64Array, left: number, width: number): number {
  const middle = Math.min(left + width, from.length)
  const end = Math.min(left + 2 * width, from.length)
  let i = left
  let j = middle
  let inversions = 0
  for (let k = left; k < end; k++) {
    const takeLeft = i < middle && (j >= end || (from[i] ?? 0) <= (from[j] ?? 0))
    if (!takeLeft) inversions += middle - i
    to[k] = (takeLeft ? from[i++] : from[j++]) ?? 0
  }
  return inversions
}

/** The value below which at least `share` of the sorted values lie (nearest rank); `undefined` of nothing. */
export function quantile(sorted: ArrayLike<number>, share: number): number | undefined {
  if (sorted.length === 0) return undefined
  const rank = Math.ceil(share * sorted.length)
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1]
}

export interface Spread {
  readonly n: number
  readonly total: number
  readonly mean: number | undefined
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly max: number | undefined
}

/** p50, p99 and max beside the mean, so that nothing is averaged away. */
export function spreadOf(values: Iterable<number>): Spread {
  const sorted = Float64Array.from(values).sort()
  let total = 0
  for (const value of sorted) total += value
  return {
    n: sorted.length,
    total,
    mean: sorted.length === 0 ? undefined : total / sorted.length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: sorted[sorted.length - 1],
  }
}
