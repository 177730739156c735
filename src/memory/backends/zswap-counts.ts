/** What zswap counts, in /proc/vmstat, in its debugfs folder, and what only a model can tell. */
export class ZswapCounts {
  zswpin = 0
  zswpout = 0
  zswpwb = 0
  pswpin = 0
  pswpout = 0
  storedPages = 0
  sameFilledPages = 0
  incompressiblePages = 0
  limitHit = 0
  rejectCompressPoor = 0
  rejectCompressFail = 0
  rejectAllocFail = 0
  rejectReclaimFail = 0
  duplicates = 0
  /** Pages whose content is on the device. */
  diskPages = 0
  rejects = 0
  /** Rejects while colder pages were in the pool. */
  rejectsPastColder = 0

  /** By the kernel's names where it has them. */
  byName(poolBytes: number, shrinkRuns: number): Readonly<Record<string, number>> {
    return {
      zswpin: this.zswpin,
      zswpout: this.zswpout,
      zswpwb: this.zswpwb,
      pswpin: this.pswpin,
      pswpout: this.pswpout,
      pool_total_size: poolBytes,
      stored_pages: this.storedPages,
      same_filled_pages: this.sameFilledPages,
      stored_incompressible_pages: this.incompressiblePages,
      pool_limit_hit: this.limitHit,
      written_back_pages: this.zswpwb,
      reject_compress_poor: this.rejectCompressPoor,
      reject_compress_fail: this.rejectCompressFail,
      reject_alloc_fail: this.rejectAllocFail,
      reject_reclaim_fail: this.rejectReclaimFail,
      duplicate_entry: this.duplicates,
      disk_pages: this.diskPages,
      rejects: this.rejects,
      rejects_past_colder: this.rejectsPastColder,
      shrink_runs: shrinkRuns,
    }
  }
}
