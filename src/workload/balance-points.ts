import { isBoostWake } from './boosts.ts'
import { BOOST_FACTOR } from './machine.ts'
import { hasSeveralNodes } from './nodes.ts'
import { RECLAIM_FILE } from './page-cache.ts'
import { EVENT, pagesOfEvent, type Recording, type Sample } from './recording.ts'
import { PoolPages } from './refused.ts'
import type { Stores } from './stores.ts'

/** A moment at which an event or a sample tells of free memory. In pages, counted from the workload's start. */
export interface Point {
  readonly ns: number
  readonly reclaimed: number
  readonly reclaimedFile: number
  readonly swappedIn: number
  readonly isolated: number
  readonly stored: number
  /** Pages on the LRU, and those with the free ones; known of a retry only. */
  readonly reclaimable: number
  readonly available: number
  readonly free: number
  /** How far off the pages may be. */
  readonly radius: number
  readonly basis: 'retry' | 'sample' | 'watermark'
}

/** Isolated batches and per-cpu LRU lists are not on the lists that the kernel counts. */
const RETRY_RADIUS = 64
const SAMPLE_RADIUS = 300
const WATERMARK_RADIUS = 400
/** Where the workload starts and ends, and the watermarks in pages. */
export interface PointOptions {
  readonly startEvent: number
  readonly endNs: number
  readonly low: number
  readonly min: number
  readonly high: number
}

/** Every moment of the workload at which free memory is known, in time's order; of retries those that report on `zone`. */
export function collectPoints(
  recording: Recording,
  stores: Stores,
  zone: number,
  options: PointOptions,
): Point[] {
  const collector = new PointCollector(recording, stores, zone, options)
  for (let i = 0; i < recording.length; i++) {
    const ns = recording.ns[i] ?? 0
    if (ns > options.endNs) break
    if (i === options.startEvent) collector.start()
    collector.event(i, ns)
  }
  return collector.points
}

/** Pages since the recording's start. */
interface Flows {
  readonly reclaimed: number
  readonly reclaimedFile: number
  readonly swappedIn: number
}

class PointCollector {
  readonly points: Point[] = []
  readonly #recording: Recording
  readonly #zone: number
  readonly #options: PointOptions
  readonly #samples: readonly Sample[]
  readonly #hasNodes: boolean
  readonly #pool: PoolPages
  readonly #isolatedBy = new Map<number, number>()
  #isolated = 0
  #reclaimed = 0
  #reclaimedFile = 0
  #swappedIn = 0
  /** Undefined before the workload's start: what is told until then is counted, but no point. */
  #atStart: Flows | undefined
  #sample = 0
  /** What the last retry showed of the zone's boost. */
  #boost = 0

  constructor(recording: Recording, stores: Stores, zone: number, options: PointOptions) {
    this.#recording = recording
    this.#zone = zone
    this.#options = options
    this.#samples = recording.samples.get('free_pages') ?? []
    this.#hasNodes = hasSeveralNodes(recording.zones)
    this.#pool = new PoolPages(recording, stores)
  }

  start(): void {
    this.#atStart = {
      reclaimed: this.#reclaimed,
      reclaimedFile: this.#reclaimedFile,
      swappedIn: this.#swappedIn,
    }
  }

  event(i: number, ns: number): void {
    this.#pool.advance(i)
    this.#takeSamples(ns)
    const recording = this.#recording
    const { low, min, high } = this.#options
    switch (recording.kind[i]) {
      case EVENT.isolate:
        this.#isolate(recording.tid[i] ?? 0, recording.c[i] ?? 0)
        break
      case EVENT.batchEnd:
        this.#endBatch(i)
        break
      case EVENT.read:
        this.#swappedIn += pagesOfEvent(recording, i)
        this.#pool.read(i)
        break
      case EVENT.retry:
        if (recording.d[i] === this.#zone) this.#retry(i, ns)
        break
      case EVENT.wakeKswapd:
        // A boost is one node's: the others may have more than low.
        if (recording.a[i] === 0 && !(this.#hasNodes && isBoostWake(recording, i)))
          this.#add(ns, low + this.#boost, WATERMARK_RADIUS + this.#boost, 'watermark')
        break
      case EVENT.directBegin: {
        const halfBoost = (high * BOOST_FACTOR) / 2
        // A task reclaims for itself at min, which a boost may have raised; samples of free memory tell it better.
        if (this.#samples.length === 0) this.#add(ns, min + halfBoost, halfBoost, 'watermark')
        break
      }
      default:
    }
  }

  #takeSamples(ns: number): void {
    for (; this.#sample < this.#samples.length; this.#sample++) {
      const sample = this.#samples[this.#sample]
      if (sample === undefined || sample.ns > ns) return
      this.#add(ns, sample.value, SAMPLE_RADIUS, 'sample')
    }
  }

  /** `pages` = all that the task has isolated now. */
  #isolate(tid: number, pages: number): void {
    this.#isolated += pages - (this.#isolatedBy.get(tid) ?? 0)
    this.#isolatedBy.set(tid, pages)
  }

  #endBatch(i: number): void {
    const { tid, b, c } = this.#recording
    this.#isolate(tid[i] ?? 0, 0)
    this.#reclaimed += b[i] ?? 0
    if (((c[i] ?? 0) & RECLAIM_FILE) !== 0) this.#reclaimedFile += b[i] ?? 0
  }

  #retry(i: number, ns: number): void {
    const { a, b, c } = this.#recording
    const reclaimable = a[i] ?? 0
    this.#boost = (c[i] ?? 0) - this.#options.min
    this.#add(ns, (b[i] ?? 0) - reclaimable, RETRY_RADIUS, 'retry', reclaimable)
  }

  #add(ns: number, free: number, radius: number, basis: Point['basis'], reclaimable = 0): void {
    const start = this.#atStart
    if (start === undefined) return
    this.points.push({
      ns,
      reclaimed: this.#reclaimed - start.reclaimed,
      reclaimedFile: this.#reclaimedFile - start.reclaimedFile,
      swappedIn: this.#swappedIn - start.swappedIn,
      isolated: this.#isolated,
      stored: this.#pool.stored,
      reclaimable,
      available: reclaimable + free,
      free,
      radius,
      basis,
    })
  }
}
