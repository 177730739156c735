import { describe, expect, it } from 'vitest'
import { RECLAIM_WB_ANON } from '../../src/model/lru.ts'
import { placeKept } from '../../src/workload/kept-pages.ts'
import type { ListedStore, Touch } from '../../src/workload/page-events.ts'
import { EVENT, type EventKind, RecordingBuilder } from '../../src/workload/recording.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

const WORKER = 60

interface Given {
  /** Entries handed to a worker, one every 1000 ns; `inline`: those that kswapd stored itself. */
  readonly stored: readonly number[]
  readonly inline?: readonly number[]
  /** By time, pages that a batch freed. */
  readonly freed?: readonly (readonly [ns: number, pages: number])[]
  /** Time, entry (-1: nothing was read) and address. */
  readonly touched: readonly (readonly [ns: number, entry: number, address: number])[]
}

/** The entries of the touches. */
function place({ stored, inline = [], freed = [], touched }: Given): number[] {
  const builder = new RecordingBuilder()
  const stores: ListedStore[] = []
  const add = (ns: number, kind: EventKind, tid: number, values: readonly number[]) => {
    const [a = 0, b = 0, c = 0] = values
    builder.add(ns, kind, ns, 0, tid, a, b, c, 0)
  }
  const events: (() => void)[] = []
  const times: number[] = []
  const at = (ns: number, kind: EventKind, tid: number, ...values: number[]) => {
    times.push(ns)
    events.push(() => add(ns, kind, tid, values))
  }
  stored.forEach((entry, n) => {
    const ns = 1000 * (n + 1)
    const isInline = inline.includes(entry)
    at(ns, EVENT.gate, KSWAPD, entry)
    if (isInline) at(ns + 1, EVENT.store, KSWAPD, entry)
    at(ns + 2, EVENT.gateReturn, KSWAPD)
    if (!isInline) at(ns + 3, EVENT.store, WORKER, entry)
  })
  for (const [ns, pages] of freed) at(ns, EVENT.batchEnd, KSWAPD, 32, pages, RECLAIM_WB_ANON)
  const order = times.map((_, n) => n).sort((x, y) => (times[x] ?? 0) - (times[y] ?? 0))
  for (const n of order) events[n]?.()
  const recording = madeRecording(builder, { endNs: 1_000_000 })
  for (let i = 0; i < recording.length; i++)
    if (recording.kind[i] === EVENT.gate)
      stores.push({
        ...{ event: i, ns: recording.ns[i] ?? 0, entry: recording.a[i] ?? 0 },
        ...{ isSame: false, node: 0 },
      })
  const touches: Touch[] = touched.map(([ns, entry, address]) => ({
    ...{ ns, entry, address, space: APP, task: 0, node: 0, own: ns },
  }))
  return placeKept(recording, stores, touches, 0).map(({ entry }) => entry)
}

describe('a fault that reads nothing', () => {
  const stored = [10, 11, 12, 13, 14, 15, 16, 17]

  it('meets a page that waits to be freed: the last ones, as many as are not', () => {
    const touched = [20, 21, 22].map((address) => [9000, -1, address] as const)
    const freed = [[8500, 6]] as const
    const placed = place({ stored, freed, touched })
    expect(placed.slice(0, 2).sort()).toEqual([16, 17])
    expect(placed[2]).toBe(-1)
  })

  it('meets none that was freed at once, nor one that is read from swap later', () => {
    const [ns, later] = [9000, 20_000]
    const touched = [
      [ns, -1, 20],
      [ns, -1, 21],
      [later, 16, 22],
    ] as const
    const freed = [[8500, 5]] as const
    expect(place({ stored, inline: [15], freed, touched })).toEqual([
      expect.toSatisfy((entry) => entry === 14 || entry === 17),
      expect.toSatisfy((entry) => entry === 14 || entry === 17),
      16,
    ])
  })

  it('meets the page that was stored beside those at addresses beside its own', () => {
    for (const [away, entry] of [
      [-3, 11],
      [-1, 13],
      [1, 15],
      [3, 17],
    ] as const)
      expect(
        place({
          stored,
          touched: [
            [9000, -1, 100 + away],
            [20_000, 14, 100],
          ],
        }),
      ).toEqual([entry, 14])
  })

  it('is left alone where its address is read at another time, and meets the same page when it comes again', () => {
    const touched = [
      [9000, -1, 20],
      [9500, -1, 20],
      [9600, -1, 30],
      [20_000, 12, 30],
    ] as const
    const [first, second, named] = place({ stored, touched })
    expect(first).toBeGreaterThanOrEqual(10)
    expect([second, named]).toEqual([-1, -1])
  })
})
