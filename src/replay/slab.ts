import { shareOfColdPass, Warmth } from '../model/warmth.ts'
import type { Kernel } from './kernel.ts'
import type { NodeState } from './node-state.ts'
import type { Scan } from './scan.ts'
import type { Steps } from './steps.ts'
import { SLAB, type Thread } from './thread.ts'

/** SHRINK_BATCH and DEFAULT_SEEKS (mm/shrinker.c). */
const BATCH = 128
const SEEKS = 2
/** zs_compact moves objects: 52 ms for the 3059 pages it freed in a recording of 6.12, on a CPU whose store takes 70 us. */
const STORES_PER_FREED_PAGE = 0.25

/** One shrinker of the swap backend, called as do_shrink_slab calls it. */
interface Shrinker {
  readonly name: string
  /** Objects are charged to cgroups, so that reclaim for one of them calls it too (SHRINKER_MEMCG_AWARE). */
  readonly isOfMemcgs: boolean
  /** Objects put off by earlier passes (nr_deferred). */
  deferred: number
  count(): number
  /** Objects freed when asked for `count` of them, and pages that are written to the device for it. */
  scan(count: number): { readonly freed: number; readonly writes: number }
}

/** The pass over the slab shrinkers that every shrinking of a node ends with: its recorded cost, and what the backend gives back in it. */
export class Slab {
  readonly #kernel: Kernel
  readonly #shrinkers: readonly Shrinker[]
  readonly #warmth: Warmth

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    const { backend, scheduler } = kernel
    this.#warmth = new Warmth(shareOfColdPass, scheduler.cpus.length)
    const shrinkers: Shrinker[] = []
    if (backend.compactable !== undefined)
      shrinkers.push({
        name: 'zs_shrinker',
        isOfMemcgs: false,
        deferred: 0,
        count: () => backend.compactable ?? 0,
        scan: () => ({ freed: backend.compact?.() ?? 0, writes: 0 }),
      })
    if (backend.name === 'zswap' && backend.reclaimable !== undefined)
      shrinkers.push({
        name: 'zswap_shrinker',
        isOfMemcgs: true,
        deferred: 0,
        count: () => backend.reclaimable?.() ?? 0,
        scan: (count) => {
          const writes = backend.reclaim?.(count, scheduler.now).deviceWrites ?? 0
          return { freed: writes, writes }
        },
      })
    this.#shrinkers = shrinkers
  }

  /** For a cgroup only what has objects of it is called (shrink_slab_memcg): 0 of 1213 such reclaims in three recordings called any shrinker. */
  *shrink(thread: Thread, node: NodeState, scan: Scan): Steps {
    const { memcg, priority } = scan
    const isForMemcg = memcg !== undefined && memcg !== this.#kernel.memcgs.root
    if (!isForMemcg) yield* this.#pass(thread, node)
    for (const shrinker of this.#shrinkers) {
      if (isForMemcg && !shrinker.isOfMemcgs) continue
      const count = shrinker.count()
      if (count > 0) yield* this.#call(thread, node, shrinker, count, priority)
    }
  }

  /** What calling the others costs. */
  *#pass(thread: Thread, node: NodeState): Steps {
    const { scheduler, recorder, costs } = this.#kernel
    const doing = thread.doing
    const start = scheduler.now
    const ns = costs.slab.drawAt(this.#warmth.shareAt(thread.cpu, start))
    if (ns <= 0) return
    scheduler.setDoing(thread, SLAB)
    if (!scheduler.spend(thread, ns)) yield
    scheduler.setDoing(thread, doing)
    this.#warmth.ended(thread.cpu, scheduler.now)
    this.#kernel.traceReaders?.wrote('slab')
    if (recorder.recordsRows) this.#record(thread, node, undefined, start, Number.NaN, Number.NaN)
  }

  /** do_shrink_slab. */
  *#call(
    thread: Thread,
    node: NodeState,
    shrinker: Shrinker,
    freeable: number,
    priority: number,
  ): Steps {
    const { scheduler, recorder, costs, backend, zones, device } = this.#kernel
    const share = 1 << priority
    const delta = Math.floor((Math.floor(freeable / share) * 4) / SEEKS)
    const deferred = shrinker.deferred
    let left = Math.min(Math.floor(deferred / share) + delta, 2 * freeable)
    let scanned = 0
    let freed = 0
    const start = scheduler.now
    const doing = thread.doing
    while (left >= BATCH || (left >= freeable && left > 0)) {
      const wanted = Math.min(BATCH, left)
      const before = backend.poolPages
      const { freed: done, writes } = shrinker.scan(wanted)
      const pages = before - backend.poolPages
      zones.poolLeaving += pages
      scheduler.setDoing(thread, SLAB)
      let ns = 0
      for (let page = 0; page < pages; page++) ns += costs.store.draw() * STORES_PER_FREED_PAGE
      if (!scheduler.spend(thread, Math.round(ns))) yield
      scheduler.setDoing(thread, doing)
      zones.poolLeaving -= pages
      zones.poolChanged(node, -pages)
      yield* device.writeBack(thread, writes)
      freed += done
      scanned += wanted
      left -= wanted
      if (done === 0) break
    }
    shrinker.deferred = Math.min(Math.max(deferred + delta - scanned, 0), 2 * freeable)
    if (scanned > 0 && recorder.recordsRows)
      this.#record(thread, node, shrinker.name, start, scanned, freed)
  }

  #record(
    thread: Thread,
    node: NodeState,
    shrinker: string | undefined,
    start: number,
    scanned: number,
    freed: number,
  ): void {
    const { recorder, scheduler } = this.#kernel
    const rows = recorder.slabs
    const row = rows.add()
    rows.number(row, 'start_ns', start)
    rows.number(row, 'end_ns', scheduler.now)
    rows.number(row, 'task_id', thread.taskId)
    rows.number(row, 'node', node.index)
    rows.text(row, 'shrinker', shrinker)
    rows.number(row, 'nr_scanned', scanned)
    rows.number(row, 'nr_freed', freed)
    recorder.added(rows)
  }
}
