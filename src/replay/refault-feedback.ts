import { MAX_SWAPPINESS } from '../model/vmscan.ts'

/** MIN_LRU_BATCH of include/linux/mmzone.h on 64 bits: fewer refaults tell nothing. */
const FEW = 64
export const ANON_TYPE = 0
export const FILE_TYPE = 1

/** What was evicted in the oldest generation of one kind and how much of it came back, and their averages over the generations before. */
class Refaults {
  refaulted = 0
  evicted = 0
  #averageRefaulted = 0
  #averageEvicted = 0

  /** read_ctrl_pos. */
  get came(): number {
    return this.#averageRefaulted + this.refaulted
  }

  get total(): number {
    return this.#averageEvicted + this.evicted
  }

  /** reset_ctrl_pos with carry-over: the oldest generation is another one from now on. */
  carryOver(): void {
    this.#averageRefaulted = this.came >> 1
    this.#averageEvicted = this.total >> 1
    this.refaulted = 0
    this.evicted = 0
  }
}

/**
 * Which kind of pages eviction takes of one cgroup on one node where the oldest generation holds both, by how many of either came back (the
 * PID controller of mm/vmscan.c, 6.1 to 6.13, which asks the first tiers; from 6.14 on all tiers together). Pages beyond the first tier are
 * those that a program read more than once by file descriptor; a replay has none.
 */
export class RefaultFeedback {
  readonly #anon = new Refaults()
  readonly #file = new Refaults()

  evicted(type: number, pages: number): void {
    this.#of(type).evicted += pages
  }

  /** Of pages that were evicted in what still is the oldest generation. */
  refaulted(type: number, pages: number): void {
    this.#of(type).refaulted += pages
  }

  /** The oldest generation of this kind goes on. */
  carryOver(type: number): void {
    this.#of(type).carryOver()
  }

  /** get_type_to_scan: files, unless more of them came back in relation, as swappiness weighs them (positive_ctrl_err). */
  typeToScan(swappiness: number): number {
    const anon = this.#anon
    const file = this.#file
    const isFile =
      file.came < FEW ||
      file.came * (anon.total + FEW) * swappiness <=
        (anon.came + 1) * file.total * (MAX_SWAPPINESS - swappiness)
    return isFile ? FILE_TYPE : ANON_TYPE
  }

  #of(type: number): Refaults {
    return type === FILE_TYPE ? this.#file : this.#anon
  }
}
