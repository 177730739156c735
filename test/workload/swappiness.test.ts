import { describe, expect, it } from 'vitest'
import { EVENT, RecordingBuilder } from '../../src/workload/recording.ts'
import { findSwappiness } from '../../src/workload/swappiness.ts'
import { KSWAPD, madeRecording } from './made-recording.ts'

const MS = 1e6

/** Batches at the default priority: of each group's lists some ms apart, of the groups 100 ms. */
function scans(
  groups: readonly (readonly number[])[],
  apartMs = 1,
  snapshot: Readonly<Record<string, string>> = {},
) {
  const builder = new RecordingBuilder()
  let rank = 0
  let ns = 0
  for (const group of groups) {
    for (const taken of group) {
      builder.add(rank++, EVENT.batchEnd, ns, 0, KSWAPD, taken, taken, 0, 12)
      ns += apartMs * MS
    }
    ns += 100 * MS
  }
  return madeRecording(builder, { endNs: ns, snapshot })
}

/** Lists of so many times 4096 pages, of which one scan takes all and the next a part. */
const parts = (swappiness: number): number[][] =>
  [31, 29, 26, 23, 19, 17, 16].map((whole) => [
    whole,
    Math.floor((whole * swappiness) / (400 - swappiness) - 1e-6),
  ])

describe('vm.swappiness of a recording without a snapshot of it', () => {
  it.each([60, 100, 120])('is %i where scans take that share of anonymous pages', (swappiness) => {
    expect(findSwappiness(scans(parts(swappiness)), 'classic')).toMatchObject({
      value: swappiness,
      basis: 'inferred',
      n: 7,
    })
  })

  it('is what the snapshot says, whatever scans took', () => {
    const recording = scans(parts(100), 1, { swappiness: '10\n' })
    expect(findSwappiness(recording, 'classic')).toMatchObject({ value: 10, basis: 'snapshot' })
  })

  it.each([
    ['batches are far apart', scans(parts(100), 60), 'classic'],
    ['batches are few', scans(parts(100).slice(0, 4)), 'classic'],
    ['shares disagree', scans([...parts(60), ...parts(120)]), 'classic'],
    ['several values fit', scans(Array.from({ length: 7 }, () => [13, 4])), 'classic'],
    ['the lists are generations', scans(parts(100)), 'mglru'],
  ] as const)("is the kernel's default where %s", (_case, recording, lru) => {
    expect(findSwappiness(recording, lru)).toMatchObject({ value: 60, basis: 'default' })
  })
})
