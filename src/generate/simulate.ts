import { Cpus } from './cpus.ts'
import type { EventSink } from './event-kinds.ts'
import { Random } from './random.ts'
import { Reclaim } from './reclaim.ts'
import { newRunning, type Running, STEP_NS, type Steps, spend } from './running.ts'
import type { Scenario, Step } from './scenario.ts'
import { Swap } from './swap.ts'
import { Tracer } from './tracer.ts'
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

/** Runs the scenario and emits its events in the order of time. Deterministic in scenario, seed and maxEvents. */
export function simulate(
  scenario: Scenario,
  sink: EventSink,
  options: SimulateOptions,
): SimulateResult {
  if (options.truth !== undefined) describeMachine(scenario, options.truth)
  return new Simulation(scenario, sink, options).run()
}

function describeMachine({ zones, swapDevices, actors }: Scenario, truth: Truth): void {
  for (const zone of zones)
    truth.add('zones', {
      node: zone.node,
      zone: zone.name,
      start_pfn: zone.startPfn,
      spanned: zone.spanned,
      managed: zone.managed,
      wmark_min: zone.min,
      wmark_low: zone.low,
      wmark_high: zone.high,
    })
  for (const device of swapDevices)
    truth.add('swap_devices', {
      swap_type: device.swapType,
      device: device.device,
      kind: device.kind,
      size_pages: device.sizePages,
      priority: device.priority,
    })
  for (const { tid, tgid, comm, kind, node } of actors)
    truth.add('tasks', { tid, tgid, comm, kind, node: kind === 'kswapd' ? node : undefined })
}

class Simulation {
  readonly #tracer: Tracer
  readonly #maxEvents: number
  readonly #stopAt: number
  readonly #random: Random
  readonly #cpus: Cpus
  readonly #running: readonly Running[]
  readonly #swap: Swap
  readonly #reclaim: Reclaim

  constructor(scenario: Scenario, sink: EventSink, options: SimulateOptions) {
    const tracer = new Tracer(scenario, sink, options.truth)
    const cpus = new Cpus(tracer, scenario.cpuNodes.length)
    const random = new Random(options.seed)
    const running = scenario.actors.map((actor) =>
      newRunning(actor, options.truth, tracer.recordFrom),
    )
    for (const one of running) one.body = this.#steps(one.actor.steps, one)
    this.#tracer = tracer
    this.#maxEvents = options.maxEvents
    this.#stopAt = scenario.startNs + scenario.durationNs
    this.#random = random
    this.#cpus = cpus
    this.#running = running
    this.#swap = new Swap(scenario, tracer, cpus, random, running)
    this.#reclaim = new Reclaim(tracer, cpus, random, this.#swap, running)
  }

  run(): SimulateResult {
    const tracer = this.#tracer
    // Actors start one after another, so that no two CPUs begin at the same instant.
    for (const [i, running] of this.#running.entries())
      this.#cpus.wakeAt(tracer.now + 1_000 * (i + 1), running)
    while (this.#cpus.step()) {
      // Each step is one scheduling decision or one resumption.
    }
    for (const { account } of this.#running) account.finish(tracer.lastEventNs)
    return { events: tracer.events, endNs: tracer.lastEventNs }
  }

  get #stopping(): boolean {
    return this.#tracer.events >= this.#maxEvents || this.#tracer.now >= this.#stopAt
  }

  *#steps(steps: readonly Step[], running: Running): Steps {
    for (const step of steps) yield* this.#do(step, running)
  }

  #do(step: Step, running: Running): Steps {
    switch (step.do) {
      case 'run':
        return spend(running, this.#random.draw(step.ns))
      case 'sleep':
      case 'io':
        return spend(running, this.#random.draw(step.ns), step.do)
      case 'direct':
      case 'memcg':
      case 'softlimit':
      case 'node':
        return this.#reclaim.reclaim(step, running, this.#steps(step.steps, running))
      case 'batch':
        return this.#reclaim.batch(step, running)
      case 'slab':
        return this.#reclaim.slab(step, running)
      case 'throttle':
        return this.#reclaim.throttle(step, running)
      case 'compaction':
        return this.#reclaim.compact(step, running)
      case 'swapIn':
        return this.#swap.swapIn(step, running)
      case 'wakeKswapd':
        return this.#reclaim.wakeKswapd(step, running)
      case 'kswapdRound':
        return this.#reclaim.kswapdRound(running, this.#steps(step.steps, running))
      case 'mark':
        return this.#mark(step, running)
      case 'retry':
        return this.#reclaim.retry(step, running)
      case 'oomKill':
        return this.#reclaim.kill(step, running)
      case 'storeQueued':
        return this.#swap.storeQueued(step, running)
      case 'repeat':
        return this.#repeat(step, running)
    }
  }

  /** A section between two lines that the task writes into the trace. */
  *#mark({ name, steps }: Step & { do: 'mark' }, running: Running): Steps {
    const tracer = this.#tracer
    const { cpu, tid, tgid } = running.actor
    const start = tracer.now
    const recorded = tracer.isRecording
    tracer.emit('print', cpu, tid, tracer.text(`B|${tgid}|${name}\n`))
    yield* this.#steps(steps, running)
    tracer.emit('print', cpu, tid, tracer.text(`E|${tgid}\n`))
    if (recorded) tracer.truth?.add('markers', { ts_ns: start, end_ns: tracer.now, tid, name })
  }

  *#repeat({ times, steps }: Step & { do: 'repeat' }, running: Running): Steps {
    for (let i = 0; (times === 0 || i < times) && !this.#stopping; i++) {
      const begun = this.#tracer.now
      yield* this.#steps(steps, running)
      // There may be nothing to do: no page to swap in.
      if (this.#tracer.now === begun) yield* spend(running, STEP_NS)
    }
  }
}
