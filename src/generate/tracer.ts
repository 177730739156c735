import { type EventKind, type EventSink, MAX_ARGS } from './event-kinds.ts'
import { stringsOf } from './event-strings.ts'
import type { Scenario } from './scenario.ts'
import type { Truth } from './truth.ts'

/** The clock, and what is recorded by it: nothing before the recording begins. */
export class Tracer {
  now: number
  events = 0
  lastEventNs: number
  readonly recordFrom: number
  readonly #truth: Truth | undefined
  readonly #sink: EventSink
  readonly #strings: ReadonlyMap<string, number>
  readonly #args = new Float64Array(MAX_ARGS)

  constructor(scenario: Scenario, sink: EventSink, truth: Truth | undefined) {
    this.now = scenario.startNs
    this.lastEventNs = scenario.startNs
    this.recordFrom = scenario.startNs + (scenario.recordAfterNs ?? 0)
    this.#truth = truth
    this.#sink = sink
    this.#strings = new Map(stringsOf(scenario).map((text, index) => [text, index]))
  }

  get isRecording(): boolean {
    return this.now >= this.recordFrom
  }

  /** Undefined as well before the recording begins: what happens then is no part of it. */
  get truth(): Truth | undefined {
    return this.isRecording ? this.#truth : undefined
  }

  /** Index of a string among those that events refer to. */
  text(text: string): number {
    return this.#strings.get(text) ?? 0
  }

  emit(kind: EventKind, cpu: number, tid: number, ...values: number[]): void {
    if (!this.isRecording) return
    this.#args.set(values)
    this.events++
    this.lastEventNs = this.now
    this.#sink.event(kind, this.now, cpu, tid, this.#args)
  }
}
