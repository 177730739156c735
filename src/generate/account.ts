import type { Truth } from './truth.ts'

/** What a task's time goes to; off the CPU the state decides. */
export type Activity =
  | 'scan'
  | 'unmap'
  | 'store'
  | 'slab'
  | 'compaction'
  | 'throttle'
  | 'runnable'
  | 'io'
  | 'asleep'
  | 'other'

export type State = 'running' | 'runnable' | 'sleeping' | 'io'

const DOING: Readonly<Partial<Record<Activity, string>>> = {
  scan: 'scan',
  unmap: 'unmap',
  store: 'store',
  slab: 'slab',
}
const PARTS: Readonly<Partial<Record<Activity, readonly [part: string, detail: string]>>> = {
  asleep: ['other', 'asleep'],
  compaction: ['other', 'compaction'],
}

export type Totals = ReadonlyMap<Activity, number>

/**
 * One task's time. What its code did is told when a stretch of it ends, as its events do; the stretch may span several runs
 * on the CPU.
 */
export class Account {
  readonly #truth: Truth | undefined
  readonly #task: { readonly tid: number; readonly cpu: number }
  /** States that ended before are not part of the truth. */
  readonly #recordFrom: number
  readonly #totals = new Map<Activity, number>()
  /** Runs whose activity is not told yet: start, end, ... */
  readonly #untold: number[] = []
  #state: State | undefined
  #since = 0
  /** The row that the next run extends when it touches it and does the same. */
  #last = { row: -1, endNs: Number.NaN, doing: '' }
  /** The sleep under way is in reclaim_throttle(). */
  throttled = false
  /** kswapd between wake-up and full sleep: its sleeps are naps. */
  awake = false
  /** Inside reclaim: runs wait until their activity is told. */
  reclaims = false

  constructor(
    truth: Truth | undefined,
    task: { readonly tid: number; readonly cpu: number },
    recordFrom: number,
  ) {
    this.#truth = truth
    this.#task = task
    this.#recordFrom = recordFrom
  }

  /** The scheduler's state changes; undefined = the task is gone. */
  enter(state: State | undefined, now: number): void {
    if (this.#truth === undefined) return
    if (this.#state === 'running') {
      this.#untold.push(this.#since, now)
      if (!this.reclaims) this.#tell('other')
    } else if (this.#state !== undefined) this.#endOff(this.#state, now)
    this.#state = state
    this.#since = now
  }

  /** All time on the CPU since it was last told was spent on `activity`. */
  did(activity: Activity, now: number): void {
    if (this.#truth === undefined || this.#state !== 'running') return
    this.#untold.push(this.#since, now)
    this.#since = now
    this.#tell(activity)
  }

  /** Stores for others; to take the page out of the queue was part of it. */
  beginStore(now: number): void {
    this.did('store', now)
    this.reclaims = true
  }

  endStore(now: number): void {
    this.did('store', now)
    this.reclaims = false
  }

  /** Time by activity until now; what is not told is left out. */
  totals(): Totals {
    return this.#truth === undefined ? this.#totals : new Map(this.#totals)
  }

  /** Rows of the time since `before` for the span `span`. */
  addParts(span: number, before: Totals): void {
    for (const [activity, total] of this.#totals) {
      const ns = total - (before.get(activity) ?? 0)
      if (ns === 0) continue
      const [part, detail] = PARTS[activity] ?? [activity, undefined]
      this.#truth?.add('stall_parts', { span, part, detail, ns })
    }
  }

  /** The recording ends: so do all states. */
  finish(now: number): void {
    this.reclaims = false
    this.enter(undefined, now)
  }

  #endOff(state: State, now: number): void {
    const activity =
      state === 'runnable'
        ? 'runnable'
        : state === 'sleeping'
          ? 'asleep'
          : this.throttled
            ? 'throttle'
            : 'io'
    this.#count(activity, now - this.#since)
    this.#add(this.#since, now, state === 'sleeping' && this.awake ? 'nap' : state, 'none')
  }

  #tell(activity: Activity): void {
    const doing = DOING[activity] ?? 'none'
    for (let i = 0; i + 1 < this.#untold.length; i += 2) {
      const start = this.#untold[i] ?? 0
      const end = this.#untold[i + 1] ?? 0
      this.#count(activity, end - start)
      if (this.#last.row >= 0 && start === this.#last.endNs && doing === this.#last.doing) {
        this.#last.endNs = end
        this.#truth?.set('thread_states', this.#last.row, { end_ns: end })
      } else this.#last = { row: this.#add(start, end, 'running', doing), endNs: end, doing }
    }
    this.#untold.length = 0
  }

  #count(activity: Activity, ns: number): void {
    if (ns > 0) this.#totals.set(activity, (this.#totals.get(activity) ?? 0) + ns)
  }

  #add(startNs: number, endNs: number, state: string, doing: string): number {
    if (endNs <= startNs || endNs <= this.#recordFrom) return -1
    return (
      this.#truth?.add('thread_states', {
        ...this.#task,
        start_ns: startNs,
        end_ns: endNs,
        state,
        doing,
      }) ?? -1
    )
  }
}
