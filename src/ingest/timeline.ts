import { SCHEDULED } from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'
import type { StateRows } from './state-rows.ts'
import type { Task } from './task.ts'

/**
 * Accounts every task's time, in WebAssembly (assembly/_timeline.ts). Time on CPU waits unlabelled until an event tells what it was for
 * (the events come at the end of what they describe); time off CPU is labelled when it ends.
 *
 *     switch-in        event A   switch-out    switch-in      event B
 *     |--- run --------|-- run --|-- off ------|-- run -------|
 *          label(A)      `------- label(B) for both runs -----'
 */
export class Timeline {
  readonly #following: Following
  /** Both forms of thread_states by the places of their rows. */
  readonly #forms: ReadonlyMap<number, StateRows>

  constructor(following: Following, forms: readonly StateRows[]) {
    this.#following = following
    this.#forms = new Map(forms.map((form) => [form.place, form]))
  }

  /** The trace has scheduler events; without them a task is taken to run between its own events. */
  get scheduled(): boolean {
    return this.#following.words[SCHEDULED / 4] !== 0
  }

  set scheduled(isScheduled: boolean) {
    this.#following.words[SCHEDULED / 4] = isScheduled ? 1 : 0
  }

  /** Number of what a row of thread_states has in common with others. */
  shapeOf(rows: number, task: number, cpu: number, state: number, doing: number): number {
    return this.#forms.get(rows)?.shapeOf(task, cpu, state, doing) ?? 0
  }

  /** Brings the task's account up to now. */
  advance(task: Task): void {
    this.#following.kernel.advance(task.place)
  }

  /** An event of the task itself: it runs now, and its time on CPU since the last such event was spent on `part`. */
  label(task: Task, part: number): void {
    this.#following.kernel.label(task.place, part)
  }

  /** Nothing is known of the task from now on: events were lost. */
  lose(task: Task): void {
    this.#following.kernel.lose(task.place)
  }

  /** The trace ends: states still open end with it. */
  finish(task: Task): void {
    this.#following.kernel.finish(task.place)
  }

  /** The last sleep was of kind `part` after all. */
  relabelSleep(task: Task, part: number): void {
    this.#following.kernel.relabelSleep(task.place, part)
  }

  /** Somebody is known to have woken the task last, but no kswapd. */
  wasWokenByOther(task: Task): boolean {
    return this.#following.kernel.wokenByOther(task.place) !== 0
  }
}
