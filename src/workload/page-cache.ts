import type { TaskClock } from './clocks.ts'
import { EVENT, type Recording } from './recording.ts'
import type { MemoryUsers } from './threads.ts'

/** RECLAIM_WB_FILE of include/trace/events/vmscan.h. */
export const RECLAIM_FILE = 0x2

export interface FileReads {
  readonly total: number
  /** Row of the task that reads. */
  readonly task: number
  readonly ns: Float64Array
  readonly pages: Float64Array
}

export interface PageCache {
  /** Pages that were in the page cache before memory was low. */
  readonly atStart: number
  readonly reads: FileReads
}

/**
 * Reads of the page cache leave no event; what reclaim takes back does. In a steady state as much is read as is taken back; what is taken back
 * faster than its reader reads has been there from the start.
 */
export function readPageCache(
  recording: Recording,
  clocks: readonly TaskClock[],
  users: MemoryUsers,
  startEvent: number,
): PageCache {
  const startNs = recording.ns[startEvent] ?? 0
  const ns: number[] = []
  const pages: number[] = []
  let total = 0
  for (let i = startEvent; i < recording.length; i++)
    if (
      recording.kind[i] === EVENT.batchEnd &&
      ((recording.c[i] ?? 0) & RECLAIM_FILE) !== 0 &&
      (recording.b[i] ?? 0) > 0
    ) {
      ns.push(recording.ns[i] ?? 0)
      pages.push(recording.b[i] ?? 0)
      total += recording.b[i] ?? 0
    }
  const task = findReader(clocks, users)
  const reading = findActivity(recording, clocks[task]?.tid ?? -1)
  const rate = total / Math.max(1, reading.toNs - reading.fromNs)
  let atStart = 0
  let taken = 0
  ns.forEach((at, row) => {
    taken += pages[row] ?? 0
    const read = rate * Math.max(0, Math.min(at, reading.toNs) - Math.max(startNs, reading.fromNs))
    atStart = Math.max(atStart, Math.round(taken - read))
  })
  let old = atStart
  pages.forEach((count, row) => {
    const fromStart = Math.min(old, count)
    old -= fromStart
    pages[row] = count - fromStart
  })
  const first = pages.findIndex((count) => count > 0)
  const kept = first < 0 ? pages.length : first
  return {
    atStart,
    reads: {
      total: total - atStart,
      task,
      ns: Float64Array.from(ns.slice(kept)),
      pages: Float64Array.from(pages.slice(kept)),
    },
  }
}

/** The task whose allocations for the page cache met low memory most often; without any, the one that allocates most. */
function findReader(clocks: readonly TaskClock[], users: MemoryUsers): number {
  let task = 0
  let most = -1
  clocks.forEach((clock, row) => {
    const use = users.uses.get(clock.tid)
    const evidence = (use?.fileEvidence ?? 0) + (use?.anonEvidence ?? 0) * 1e-6
    if (evidence > most) {
      most = evidence
      task = row
    }
  })
  return task
}

/** From when to when a task ran. */
function findActivity(recording: Recording, tid: number): { fromNs: number; toNs: number } {
  let fromNs = -1
  let toNs = 0
  for (let i = 0; i < recording.length; i++) {
    if (recording.kind[i] !== EVENT.switch || recording.c[i] !== tid) continue
    toNs = recording.ns[i] ?? 0
    if (fromNs < 0) fromNs = toNs
  }
  return { fromNs: Math.max(0, fromNs), toNs }
}
