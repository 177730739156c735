import type { Folio } from './folio.ts'

/** Folios that a CPU collects before it moves them (PAGEVEC_SIZE). */
const ROTATE = 31

/** The classic lists of all groups, head first, and what the CPUs are about to move to their tails. */
export class Lists {
  readonly #rotating: Folio[][]

  constructor(cpus: number) {
    this.#rotating = Array.from({ length: cpus }, () => [])
  }

  add(folio: Folio): void {
    const { active, group } = folio
    ;(active ? group.active : group.inactive).unshift(folio)
  }

  /** Folios from the tail until there are so many pages. */
  isolate(list: Folio[], pages: number, cpu: number): Folio[] {
    this.#rotateNow(cpu)
    const batch: Folio[] = []
    while (pagesOn(batch) < pages) {
      const folio = list.pop()
      if (folio === undefined) break
      batch.push(folio)
    }
    return batch
  }

  /** Written folios move to the tail together, a batch of a CPU at a time. */
  rotate(folio: Folio, cpu: number): void {
    const { active, inactive } = folio.group
    if (!inactive.includes(folio) && !active.includes(folio)) return
    const batch = this.#rotating[cpu] ?? []
    batch.push(folio)
    if (batch.length === ROTATE) this.#rotateNow(cpu)
  }

  #rotateNow(cpu: number): void {
    for (const folio of this.#rotating[cpu] ?? []) {
      if (folio.locked || !this.#remove(folio)) continue
      folio.active = false
      folio.group.inactive.push(folio)
    }
    this.#rotating[cpu] = []
  }

  #remove(folio: Folio): boolean {
    for (const list of [folio.group.inactive, folio.group.active]) {
      const place = list.indexOf(folio)
      if (place < 0) continue
      list.splice(place, 1)
      return true
    }
    return false
  }
}

export function pagesOn(list: readonly Folio[]): number {
  return list.reduce((all, { pages }) => all + pages, 0)
}
