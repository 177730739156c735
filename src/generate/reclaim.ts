import type { Totals } from './account.ts'
import type { Cpus } from './cpus.ts'
import type { Random } from './random.ts'
import { type Running, STEP_NS, type Steps, spend } from './running.ts'
import type { Step } from './scenario.ts'
import { type Swap, WB_ANON_ASYNC } from './swap.ts'
import { SHRINKERS } from './text-values.ts'
import type { Tracer } from './tracer.ts'

const ZONE_NORMAL = 2
const GFP_KERNEL = 0xcc0
/** Objects that each shrinker is asked to scan. */
const SLAB_OBJECTS = 128

interface OpenSpan {
  /** Row of the truth; -1 = it began before the recording. */
  readonly row: number
  readonly before: Totals
}

/** What reclaim does: spans of tasks and of kswapd, batches, slab caches, and what tasks wait for. */
export class Reclaim {
  readonly #tracer: Tracer
  readonly #cpus: Cpus
  readonly #random: Random
  readonly #swap: Swap
  readonly #running: readonly Running[]

  constructor(tracer: Tracer, cpus: Cpus, random: Random, swap: Swap, running: readonly Running[]) {
    this.#tracer = tracer
    this.#cpus = cpus
    this.#random = random
    this.#swap = swap
    this.#running = running
  }

  /** A call of a task's, around `body`. */
  *reclaim(
    step: Step & { do: 'direct' | 'memcg' | 'softlimit' | 'node' },
    running: Running,
    body: Steps,
  ): Steps {
    const { cpu, tid, node } = running.actor
    const order = step.order ?? 0
    const gfp = step.gfp ?? GFP_KERNEL
    const kind = step.do === 'softlimit' ? 'memcg_softlimit' : step.do
    if (step.do === 'node') this.#tracer.emit('nodeBegin', cpu, tid, node, order, gfp)
    else this.#tracer.emit(`${step.do}Begin`, cpu, tid, order, gfp, 0)
    const open = this.#open(running, kind, order, gfp)
    running.contexts.push(step.do === 'softlimit' ? 'memcg' : step.do)
    const before = running.reclaimed
    yield* spend(running, STEP_NS)
    yield* body
    running.contexts.pop()
    const reclaimed = running.reclaimed - before
    this.#tracer.emit(`${step.do}End`, cpu, tid, reclaimed, 0)
    running.account.did(running.between, this.#tracer.now)
    running.between = 'other'
    this.#close(running, open, kind, reclaimed)
    yield* spend(running, STEP_NS)
  }

  *throttle(step: Step & { do: 'throttle' }, running: Running): Steps {
    const { cpu, tid, node } = running.actor
    const { account } = running
    const tracer = this.#tracer
    account.did('other', tracer.now)
    const start = tracer.now
    const parent = running.spans.at(-1)
    const before = account.totals()
    account.throttled = true
    yield* spend(running, this.#random.draw(step.ns), 'io')
    account.throttled = false
    account.did('other', tracer.now)
    const delayedUs = Math.floor((tracer.now - start) / 1000)
    tracer.emit('throttled', cpu, tid, node, 100_000, delayedUs, step.reason)
    const row = tracer.truth?.add('reclaim_spans', {
      parent,
      kind: 'throttle',
      tid,
      cpu,
      start_ns: start,
      end_ns: tracer.now,
    })
    if (row !== undefined) account.addParts(row, before)
  }

  *compact(step: Step & { do: 'compaction' }, running: Running): Steps {
    const { cpu, tid } = running.actor
    this.#tracer.emit('compactionBegin', cpu, tid, 0x1000, 0x2000, 0x8000, 0x10000, 0)
    const open = this.#open(running, 'compaction', undefined, undefined)
    yield* spend(running, this.#random.draw(step.ns))
    this.#tracer.emit('compactionEnd', cpu, tid, 0x1000, 0x3000, 0x7000, 0x10000, 0, 5)
    running.account.did('compaction', this.#tracer.now)
    this.#close(running, open, 'compaction', undefined)
  }

  *wakeKswapd({ node }: Step & { do: 'wakeKswapd' }, running: Running): Steps {
    const { cpu, tid } = running.actor
    this.#tracer.emit('wakeupKswapd', cpu, tid, node, ZONE_NORMAL, 0, GFP_KERNEL)
    const kswapd = this.#running.find(({ actor }) => actor.kind === 'kswapd' && actor.node === node)
    this.#tracer.truth?.add('wakeups', {
      ts_ns: this.#tracer.now,
      waker_tid: tid,
      tid: kswapd?.actor.tid,
      reason: 'kswapd',
    })
    yield* spend(running, STEP_NS)
    if (kswapd?.waiting) {
      kswapd.waiting = false
      this.#cpus.wake(kswapd, running)
    }
  }

  /** kswapd waits until it is woken, does `body` and goes to sleep. */
  *kswapdRound(running: Running, body: Steps): Steps {
    const { cpu, tid, node } = running.actor
    const { account } = running
    const tracer = this.#tracer
    yield* spend(running, 0, 'wait')
    const start = tracer.now
    const recorded = tracer.isRecording
    tracer.emit('kswapdWake', cpu, tid, node, ZONE_NORMAL, 0)
    account.did('other', tracer.now)
    account.reclaims = true
    account.awake = true
    running.between = 'other'
    running.contexts.push('kswapd')
    yield* spend(running, STEP_NS)
    yield* body
    running.contexts.pop()
    tracer.emit('kswapdSleep', cpu, tid, node)
    account.did(running.between, tracer.now)
    account.awake = false
    account.reclaims = false
    running.between = 'other'
    tracer.truth?.add('kswapd_spans', {
      node,
      tid,
      start_ns: recorded ? start : undefined,
      end_ns: tracer.now,
      alloc_order: recorded ? 0 : undefined,
      censored: recorded ? undefined : 'start',
    })
    yield* spend(running, STEP_NS)
  }

  *retry(step: Step & { do: 'retry' }, running: Running): Steps {
    const { cpu, tid, node } = running.actor
    const { free, min, reclaimable } = step
    const tracer = this.#tracer
    // available = free + reclaimable (should_reclaim_retry in mm/page_alloc.c).
    const available = free + reclaimable
    tracer.emit('retryZone', cpu, tid, node, ZONE_NORMAL, 0, reclaimable, available, min, 0, 1)
    const sample = { ts_ns: tracer.now, node }
    tracer.truth?.add('samples', { ...sample, name: `free_pages.zone${ZONE_NORMAL}`, value: free })
    tracer.truth?.add('samples', { ...sample, name: `wmark_min.zone${ZONE_NORMAL}`, value: min })
    yield* spend(running, STEP_NS)
  }

  *kill({ victim }: Step & { do: 'oomKill' }, running: Running): Steps {
    const { cpu, tid } = running.actor
    const { now } = this.#tracer
    this.#tracer.emit('markVictim', cpu, tid, victim)
    this.#tracer.truth?.add('markers', { ts_ns: now, end_ns: now, tid: victim, name: 'oom kill' })
    yield* spend(running, STEP_NS)
  }

  *batch(step: Step & { do: 'batch' }, running: Running): Steps {
    const { cpu, tid, node } = running.actor
    const kept = step.kept ?? 0
    const reclaimed = step.swapOuts << (step.order ?? 0)
    const scanned = reclaimed + kept
    const priority = step.priority ?? 12
    yield* spend(running, this.#random.draw(step.scanNs))
    const isolated = this.#tracer.isRecording ? this.#tracer.now : undefined
    this.#tracer.emit('isolate', cpu, tid, ZONE_NORMAL, 0, 32, scanned, 0, scanned, 0)
    running.account.did('scan', this.#tracer.now)
    running.between = 'scan'
    yield* spend(running, STEP_NS)
    for (let i = 0; i < step.swapOuts; i++) yield* this.#swap.swapOut(step, running)
    this.#tracer.emit(
      'shrinkInactive',
      cpu,
      tid,
      node,
      scanned,
      reclaimed,
      0,
      0,
      0,
      0,
      kept,
      priority,
      WB_ANON_ASYNC,
    )
    running.account.did('scan', this.#tracer.now)
    this.#tracer.truth?.add('shrink_batches', {
      ts_ns: this.#tracer.now,
      start_ns: isolated,
      lru: isolated === undefined ? undefined : 'inactive_anon',
      tid,
      node,
      nr_scanned: scanned,
      nr_taken: scanned,
      nr_reclaimed: reclaimed,
      priority,
    })
    yield* spend(running, STEP_NS)
  }

  *slab(step: Step & { do: 'slab' }, running: Running): Steps {
    const { cpu, tid, node } = running.actor
    const start = this.#tracer.now
    const recorded = this.#tracer.isRecording
    const { account } = running
    this.#tracer.emit(
      'slabStart',
      cpu,
      tid,
      step.shrinker,
      node,
      0,
      GFP_KERNEL,
      1024,
      SLAB_OBJECTS,
      12,
    )
    account.did(running.between, this.#tracer.now)
    running.between = 'other'
    yield* spend(running, this.#random.draw(step.ns))
    this.#tracer.emit('slabEnd', cpu, tid, step.shrinker, node, 0, SLAB_OBJECTS, step.freed, 0)
    account.did('slab', this.#tracer.now)
    if (recorded)
      this.#tracer.truth?.add('slab_shrinks', {
        start_ns: start,
        end_ns: this.#tracer.now,
        tid,
        node,
        shrinker: SHRINKERS[step.shrinker],
        nr_scanned: SLAB_OBJECTS,
        nr_freed: step.freed,
      })
    yield* spend(running, STEP_NS)
  }

  #open(
    running: Running,
    kind: string,
    order: number | undefined,
    gfp: number | undefined,
  ): OpenSpan {
    running.account.did('other', this.#tracer.now)
    running.account.reclaims = true
    const row =
      this.#tracer.truth?.add('reclaim_spans', {
        parent: running.spans.at(-1),
        kind,
        tid: running.actor.tid,
        cpu: running.actor.cpu,
        start_ns: this.#tracer.now,
        alloc_order: order,
        gfp_flags: gfp,
      }) ?? -1
    running.spans.push(row)
    return { row, before: running.account.totals() }
  }

  #close(
    running: Running,
    { row, before }: OpenSpan,
    kind: string,
    reclaimed: number | undefined,
  ): void {
    running.spans.pop()
    running.account.reclaims = running.spans.length > 0 || running.account.awake
    const end = { end_ns: this.#tracer.now, nr_reclaimed: reclaimed }
    if (row >= 0) {
      this.#tracer.truth?.set('reclaim_spans', row, end)
      running.account.addParts(row, before)
    } else
      this.#tracer.truth?.add('reclaim_spans', {
        ...end,
        kind,
        tid: running.actor.tid,
        cpu: running.actor.cpu,
        censored: 'start',
      })
  }
}
