import { shapedRows } from '../database/packed.ts'
import type { RowBuffer } from '../model/rows.ts'
import type { Shapes } from '../model/shapes.ts'
import {
  DOING_NONE,
  DOING_OF,
  FOUR,
  PAIR_FOURS,
  PAIR_ROWS,
  STATE_ROWS,
} from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'
import { PARTS } from './parts.ts'

/** Names of thread_states.state by code (assembly/_layout.ts), the same in all its forms. */
const STATES = ['running', 'runnable', 'io', 'nap', 'sleeping']
const DOINGS = [...new Set(['none', ...PARTS.map(({ doing }) => doing)])]

/** Tells the kernel the code of thread_states.doing of each part. */
export function setDoings({ words }: Following): void {
  for (const [part, { doing }] of PARTS.entries())
    words[DOING_OF / 4 + part] = doing === 'none' ? DOING_NONE : DOINGS.indexOf(doing)
}

/** Rows of thread_states in one of its forms. */
export class StateRows {
  readonly buffer: RowBuffer
  /** Of what the kernel knows of the rows. */
  readonly place: number
  readonly shapes: Shapes
  readonly #places: {
    readonly task: number
    readonly cpu: number
    readonly state: number
    readonly doing: number
  }

  /** `word` of the trace's record says where the rows are. */
  constructor(following: Following, word: number, table: string, names: readonly string[]) {
    const { rows, shapes } = shapedRows(table, following.memory)
    this.buffer = rows
    this.place = following.share(word, rows, names).place
    this.shapes = shapes
    this.#places = {
      task: shapes.position('task_id'),
      cpu: shapes.position('cpu'),
      state: shapes.position('state'),
      doing: shapes.position('doing'),
    }
    for (const state of STATES) shapes.codeOf('state', state)
    for (const doing of DOINGS) shapes.codeOf('doing', doing)
  }

  shapeOf(task: number, cpu: number, state: number, doing: number): number {
    const { cells } = this.shapes
    const places = this.#places
    cells[places.task] = task
    cells[places.cpu] = cpu
    cells[places.state] = state
    cells[places.doing] = doing
    return this.shapes.find()
  }
}

/** A state per row. */
export function singleStates(following: Following): StateRows {
  return new StateRows(following, STATE_ROWS, 'thread_states', ['shape', 'start_ns', 'end_ns'])
}

/** A run and what followed it per row: the row's `doing` is the run's, its `state` that of what followed. */
export function statePairs(following: Following): StateRows {
  const names = ['shape', 'start_ns', 'run_ns', 'off_ns']
  return new StateRows(following, PAIR_ROWS, 'thread_states_pairs', names)
}

/** Four such pairs of one shape per row. */
export function statePairFours(following: Following, { shapes }: StateRows): RowBuffer {
  const { rows } = shapedRows('thread_states_fours', following.memory, shapes)
  const ends = Array.from({ length: 2 * FOUR }, (_, k) => `at_${k + 1}`)
  following.share(PAIR_FOURS, rows, ['shape', 'start_ns', ...ends])
  return rows
}
