import { expect, it } from 'vitest'
import { EVENT, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { findMemoryUsers, Threads } from '../../src/workload/threads.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

const ZEROED = 0x100dca
const MOVABLE = 0x100cca
const NS_PER_EVENT = 1000

type Step = readonly [kind: keyof typeof EVENT, gfp?: number]

/** What the application's events, one after another, say of its memory. */
function usesAfter(steps: readonly Step[]) {
  const builder = new RecordingBuilder()
  steps.forEach(([kind, gfp = 0], k) => {
    builder.add(k, EVENT[kind], k * NS_PER_EVENT, 0, APP, 0, gfp, 0, 0)
  })
  const recording = madeRecording(builder, { endNs: steps.length * NS_PER_EVENT })
  return findMemoryUsers(recording).uses.get(APP)
}

const swapIn: readonly Step[] = [['fault'], ['directBegin', MOVABLE], ['read'], ['faultReturn']]

it('memory that was asked for zeroed is new, other movable memory is not, where the kernel tells them apart', () => {
  const use = usesAfter([...swapIn, ['directBegin', ZEROED], ['directBegin', MOVABLE]])
  expect(use).toEqual({ reads: 1, anonEvidence: 1, fileEvidence: 0 })
})

it('movable memory outside swap-ins is new where the kernel never asks for zeroed pages', () => {
  const use = usesAfter([...swapIn, ['directBegin', MOVABLE], ['wakeKswapd', MOVABLE], ...swapIn])
  expect(use).toEqual({ reads: 2, anonEvidence: 2, fileEvidence: 0 })
})

it('who never swaps in reads files, as far as movable memory that is not zeroed says', () => {
  expect(usesAfter([['directBegin', MOVABLE]])).toEqual({
    reads: 0,
    anonEvidence: 0,
    fileEvidence: 1,
  })
})

it('who may unmap pages beside a thread: kernel threads that have done so, and tasks while they reclaim', () => {
  const OTHER = 101
  const builder = new RecordingBuilder()
  const runs = (from: number, to: number) => [EVENT.switch, 0, from, STATE.sleeping, to] as const
  const script = [
    [runs(0, KSWAPD), 'none'],
    [[EVENT.gate, KSWAPD, 0, 0, 0], 'kernel'],
    [runs(KSWAPD, OTHER), 'none'],
    [[EVENT.directBegin, OTHER, 0, 0, 0], 'task'],
    [[EVENT.directEnd, OTHER, 0, 0, 0], 'none'],
    [runs(OTHER, KSWAPD), 'kernel'],
    [runs(KSWAPD, 0), 'none'],
  ] as const
  script.forEach(([[kind, tid, a, b, c]], k) => {
    builder.add(k, kind, k * NS_PER_EVENT, 0, tid, a, b, c, 0)
  })
  const made = madeRecording(builder, { cpus: 2, endNs: script.length * NS_PER_EVENT })
  const tasks = new Map(made.tasks)
  tasks.set(OTHER, { taskId: 3, tgid: -1, tid: OTHER, comm: 'other', kind: 'user' })
  const threads = new Threads({ ...made, tasks }, new Set([APP, OTHER]))
  const app = threads.get(APP)
  const found = script.map((_, k) => {
    threads.step(k)
    return threads.unmapperBeside(app)
  })
  expect(found).toEqual(script.map(([, beside]) => beside))
})
