/** One line of `npm run bench`: ours beside a peer that did the same work in the same run, interleaved. */
export interface BenchRow {
  readonly name: string
  /** Median of `n` rounds, in `unit`. */
  readonly ours: number
  readonly peer: number
  readonly peerName: string
  readonly unit: string
  /** ours / peer; says in `better` which way is good. */
  readonly ratio: number
  readonly better: 'lower' | 'higher'
  /** (largest - smallest) / median of the rounds' ratios. */
  readonly spread: number
  readonly n: number
  /** The bound that the project holds itself to, on `ratio`. */
  readonly goal?: number
  readonly peakMiB?: number
}

/** A file `*.bench.ts` in this folder exports `bench`. */
export interface BenchModule {
  bench(): Promise<readonly BenchRow[]>
}

/** Median ratio and spread of interleaved rounds; both arrays in the same order. */
export function pairedRow(
  row: Omit<BenchRow, 'ours' | 'peer' | 'ratio' | 'spread' | 'n'>,
  ours: readonly number[],
  peer: readonly number[],
): BenchRow {
  const ratios = ours.map((value, i) => value / (peer[i] ?? Number.NaN))
  const ratio = median(ratios)
  return {
    ...row,
    ours: median(ours),
    peer: median(peer),
    ratio,
    spread: (Math.max(...ratios) - Math.min(...ratios)) / ratio,
    n: ratios.length,
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2
}
