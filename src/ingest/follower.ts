import type { EventBatch, EventFormat, EventWindow } from '../../parsers/batch.ts'
import type { Loss } from '../../parsers/reader.ts'
import type { EventHandler } from './context.ts'
import { EventCounts } from './event-counts.ts'
import type { Families } from './families.ts'

/** Runs the events through the handlers of their families, and losses where they lie between them. */
export class Follower {
  /** Rows by format. */
  readonly counts = new Map<EventFormat, number>()
  readonly moments = new EventCounts()
  events = 0
  startNs = Number.NaN
  endNs = Number.NaN
  readonly #families: Families
  /** By instance: two instances' batches of one format are bound at the same time. */
  readonly #handlers = new Map<EventFormat, (EventHandler | undefined)[]>()
  /** Handlers of the window's batches. One array for all windows: V8 would not always make new ones of the same kind. */
  readonly #bound: (EventHandler | undefined)[] = []
  readonly #lossesTaken = new Set<Loss>()
  #losses: Loss[] = []

  constructor(families: Families) {
    this.#families = families
  }

  /** Names of the fields that are read of the event's rows; undefined = any. */
  fieldsOf(format: EventFormat): readonly string[] | undefined {
    const handler = this.#handlerOf(format, 0)
    return handler === undefined ? [] : handler.fields
  }

  /** Runs the window's events in total order through their handlers. */
  follow(window: EventWindow): void {
    const { batches, batch: batchOf, row: rowOf, ts: times, cpu: cpus, tid: tids, length } = window
    const handlers = this.#bound
    for (const [b, batch] of batches.entries()) handlers[b] = this.#bind(batch)
    this.events += length
    if (length === 0) return
    if (Number.isNaN(this.startNs)) {
      this.startNs = times[0] as number
      this.#families.start(this.startNs)
    }
    this.endNs = times[length - 1] as number
    this.moments.add(window)
    const { tasks, clock } = this.#families
    let lossAt = this.#losses[0]?.startNs ?? Number.POSITIVE_INFINITY
    for (let k = 0; k < length; k++) {
      const handler = handlers[batchOf[k] as number]
      if (handler === undefined) continue
      const cpu = cpus[k] as number
      const ts = times[k] as number
      if (ts > lossAt) lossAt = this.#applyLosses(ts)
      clock.now = ts
      const task = tasks.at(tids[k] as number, cpu)
      // Data that is of no cpu has -1.
      if (cpu >= 0) task.lastCpu = cpu
      handler.event(rowOf[k] as number, cpu, task)
    }
  }

  /** Readers list losses by CPU: new ones stand between old ones. */
  takeLosses(losses: readonly Loss[]): void {
    if (losses.length === this.#lossesTaken.size) return
    for (const loss of losses) {
      if (this.#lossesTaken.has(loss)) continue
      this.#lossesTaken.add(loss)
      if (loss.isUnplaced !== true) this.#losses.push(loss)
    }
    this.#losses.sort((a, b) => a.startNs - b.startNs)
  }

  /**
   * To be called after the last window. Losses that only a CPU's counter tells may lie after its last event: from there on nothing is
   * known of it. Returns since when at the earliest, NaN = there are none.
   */
  finish(losses: readonly Loss[]): number {
    let hiddenSinceNs = Number.NaN
    for (const { cpu, isUnplaced, events } of losses) {
      const startNs = this.moments.lastNs(cpu)
      if (isUnplaced !== true || Number.isNaN(startNs)) continue
      this.#losses.push({ cpu, startNs, endNs: this.endNs, events })
      hiddenSinceNs = Number.isNaN(hiddenSinceNs) ? startNs : Math.min(hiddenSinceNs, startNs)
    }
    if (Number.isNaN(this.endNs)) return hiddenSinceNs
    for (const loss of this.#losses) this.#families.lose(loss)
    this.#families.finish(this.endNs)
    return hiddenSinceNs
  }

  #bind(batch: EventBatch): EventHandler | undefined {
    const { format, instance, length } = batch
    this.counts.set(format, (this.counts.get(format) ?? 0) + length)
    const handler = this.#handlerOf(format, instance)
    handler?.bind(batch)
    return handler
  }

  #handlerOf(format: EventFormat, instance: number): EventHandler | undefined {
    let byInstance = this.#handlers.get(format)
    if (byInstance === undefined) {
      byInstance = []
      this.#handlers.set(format, byInstance)
    }
    if (!(instance in byInstance)) byInstance[instance] = this.#families.handlerOf(format)
    return byInstance[instance]
  }

  /** Applies the losses that began before `ts`; returns when the next one begins. */
  #applyLosses(ts: number): number {
    const losses = this.#losses
    for (;;) {
      const [loss] = losses
      if (loss === undefined || loss.startNs >= ts) return loss?.startNs ?? Number.POSITIVE_INFINITY
      this.#families.lose(loss)
      losses.shift()
    }
  }
}
