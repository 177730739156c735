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
  readonly waitNs?: number
  readonly workload?: Workload
}

function recorded(of: Recorded): Workload {
  const { wakesAtPages, bytes, unreadPages = [], waitNs = 0, workload = pressure() } = of
  const traceBuffers = {
    wakesAtBytes: based(wakesAtPages * TRACE_PAGE_BYTES),
    pageNs: based(PAGE_NS),
    waitNs: based(waitNs),
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

/** Pages that the machine's readers wrote, by CPU: from CPU time outside reclaim, of which switches take less than a tenth. */
function pagesOf({ threads }: RunSummary): number[] {
  return threads
    .filter(({ name }) => /^trace-reader/.test(name))
    .map(
      ({ runningNs, scanNs, unmapNs, storeNs, slabNs, fileNs }) =>
        (runningNs - scanNs - unmapNs - storeNs - slabNs - fileNs) / PAGE_NS,
    )
}

function readsOf(summary: RunSummary): number[] {
  return pagesOf(summary).map((pages) => Math.round(pages / 16))
}

describe('readers of the trace’s buffers', () => {
  it('sleep to the end where events stay below the mark: nothing else changes', () => {
    const { threads: _, ...without } = run(pressure()).summary
    const { threads, ...summary } = run(recorded({ wakesAtPages: NEVER })).summary
    expect(summary).toEqual(without)
    expect(threads.filter(({ name }) => /^trace-reader/.test(name))).toHaveLength(2)
  })

  it('take 16 pages at a time for as long as the buffer is above the mark', () => {
    const rare = { wakesAtPages: 40, bytes: { batch: 1 }, workload: pressure({ boost: false }) }
    const read = (unread: number) =>
      pagesOf(run(recorded({ ...rare, unreadPages: [unread] })).summary)
    expect(read(39)).toEqual([0, 0])
    // A whole number but for what switches take.
    expect(read(40)[0]).toBeCloseTo(16, 0)
    expect(read(100)[0]).toBeCloseTo(4 * 16, 0)
    expect(read(100)[1]).toBe(0)
  })

  it('follow the events that steps write', () => {
    const { summary } = run(recorded({ wakesAtPages: 40 }))
    const pages = Math.floor((summary.swapOuts * SWAP_OUT_BYTES) / TRACE_PAGE_BYTES)
    const reads = readsOf(summary).reduce((sum, count) => sum + count, 0)
    // Each CPU keeps what is below its mark.
    expect(reads).toBeGreaterThanOrEqual(Math.floor((pages - 2 * 40) / 16))
    expect(reads).toBeLessThanOrEqual(Math.ceil(pages / 16))
  })

  it('take fewer where direct reclaim frees nothing, and are woken for the rest', () => {
    const few = recorded({ wakesAtPages: 40, bytes: { direct: 1 }, unreadPages: [40] })
    const pages = pagesOf(run(few).summary)[0] as number
    expect(Math.round(pages)).toBeGreaterThan(0)
    expect(Math.round(pages)).toBeLessThan(16)
  })

  it('give back what they took for it as it is written: no more is swapped out for them', () => {
    const workload = pressure({ touches: 0, boost: false })
    const without = run(workload).summary
    const reads = { wakesAtPages: 40, bytes: { batch: 1 }, unreadPages: [40 + 30 * 16], workload }
    const { summary } = run(recorded(reads))
    expect(pagesOf(summary)[0]).toBeGreaterThan(30 * 16)
    expect(Math.abs(summary.swapOuts - without.swapOuts)).toBeLessThan(100)
  })

  it('cost their readers no switches besides: what a page took holds them', () => {
    const workload = pressure({ touches: 0, boost: false })
    const switching = {
      ...workload.costs.switch,
      samples: new Float64Array(0),
      fixedNs: PAGE_NS / 8,
    }
    const costs = { ...workload.costs, switch: switching }
    const slow = { wakesAtPages: 40, bytes: { batch: 1 }, unreadPages: [40], waitNs: 1e6 }
    const machine = { ...workload.machine, cpus: workload.machine.cpus.slice(0, 1) }
    const { summary } = run(recorded({ ...slow, workload: { ...workload, costs, machine } }))
    expect(pagesOf(summary)[0]).toBeCloseTo(16, 0)
  })

  it('wait for each page to be written, while others run', () => {
    // Where each boost does not leave it a few pages only.
    const workload = pressure({ touches: 0, boost: false })
    const { workNs } = run(workload).summary
    const slow = { wakesAtPages: 40, bytes: { batch: 1 }, unreadPages: [40], workload }
    const { summary } = run(recorded({ ...slow, waitNs: workNs / 8 }))
    expect(Math.round(pagesOf(summary)[0] as number)).toBeGreaterThan(0)
    expect(Math.round(pagesOf(summary)[0] as number)).toBeLessThan(8)
    expect(summary.workNs).toBeLessThan(1.1 * workNs)
  })
})
