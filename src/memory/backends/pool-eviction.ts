import type { EvictingPool, Pool } from '../pools/pool.ts'
import { FIRST_LENGTH, grown } from './slot-table.ts'

/** Objects of one pool page at most. */
const MOST_OBJECTS = 3

/** Pools that choose themselves what to write back, a page of theirs at a time: zbud and z3fold up to 6.1. */
export class PoolEviction {
  readonly #pool: EvictingPool
  readonly #victims = new Int32Array(MOST_OBJECTS)
  #slotOfHandle = new Int32Array(FIRST_LENGTH)

  private constructor(pool: EvictingPool) {
    this.#pool = pool
  }

  /** undefined = the pool cannot. */
  static of(pool: Pool): PoolEviction | undefined {
    return isEvicting(pool) ? new PoolEviction(pool) : undefined
  }

  /** The slot's object has this handle. */
  note(handle: number, slot: number): void {
    if (handle >= this.#slotOfHandle.length) {
      const length = Math.max(handle + 1, this.#slotOfHandle.length * 2)
      this.#slotOfHandle = grown(this.#slotOfHandle, new Int32Array(length))
    }
    this.#slotOfHandle[handle] = slot
  }

  /** Slots of the objects in the coldest page; none where the pool is empty. */
  coldestSlots(): number[] {
    const count = this.#pool.coldest(this.#victims)
    return Array.from(this.#victims.subarray(0, count), (handle) => this.#slotOfHandle[handle] ?? 0)
  }

  rotate(handle: number): void {
    this.#pool.rotate(handle)
  }
}

function isEvicting(pool: Pool): pool is EvictingPool {
  return 'coldest' in pool && 'rotate' in pool
}
