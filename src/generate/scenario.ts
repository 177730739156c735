/** Nanoseconds: a number, or a seeded choice between two. */
export type Duration = number | readonly [min: number, max: number]

/** One thing an actor does. Reclaim steps nest: what `steps` holds happens inside the span. */
export type Step =
  /** On the CPU in user code. */
  | { readonly do: 'run'; readonly ns: Duration }
  /** Asleep by its own will (S). */
  | { readonly do: 'sleep'; readonly ns: Duration }
  /** Waiting for a device (D). */
  | { readonly do: 'io'; readonly ns: Duration }
  /** A reclaim span; `reclaimed` pages are reported at its end. */
  | {
      readonly do: 'direct' | 'memcg' | 'softlimit' | 'node'
      readonly order?: number
      readonly gfp?: number
      readonly steps: readonly Step[]
    }
  /** One shrink call: isolate, `swapOuts` folios unmapped and stored one by one, then the summary event. */
  | {
      readonly do: 'batch'
      readonly swapOuts: number
      /** Each has 2^order pages, which go to slots in a row and come back one by one; default 0. */
      readonly order?: number
      /** Pages scanned and kept. */
      readonly kept?: number
      readonly scanNs: Duration
      readonly unmapNs: Duration
      readonly storeNs: Duration
      readonly priority?: number
      /** Swap type of the device used. */
      readonly device?: number
    }
  | {
      readonly do: 'slab'
      readonly shrinker: number
      readonly ns: Duration
      readonly freed: number
    }
  /** Asleep in reclaim_throttle (D), reported by mm_vmscan_throttled afterwards. */
  | { readonly do: 'throttle'; readonly ns: Duration; readonly reason: number }
  | { readonly do: 'compaction'; readonly ns: Duration }
  /** A fault on a swapped-out page. */
  | { readonly do: 'swapIn'; readonly page: 'oldest' | 'newest' | 'random'; readonly ns: Duration }
  | { readonly do: 'wakeKswapd'; readonly node: number }
  /** kswapd: one round from wake-up to sleep, then it waits to be woken. */
  | { readonly do: 'kswapdRound'; readonly steps: readonly Step[] }
  /** A user mark (atrace begin and end) around `steps`. */
  | { readonly do: 'mark'; readonly name: string; readonly steps: readonly Step[] }
  /** A direct reclaim is repeated: reclaim_retry_zone, which tells the free memory. Pages. */
  | {
      readonly do: 'retry'
      readonly free: number
      readonly reclaimable: number
      readonly min: number
    }
  | { readonly do: 'oomKill'; readonly victim: number }
  /** A worker: from here on it stores what waits in the queue, oldest first, and sleeps while nothing does. */
  | { readonly do: 'storeQueued'; readonly ns: Duration }
  /** `times` 0 = as long as the scenario runs. */
  | { readonly do: 'repeat'; readonly times: number; readonly steps: readonly Step[] }

export interface Actor {
  readonly comm: string
  readonly tid: number
  readonly tgid: number
  readonly cpu: number
  readonly kind: 'user' | 'kswapd' | 'kcompactd' | 'kworker' | 'compressor'
  readonly node: number
  readonly steps: readonly Step[]
}

export interface ScenarioZone {
  readonly node: number
  readonly name: string
  readonly startPfn: number
  readonly spanned: number
  readonly managed: number
  readonly min: number
  readonly low: number
  readonly high: number
}

/** What a block device takes from the issue of a request of one page to its completion; requests do not wait for each other. */
export interface DeviceRequests {
  readonly major: number
  readonly minor: number
  readonly readNs: Duration
  readonly writeNs: Duration
}

export interface ScenarioSwapDevice {
  readonly swapType: number
  readonly device: string
  readonly kind: 'zram' | 'disk' | 'file'
  readonly sizePages: number
  readonly priority: number
  /** With them the recording has block events, writes go on behind the store, and faults sleep until their read is complete. */
  readonly requests?: DeviceRequests
}

/** A script of a machine. Everything a generated trace says, and its truth, follow from it, the seed and the number of events. */
export interface Scenario {
  readonly name: string
  readonly summary: string
  /** Node of each CPU. */
  readonly cpuNodes: readonly number[]
  readonly zones: readonly ScenarioZone[]
  readonly swapDevices: readonly ScenarioSwapDevice[]
  /** Trace clock at the scenario's start, ns. */
  readonly startNs: number
  /** Length, ns; ends earlier when every actor is done or the asked number of events is reached. */
  readonly durationNs: number
  /** Recording begins this long after the start: spans open at that moment lack their beginning. */
  readonly recordAfterNs?: number
  /**
   * kswapd hands pages over to the actors that store what is queued, and stores a page itself when `depth` wait. Recorded
   * with probes at the begin and the end of every store.
   */
  readonly storeQueue?: { readonly depth: number }
  readonly actors: readonly Actor[]
}

/** Does any step swap out folios of several pages? Then the probe at the gate tells their orders. */
export function hasFolios(scenario: Scenario): boolean {
  const anyOf = (steps: readonly Step[]): boolean =>
    steps.some(
      (step) =>
        (step.do === 'batch' && (step.order ?? 0) > 0) || ('steps' in step && anyOf(step.steps)),
    )
  return scenario.actors.some(({ steps }) => anyOf(steps))
}

/** Does any swap device take requests to a disk? Only then are block events recorded. */
export function hasRequests({ swapDevices }: Scenario): boolean {
  return swapDevices.some(({ requests }) => requests !== undefined)
}
