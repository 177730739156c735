import { Account, type Activity, type State, type Totals } from './account.ts'
import { type EventKind, type EventSink, MAX_ARGS } from './event-kinds.ts'
import { Random } from './random.ts'
import {
  type Actor,
  type DeviceRequests,
  type Duration,
  hasRequests,
  type Scenario,
  type Step,
} from './scenario.ts'
import { PREEMPTED, SHRINKERS } from './text-values.ts'
import type { Truth } from './truth.ts'

export interface SimulateOptions {
  readonly seed: number
  /** Endless repeats stop once this many events were emitted. */
  readonly maxEvents: number
  /** Filled when given. */
  readonly truth?: Truth
}

export interface SimulateResult {
  readonly events: number
  /** Trace clock at the last event, ns. */
  readonly endNs: number
}

const SLICE_NS = 4_000_000
const WAKE_LATENCY_NS = 20_000
/** Between two events of one code path. */
const STEP_NS = 300
/** Swapped-out pages a machine holds at most; one more makes an owner give one up. */
const MAX_SWAPPED = 100_000
/** Where the addresses of pages begin, in the order in which they are swapped out. */
const FIRST_ADDRESS = 0x7f00_0000_0000
const PAGE_BYTES = 4096
const PAGE_SECTORS = PAGE_BYTES / 512
/** A page is put into the queue. */
const HAND_OVER_NS = 700
const STATE_SLEEP = 1
const STATE_IO = 2
const STATE_DEAD = 16
const PRIO = 120
const ZONE_NORMAL = 2
const GFP_KERNEL = 0xcc0
const WB_ANON_ASYNC = 9
/** Objects that each shrinker is asked to scan. */
const SLAB_OBJECTS = 128

type Request = 'cpu' | 'sleep' | 'io' | 'wait'

/** An actor while the scenario runs. The coroutine sets `request` and `amount` before each yield. */
interface Running {
  readonly actor: Actor
  readonly body: Generator<void, void, void>
  request: Request
  amount: number
  /** CPU time left of a preempted chunk. */
  left: number
  /** Woken while it was not waiting: the next wait returns at once. */
  wakePending: boolean
  waiting: boolean
  /** Pages it swapped out so far. */
  reclaimed: number
  readonly account: Account
  /** Truth rows of the spans it is in, innermost last; -1 = span without a row. */
  readonly spans: number[]
  readonly contexts: string[]
  /** What its code does between a shrink call and what follows: it scans, until it turns to slab caches. */
  between: Activity
}

/** Hand-overs and stores of one lane so far. */
interface Lane {
  readonly name: string
  submitted: number
  started: number
  done: number
}

interface Cpu {
  current: Running | undefined
  chunkEnd: number
  sliceEnd: number
  /** When an idle CPU takes from its queue. */
  dispatchAt: number
  readonly queue: Running[]
}

interface SwappedPage {
  /** Index of its swap device. */
  readonly device: number
  readonly offset: number
  /** Truth row of its swap-out. */
  row: number
  /** Pages swapped out before it. */
  readonly before: number
}

/** Pages that are swapped out, at most MAX_SWAPPED and one, in room made once. */
class SwappedPages {
  readonly #device = new Uint8Array(MAX_SWAPPED + 1)
  readonly #offset = new Uint32Array(MAX_SWAPPED + 1)
  readonly #row = new Int32Array(MAX_SWAPPED + 1)
  readonly #before = new Float64Array(MAX_SWAPPED + 1)
  length = 0

  push({ device, offset, row, before }: SwappedPage): void {
    const at = this.length++
    this.#device[at] = device
    this.#offset[at] = offset
    this.#row[at] = row
    this.#before[at] = before
  }

  /** Takes out one page; the last takes its place. */
  take(at: number): SwappedPage {
    const page = {
      device: this.#device[at] ?? 0,
      offset: this.#offset[at] ?? 0,
      row: this.#row[at] ?? -1,
      before: this.#before[at] ?? 0,
    }
    const last = --this.length
    this.#device[at] = this.#device[last] ?? 0
    this.#offset[at] = this.#offset[last] ?? 0
    this.#row[at] = this.#row[last] ?? -1
    this.#before[at] = this.#before[last] ?? 0
    return page
  }
}

/** A device's slots: those given back are used again, the last one first. */
class Slots {
  readonly #free = new Uint32Array(MAX_SWAPPED + 1)
  #freed = 0
  #next = 1

  take(): number {
    return this.#freed > 0 ? (this.#free[--this.#freed] ?? 0) : this.#next++
  }

  giveBack(offset: number): void {
    this.#free[this.#freed++] = offset
  }
}

/** A page that was handed over and waits for a worker. */
interface QueuedPage {
  readonly page: SwappedPage
  readonly lane: Lane
  readonly type: number
}

interface OpenSpan {
  /** Row of the truth; -1 = it began before the recording. */
  readonly row: number
  readonly before: Totals
}

/** The strings that a scenario's events refer to by index: comms, marks and the operations of requests. */
export function stringsOf(scenario: Scenario): string[] {
  const strings = scenario.cpuNodes.map((_, cpu) => `swapper/${cpu}`)
  if (hasRequests(scenario)) strings.push('R', 'W')
  for (const actor of scenario.actors) {
    strings.push(actor.comm, `E|${actor.tgid}\n`)
    for (const name of markNames(actor.steps)) strings.push(`B|${actor.tgid}|${name}\n`)
  }
  return [...new Set(strings)]
}

function markNames(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => [
    ...(step.do === 'mark' ? [step.name] : []),
    ...('steps' in step ? markNames(step.steps) : []),
  ])
}

/** Runs the scenario and emits its events in the order of time. Deterministic in scenario, seed and maxEvents. */
export function simulate(
  scenario: Scenario,
  sink: EventSink,
  options: SimulateOptions,
): SimulateResult {
  return new Machine(scenario, sink, options).run()
}

class Machine {
  readonly #scenario: Scenario
  readonly #sink: EventSink
  readonly #truth: Truth | undefined
  readonly #maxEvents: number
  readonly #random: Random
  readonly #args = new Float64Array(MAX_ARGS)
  readonly #strings: ReadonlyMap<string, number>
  readonly #cpus: Cpu[]
  readonly #running: Running[]
  /** Sleepers to wake and requests to complete, unsorted: there are few at once. */
  readonly #timers: { readonly at: number; readonly fire: () => void }[] = []
  readonly #swapped = new SwappedPages()
  readonly #slots: readonly Slots[]
  readonly #queue: QueuedPage[] = []
  readonly #recordFrom: number
  readonly #stopAt: number
  #now: number
  readonly #lanes = new Map<string, Lane>()
  #events = 0
  #lastEventNs: number
  #swapOuts = 0

  constructor(scenario: Scenario, sink: EventSink, options: SimulateOptions) {
    this.#scenario = scenario
    this.#sink = sink
    this.#truth = options.truth
    this.#maxEvents = options.maxEvents
    this.#random = new Random(options.seed)
    this.#strings = new Map(stringsOf(scenario).map((text, index) => [text, index]))
    this.#now = scenario.startNs
    this.#lastEventNs = scenario.startNs
    this.#recordFrom = scenario.startNs + (scenario.recordAfterNs ?? 0)
    this.#stopAt = scenario.startNs + scenario.durationNs
    this.#slots = scenario.swapDevices.map(() => new Slots())
    this.#cpus = scenario.cpuNodes.map(() => ({
      current: undefined,
      chunkEnd: Number.POSITIVE_INFINITY,
      sliceEnd: Number.POSITIVE_INFINITY,
      dispatchAt: Number.POSITIVE_INFINITY,
      queue: [],
    }))
    this.#running = scenario.actors.map((actor) => {
      const running: Running = {
        actor,
        body: this.#steps(actor.steps, () => running),
        request: 'cpu',
        amount: 0,
        left: 0,
        wakePending: false,
        waiting: false,
        reclaimed: 0,
        account: new Account(this.#truth, { tid: actor.tid, cpu: actor.cpu }, this.#recordFrom),
        spans: [],
        contexts: [],
        between: 'other',
      }
      return running
    })
  }

  run(): SimulateResult {
    this.#describeMachine()
    for (const { actor } of this.#running)
      this.#truth?.add('tasks', {
        tid: actor.tid,
        tgid: actor.tgid,
        comm: actor.comm,
        kind: actor.kind,
        node: actor.kind === 'kswapd' ? actor.node : undefined,
      })
    // Actors start one after another, so that no two CPUs begin at the same instant.
    for (const [i, running] of this.#running.entries())
      this.#wakeAt(this.#now + 1_000 * (i + 1), running)
    while (this.#step()) {
      // Each step is one scheduling decision or one resumption.
    }
    for (const { account } of this.#running) account.finish(this.#lastEventNs)
    return { events: this.#events, endNs: this.#lastEventNs }
  }

  #describeMachine(): void {
    for (const zone of this.#scenario.zones)
      this.#truth?.add('zones', {
        node: zone.node,
        zone: zone.name,
        start_pfn: zone.startPfn,
        spanned: zone.spanned,
        managed: zone.managed,
        wmark_min: zone.min,
        wmark_low: zone.low,
        wmark_high: zone.high,
      })
    for (const device of this.#scenario.swapDevices)
      this.#truth?.add('swap_devices', {
        swap_type: device.swapType,
        device: device.device,
        kind: device.kind,
        size_pages: device.sizePages,
        priority: device.priority,
      })
  }

  get #stopping(): boolean {
    return this.#events >= this.#maxEvents || this.#now >= this.#stopAt
  }

  /** Handles the earliest thing that happens; false when nothing is left. */
  #step(): boolean {
    let at = Number.POSITIVE_INFINITY
    let cpuOf = -1
    let what: 'chunk' | 'slice' | 'dispatch' | 'timer' = 'timer'
    let timer = -1
    for (let i = 0; i < this.#timers.length; i++) {
      const candidate = this.#timers[i]?.at ?? at
      if (candidate < at) {
        at = candidate
        timer = i
      }
    }
    for (let i = 0; i < this.#cpus.length; i++) {
      const cpu = this.#cpus[i]
      if (cpu === undefined) continue
      if (cpu.dispatchAt < at) {
        at = cpu.dispatchAt
        cpuOf = i
        what = 'dispatch'
      }
      if (cpu.chunkEnd < at) {
        at = cpu.chunkEnd
        cpuOf = i
        what = 'chunk'
      }
      if (cpu.queue.length > 0 && cpu.sliceEnd < at) {
        at = cpu.sliceEnd
        cpuOf = i
        what = 'slice'
      }
    }
    if (at === Number.POSITIVE_INFINITY) return false
    this.#now = Math.max(this.#now, at)
    const cpu = this.#cpus[cpuOf]
    if (cpu === undefined) {
      const [entry] = this.#timers.splice(timer, 1)
      entry?.fire()
    } else if (what === 'dispatch') this.#dispatch(cpu, cpuOf)
    else if (what === 'slice') this.#preempt(cpu, cpuOf)
    else this.#resume(cpu, cpuOf)
    return true
  }

  #resume(cpu: Cpu, id: number): void {
    const running = cpu.current
    if (running === undefined) return
    const { done } = running.body.next()
    if (done) this.#switch(cpu, id, STATE_DEAD, undefined)
    else if (running.request === 'cpu') cpu.chunkEnd = this.#now + running.amount
    else if (running.request === 'wait') {
      if (running.wakePending) {
        running.wakePending = false
        cpu.chunkEnd = this.#now + STEP_NS
      } else {
        running.waiting = true
        this.#switch(cpu, id, STATE_SLEEP, 'sleeping')
      }
    } else {
      this.#wakeAt(this.#now + running.amount, running)
      const io = running.request === 'io'
      this.#switch(cpu, id, io ? STATE_IO : STATE_SLEEP, io ? 'io' : 'sleeping')
    }
  }

  /** Takes the current task off the CPU in `prevState` and puts the next one on. */
  #switch(cpu: Cpu, id: number, prevState: number, state: State | undefined): void {
    const prev = cpu.current
    const next = cpu.queue.shift()
    this.#emitSwitch(id, prev, next, prevState)
    prev?.account.enter(state, this.#now)
    this.#run(cpu, next)
  }

  #preempt(cpu: Cpu, id: number): void {
    const prev = cpu.current
    if (prev === undefined) return
    prev.left = cpu.chunkEnd - this.#now
    const next = cpu.queue.shift()
    this.#emitSwitch(id, prev, next, PREEMPTED)
    prev.account.enter('runnable', this.#now)
    cpu.queue.push(prev)
    this.#run(cpu, next)
  }

  #dispatch(cpu: Cpu, id: number): void {
    cpu.dispatchAt = Number.POSITIVE_INFINITY
    const next = cpu.queue.shift()
    if (cpu.current !== undefined || next === undefined) return
    this.#emitSwitch(id, undefined, next, 0)
    this.#run(cpu, next)
  }

  #run(cpu: Cpu, next: Running | undefined): void {
    cpu.current = next
    if (next === undefined) {
      cpu.chunkEnd = Number.POSITIVE_INFINITY
      cpu.sliceEnd = Number.POSITIVE_INFINITY
      return
    }
    next.account.enter('running', this.#now)
    cpu.chunkEnd = this.#now + Math.max(next.left, STEP_NS)
    next.left = 0
    cpu.sliceEnd = this.#now + SLICE_NS
  }

  #wakeAt(at: number, running: Running): void {
    this.#timers.push({ at, fire: () => this.#wake(running, undefined) })
  }

  /** Makes a sleeping task runnable; `waker` undefined = the timer interrupt on its own CPU. */
  #wake(running: Running, waker: Running | undefined): void {
    const id = running.actor.cpu
    const cpu = this.#cpus[id]
    if (cpu === undefined) return
    const onCpu = waker?.actor.cpu ?? id
    const by = waker?.actor.tid ?? this.#tidOn(onCpu)
    this.#emit('waking', onCpu, by, this.#text(running.actor.comm), running.actor.tid, PRIO, id)
    if (this.#isRecording)
      this.#truth?.add('wakeups', {
        ts_ns: this.#now,
        waker_tid: by,
        tid: running.actor.tid,
        reason: 'sched',
      })
    running.account.enter('runnable', this.#now)
    cpu.queue.push(running)
    if (cpu.current === undefined && cpu.dispatchAt === Number.POSITIVE_INFINITY)
      cpu.dispatchAt = this.#now + WAKE_LATENCY_NS
  }

  /** The task that an interrupt of a CPU meets; 0 = idle. */
  #tidOn(cpu: number): number {
    return this.#cpus[cpu]?.current?.actor.tid ?? 0
  }

  #emitSwitch(
    id: number,
    prev: Running | undefined,
    next: Running | undefined,
    prevState: number,
  ): void {
    const idle = this.#text(`swapper/${id}`)
    this.#emit(
      'switch',
      id,
      prev?.actor.tid ?? 0,
      prev === undefined ? idle : this.#text(prev.actor.comm),
      prev?.actor.tid ?? 0,
      PRIO,
      prev === undefined ? 0 : prevState,
      next === undefined ? idle : this.#text(next.actor.comm),
      next?.actor.tid ?? 0,
      PRIO,
    )
  }

  get #isRecording(): boolean {
    return this.#now >= this.#recordFrom
  }

  #text(text: string): number {
    return this.#strings.get(text) ?? 0
  }

  #emit(kind: EventKind, cpu: number, tid: number, ...values: number[]): void {
    if (!this.#isRecording) return
    this.#args.set(values)
    this.#events++
    this.#lastEventNs = this.#now
    this.#sink.event(kind, this.#now, cpu, tid, this.#args)
  }

  #draw(duration: Duration): number {
    return typeof duration === 'number' ? duration : this.#random.between(duration[0], duration[1])
  }

  *#spend(running: Running, ns: number, request: Request = 'cpu'): Generator<void, void, void> {
    running.request = request
    running.amount = ns
    yield
  }

  *#steps(steps: readonly Step[], self: () => Running): Generator<void, void, void> {
    for (const step of steps) yield* this.#do(step, self)
  }

  *#do(step: Step, self: () => Running): Generator<void, void, void> {
    const running = self()
    const { cpu, tid, node } = running.actor
    switch (step.do) {
      case 'run':
        yield* this.#spend(running, this.#draw(step.ns))
        break
      case 'sleep':
      case 'io':
        yield* this.#spend(running, this.#draw(step.ns), step.do)
        break
      case 'direct':
      case 'memcg':
      case 'softlimit':
      case 'node':
        yield* this.#reclaim(step, running, self)
        break
      case 'batch':
        yield* this.#batch(step, running)
        break
      case 'slab':
        yield* this.#slab(step, running)
        break
      case 'throttle': {
        running.account.did('other', this.#now)
        const start = this.#now
        const parent = running.spans.at(-1)
        const before = running.account.totals()
        running.account.throttled = true
        yield* this.#spend(running, this.#draw(step.ns), 'io')
        running.account.throttled = false
        running.account.did('other', this.#now)
        const delayedUs = Math.floor((this.#now - start) / 1000)
        this.#emit('throttled', cpu, tid, node, 100_000, delayedUs, step.reason)
        if (this.#isRecording && this.#truth !== undefined) {
          const row = this.#truth.add('reclaim_spans', {
            parent,
            kind: 'throttle',
            tid,
            cpu,
            start_ns: start,
            end_ns: this.#now,
          })
          running.account.addParts(row, before)
        }
        break
      }
      case 'compaction': {
        this.#emit('compactionBegin', cpu, tid, 0x1000, 0x2000, 0x8000, 0x10000, 0)
        const open = this.#open(running, 'compaction', undefined, undefined)
        yield* this.#spend(running, this.#draw(step.ns))
        this.#emit('compactionEnd', cpu, tid, 0x1000, 0x3000, 0x7000, 0x10000, 0, 5)
        running.account.did('compaction', this.#now)
        this.#close(running, open, 'compaction', undefined)
        break
      }
      case 'swapIn':
        yield* this.#swapIn(step, running)
        break
      case 'wakeKswapd': {
        this.#emit('wakeupKswapd', cpu, tid, step.node, ZONE_NORMAL, 0, GFP_KERNEL)
        const kswapd = this.#running.find(
          ({ actor }) => actor.kind === 'kswapd' && actor.node === step.node,
        )
        if (this.#isRecording)
          this.#truth?.add('wakeups', {
            ts_ns: this.#now,
            waker_tid: tid,
            tid: kswapd?.actor.tid,
            reason: 'kswapd',
          })
        yield* this.#spend(running, STEP_NS)
        if (kswapd?.waiting) {
          kswapd.waiting = false
          this.#wake(kswapd, running)
        }
        break
      }
      case 'kswapdRound': {
        yield* this.#spend(running, 0, 'wait')
        const start = this.#now
        const recorded = this.#isRecording
        this.#emit('kswapdWake', cpu, tid, node, ZONE_NORMAL, 0)
        running.account.did('other', this.#now)
        running.account.reclaims = true
        running.account.awake = true
        running.between = 'other'
        running.contexts.push('kswapd')
        yield* this.#spend(running, STEP_NS)
        yield* this.#steps(step.steps, self)
        running.contexts.pop()
        this.#emit('kswapdSleep', cpu, tid, node)
        running.account.did(running.between, this.#now)
        running.account.awake = false
        running.account.reclaims = false
        running.between = 'other'
        if (this.#isRecording)
          this.#truth?.add('kswapd_spans', {
            node,
            tid,
            start_ns: recorded ? start : undefined,
            end_ns: this.#now,
            alloc_order: recorded ? 0 : undefined,
            censored: recorded ? undefined : 'start',
          })
        yield* this.#spend(running, STEP_NS)
        break
      }
      case 'mark': {
        const start = this.#now
        const recorded = this.#isRecording
        const { tgid } = running.actor
        this.#emit('print', cpu, tid, this.#text(`B|${tgid}|${step.name}\n`))
        yield* this.#steps(step.steps, self)
        this.#emit('print', cpu, tid, this.#text(`E|${tgid}\n`))
        if (recorded)
          this.#truth?.add('markers', { ts_ns: start, end_ns: this.#now, tid, name: step.name })
        break
      }
      case 'retry':
        // available = free + reclaimable (should_reclaim_retry in mm/page_alloc.c).
        this.#emit(
          'retryZone',
          cpu,
          tid,
          node,
          ZONE_NORMAL,
          0,
          step.reclaimable,
          step.free + step.reclaimable,
          step.min,
          0,
          1,
        )
        this.#sample(node, `free_pages.zone${ZONE_NORMAL}`, step.free)
        this.#sample(node, `wmark_min.zone${ZONE_NORMAL}`, step.min)
        yield* this.#spend(running, STEP_NS)
        break
      case 'oomKill':
        this.#emit('markVictim', cpu, tid, step.victim)
        if (this.#isRecording)
          this.#truth?.add('markers', {
            ts_ns: this.#now,
            end_ns: this.#now,
            tid: step.victim,
            name: 'oom kill',
          })
        yield* this.#spend(running, STEP_NS)
        break
      case 'storeQueued':
        yield* this.#storeQueued(step, running)
        break
      case 'repeat':
        for (let i = 0; (step.times === 0 || i < step.times) && !this.#stopping; i++) {
          const begun = this.#now
          yield* this.#steps(step.steps, self)
          // There may be nothing to do: no page to swap in.
          if (this.#now === begun) yield* this.#spend(running, STEP_NS)
        }
        break
    }
  }

  #sample(node: number, name: string, value: number): void {
    if (this.#isRecording) this.#truth?.add('samples', { ts_ns: this.#now, node, name, value })
  }

  *#reclaim(
    step: Step & { do: 'direct' | 'memcg' | 'softlimit' | 'node' },
    running: Running,
    self: () => Running,
  ): Generator<void, void, void> {
    const { cpu, tid, node } = running.actor
    const order = step.order ?? 0
    const gfp = step.gfp ?? GFP_KERNEL
    const kind = step.do === 'softlimit' ? 'memcg_softlimit' : step.do
    if (step.do === 'node') this.#emit('nodeBegin', cpu, tid, node, order, gfp)
    else this.#emit(`${step.do}Begin`, cpu, tid, order, gfp, 0)
    const open = this.#open(running, kind, order, gfp)
    running.contexts.push(step.do === 'softlimit' ? 'memcg' : step.do)
    const before = running.reclaimed
    yield* this.#spend(running, STEP_NS)
    yield* this.#steps(step.steps, self)
    running.contexts.pop()
    const reclaimed = running.reclaimed - before
    this.#emit(`${step.do}End`, cpu, tid, reclaimed, 0)
    running.account.did(running.between, this.#now)
    running.between = 'other'
    this.#close(running, open, kind, reclaimed)
    yield* this.#spend(running, STEP_NS)
  }

  #open(
    running: Running,
    kind: string,
    order: number | undefined,
    gfp: number | undefined,
  ): OpenSpan {
    running.account.did('other', this.#now)
    running.account.reclaims = true
    let row = -1
    if (this.#isRecording && this.#truth !== undefined)
      row = this.#truth.add('reclaim_spans', {
        parent: running.spans.at(-1),
        kind,
        tid: running.actor.tid,
        cpu: running.actor.cpu,
        start_ns: this.#now,
        alloc_order: order,
        gfp_flags: gfp,
      })
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
    if (this.#truth === undefined || !this.#isRecording) return
    if (row >= 0) {
      this.#truth.set('reclaim_spans', row, { end_ns: this.#now, nr_reclaimed: reclaimed })
      running.account.addParts(row, before)
    } else
      this.#truth.add('reclaim_spans', {
        kind,
        tid: running.actor.tid,
        cpu: running.actor.cpu,
        end_ns: this.#now,
        nr_reclaimed: reclaimed,
        censored: 'start',
      })
  }

  *#batch(step: Step & { do: 'batch' }, running: Running): Generator<void, void, void> {
    const { cpu, tid, node } = running.actor
    const kept = step.kept ?? 0
    const scanned = step.swapOuts + kept
    const priority = step.priority ?? 12
    yield* this.#spend(running, this.#draw(step.scanNs))
    const isolated = this.#isRecording ? this.#now : undefined
    this.#emit('isolate', cpu, tid, ZONE_NORMAL, 0, 32, scanned, 0, scanned, 0)
    running.account.did('scan', this.#now)
    running.between = 'scan'
    yield* this.#spend(running, STEP_NS)
    for (let i = 0; i < step.swapOuts; i++) yield* this.#swapOut(step, running)
    this.#emit(
      'shrinkInactive',
      cpu,
      tid,
      node,
      scanned,
      step.swapOuts,
      0,
      0,
      0,
      0,
      kept,
      priority,
      WB_ANON_ASYNC,
    )
    running.account.did('scan', this.#now)
    if (this.#isRecording)
      this.#truth?.add('shrink_batches', {
        ts_ns: this.#now,
        start_ns: isolated,
        lru: isolated === undefined ? undefined : 'inactive_anon',
        tid,
        node,
        nr_scanned: scanned,
        nr_taken: scanned,
        nr_reclaimed: step.swapOuts,
        priority,
      })
    yield* this.#spend(running, STEP_NS)
  }

  *#swapOut(step: Step & { do: 'batch' }, running: Running): Generator<void, void, void> {
    const { cpu, tid, node } = running.actor
    const { account } = running
    const index = step.device ?? 0
    const device = this.#scenario.swapDevices[index]
    const type = device?.swapType ?? 0
    yield* this.#spend(running, this.#draw(step.unmapNs))
    const offset = this.#slots[index]?.take() ?? 0
    const number = this.#swapOuts++
    const pfn = this.#framesOf(node, number)
    const context = running.contexts.at(-1) ?? 'proactive'
    const start = this.#now
    const recorded = this.#isRecording
    const lane = this.#laneOf(`${node}/${context === 'node' ? 'direct' : context}`)
    const submitRank = recorded ? ++lane.submitted : undefined
    this.#emit('swapWrite', cpu, tid, type, offset)
    account.did('unmap', this.#now)
    const what = {
      lane: lane.name,
      node,
      place: device?.kind === 'zram' ? 'zram' : 'disk',
      tid,
      cpu,
      pfn,
      swap_type: type,
      swap_offset: offset,
      context,
      span: running.spans.at(-1),
    }
    const row = recorded
      ? (this.#truth?.add('swapouts', { ...what, submit_rank: submitRank, start_ns: start }) ?? -1)
      : -1
    const page = { device: index, offset, row, before: number }
    const { storeQueue } = this.#scenario
    const isQueued =
      storeQueue !== undefined && context === 'kswapd' && this.#queue.length < storeQueue.depth
    if (isQueued) {
      yield* this.#spend(running, HAND_OVER_NS)
      this.#queue.push({ page, lane, type })
    } else yield* this.#store({ page, lane, type }, step.storeNs, running, 'inline')
    const stored = this.#now
    this.#emit('swapWriteReturn', cpu, tid, 0)
    account.did('store', this.#now)
    if (isQueued) this.#wakeWorker(running)
    yield* this.#spend(running, STEP_NS)
    this.#emit('write', cpu, tid, pfn, WB_ANON_ASYNC)
    account.did('store', this.#now)
    if (row >= 0) this.#truth?.set('swapouts', row, { write_ns: this.#now })
    else if (this.#isRecording)
      page.row =
        this.#truth?.add('swapouts', { ...what, stored_ns: stored, write_ns: this.#now }) ?? -1
    running.reclaimed++
    if (!isQueued) this.#leave(page, running)
    yield* this.#spend(running, STEP_NS)
  }

  /** A stored page: on a disk that takes requests it is still to be written. */
  #leave(page: SwappedPage, running: Running): void {
    const keep = () => this.#keep(page, running.actor.cpu)
    const requests = this.#scenario.swapDevices[page.device]?.requests
    if (requests === undefined) keep()
    else this.#request(requests, 'W', page, running, keep)
  }

  /** The page may be swapped in from now on; where there are too many, one is given up. */
  #keep(page: SwappedPage, cpu: number): void {
    this.#swapped.push(page)
    if (this.#swapped.length > MAX_SWAPPED) this.#dropOne(cpu, this.#tidOn(cpu))
  }

  /** Issues a request for a page's slot; returns what it takes. An interrupt of the same CPU completes it, before `then`. */
  #request(
    { major, minor, readNs, writeNs }: DeviceRequests,
    operation: 'R' | 'W',
    { offset }: SwappedPage,
    { actor: { cpu, tid, comm } }: Running,
    then: () => void,
  ): number {
    const dev = major * 2 ** 20 + minor
    const sector = offset * PAGE_SECTORS
    const flags = this.#text(operation)
    const ns = this.#draw(operation === 'R' ? readNs : writeNs)
    const name = this.#text(comm)
    this.#emit('blockIssue', cpu, tid, dev, sector, PAGE_SECTORS, PAGE_BYTES, flags, name)
    const row = this.#isRecording
      ? this.#truth?.add('block_ios', {
          device: `${major}:${minor}`,
          sector,
          sectors: PAGE_SECTORS,
          op: operation,
          issue_ns: this.#now,
          tid,
        })
      : undefined
    this.#timers.push({
      at: this.#now + ns,
      fire: () => {
        this.#emit('blockComplete', cpu, this.#tidOn(cpu), dev, sector, PAGE_SECTORS, 0, flags)
        if (row !== undefined) this.#truth?.set('block_ios', row, { complete_ns: this.#now })
        then()
      },
    })
    return ns
  }

  /** The store itself, by whoever does it; between its own probes where there is a queue. */
  *#store(
    { page, lane, type }: QueuedPage,
    storeNs: Duration,
    running: Running,
    path: 'inline' | 'queued',
  ): Generator<void, void, void> {
    const { cpu, tid } = running.actor
    const isProbed = this.#scenario.storeQueue !== undefined
    if (isProbed) {
      yield* this.#spend(running, STEP_NS)
      this.#emit('store', cpu, tid, type, page.offset)
      if (path === 'queued') running.account.beginStore(this.#now)
    }
    if (page.row >= 0)
      this.#truth?.set('swapouts', page.row, {
        path,
        start_rank: ++lane.started,
        begin_ns: this.#now,
        stored_tid: tid,
      })
    yield* this.#spend(running, this.#draw(storeNs))
    if (page.row >= 0)
      this.#truth?.set('swapouts', page.row, { done_rank: ++lane.done, stored_ns: this.#now })
    if (!isProbed) return
    this.#emit('storeReturn', cpu, tid, 0)
    if (path === 'queued') running.account.endStore(this.#now)
    yield* this.#spend(running, STEP_NS)
  }

  *#storeQueued(step: Step & { do: 'storeQueued' }, running: Running): Generator<void, void, void> {
    for (;;) {
      const queued = this.#queue.shift()
      if (queued === undefined) {
        yield* this.#spend(running, 0, 'wait')
        continue
      }
      yield* this.#store(queued, step.ns, running, 'queued')
      this.#leave(queued.page, running)
    }
  }

  #wakeWorker(waker: Running): void {
    const worker = this.#running.find(
      ({ actor, waiting }) => actor.kind === 'compressor' && waiting,
    )
    if (worker === undefined) return
    worker.waiting = false
    this.#wake(worker, waker)
  }

  /** The frame of the next page of a node: frames are used again when all were. */
  #framesOf(node: number, number: number): number {
    const zone = this.#scenario.zones.find((candidate) => candidate.node === node)
    return (zone?.startPfn ?? 0x10_0000) + (number % (zone?.managed ?? 0x10_0000))
  }

  #laneOf(name: string): Lane {
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      lane = { name, submitted: 0, started: 0, done: 0 }
      this.#lanes.set(name, lane)
    }
    return lane
  }

  /** Some page's owner gives it up: its slot is freed without a fault. */
  #dropOne(cpu: number, tid: number): void {
    this.#freeSlot(this.#swapped.take(this.#random.below(this.#swapped.length)), cpu, tid)
  }

  #freeSlot(page: SwappedPage, cpu: number, tid: number): void {
    this.#slots[page.device]?.giveBack(page.offset)
    if (this.#scenario.swapDevices[page.device]?.kind !== 'zram') return
    this.#emit('slotFree', cpu, tid, page.offset)
    if (this.#isRecording)
      this.#truth?.add('pool_moves', {
        ts_ns: this.#now,
        swapout: page.row < 0 ? undefined : page.row,
        from_place: 'zram',
        reason: 'invalidate',
      })
  }

  *#swapIn(step: Step & { do: 'swapIn' }, running: Running): Generator<void, void, void> {
    const { cpu, tid } = running.actor
    const count = this.#swapped.length
    if (count === 0) return
    const index =
      step.page === 'oldest' ? 0 : step.page === 'newest' ? count - 1 : this.#random.below(count)
    const page = this.#swapped.take(index)
    const device = this.#scenario.swapDevices[page.device]
    const type = device?.swapType ?? 0
    const start = this.#now
    const recorded = this.#isRecording
    this.#emit('fault', cpu, tid, FIRST_ADDRESS + page.before * PAGE_BYTES)
    yield* this.#spend(running, STEP_NS)
    const read = this.#now
    this.#emit('swapRead', cpu, tid, type, page.offset)
    if (device?.requests !== undefined) {
      yield* this.#spend(running, STEP_NS)
      const ns = this.#request(device.requests, 'R', page, running, () => undefined)
      yield* this.#spend(running, ns, 'io')
    }
    yield* this.#spend(running, this.#draw(step.ns))
    this.#freeSlot(page, cpu, tid)
    yield* this.#spend(running, STEP_NS)
    this.#emit('faultReturn', cpu, tid, 0)
    if (recorded)
      this.#truth?.add('swapins', {
        ts_ns: read,
        end_ns: this.#now,
        tid,
        cpu,
        swap_type: type,
        swap_offset: page.offset,
        swapout: page.row < 0 ? undefined : page.row,
        fault_ns: start,
        refault_distance: page.row < 0 ? undefined : this.#swapOuts - page.before - 1,
      })
    yield* this.#spend(running, STEP_NS)
  }

  *#slab(step: Step & { do: 'slab' }, running: Running): Generator<void, void, void> {
    const { cpu, tid, node } = running.actor
    const start = this.#now
    const recorded = this.#isRecording
    const { account } = running
    this.#emit('slabStart', cpu, tid, step.shrinker, node, 0, GFP_KERNEL, 1024, SLAB_OBJECTS, 12)
    account.did(running.between, this.#now)
    running.between = 'other'
    yield* this.#spend(running, this.#draw(step.ns))
    this.#emit('slabEnd', cpu, tid, step.shrinker, node, 0, SLAB_OBJECTS, step.freed, 0)
    account.did('slab', this.#now)
    if (recorded)
      this.#truth?.add('slab_shrinks', {
        start_ns: start,
        end_ns: this.#now,
        tid,
        node,
        shrinker: SHRINKERS[step.shrinker],
        nr_scanned: SLAB_OBJECTS,
        nr_freed: step.freed,
      })
    yield* this.#spend(running, STEP_NS)
  }
}
