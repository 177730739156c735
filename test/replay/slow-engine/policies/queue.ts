import type { Program, Thread } from '../clock.ts'
import { type Folio, unlock } from '../folio.ts'
import type { Machine } from '../machine.ts'
import { store } from '../store.ts'
import type { Lock } from './lock.ts'

/** Folios that wait to be stored, first in, first out. */
export class Queue {
  readonly #machine: Machine
  readonly #lock: Lock | undefined
  readonly #folios: Folio[] = []

  /** With a lock that `take` holds. */
  constructor(machine: Machine, lock?: Lock) {
    this.#machine = machine
    this.#lock = lock
  }

  get length(): number {
    return this.#folios.length
  }

  *push(folio: Folio): Program {
    this.#folios.push(folio)
    yield { spend: this.#machine.costs.push.draw() }
  }

  *take(thread: Thread): Program<Folio | undefined> {
    if (this.#lock !== undefined) yield* this.#lock.take(thread)
    const folio = this.pop()
    this.#lock?.release()
    return folio
  }

  pop(): Folio | undefined {
    const folio = this.#folios.shift()
    if (folio?.swapout !== undefined) this.#machine.log.takeUp(folio.swapout)
    return folio
  }
}

/** A store that the policy asked for is done. */
export function complete(machine: Machine, thread: Thread, folio: Folio): void {
  const isMet = folio.metByReclaim
  folio.writeback = false
  folio.metByReclaim = false
  unlock(machine, folio)
  if (isMet || machine.policy?.queuesUnderWriteback) machine.lists.rotate(folio, thread.cpu)
}

/** kswapd makes room in a full queue: it stores the oldest folio itself. */
export function* storeDisplaced(machine: Machine, thread: Thread, folio: Folio): Program {
  if (folio.swapout !== undefined) folio.swapout.path = 'displaced'
  yield* store(machine, thread, folio)
  complete(machine, thread, folio)
}
