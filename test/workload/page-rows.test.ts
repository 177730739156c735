import { describe, expect, it } from 'vitest'
import { buildPages } from '../../src/workload/page-rows.ts'
import { RecordingBuilder } from '../../src/workload/recording.ts'
import { PAGE_KINDS } from '../../src/workload/types.ts'
import { madeRecording } from './made-recording.ts'

const RESIDENT = 100
type Readings = readonly [first: number, last: number]

/** Shared pages on the list at the start, by two readings of the counters. */
function sharedOf(shmem: Readings, unevictable: Readings): number {
  const readings = ([first, last]: Readings) => [
    { ns: 0, value: first },
    { ns: 1, value: last },
  ]
  const recording = madeRecording(new RecordingBuilder(), {
    endNs: 2,
    samples: new Map([
      ['vmstat.nr_shmem', readings(shmem)],
      ['vmstat.nr_unevictable', readings(unevictable)],
    ]),
  })
  const { kind } = buildPages({
    stores: { list: [] },
    identities: {
      length: RESIDENT,
      resident: RESIDENT,
      nodeAtStart: new Uint8Array(RESIDENT),
      inSwap: 0,
      ofStore: new Int32Array(0),
      ofTouch: new Int32Array(0),
      folio: undefined,
    },
    isUnmapped: new Map(),
    allocations: { length: 0, task: new Int32Array(0) },
    recording,
    nodes: [],
    cached: 0,
  })
  return kind.filter((of) => of === PAGE_KINDS.indexOf('shmem')).length
}

describe('shared memory that reclaim can meet', () => {
  it('is all that there was where none is locked', () => {
    expect(sharedOf([60, 55], [0, 0])).toBe(60)
  })

  it('is without what is locked in memory', () => {
    expect(sharedOf([60, 55], [0, 50])).toBe(10)
  })

  it('is at least what left, since anonymous pages may be locked as well', () => {
    expect(sharedOf([60, 40], [0, 50])).toBe(20)
  })

  it('is none where more is locked than is shared', () => {
    expect(sharedOf([60, 65], [0, 80])).toBe(0)
  })
})
