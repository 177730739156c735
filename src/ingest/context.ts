import type { EventBatch } from '../../parsers/batch.ts'
import type { Clock } from './clock.ts'
import type { Following } from './follow-kernel.ts'
import type { PageIdentities } from './identities.ts'
import type { Processes } from './processes.ts'
import type { Spans } from './spans.ts'
import type { Swapins } from './swapins.ts'
import type { Swapouts } from './swapouts.ts'
import type { Tables } from './tables.ts'
import type { Task } from './task.ts'
import type { Tasks } from './tasks.ts'
import type { Timeline } from './timeline.ts'

/** What the event families share. Times are ns since the reader's base. */
export interface IngestContext {
  readonly following: Following
  readonly clock: Clock
  readonly tables: Tables
  readonly tasks: Tasks
  readonly processes: Processes
  readonly timeline: Timeline
  readonly spans: Spans
  readonly swapouts: Swapouts
  readonly swapins: Swapins
  readonly identities: PageIdentities
  /** From here on nothing was missed on the CPU: the trace's start or the end of the last loss. */
  blindUntil(cpu: number): number
  /** End of the last loss on the CPU, NaN when there was none. */
  lostUntil(cpu: number): number
}

/**
 * Handles the rows of one event format, each at the clock's time. `bind` comes before the rows of each batch. All are written with these
 * three names in this order: the loop over events would be slower for objects of several layouts.
 */
export interface EventHandler {
  /** Of the record by which the kernel handles the rows by itself; 0 = it calls `event`. */
  readonly place: number
  /** Names of the fields that it reads; undefined = any. */
  readonly fields: readonly string[] | undefined
  bind(batch: EventBatch): void
  event(row: number, cpu: number, task: Task): void
}

interface Bindable {
  readonly names: readonly string[]
  bind(batch: EventBatch): void
}

/** A handler whose fields are bound with every batch. */
export function handle(
  fields: readonly Bindable[],
  event: (row: number, cpu: number, task: Task) => void,
): EventHandler {
  let bound: EventBatch['columns'] | undefined
  return {
    place: 0,
    fields: fields.flatMap(({ names }) => names),
    bind(batch) {
      // A reader may have one list of columns for many windows.
      if (batch.columns === bound) return
      bound = batch.columns
      for (const field of fields) field.bind(batch)
    },
    event,
  }
}
