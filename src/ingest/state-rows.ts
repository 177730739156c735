import { shapedRows } from '../database/packed.ts'
import type { IntRows, NumberRows, RowBuffer, ShapeRows } from '../model/rows.ts'
import type { Shapes } from '../model/shapes.ts'
import { intsOf, numbersOf, shapesOf } from './cells.ts'
import { PARTS } from './parts.ts'

/** Codes of thread_states.state, the same in all its forms. */
export const STATES = { running: 0, runnable: 1, io: 2, nap: 3, sleeping: 4 } as const
const DOINGS = [...new Set(['none', ...PARTS.map(({ doing }) => doing)])]
/** Code of thread_states.doing by part. */
export const DOING_OF = Int32Array.from(PARTS, ({ doing }) => DOINGS.indexOf(doing))
export const DOING_NONE = 0
const MOST_DOINGS = 8
const MOST_SHAPES = MOST_DOINGS * Object.keys(STATES).length

/** Shapes that a task's rows had on the CPU where it last was, by state and doing; -1 = not met. */
interface TaskShapes {
  cpu: number
  readonly numbers: Int32Array
}

/** Rows of thread_states in one of its forms. */
class StateRows {
  readonly rows: RowBuffer
  readonly start: NumberRows
  readonly #shape: ShapeRows
  readonly #shapes: Shapes
  /** By task id. */
  readonly #known: (TaskShapes | undefined)[] = []
  readonly #places: {
    readonly task: number
    readonly cpu: number
    readonly state: number
    readonly doing: number
  }

  constructor(table: string) {
    const { rows, shapes } = shapedRows(table)
    this.rows = rows
    this.start = numbersOf(rows, 'start_ns')
    this.#shape = shapesOf(rows)
    this.#shapes = shapes
    this.#places = {
      task: shapes.position('task_id'),
      cpu: shapes.position('cpu'),
      state: shapes.position('state'),
      doing: shapes.position('doing'),
    }
    for (const state of Object.keys(STATES)) shapes.codeOf('state', state)
    for (const doing of DOINGS) shapes.codeOf('doing', doing)
  }

  /** Adds a row whose times the caller sets. */
  add(task: number, cpu: number, state: number, doing: number): number {
    const row = this.rows.add()
    this.#shape.codes[row] = this.#shapeOf(task, cpu, state, doing)
    return row
  }

  #shapeOf(task: number, cpu: number, state: number, doing: number): number {
    let known = this.#known[task]
    if (known === undefined) {
      known = { cpu, numbers: new Int32Array(MOST_SHAPES).fill(-1) }
      this.#known[task] = known
    }
    if (known.cpu !== cpu) {
      known.cpu = cpu
      known.numbers.fill(-1)
    }
    const at = state * MOST_DOINGS + doing
    const number = known.numbers[at] ?? -1
    if (number >= 0) return number
    const { cells } = this.#shapes
    const places = this.#places
    cells[places.task] = task
    cells[places.cpu] = cpu
    cells[places.state] = state
    cells[places.doing] = doing
    const found = this.#shapes.find()
    known.numbers[at] = found
    return found
  }
}

/** A state per row. */
export class SingleStates extends StateRows {
  readonly end: NumberRows

  constructor() {
    super('thread_states')
    this.end = numbersOf(this.rows, 'end_ns')
  }
}

/** A run and what followed it per row: the row's `doing` is the run's, its `state` that of what followed. */
export class StatePairs extends StateRows {
  readonly run: IntRows
  readonly off: IntRows

  constructor() {
    super('thread_states_pairs')
    this.run = intsOf(this.rows, 'run_ns')
    this.off = intsOf(this.rows, 'off_ns')
  }
}
