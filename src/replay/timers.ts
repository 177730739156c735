import type { Scheduler } from './scheduler.ts'
import type { Thread } from './thread.ts'

/** LVL_START(1) and LVL_CLK_DIV: a timer this far away or further stands on the next level of the wheel, whose clock is so much slower. */
const LEVEL_JIFFIES = 63
const LEVEL_DIVISOR = 8

type Sleeper = Pick<Scheduler, 'now' | 'sleepUntil'>

/** Sleeps of so many jiffies (schedule_timeout). */
export class Timers {
  readonly tickNs: number
  /** Jiffies in a second (CONFIG_HZ). */
  readonly hz: number
  /** HZ / 10: kswapd's nap, and the longest that reclaim waits for the device. */
  readonly tenthOfSecond: number
  readonly #scheduler: Sleeper

  constructor(scheduler: Sleeper, tickNs: number) {
    this.#scheduler = scheduler
    this.tickNs = tickNs
    this.hz = Math.round(1e9 / this.tickNs)
    this.tenthOfSecond = Math.floor(this.hz / 10)
  }

  /**
   * When a timer of so many jiffies that is set now fires (calc_wheel_index in kernel/time/timer.c, 4.8 and later): at a tick, and never early, so
   * that the jiffy that has begun does not count, and rounded up to a tick of its level's clock. kswapd's naps last 100 to 104 ms
   * where HZ is 250 and 100 to 108 where it is 1000.
   */
  expiry(jiffies: number): number {
    let granularity = 1
    while (jiffies >= LEVEL_JIFFIES * granularity) granularity *= LEVEL_DIVISOR
    const expires = Math.floor(this.#scheduler.now / this.tickNs) + jiffies
    return (Math.floor(expires / granularity) + 1) * granularity * this.tickNs
  }

  /** Sleeps until then or a wake-up; the caller must yield. */
  sleep(thread: Thread, jiffies: number, state: number): void {
    this.#scheduler.sleepUntil(thread, this.expiry(jiffies), state)
  }
}
