import { describe, expect, it } from 'vitest'
import { withHandOvers } from '../../src/workload/hand-overs.ts'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { APP, madeRecording } from './made-recording.ts'

const MS = 1e6
const WRITER = 200
const KWORKER = 20
const ROUNDS = 40
const { blocked, runnable, sleeping } = STATE

type Stay = readonly [tid: number, ms: number, left: number]

/** They have the one CPU after each other, round for round. */
function taking(stays: readonly Stay[], inside?: { readonly tid: number }): Recording {
  const builder = new RecordingBuilder()
  let rank = 0
  let ns = 0
  const all = Array.from({ length: ROUNDS }, () => stays).flat()
  all.forEach(([tid, ms, left], n) => {
    if (tid === inside?.tid) builder.add(rank++, EVENT.gate, ns, 0, tid, n, 0, 0, 0)
    ns += ms * MS
    const next = all[n + 1]?.[0] ?? 0
    builder.add(rank++, EVENT.switch, ns, 0, tid, tid, left, next, 0)
  })
  const task = (tid: number, comm: string, kind: string) =>
    [tid, { taskId: tid, tgid: -1, tid, comm, kind }] as const
  return madeRecording(builder, {
    endNs: ns,
    tasks: new Map([
      task(APP, 'app', 'user'),
      task(WRITER, 'writer', 'user'),
      task(KWORKER, 'kworker/u8:1', 'kworker'),
    ]),
  })
}

/** Who leaves the CPU when, in which state, for whom; of one round that is neither first nor last. */
function round(recording: Recording, switches: number): number[][] {
  const found: number[][] = []
  for (let i = 0; i < recording.length; i++)
    if (recording.kind[i] === EVENT.switch)
      found.push([recording.a[i] ?? 0, recording.b[i] ?? 0, recording.c[i] ?? 0])
  return found.slice(switches, 2 * switches)
}

describe('a kernel thread that works for one process', () => {
  it('has its runs as that process has them, which waits for them or is preempted by them', () => {
    const recording = taking([
      [WRITER, 1, blocked],
      [KWORKER, 0.1, sleeping],
      [WRITER, 0.5, runnable],
      [KWORKER, 0.1, sleeping],
      [WRITER, 0.3, sleeping],
      [APP, 6, runnable],
    ])
    const found = withHandOvers(recording)
    expect(round(found, 2)).toEqual([
      [WRITER, sleeping, APP],
      [APP, runnable, WRITER],
    ])
    expect(found.ns[0]).toBe(2 * MS)
  })

  it('leaves it waiting for the CPU where another has that next', () => {
    const recording = taking([
      [WRITER, 1, blocked],
      [KWORKER, 0.1, sleeping],
      [APP, 6, sleeping],
    ])
    expect(round(withHandOvers(recording), 2)).toEqual([
      [WRITER, runnable, APP],
      [APP, sleeping, WRITER],
    ])
  })

  it.each<readonly [string, readonly Stay[], { readonly tid: number } | undefined]>([
    [
      'it follows whoever has the CPU',
      [
        [APP, 8, runnable],
        [KWORKER, 0.1, sleeping],
        [APP, 8, sleeping],
        [WRITER, 1, sleeping],
      ],
      undefined,
    ],
    [
      'the process sleeps by its own will when it comes',
      [
        [WRITER, 1, sleeping],
        [KWORKER, 0.1, sleeping],
        [APP, 6, runnable],
      ],
      undefined,
    ],
    [
      'it does not go to sleep',
      [
        [WRITER, 1, blocked],
        [KWORKER, 0.1, runnable],
        [APP, 6, runnable],
      ],
      undefined,
    ],
    [
      'it reclaims or stores',
      [
        [WRITER, 1, blocked],
        [KWORKER, 0.1, sleeping],
        [APP, 6, runnable],
      ],
      { tid: KWORKER },
    ],
  ])('is none where %s', (_, stays, inside) => {
    const recording = taking(stays, inside)
    expect(withHandOvers(recording)).toBe(recording)
  })
})
