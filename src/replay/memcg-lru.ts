import type { Lruvec } from './lruvec.ts'

/** MEMCG_NR_GENS and MEMCG_NR_BINS of include/linux/mmzone.h. */
const GENERATIONS = 3
const BINS = 8

/** What becomes of a cgroup's place after it was reclaimed: the end of its generation, or the next generation. */
export type MemcgMove = 'stays' | 'tail' | 'young'

/** What was done with one cgroup: where it goes, and whether the walk is over. */
export interface Step {
  readonly to: MemcgMove
  readonly isOver: boolean
}

interface Place {
  generation: number
  bin: number
  /** It was moved to the tail, as one in that generation. */
  isTail: boolean
}

/**
 * The cgroups of one node in the order in which the memory-wide reclaim of the multi-generational LRU takes them (mm/vmscan.c of 6.3 and later,
 * shrink_many): the oldest generation's, bin by bin from a random one. Whoever was aged goes to the next generation, so that others come first.
 */
export class MemcgLru {
  #oldest = 0
  readonly #drawBin: (bins: number) => number
  readonly #bins: readonly (readonly Lruvec[][])[]
  readonly #places = new Map<Lruvec, Place>()

  constructor(lruvecs: readonly Lruvec[], drawBin: (bins: number) => number) {
    this.#drawBin = drawBin
    this.#bins = Array.from({ length: GENERATIONS }, () => Array.from({ length: BINS }, () => []))
    for (const lruvec of lruvecs) this.#append(lruvec, this.#oldest, false)
  }

  isAtTail(lruvec: Lruvec): boolean {
    return this.#of(lruvec).isTail
  }

  /** lru_gen_rotate_memcg. */
  move(lruvec: Lruvec, to: MemcgMove): void {
    if (to === 'stays') return
    const { generation, bin } = this.#of(lruvec)
    const left = this.#list(generation, bin)
    left.splice(left.indexOf(lruvec), 1)
    this.#append(
      lruvec,
      to === 'tail' ? generation : (this.#oldest + 1) % GENERATIONS,
      to === 'tail',
    )
    if (generation !== this.#oldest) return
    const isEmpty = this.#bins[generation]?.every((list) => list.length === 0)
    if (isEmpty === true) this.#oldest = (this.#oldest + 1) % GENERATIONS
  }

  /** The walk of one reclaimer; others may walk meanwhile. */
  *walk<S>(shrink: (lruvec: Lruvec) => Generator<S, Step>): Generator<S, void> {
    const generation = this.#oldest
    const first = this.#drawBin(BINS)
    let done = 0
    while (done < BINS) {
      const bin = (first + done) % BINS
      let lruvec = this.#list(generation, bin)[0]
      let end = generation
      while (lruvec !== undefined) {
        const isThere: boolean = this.#of(lruvec).generation === generation
        const step: Step = isThere ? yield* shrink(lruvec) : { to: 'stays', isOver: false }
        // As the kernel's list walk: on from where it is by now, which another walker may have changed.
        end = this.#of(lruvec).generation
        const next = this.#after(lruvec)
        this.move(lruvec, step.to)
        if (step.isOver) return
        lruvec = next
      }
      // A walk that was led away into another generation begins the bin again.
      if (end === generation) done++
    }
  }

  #append(lruvec: Lruvec, generation: number, isTail: boolean): void {
    const bin = this.#drawBin(BINS)
    this.#places.set(lruvec, { generation, bin, isTail })
    this.#list(generation, bin).push(lruvec)
  }

  #of(lruvec: Lruvec): Place {
    return this.#places.get(lruvec) as Place
  }

  #after(lruvec: Lruvec): Lruvec | undefined {
    const { generation, bin } = this.#of(lruvec)
    const list = this.#list(generation, bin)
    return list[list.indexOf(lruvec) + 1]
  }

  #list(generation: number, bin: number): Lruvec[] {
    return this.#bins[generation]?.[bin] as Lruvec[]
  }
}
