import type { Program, Thread } from './clock.ts'
import type { Machine } from './machine.ts'
import { CLUSTER, newScan, shrinkActive, shrinkNode } from './shrink.ts'
import { timerAt } from './timer.ts'

const NAP_TICKS = 100
/** MAX_RECLAIM_RETRIES: kswapd gives up, and tasks go past the throttle. */
const HOPELESS = 16

/** kswapd, and the tasks that it holds back when even the reserve runs out. */
export class Kswapd {
  /** Balances that freed nothing, in a row. */
  failures = 0
  readonly #machine: Machine
  readonly #thread: Thread
  #isAsleep = true
  #throttled: Thread[] = []

  constructor(machine: Machine) {
    this.#machine = machine
    this.#thread = machine.addKernelThread('kswapd0', (self) => this.#main(self))
  }

  wake(): void {
    const { clock, frames, marks } = this.#machine
    if (this.failures >= HOPELESS || !this.#isAsleep || frames.counted > marks.high) return
    clock.wake(this.#thread)
  }

  /** Holds a task back while less than half of the reserve is free. */
  *throttle(thread: Thread): Program {
    if (this.#mayReclaimDirectly()) return
    const { clock, log } = this.#machine
    const from = clock.now
    while (!this.#mayReclaimDirectly()) {
      this.wake()
      this.#throttled.push(thread)
      yield { block: true }
    }
    log.spans.push({ kind: 'throttle', task: thread.name, from, to: clock.now, reclaimed: 0 })
  }

  *#main(thread: Thread): Program {
    const { clock, log } = this.#machine
    for (;;) {
      this.#isAsleep = false
      this.#machine.setPressure(true)
      const from = clock.now
      do {
        yield* this.#balance(thread)
      } while (!(this.#maySleep() && (yield* this.#nap())))
      log.kswapdSpans.push([from, clock.now])
      this.#isAsleep = true
      this.#machine.setPressure(false)
      yield { block: true }
    }
  }

  /** True: nobody woke it, and there still is enough. */
  *#nap(): Program<boolean> {
    const { clock } = this.#machine
    const until = timerAt(clock.now, NAP_TICKS)
    this.#isAsleep = true
    yield { sleepUntil: until }
    this.#isAsleep = false
    return clock.now >= until && this.#maySleep()
  }

  *#balance(thread: Thread): Program {
    const machine = this.#machine
    const { frames, marks, root } = machine
    const scan = newScan(thread, { context: 'kswapd', mayWrite: true })
    let total = 0
    while (scan.priority >= 1) {
      if (frames.counted > marks.high) break
      if (root.isInactiveLow)
        for (const group of root.subtree) yield* shrinkActive(machine, group, CLUSTER)
      scan.reclaimed = 0
      scan.scanned = 0
      scan.target = Math.max(marks.high, CLUSTER)
      yield* shrinkNode(machine, scan)
      total += scan.reclaimed
      if (this.#throttled.length > 0 && this.#mayReclaimDirectly()) this.#letThrottledGo()
      if (scan.scanned < scan.target || scan.reclaimed === 0) scan.priority--
    }
    if (scan.priority < 1 && total === 0) this.failures++
    root.seenActivations = root.activations
  }

  #maySleep(): boolean {
    this.#letThrottledGo()
    const { frames, marks } = this.#machine
    return frames.counted > marks.high || this.failures >= HOPELESS
  }

  #mayReclaimDirectly(): boolean {
    const { frames, marks } = this.#machine
    return this.failures >= HOPELESS || frames.free > Math.floor(marks.min / 2)
  }

  #letThrottledGo(): void {
    const waiting = this.#throttled
    this.#throttled = []
    for (const thread of waiting) this.#machine.clock.wake(thread)
  }
}
