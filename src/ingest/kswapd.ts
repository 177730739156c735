import type { RowBuffer } from '../model/rows.ts'
import type { Task } from './tasks.ts'

interface OpenWake {
  task: Task
  node: number
  startNs: number
  startSeen: boolean
  order: number
}

/** kswapd from its wake to its full sleep. It wakes from naps in between, so wakes outnumber sleeps. */
export class KswapdSpans {
  readonly #rows: RowBuffer
  readonly #open = new Map<Task, OpenWake>()
  readonly #byNode = new Map<number, Task>()

  constructor(rows: RowBuffer) {
    this.#rows = rows
  }

  wake(task: Task, node: number, order: number, ts: number): void {
    task.kind = 'kswapd'
    this.#byNode.set(node, task)
    const open = this.#open.get(task)
    if (open !== undefined) {
      open.order = Math.max(open.order, order)
      return
    }
    this.#open.set(task, { task, node, startNs: ts, startSeen: true, order })
    task.kswapdOpen = true
  }

  /** It goes to sleep; if its wake was not seen, it has been awake since `blindUntil` at least. */
  sleep(task: Task, node: number, ts: number, blindUntil: number): void {
    task.kind = 'kswapd'
    this.#byNode.set(node, task)
    const open = this.#open.get(task)
    if (open === undefined) this.#add(task, node, Math.min(ts, blindUntil), ts, 'start', Number.NaN)
    else this.#close(open, ts, open.startSeen ? undefined : 'start')
  }

  /** It reclaims: an event of its own that is neither wake nor sleep. */
  active(task: Task, node: number, blindUntil: number): void {
    if (this.#open.has(task)) return
    const startNs = blindUntil
    this.#open.set(task, { task, node, startNs, startSeen: false, order: Number.NaN })
    task.kswapdOpen = true
  }

  censor(task: Task, ts: number): void {
    const open = this.#open.get(task)
    if (open !== undefined)
      this.#close(open, Math.max(ts, open.startNs), open.startSeen ? 'end' : 'both')
  }

  taskOfNode(node: number): Task | undefined {
    return this.#byNode.get(node)
  }

  #close(open: OpenWake, ts: number, censored: 'start' | 'end' | 'both' | undefined): void {
    this.#open.delete(open.task)
    open.task.kswapdOpen = false
    this.#add(open.task, open.node, open.startNs, ts, censored, open.order)
  }

  #add(
    task: Task,
    node: number,
    start: number,
    end: number,
    censored: string | undefined,
    order: number,
  ): void {
    const rows = this.#rows
    const row = rows.add()
    rows.number(row, 'node', node)
    rows.number(row, 'task_id', task.id)
    rows.number(row, 'tid', task.tid)
    rows.number(row, 'start_ns', start)
    rows.number(row, 'end_ns', end)
    rows.text(row, 'censored', censored)
    rows.number(row, 'alloc_order', order)
  }
}
