import { counterRise } from './machine.ts'
import {
  BEGINS_RECLAIM,
  ENDS_RECLAIM,
  EVENT,
  isAnonWrite,
  type Recording,
  RecordingBuilder,
  UNSEEN_ENTRIES,
} from './recording.ts'
import { findMemoryUsers, isFilledByKernel } from './threads.ts'
import { eventAt } from './work-share.ts'

/** A recording in which every swap-in has an event. */
export interface WithSwapIns {
  readonly recording: Recording
  /** Swap-ins that only counters beside the trace tell of. */
  readonly unseen: number
}

interface Stretch {
  readonly tid: number
  readonly cpu: number
  readonly fromNs: number
  readonly toNs: number
}

interface SwapIn {
  readonly ns: number
  readonly tid: number
  readonly cpu: number
}

/**
 * Without a probe of swap-ins their memory would pass for allocations. Counters tell how many there were; memory that a task asks for
 * without having it zeroed tells from when on it swaps in. They are spread evenly over the CPU time of those tasks since then, and each
 * brings back a page that was written before, drawn from those still out.
 */
export function withUnseenSwapIns(recording: Recording): WithSwapIns {
  const count = recording.kind.includes(EVENT.read) ? 0 : countSwapIns(recording)
  const stretches = count > 0 ? findStretches(recording, findBegins(recording)) : []
  const swapIns = spread(stretches, count)
  if (swapIns.length === 0) return { recording, unseen: 0 }
  const entries = drawEntries(recording, swapIns)
  const builder = new RecordingBuilder()
  let written = 0
  builder.addAll(recording, (i) =>
    isAnonWrite(recording, i) ? UNSEEN_ENTRIES + written++ : (recording.c[i] ?? 0),
  )
  swapIns.forEach(({ ns, cpu, tid }, n) => {
    const entry = entries[n] ?? -1
    // Between the events around it, in their own order.
    const rank = eventAt(recording, ns) - 1 + (n + 1) / (swapIns.length + 1)
    if (entry >= 0) builder.add(rank, EVENT.read, ns, cpu, tid, entry, 0, 0, 0)
  })
  return {
    recording: { ...recording, ...builder.finish() },
    unseen: entries.filter((entry) => entry >= 0).length,
  }
}

function countSwapIns(recording: Recording): number {
  return ['pswpin', 'zswpin', 'swpin_zero'].reduce(
    (sum, name) => sum + (counterRise(recording, `vmstat.${name}`) ?? 0),
    0,
  )
}

/** When each task with anonymous memory first met low memory with an allocation that the kernel fills. */
function findBegins(recording: Recording): ReadonlyMap<number, number> {
  const { owners } = findMemoryUsers(recording)
  const begins = new Map<number, number>()
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    if (kind !== EVENT.directBegin && kind !== EVENT.wakeKswapd) continue
    const tid = recording.tid[i] ?? 0
    if (owners.has(tid) && !begins.has(tid) && isFilledByKernel(recording.b[i] ?? 0))
      begins.set(tid, recording.ns[i] ?? 0)
  }
  return begins
}

/** Where those tasks ran for themselves since their begins. */
function findStretches(recording: Recording, begins: ReadonlyMap<number, number>): Stretch[] {
  const stretches: Stretch[] = []
  const running = new Map<number, { readonly ns: number; readonly cpu: number }>()
  const reclaiming = new Set<number>()
  const begin = (tid: number, ns: number, cpu: number): void => {
    const from = begins.get(tid)
    if (from !== undefined && !reclaiming.has(tid))
      running.set(tid, { ns: Math.max(from, ns), cpu })
  }
  const end = (tid: number, toNs: number): void => {
    const since = running.get(tid)
    if (since !== undefined && toNs > since.ns)
      stretches.push({ tid, cpu: since.cpu, fromNs: since.ns, toNs })
    running.delete(tid)
  }
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i] ?? -1
    const ns = recording.ns[i] ?? 0
    const cpu = recording.cpu[i] ?? 0
    if (kind === EVENT.switch) {
      end(recording.a[i] ?? 0, ns)
      begin(recording.c[i] ?? 0, ns, cpu)
    } else if (BEGINS_RECLAIM.has(kind)) {
      const tid = recording.tid[i] ?? 0
      end(tid, ns)
      reclaiming.add(tid)
    } else if (ENDS_RECLAIM.has(kind)) {
      const tid = recording.tid[i] ?? 0
      reclaiming.delete(tid)
      begin(tid, ns, cpu)
    }
  }
  return stretches
}

function spread(stretches: readonly Stretch[], count: number): SwapIn[] {
  const total = stretches.reduce((sum, { fromNs, toNs }) => sum + toNs - fromNs, 0)
  const step = total / count
  const swapIns: SwapIn[] = []
  let left = step / 2
  for (const { tid, cpu, fromNs, toNs } of stretches) {
    let ns = fromNs + left
    for (; ns < toNs; ns += step) swapIns.push({ ns: Math.round(ns), tid, cpu })
    left = ns - toNs
  }
  return swapIns.sort((x, y) => x.ns - y.ns)
}

/** Multiples of it, less their whole part, fill the unit interval evenly. */
const GOLDEN_RATIO = 0.6180339887498949

/** For each swap-in one of the pages that are out then; -1 = none is. */
function drawEntries(recording: Recording, swapIns: readonly SwapIn[]): number[] {
  const out: number[] = []
  let event = 0
  let written = 0
  return swapIns.map(({ ns }, n) => {
    for (; event < recording.length && (recording.ns[event] ?? 0) < ns; event++)
      if (isAnonWrite(recording, event)) out.push(UNSEEN_ENTRIES + written++)
    const drawn = Math.floor((((n + 1) * GOLDEN_RATIO) % 1) * out.length)
    const entry = out[drawn] ?? -1
    const last = out.pop()
    if (last !== undefined && drawn < out.length) out[drawn] = last
    return entry
  })
}
