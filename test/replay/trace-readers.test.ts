import { describe, expect, it } from 'vitest'
import { kswapd } from '../../src/policies/kswapd.ts'
import { type RunSummary, replay } from '../../src/replay/replay.ts'
import { TRACE_PAGE_BYTES, type TraceBuffers, type Workload } from '../../src/workload/types.ts'
import { based, CountingBackend, plainContents } from './build.ts'
import { pressure } from './scenarios.ts'

const SWAP_OUT_BYTES = 84
const PAGE_NS = 150_000
const NEVER = 1e15

const NOTHING: TraceBuffers['bytes'] = {
  batch: 0,
  direct: 0,
  fault: 0,
  isolate: 0,
  slab: 0,
  store: 0,
  swapOut: 0,
  switch: 0,
  wake: 0,
}

interface Recorded {
  readonly wakesAtPages: number
  readonly bytes?: Partial<TraceBuffers['bytes']>
  readonly unreadPages?: readonly number[]
}

function recorded({ wakesAtPages, bytes, unreadPages = [] }: Recorded): Workload {
  const workload = pressure()
  const traceBuffers = {
    wakesAtBytes: based(wakesAtPages * TRACE_PAGE_BYTES),
    pageNs: based(PAGE_NS),
    unreadAtStart: unreadPages.map((pages) => pages * TRACE_PAGE_BYTES),
    bytes: { ...NOTHING, ...(bytes ?? { swapOut: SWAP_OUT_BYTES }) },
  }
  return { ...workload, machine: { ...workload.machine, traceBuffers } }
}

function run(workload: Workload): { readonly summary: RunSummary } {
  return replay(workload, {
    policy: kswapd,
    backend: new CountingBackend(3),
    contents: plainContents,
    checkEveryNs: 50_000_000,
  })
}

/** Reads of the machine's readers, by CPU: from CPU time outside reclaim, of which switches take less than a tenth. */
function readsOf({ threads }: RunSummary): number[] {
  return threads
    .filter(({ name }) => /^trace-reader/.test(name))
    .map(({ runningNs, scanNs, unmapNs, storeNs, slabNs, fileNs }) =>
      Math.round((runningNs - scanNs - unmapNs - storeNs - slabNs - fileNs) / (16 * PAGE_NS)),
    )
}

describe('readers of the trace’s buffers', () => {
  it('sleep to the end where events stay below the mark: nothing else changes', () => {
    const { threads: _, ...without } = run(pressure()).summary
    const { threads, ...summary } = run(recorded({ wakesAtPages: NEVER })).summary
    expect(summary).toEqual(without)
    expect(threads.filter(({ name }) => /^trace-reader/.test(name))).toHaveLength(2)
  })

  it('take 16 pages at a time for as long as the buffer is above the mark', () => {
    const rare = { direct: 1 }
    const reads = (unread: number) =>
      readsOf(run(recorded({ wakesAtPages: 40, bytes: rare, unreadPages: [unread] })).summary)
    expect(reads(39)).toEqual([0, 0])
    expect(reads(40)).toEqual([1, 0])
    expect(reads(100)).toEqual([4, 0])
  })

  it('follow the events that steps write', () => {
    const { summary } = run(recorded({ wakesAtPages: 40 }))
    const pages = Math.floor((summary.swapOuts * SWAP_OUT_BYTES) / TRACE_PAGE_BYTES)
    const reads = readsOf(summary).reduce((sum, count) => sum + count, 0)
    // Each CPU keeps what is below its mark.
    expect(reads).toBeGreaterThanOrEqual(Math.floor((pages - 2 * 40) / 16))
    expect(reads).toBeLessThanOrEqual(Math.ceil(pages / 16))
  })

  it('keep what they copied in memory, so that more is swapped out for them', () => {
    const without = run(pressure()).summary
    const { summary } = run(recorded({ wakesAtPages: 40 }))
    expect(summary.swapOuts).toBeGreaterThan(without.swapOuts)
  })
})
