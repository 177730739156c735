import { PstraceError } from '../model/error.ts'
import type { Memcg } from './memcgs.ts'
import * as P from './pages.ts'
import type { Lane } from './ranks.ts'
import type { Scheduler } from './scheduler.ts'
import { SLEEPING } from './thread.ts'

/** What holds of every page at every moment between two events; returns how many of them hold a frame. */
export function checkPages(
  pages: P.Pages,
  now: number,
  holdsContent: (slot: number) => boolean,
): number {
  const broken = (page: number, what: string): PstraceError =>
    new PstraceError('replay-invariant', `page ${page} at ${now} ns: ${what}`)
  let used = 0
  let listed = 0
  let unlisted = 0
  let highest = -1
  const { capacity, list, order, slot: slots, state: states } = pages
  for (let page = 0; page < capacity; page++) {
    const slot = slots[page] as number
    if (slot >= 0) highest = Math.max(highest, slot + (1 << (order[page] as number)) - 1)
  }
  const owners = new Int32Array(highest + 1).fill(-1)
  for (let page = 0; page < capacity; page++) {
    const state = states[page] as number
    const hasFrame = state !== P.FREE && state !== P.SWAPPED
    const count = 1 << (order[page] as number)
    const isListed = (list[page] as number) >= 0
    if (hasFrame) used += count
    if (hasFrame && !isListed) unlisted++
    if (isListed) {
      listed += count
      if (!hasFrame || state === P.DYING) throw broken(page, 'is on a list and holds no frame')
      if (Math.floor((list[page] as number) / P.LISTS) !== pages.lruvecOf(page))
        throw broken(page, "is on another memory cgroup's or node's list")
    }
    const slot = slots[page] as number
    if (slot < 0) {
      if (state !== P.FREE && state !== P.RESIDENT && state !== P.DYING)
        throw broken(page, 'is swapped out, or on its way, without a slot')
      continue
    }
    for (let at = slot; at < slot + count; at++) {
      const other = owners[at] as number
      if (other >= 0) throw broken(page, `has slot ${at}, as page ${other} has`)
      owners[at] = page
      if ((state === P.SWAPPED || state === P.STORED) && !holdsContent(at))
        throw broken(page, `is lost: its slot ${at} holds nothing`)
    }
  }
  if (unlisted > pages.isolated)
    throw new PstraceError(
      'replay-invariant',
      `${unlisted} folios in memory are on no list at ${now} ns; reclaim has taken ${pages.isolated} off them`,
    )
  let sizes = 0
  for (const size of pages.sizes) sizes += size
  if (sizes !== listed)
    throw new PstraceError(
      'replay-invariant',
      `the lists count ${sizes} pages at ${now} ns; ${listed} are on them`,
    )
  return used
}

/** Every cgroup is charged for the pages in memory that are its own or of those below, for those on their way to a list, and for what CPUs keep for it. */
export function checkCharges(pages: P.Pages, tree: readonly Memcg[]): void {
  if (pages.memcg === undefined) return
  const held = tree.map(({ arriving, stocked }) => arriving + stocked)
  for (let page = 0; page < pages.capacity; page++) {
    const state = pages.state[page] as number
    const memcg = pages.memcg[page] as number
    if (state !== P.FREE && state !== P.SWAPPED)
      held[memcg] = (held[memcg] as number) + pages.pagesOf(page)
  }
  for (const { index, end, pages: charged } of tree) {
    const below = held.slice(index, end).reduce((sum, count) => sum + count, 0)
    if (charged !== below)
      throw new PstraceError(
        'replay-invariant',
        `memory cgroup ${index} is charged for ${charged} pages; ${below} are in memory`,
      )
  }
}

/** Every store under way has a folio of its own that is in no other state meanwhile. */
export function checkStores(pages: P.Pages, now: number, underWay: number): void {
  let storing = 0
  const { capacity, state } = pages
  for (let page = 0; page < capacity; page++) if (state[page] === P.STORING) storing++
  if (storing !== underWay)
    throw new PstraceError(
      'replay-invariant',
      `${underWay} stores are under way at ${now} ns; ${storing} folios are being stored`,
    )
}

/** Every folio that a policy has been given and nobody stores yet is in one of its queues, once, or in the hands of one of its programs. */
export function checkQueued(
  pages: P.Pages,
  of: {
    readonly policy: string
    readonly queued: readonly number[]
    readonly inHands: number
  },
): void {
  const { policy, queued, inHands } = of
  const seen = new Set<number>()
  for (const page of queued) {
    if (seen.has(page) || pages.state[page] !== P.QUEUED)
      throw new PstraceError(
        'replay-invariant',
        `policy ${policy}: page ${page} waits in a queue ${seen.has(page) ? 'twice' : 'and is not on its way to swap'}`,
      )
    seen.add(page)
  }
  let given = 0
  const { capacity, state } = pages
  for (let page = 0; page < capacity; page++) if (state[page] === P.QUEUED) given++
  if (given !== queued.length + inHands)
    throw new PstraceError(
      'replay-invariant',
      `policy ${policy} was given ${given} folios; ${queued.length} wait in its queues and its programs hold ${inHands}`,
    )
}

/** Order of kswapd's folios, where nothing may overtake. */
export function checkOrder(lane: Lane, node: number, isSynchronous: boolean): void {
  const { startInversions, doneInversions } = lane
  if (startInversions === 0 && (!isSynchronous || doneInversions === 0)) return
  throw new PstraceError(
    'replay-invariant',
    `kswapd${node}: ${startInversions} stores began and ${doneInversions} ended before those of older folios, under a policy that keeps the order`,
  )
}

/** Every thread is in exactly one place: asleep or not there, on a CPU, or in one's queue. */
export function checkThreads({ threads, cpus, now }: Scheduler): void {
  for (const thread of threads) {
    let places = thread.state >= SLEEPING ? 1 : 0
    for (const cpu of cpus) {
      if (cpu.current === thread) places++
      for (const queued of cpu.queue) if (queued === thread) places++
    }
    if (places !== 1)
      throw new PstraceError(
        'replay-invariant',
        `thread ${thread.name} is in ${places} places at ${now} ns; expected one`,
      )
  }
}
