import { describe, expect, it } from 'vitest'
import { recognisePolicy } from '../../src/workload/recorded-policy.ts'
import { EVENT, type Recording, RecordingBuilder } from '../../src/workload/recording.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

const WORKER = 60

interface Played {
  readonly comm?: string
  /** Folios that have room in the queue. */
  readonly room: number
  /** As much of what was given is stored before the next is given: less than one fills the queue. */
  readonly keepsUp?: number
  /** When full, the oldest is stored by the giver and the newest queued, as parallel-swapper does. */
  readonly displaces?: boolean
  readonly stores?: number
  readonly reclaims?: readonly number[]
  readonly rotated?: number
}

/** kswapd gives folios at its gate; a worker takes the oldest, and is seen to have it when it begins to store. */
function played({ keepsUp = 0.5, stores = 2000, reclaims = [], ...given }: Played): Recording {
  const builder = new RecordingBuilder()
  let rank = 0
  const add = (kind: number, tid: number, entry: number): void =>
    builder.add(rank, kind as typeof EVENT.gate, rank++, 0, tid, entry, 0, 0, 0)
  const queue: number[] = []
  const store = (tid: number): void => {
    add(EVENT.store, tid, queue.shift() ?? -1)
    add(EVENT.storeReturn, tid, 0)
  }
  let owed = 0
  for (let entry = 0, stored = 0; stored < stores; entry++) {
    add(EVENT.gate, KSWAPD, entry)
    // A zero page, which is never queued.
    if (entry % 12 === 5) {
      add(EVENT.gateReturn, KSWAPD, 0)
      continue
    }
    const isFull = queue.length >= given.room
    if (isFull && given.displaces === true) store(KSWAPD)
    // Stored within the gate, which has no event of its own.
    if (!isFull || given.displaces === true) queue.push(entry)
    add(EVENT.gateReturn, KSWAPD, 0)
    for (owed += keepsUp; owed >= 1 && queue.length > 0; owed--, stored++) store(WORKER)
  }
  for (const tid of reclaims) add(EVENT.directBegin, tid, 0)
  const counters = new Map(
    given.rotated === undefined
      ? []
      : [
          [
            'vmstat.pgrotated',
            [
              { ns: 0, value: 7 },
              { ns: rank, value: 7 + given.rotated },
            ],
          ],
        ],
  )
  const made = madeRecording(builder, { endNs: rank, samples: counters })
  return {
    ...made,
    tasks: new Map([
      ...made.tasks,
      [
        WORKER,
        {
          taskId: 3,
          tgid: -1,
          tid: WORKER,
          comm: given.comm ?? 'kcompressd0',
          kind: 'compressor',
        },
      ],
    ]),
  }
}

function tunables(of: Played): Record<string, number> {
  const found = recognisePolicy(played(of), 1).recordedTunables ?? {}
  return Object.fromEntries(Object.entries(found).map(([name, { value }]) => [name, value]))
}

const many = (tid: number, times: number): number[] => Array<number>(times).fill(tid)

describe('a recording under kcompressd', () => {
  it('tells how many folios its queue takes, once that was full', () => {
    expect(tunables({ room: 32 })).toEqual({ 'pstrace.fifo': 32 })
    expect(tunables({ room: 200 })).toEqual({ 'pstrace.fifo': 200 })
  })

  it('does not, where the worker keeps up', () => {
    expect(tunables({ room: 32, keepsUp: 1 })).toEqual({})
  })

  it('has a worker that may use the reserves, where others reclaimed for themselves and it did not', () => {
    expect(tunables({ room: 9, reclaims: many(APP, 29) })).not.toHaveProperty('pstrace.memalloc')
    expect(tunables({ room: 9, reclaims: many(APP, 30) })['pstrace.memalloc']).toBe(1)
    expect(tunables({ room: 9, reclaims: [...many(APP, 30), WORKER] })['pstrace.memalloc']).toBe(0)
  })

  it('rotates what it stored, where the kernel counted as many', () => {
    expect(tunables({ room: 9, rotated: 1990 })['pstrace.rotate']).toBe(1)
    expect(tunables({ room: 9, rotated: 3 })['pstrace.rotate']).toBe(0)
    expect(tunables({ room: 9, rotated: 500 })).not.toHaveProperty('pstrace.rotate')
    expect(tunables({ room: 9 })).not.toHaveProperty('pstrace.rotate')
  })

  it('tells nothing by a few stores', () => {
    expect(tunables({ room: 9, stores: 999, rotated: 999, reclaims: many(APP, 99) })).toEqual({})
  })
})

describe('a recording under parallel', () => {
  const comm = 'kworker/u9:1'
  it('has as many folios in its queue as found room beside the newest, which displaces the oldest', () => {
    const found = recognisePolicy(played({ comm, room: 6, displaces: true }), 1)
    expect(found.recordedPolicy.value).toBe('parallel')
    expect(found.recordedTunables?.['vm.parallel_swap_factor']).toMatchObject({
      value: 6,
      basis: 'event',
    })
  })
})

it('a recording without workers tells no tunables', () => {
  const recording = {
    ...played({ room: 9 }),
    tasks: madeRecording(new RecordingBuilder(), { endNs: 1 }).tasks,
  }
  expect(recognisePolicy(recording, 1)).not.toHaveProperty('recordedTunables')
})
