/** Requests of a recorded device, in the order of their issue; columns. */
export interface RecordedRequests {
  /** 1 = write. */
  readonly isWrite: Uint8Array
  readonly pages: Float64Array
  /** From issue to completion. */
  readonly ns: Float64Array
  /** Most of them under way at once. */
  readonly depth: number
}

/** Recorded times of one operation and one size: used round and round. */
interface Times {
  readonly ns: number[]
  next: number
}

/** What a recorded device took: each request gets the next recorded time of its operation and, to a power of two, its size. */
export class ServiceTimes {
  readonly #read: (Times | undefined)[] = []
  readonly #write: (Times | undefined)[] = []

  constructor({ isWrite, pages, ns }: RecordedRequests) {
    for (let row = 0; row < ns.length; row++) {
      const times = isWrite[row] === 1 ? this.#write : this.#read
      const size = sizeOf(pages[row] as number)
      const own = times[size] ?? { ns: [], next: 0 }
      times[size] = own
      own.ns.push(Math.floor(ns[row] as number))
    }
  }

  /** -1 = no such operation was recorded. */
  take(op: 'read' | 'write', pages: number): number {
    const times = nearest(op === 'read' ? this.#read : this.#write, sizeOf(pages))
    if (times === undefined) return -1
    const ns = times.ns[times.next] as number
    times.next = (times.next + 1) % times.ns.length
    return ns
  }
}

function sizeOf(pages: number): number {
  return 31 - Math.clz32(Math.max(1, pages))
}

/** Sizes that were not recorded take the times of the next larger one, else of the next smaller. */
function nearest(bySize: readonly (Times | undefined)[], size: number): Times | undefined {
  for (let larger = size; larger < bySize.length; larger++)
    if (bySize[larger] !== undefined) return bySize[larger]
  for (let smaller = Math.min(size, bySize.length) - 1; smaller >= 0; smaller--)
    if (bySize[smaller] !== undefined) return bySize[smaller]
  return undefined
}
