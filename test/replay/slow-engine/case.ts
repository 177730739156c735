/** A policy and its settings, in the words of the case. */
export type SlowPolicy =
  | { readonly name: 'kswapd' }
  | { readonly name: 'kcompressd'; readonly fifo: number; readonly memalloc: boolean }
  | { readonly name: 'kcompressd-unofficial'; readonly depth: number }
  | { readonly name: 'kcompressd-v1'; readonly threads: number; readonly capacity: number }
  | { readonly name: 'parallel'; readonly workers: number; readonly factor: number }

export interface SlowOptions {
  readonly policy: SlowPolicy
  readonly seed: number
  readonly perPoolPage: number
  readonly refaultsWrite: boolean
}

export interface SlowSwapout {
  readonly id: number
  readonly page: number
  readonly slot: number
  readonly by: string
  readonly context: 'kswapd' | 'direct' | 'memcg'
  readonly submit: number
  path: 'inline' | 'queued' | 'displaced' | 'bypass'
  start: number | null
  stored: number | null
  freed: number | null
  handed: number | null
  storedBy: string | null
  submitRank: number | null
  startRank: number | null
  doneRank: number | null
}

export interface SlowSwapin {
  readonly page: number
  readonly met: string
  readonly from: number
  readonly to: number
}

export interface SlowSpan {
  readonly kind: 'direct' | 'memcg' | 'throttle'
  readonly task: string
  readonly from: number
  readonly to: number
  readonly reclaimed: number
}

export interface SlowResult {
  readonly swapouts: readonly SlowSwapout[]
  readonly swapins: readonly SlowSwapin[]
  readonly spans: readonly SlowSpan[]
  readonly kswapdSpans: readonly (readonly [number, number])[]
  readonly endNs: number
  /** Pairs of events of different threads at one instant: their order is nobody's to tell. */
  readonly ties: number
}

/** The case left what this engine has: an out-of-memory kill, a pool without any page, more threads than CPUs. */
export class OutsideCase extends Error {}
