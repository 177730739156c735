import { OutsideCase } from '../case.ts'
import type { Program, Thread } from '../clock.ts'
import { directReclaim } from '../direct-reclaim.ts'
import { drawEach, type Folio } from '../folio.ts'
import type { Machine } from '../machine.ts'
import { beginStore, endStore } from '../store.ts'
import { timerAt } from '../timer.ts'

/** Reclaims in a row that free nothing before the case is given up. */
const HOPELESS = 200

/**
 * A worker without PF_MEMALLOC: what each page of the folio needs of the pool is taken one after the other, each above the min mark. Where
 * one is refused, those before it are given back, the worker reclaims for each without writing and compresses that page once more. Between
 * two reclaims it sleeps for `restTicks` ticks.
 */
export function* storeWithoutReserve(
  machine: Machine,
  thread: Thread,
  folio: Folio,
  restTicks: number,
): Program {
  const { costs, frames, kswapd, marks } = machine
  const ofPages = beginStore(machine, thread, folio)
  yield { spend: drawEach(folio.pages, costs.store) }
  for (const poolPages of ofPages) {
    let taken = 0
    for (; taken < poolPages; taken++) {
      if (frames.counted <= marks.low) kswapd.wake()
      if (frames.counted <= marks.min) break
      frames.take(1)
    }
    if (taken === poolPages) continue
    frames.give(taken)
    for (let page = 0; page < poolPages; page++) {
      if (frames.counted <= marks.low) kswapd.wake()
      yield* reclaim(machine, thread, restTicks)
      frames.take(1)
    }
    yield { spend: costs.store.draw() }
  }
  endStore(machine, folio, 0)
}

function* reclaim(machine: Machine, thread: Thread, restTicks: number): Program {
  const { clock, frames, kswapd, marks } = machine
  let fruitless = 0
  while (frames.counted <= marks.min) {
    kswapd.wake()
    const reclaimed = yield* directReclaim(machine, thread, { mayWrite: false })
    if (reclaimed > 0 && frames.counted <= marks.min) frames.drain()
    if (frames.counted > marks.min) return
    fruitless = reclaimed > 0 ? 0 : fruitless + 1
    if (fruitless >= HOPELESS) throw new OutsideCase('nobody frees anything')
    if (restTicks > 0) yield { sleepUntil: timerAt(clock.now, restTicks) }
  }
}
