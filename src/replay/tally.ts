import type { Thread } from './thread.ts'

export interface StallTally {
  readonly durations: number[]
  total: number
  /** Rounds, as the kernel's counter has them. */
  rounds: number
  throttledNs: number
}

/** Counters of a run, as it goes. */
export class Tally {
  swapOuts = 0
  swapIns = 0
  stores = 0
  zeroPages = 0
  /** Folios of several pages for which no slots in a row were left. */
  foliosSplit = 0
  compressedBytes = 0
  handedOver = 0
  rejects = 0
  /** Stores that found no page at all for the pool. */
  failedStores = 0
  /** Pages that the backend moved by itself. */
  moves = 0
  boosts = 0
  throttled = 0
  writestalls = 0
  batches = 0
  allocated = 0
  filePages = 0
  stealAnonKswapd = 0
  stealAnonDirect = 0
  stealFileKswapd = 0
  stealFileDirect = 0
  scanKswapd = 0
  scanDirect = 0
  refaultsQueued = 0
  refaultsStoring = 0
  refaultsStored = 0
  /** Pages read because a neighbour was faulted in, and those of them that were touched later. */
  readaheads = 0
  readaheadHits = 0
  /** Queued stores that ended while the folio was isolated: not rotated. */
  isolatedAtStore = 0
  /** Folios that did not go at their first scan, by how many more it took: once, twice, three times, more often. */
  readonly freedAfter = [0, 0, 0, 0]
  mostScansAgain = 0
  poolPeakPages = 0
  poolPeakBytes = 0
  kswapdWakes = 0
  kswapdAwakeNs = 0
  queuePeak = 0
  readonly application: StallTally = { durations: [], total: 0, rounds: 0, throttledNs: 0 }
  readonly worker: StallTally = { durations: [], total: 0, rounds: 0, throttledNs: 0 }

  /** A swapped-out folio's frame, after so many scans beside the one that chose it. */
  freed(scansAgain: number): void {
    if (scansAgain === 0) return
    const { freedAfter } = this
    const place = Math.min(scansAgain, freedAfter.length) - 1
    freedAfter[place] = (freedAfter[place] as number) + 1
    if (scansAgain > this.mostScansAgain) this.mostScansAgain = scansAgain
  }

  #of(thread: Thread): StallTally {
    return thread.kind === 'worker' ? this.worker : this.application
  }

  allocstall(thread: Thread): void {
    this.#of(thread).rounds++
  }

  stall(thread: Thread, start: number, end: number, isDirect: boolean): void {
    const stalls = this.#of(thread)
    if (isDirect) {
      stalls.durations.push(end - start)
      stalls.total += end - start
    } else stalls.throttledNs += end - start
  }

  steal(thread: Thread, context: number, isFile: boolean, freed: number, scanned: number): void {
    if (context === 0 && thread.kind === 'kswapd') {
      if (isFile) this.stealFileKswapd += freed
      else this.stealAnonKswapd += freed
      this.scanKswapd += scanned
    } else {
      if (isFile) this.stealFileDirect += freed
      else this.stealAnonDirect += freed
      this.scanDirect += scanned
    }
  }
}
