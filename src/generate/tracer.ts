import { type EventKind, type EventSink, MAX_ARGS } from './event-kinds.ts'
import { stringsOf } from './event-strings.ts'
import type { Scenario } from './scenario.ts'
import type { Truth, TruthCells, TruthTable } from './truth.ts'

/** The clock, what is recorded by it, and what is true beside that: nothing before the recording begins. */
export class Tracer {
  now: number
  events = 0
  lastEventNs: number
  readonly recordFrom: number
  readonly truth: Truth | undefined
  readonly #sink: EventSink
  readonly #strings: ReadonlyMap<string, number>
  readonly #args = new Float64Array(MAX_ARGS)

  constructor(scenario: Scenario, sink: EventSink, truth: Truth | undefined) {
    this.now = scenario.startNs
    this.lastEventNs = scenario.startNs
    this.recordFrom = scenario.startNs + (scenario.recordAfterNs ?? 0)
    this.truth = truth
    this.#sink = sink
    this.#strings = new Map(stringsOf(scenario).map((text, index) => [text, index]))
  }

  get isRecording(): boolean {
    return this.now >= this.recordFrom
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

  /** Row of the truth; -1 = none is kept. */
  add<T extends TruthTable>(table: T, row: TruthCells<T>): number {
    return this.isRecording && this.truth !== undefined ? this.truth.add(table, row) : -1
  }

  /** Does nothing for row -1. */
  set<T extends TruthTable>(table: T, row: number, values: TruthCells<T>): void {
    if (row >= 0) this.truth?.set(table, row, values)
  }
}
