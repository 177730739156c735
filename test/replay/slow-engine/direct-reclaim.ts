import { wakeupsOfEmptyRound } from '../../../src/model/vmscan.ts'
import { shareOfColdEntry, shareOfWorkersEntry } from '../../../src/model/warmth.ts'
import { OutsideCase } from './case.ts'
import { charge } from './charges.ts'
import type { Program, Thread } from './clock.ts'
import type { Group } from './groups.ts'
import type { Machine } from './machine.ts'
import { CLUSTER, newScan, shrinkNode, targetOf } from './shrink.ts'

/** Rounds of direct reclaim without a page before the kernel would kill (MAX_RECLAIM_RETRIES). */
export const HOPELESS = 16

/** Takes frames; where there are too few, the caller reclaims. */
export function* allocate(machine: Machine, thread: Thread, group: Group, count: number): Program {
  yield* charge(machine, thread, group, count)
  const { frames, kswapd, marks } = machine
  const left = () => frames.counted - (count - 1)
  let fruitless = 0
  for (;;) {
    if (left() <= marks.low) kswapd.wake()
    if (left() > marks.min) break
    yield* kswapd.throttle(thread)
    const reclaimed = yield* directReclaim(machine, thread, { mayWrite: true })
    if (reclaimed > 0 && left() <= marks.min) frames.drain()
    if (reclaimed > 0) fruitless = 0
    else if (++fruitless >= HOPELESS) throw new OutsideCase('nothing can be freed')
  }
  frames.take(count)
}

/** One call of try_to_free_pages, or for a group of try_to_free_mem_cgroup_pages: the pages it freed. */
export function* directReclaim(
  machine: Machine,
  thread: Thread,
  of: { readonly mayWrite: boolean; readonly group?: Group; readonly target?: number },
): Program<number> {
  const { clock, costs, lastReclaims, log, reclaiming } = machine
  const { target = CLUSTER, ...how } = of
  const from = clock.now
  const scan = newScan(thread, { context: 'direct', ...how })
  scan.target = target
  const group = targetOf(machine, scan)
  reclaiming.add(thread)
  const sinceNs = from - (lastReclaims.get(thread.cpu) ?? Number.NEGATIVE_INFINITY)
  const share = (of.mayWrite ? shareOfColdEntry : shareOfWorkersEntry)(sinceNs)
  yield {
    spend:
      of.group === undefined
        ? Math.round(costs.directEntry.draw() * share)
        : costs.memcgEntry.draw(),
  }
  for (let round = 0; round < 3 || scan.sparedLow; round++) {
    if (round >= 3) {
      scan.takesLow = true
      scan.sparedLow = false
      scan.force = false
    }
    for (scan.priority = 12; scan.priority >= 0; scan.priority--) {
      scan.scanned = 0
      yield* shrinkNode(machine, scan)
      if (scan.reclaimed >= target) break
      if (scan.scanned === 0 && of.group === undefined)
        yield { spend: Math.round(costs.wake.draw() * wakeupsOfEmptyRound(scan.priority)) }
    }
    group.seenActivations = group.activations
    if (scan.reclaimed > 0) break
    scan.force = true
  }
  reclaiming.delete(thread)
  if (of.group === undefined) lastReclaims.set(thread.cpu, clock.now)
  const { reclaimed } = scan
  const kind = of.group === undefined ? 'direct' : 'memcg'
  log.spans.push({ kind, task: thread.name, from, to: clock.now, reclaimed })
  return reclaimed
}
