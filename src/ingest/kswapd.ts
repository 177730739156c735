import type { RowBuffer } from '../model/rows.ts'
import type { KernelRows } from './kernel-rows.ts'
import type { Task } from './task.ts'

/** Wake-ups of kswapds not yet met that are held back; of more it is left open whom they woke. */
const MOST_EARLY = 65_536

interface EarlyWakeup {
  readonly node: number
  readonly ts: number
  readonly wakerId: number
}

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
  readonly #wakeups: KernelRows
  readonly #open = new Map<Task, OpenWake>()
  readonly #byNode = new Map<number, Task>()
  /** Wake-ups that came before the node's kswapd was met. */
  #early: EarlyWakeup[] = []

  /** `rows` are kswapd_spans. */
  constructor(rows: RowBuffer, wakeups: KernelRows) {
    this.#rows = rows
    this.#wakeups = wakeups
  }

  wake(task: Task, node: number, order: number, ts: number): void {
    this.#meet(task, node)
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
    this.#meet(task, node)
    const open = this.#open.get(task)
    if (open === undefined) this.#add(task, node, Math.min(ts, blindUntil), ts, 'start', Number.NaN)
    else this.#close(open, ts, open.startSeen ? undefined : 'start')
  }

  /** It reclaims: an event of its own that is neither wake nor sleep. */
  active(task: Task, node: number, blindUntil: number): void {
    if (task.kswapdOpen) return
    const startNs = blindUntil
    this.#open.set(task, { task, node, startNs, startSeen: false, order: Number.NaN })
    task.kswapdOpen = true
  }

  censor(task: Task, ts: number): void {
    const open = this.#open.get(task)
    if (open !== undefined)
      this.#close(open, Math.max(ts, open.startNs), open.startSeen ? 'end' : 'both')
  }

  /** A task asks for the kswapd of `node`, asleep or not. */
  wakeup(waker: Task, node: number, ts: number): void {
    const wakeup = { node, ts, wakerId: waker.id }
    const task = this.#byNode.get(node)
    if (task === undefined && this.#early.length < MOST_EARLY) this.#early.push(wakeup)
    else this.#addWakeup(wakeup, task)
  }

  /** Of a kswapd that did nothing the name tells the node. */
  finish(tasks: readonly Task[]): void {
    for (const wakeup of this.#early)
      this.#addWakeup(
        wakeup,
        tasks.find(({ kind, node }) => kind === 'kswapd' && node === wakeup.node),
      )
    this.#early = []
  }

  #meet(task: Task, node: number): void {
    task.kind = 'kswapd'
    if (this.#byNode.get(node) === task) return
    this.#byNode.set(node, task)
    const early = this.#early
    this.#early = early.filter((wakeup) => wakeup.node !== node)
    for (const wakeup of early) if (wakeup.node === node) this.#addWakeup(wakeup, task)
  }

  #addWakeup({ ts, wakerId }: EarlyWakeup, woken: Task | undefined): void {
    const rows = this.#wakeups.take()
    const row = rows.add()
    rows.number(row, 'ts_ns', ts)
    rows.number(row, 'waker_task_id', wakerId)
    rows.number(row, 'task_id', woken?.id ?? Number.NaN)
    rows.text(row, 'reason', 'kswapd')
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
