import { OutsideCase } from './case.ts'
import type { Program, Thread } from './clock.ts'
import type { Machine } from './machine.ts'
import { CLUSTER, newScan, shrinkNode } from './shrink.ts'

/** Rounds of direct reclaim without a page before the kernel would kill (MAX_RECLAIM_RETRIES). */
const HOPELESS = 16

/** Takes frames; where there are too few, the caller reclaims. */
export function* allocate(machine: Machine, thread: Thread, count: number): Program {
  const { frames, kswapd, marks } = machine
  const left = () => frames.free - (count - 1)
  let fruitless = 0
  for (;;) {
    if (left() <= marks.low) kswapd.wake()
    if (left() > marks.min) break
    yield* kswapd.throttle(thread)
    const reclaimed = yield* directReclaim(machine, thread, { mayWrite: true })
    if (left() <= marks.min) frames.drain()
    if (reclaimed > 0) fruitless = 0
    else if (++fruitless >= HOPELESS) throw new OutsideCase('nothing can be freed')
  }
  frames.take(count)
}

/** One call of try_to_free_pages: the pages it freed. */
export function* directReclaim(
  machine: Machine,
  thread: Thread,
  { mayWrite }: { readonly mayWrite: boolean },
): Program<number> {
  const { clock, costs, lists, log } = machine
  const from = clock.now
  const scan = newScan(thread, { context: 'direct', mayWrite })
  yield { spend: costs.directEntry.draw() }
  for (let round = 0; round < 3; round++) {
    for (scan.priority = 12; scan.priority >= 0; scan.priority--) {
      scan.scanned = 0
      yield* shrinkNode(machine, scan)
      if (scan.reclaimed >= CLUSTER) break
    }
    lists.seenActivations = lists.activations
    if (scan.reclaimed > 0) break
    scan.force = true
  }
  const { reclaimed } = scan
  log.spans.push({ kind: 'direct', task: thread.name, from, to: clock.now, reclaimed })
  return reclaimed
}
