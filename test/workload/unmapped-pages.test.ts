import { describe, expect, it } from 'vitest'
import { RECLAIM_WB_ANON } from '../../src/model/lru.ts'
import { EVENT, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { findUnmapped } from '../../src/workload/unmapped-pages.ts'
import { APP, KSWAPD, madeRecording, measureMade } from './made-recording.ts'

const STORE_NS = 50_000
const PAGES = 400

/** kswapd writes one page after the other while the application runs on the other CPU; ways to them as given. */
function written(wayNs: (page: number) => number, pages = PAGES) {
  const builder = new RecordingBuilder()
  let ns = 1000
  let rank = 0
  const add = (kind: number, tid: number, a: number, b: number, c: number): void => {
    const cpu = tid === APP ? 1 : 0
    builder.add(rank++, kind as typeof EVENT.gate, ns, cpu, tid, a, b, c, 0)
  }
  builder.add(rank++, EVENT.switch, ns, 0, 0, 0, STATE.sleeping, KSWAPD, 0)
  builder.add(rank++, EVENT.switch, ns, 1, 0, 0, STATE.sleeping, APP, 0)
  add(EVENT.isolate, KSWAPD, pages, pages, pages)
  const gates: number[] = []
  for (let page = 0; page < pages; page++) {
    ns += wayNs(page)
    gates.push(rank)
    add(EVENT.gate, KSWAPD, page, 0, 0)
    ns += STORE_NS
    add(EVENT.written, KSWAPD, 0, RECLAIM_WB_ANON, 0)
  }
  add(EVENT.batchEnd, KSWAPD, pages, pages, 0)
  const { costs, isUnmapped } = measureMade(madeRecording(builder, { cpus: 2, endNs: ns + 1 }))
  return { costs, isUnmapped, gates }
}

describe('ways that wait for no flush while another CPU runs an owner of memory', () => {
  const FLUSHED_NS = 40_000
  const SHORT_NS = 7000
  const isShort = (page: number): boolean => page % 4 === 3

  it('are those to pages that no task maps, and cost apart', () => {
    const { costs, isUnmapped, gates } = written((page) => (isShort(page) ? SHORT_NS : FLUSHED_NS))
    expect(costs.unmapShared).toMatchObject({ fixedNs: SHORT_NS, basis: 'event', n: PAGES / 4 })
    expect(costs.unmapRemoteAfterStore.fixedNs).toBe(FLUSHED_NS)
    // Nothing lies before the first page.
    for (const [page, gate] of gates.entries())
      expect(isUnmapped.get(gate)).toBe(page === 0 ? undefined : Number(isShort(page)))
  })

  it('are no kind of their own where they are few, or as many lie between', () => {
    for (const { costs, isUnmapped } of [
      written((page) => (page % 10 === 9 ? SHORT_NS : FLUSHED_NS)),
      written((page) => (isShort(page) ? SHORT_NS + 1000 * (page % 32) : FLUSHED_NS)),
      // NUMA balancing has taken the access bits of all: nobody waits.
      written((page) => 8000 + 200 * (page % 20)),
    ]) {
      expect(isUnmapped.size).toBe(0)
      expect(costs.unmapShared).toMatchObject({ n: 0, fixedNs: 0, basis: 'default' })
    }
  })
})

describe('pages that no task maps', () => {
  const events = Array.from({ length: 100 }, (_, event) => ({ event }))
  const pages = (told: readonly (readonly [number, number])[], touched: readonly number[] = []) => {
    const found = findUnmapped(events, new Map(told), {
      length: 100,
      ofStore: Int32Array.from(events, ({ event }) => event),
      ofTouch: Int32Array.from(touched),
    })
    return Array.from(found).flatMap((is, page) => (is === 1 ? [page] : []))
  }

  it('are told by the nearest store where their own way tells nothing', () => {
    const told = [
      [10, 0],
      [20, 1],
      [24, 0],
    ] as const
    // 15 lies as near to 10, which comes first; so does 22 to 20.
    expect(pages(told)).toEqual([16, 17, 18, 19, 20, 21, 22])
  })

  it('are none that lie far from every store that tells', () => {
    expect(pages([[0, 1]])).toEqual(Array.from({ length: 33 }, (_, page) => page))
  })

  it('are none that a task faulted back', () => {
    expect(pages([[0, 1]], [0])).toEqual([])
    expect(pages([[0, 1]], [1, 2]).slice(0, 3)).toEqual([0, 3, 4])
  })
})
