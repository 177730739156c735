import type { EventBatch, EventFormat, EventWindow } from '../../parsers/batch.ts'
import type { Loss } from '../../parsers/reader.ts'
import { BATCH_EVENTS } from './assembly/_layout.ts'
import type { EventHandler } from './context.ts'
import { EventCounts } from './event-counts.ts'
import type { Families } from './families.ts'
import { KernelEvent } from './kernel-event.ts'
import { WindowPlaces } from './window-places.ts'

/** Runs the events through the handlers of their families, and losses where they lie between them. */
export class Follower {
  /** Rows by format. */
  readonly counts = new Map<EventFormat, number>()
  readonly moments: EventCounts
  events = 0
  startNs = Number.NaN
  endNs = Number.NaN
  readonly #families: Families
  /** By instance: two instances' batches of one format are bound at the same time. */
  readonly #handlers = new Map<EventFormat, (EventHandler | undefined)[]>()
  /** Handlers of the window's batches. One array for all windows: V8 would not always make new ones of the same kind. */
  readonly #bound: (EventHandler | undefined)[] = []
  /** Places of their records. */
  #events: Int32Array = new Int32Array(0)
  readonly #places: WindowPlaces
  readonly #lossesTaken = new Set<Loss>()
  #losses: Loss[] = []

  constructor(families: Families) {
    const { following, tasks } = families
    this.#families = families
    this.#places = new WindowPlaces(following)
    this.moments = new EventCounts(following)
    following.link({
      ...families.host,
      handle: (number, row, cpu, index) =>
        this.#bound[number]?.event(row, cpu, tasks.withIndex(index)),
      lose: (ts) => this.#applyLosses(ts),
      keepMoment: (cpu, ts) => this.moments.keep(cpu, ts),
      moreCpus: (cpu) => this.moments.reserve(cpu),
    })
  }

  /** Names of the fields that are read of the event's rows; undefined = any. */
  fieldsOf(format: EventFormat): readonly string[] | undefined {
    const handler = this.#handlerOf(format, 0)
    return handler === undefined ? [] : handler.fields
  }

  /** The event's records do as well as their fields. */
  readsRecords(format: EventFormat): boolean {
    const handler = this.#handlerOf(format, 0)
    return handler instanceof KernelEvent && handler.readsRecords(format)
  }

  /** Runs the window's events in total order through their handlers. */
  follow(window: EventWindow): void {
    const { batches, ts: times, length } = window
    for (const [b, batch] of batches.entries()) {
      const handler = this.#bind(batch)
      this.#bound[b] = handler
      this.#setEvent(b, handler)
    }
    this.events += length
    if (length === 0) return
    if (Number.isNaN(this.startNs)) {
      this.startNs = times[0] as number
      this.#families.start(this.startNs)
    }
    this.endNs = times[length - 1] as number
    const { batch, row, ts, cpu, tid } = this.#places.of(window)
    const lossAt = this.#losses[0]?.startNs ?? Number.POSITIVE_INFINITY
    const { following } = this.#families
    following.kernel.follow(length, batch, row, ts, cpu, tid, lossAt)
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

  /** Tells the kernel by which record to handle the rows of batch `number`. */
  #setEvent(number: number, handler: EventHandler | undefined): void {
    const { following } = this.#families
    if (number >= this.#events.length) {
      const events = following.integers(following.room(8 * (number + 16)), 2 * (number + 16))
      events.set(this.#events)
      this.#events = events
      following.words[BATCH_EVENTS / 4] = events.byteOffset
    }
    const own = handler === undefined ? following.noEvent : following.hostEvent
    this.#events[number] = handler?.place || own
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
