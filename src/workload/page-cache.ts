import type { TaskClock } from './clocks.ts'
import { counterRise } from './machine.ts'
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
  /** Pages read from the start to a moment. */
  readBy(ns: number): number
}

/** Bytes that are read at once: the kernel's default readahead (VM_READAHEAD_PAGES, include/linux/mm.h). */
const READAHEAD = 128 * 1024

/**
 * Reads of the page cache leave no event; what reclaim takes back does, some time after they were read. In all as much is read as is taken
 * back, evenly on the reader's own clock, before memory was low as well; what is taken back before it can have been read since the start
 * was there then. What was evicted and read once more is no read of the reader's own: who replays it finds such reads itself.
 */
export function readPageCache(
  recording: Recording,
  clocks: readonly TaskClock[],
  users: MemoryUsers,
  startEvent: number,
): PageCache {
  const taken = listTaken(recording, startEvent)
  const all = taken.reduce((sum, { pages }) => sum + pages, 0)
  const task = findReader(clocks, users)
  const clock = clocks[task]
  const rate = clock === undefined ? 0 : all / Math.max(1, clock.beforeNs + clock.ownNs)
  const atRate = (ns: number): number => rate * (clock?.ownAt(ns) ?? 0)
  let sum = 0
  let atStart = 0
  for (const { ns, pages } of taken) {
    sum += pages
    atStart = Math.max(atStart, Math.round(sum - atRate(ns)))
  }
  const total = Math.max(0, all - atStart - readAgain(recording))
  const freshRate = (rate * total) / Math.max(1, all - atStart)
  const most = Math.max(1, Math.floor(READAHEAD / recording.pageSize))
  const count = Math.ceil(total / most)
  return {
    atStart,
    reads: {
      total,
      task,
      ns: Float64Array.from(
        { length: count },
        (_, n) => clock?.wallAt((n * most) / freshRate) ?? 0,
      ),
      pages: Float64Array.from({ length: count }, (_, n) => Math.min(most, total - n * most)),
    },
    readBy: (ns) => Math.min(all - atStart, atRate(ns)),
  }
}

/** Pages of files that came back after they were evicted, by vmstat. */
export function readAgain(recording: Recording): number {
  return counterRise(recording, 'vmstat.workingset_refault_file') ?? 0
}

interface Taken {
  readonly ns: number
  readonly pages: number
}

/** Page-cache pages that reclaim took back since the start. */
function listTaken(recording: Recording, startEvent: number): Taken[] {
  const taken: Taken[] = []
  for (let i = startEvent; i < recording.length; i++) {
    const isFile = ((recording.c[i] ?? 0) & RECLAIM_FILE) !== 0
    const pages = recording.b[i] ?? 0
    if (recording.kind[i] === EVENT.batchEnd && isFile && pages > 0)
      taken.push({ ns: recording.ns[i] ?? 0, pages })
  }
  return taken
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
