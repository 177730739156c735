import { expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import type { ReplayLogEvent } from '../../src/replay/recorder.ts'
import { replay } from '../../src/replay/replay.ts'
import { CountingBackend, plainContents } from './build.ts'
import { pressure } from './scenarios.ts'

it.each(policies.map((policy) => [policy.name, policy] as const))(
  '%s: order, conservation and spans can be counted again from the log alone',
  (_name, policy) => {
    const log: ReplayLogEvent[] = []
    const { summary } = replay(pressure({ pages: 4000, touches: 2000 }), {
      policy,
      backend: new CountingBackend(3),
      contents: plainContents,
      log: (event) => log.push(event),
    })
    let now = 0
    let stored = 0
    let inversions = 0
    let directNs = 0
    let throttleNs = 0
    let directs = 0
    /** Ranks submitted and not yet started. */
    const waiting = new Set<number>()
    /** Pages whose latest event was a store. */
    const held = new Set<number>()
    for (const { ns, event, page, value } of log) {
      expect(ns).toBeGreaterThanOrEqual(now)
      now = ns
      if (event === 'submit') waiting.add(value)
      else if (event === 'start') {
        expect(waiting.delete(value)).toBe(true)
        for (const rank of waiting) if (rank < value) inversions++
      } else if (event === 'stored') {
        stored++
        held.add(page)
      } else if (event === 'freed') expect(held.delete(page)).toBe(true)
      else if (event === 'direct') {
        directs++
        directNs += value
      } else if (event === 'throttle') throttleNs += value
    }
    expect(stored).toBe(summary.stores)
    expect(inversions).toBe(summary.startInversions)
    expect(directs).toBe(summary.all.count)
    expect(directNs).toBe(summary.all.totalNs)
    expect(throttleNs).toBe(summary.all.throttledNs)
  },
)
