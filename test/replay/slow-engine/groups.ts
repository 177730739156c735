import type { WorkloadMemcg } from '../../../src/workload/types.ts'
import type { Folio } from './folio.ts'
import { pagesOn } from './lists.ts'

const NO_LIMIT = Number.POSITIVE_INFINITY

/** A memory cgroup: its own lists, and with those below it what they count together. */
export class Group {
  readonly inactive: Folio[] = []
  readonly active: Folio[] = []
  /** lruvec->nonresident_age. */
  age = 0
  /** Refaults and second chances that made a folio active, and what the last reclaim had seen of them. */
  activations = 0
  seenActivations = 0
  /** Pages that are charged to it and not on a list yet. */
  arriving = 0
  /** Charged to it ahead of use, by CPU. */
  readonly stocks = new Map<number, number>()
  readonly parent: Group | undefined
  readonly children: Group[] = []
  readonly settings: {
    readonly min: number
    readonly low: number
    readonly high: number
    readonly max: number
    readonly swapHigh: number
    readonly swapMax: number
  }
  readonly #folios: readonly Folio[]
  #subtree: readonly Group[] | undefined

  constructor(
    parent: Group | undefined,
    memcg: Omit<WorkloadMemcg, 'name'>,
    folios: readonly Folio[],
  ) {
    this.parent = parent
    this.settings = {
      min: memcg.minPages ?? 0,
      low: memcg.lowPages ?? 0,
      high: memcg.highPages ?? NO_LIMIT,
      max: memcg.maxPages ?? NO_LIMIT,
      swapHigh: memcg.swapHighPages ?? NO_LIMIT,
      swapMax: memcg.swapMaxPages ?? NO_LIMIT,
    }
    this.#folios = folios
    parent?.children.push(this)
  }

  /** Itself and all below it, in the order of a walk; the tree does not change once a run has begun. */
  get subtree(): readonly Group[] {
    this.#subtree ??= [this, ...this.children.flatMap(({ subtree }) => subtree)]
    return this.#subtree
  }

  /** Itself and all above it. */
  get path(): Group[] {
    return [this, ...(this.parent?.path ?? [])]
  }

  get isInactiveLow(): boolean {
    const on = (list: 'active' | 'inactive'): number =>
      this.subtree.reduce((all, group) => all + pagesOn(group[list]), 0)
    return on('inactive') < on('active')
  }

  get activePages(): number {
    return this.subtree.reduce((all, { active }) => all + pagesOn(active), 0)
  }

  /** Pages charged to it and to those below. */
  get usage(): number {
    let usage = 0
    for (const { arriving, stocks } of this.subtree) {
      usage += arriving
      for (const pages of stocks.values()) usage += pages
    }
    for (const { group, pages, state } of this.#folios)
      if (state !== 'free' && state !== 'swapped' && this.subtree.includes(group)) usage += pages
    return usage
  }

  /** Slots of it and of those below. */
  get inSwap(): number {
    return this.#folios
      .filter(({ group, slot }) => slot >= 0 && this.subtree.includes(group))
      .reduce((all, { pages }) => all + pages, 0)
  }

  /** How much more of it may go to swap. */
  get swapLeft(): number {
    return Math.min(...this.path.map(({ inSwap, settings }) => settings.swapMax - inSwap))
  }

  get isSwapHalfFull(): boolean {
    return this.path.some(
      ({ inSwap, settings }) => inSwap * 2 >= Math.min(settings.swapHigh, settings.swapMax),
    )
  }

  grow(pages: number): void {
    for (const group of this.path) group.age += pages
  }

  activated(pages: number): void {
    for (const group of this.path) group.activations++
    this.grow(pages)
  }

  /** What of it a walk over `target`'s subtree respects: its setting, as far as those above afford it. */
  protectedBy(setting: 'min' | 'low', target: Group): number {
    const { parent, usage } = this
    if (this === target || parent === undefined) return 0
    if (parent === target) return this.settings[setting]
    const afforded = parent.protectedBy(setting, target)
    const claim = (group: Group): number => Math.min(group.usage, group.settings[setting])
    const claims = parent.children.reduce((all, child) => all + claim(child), 0)
    const own = claim(this)
    if (claims > afforded) return Math.floor((own * afforded) / claims)
    const unclaimed = afforded - claims
    const unprotected = parent.usage - claims
    if (unclaimed === 0 || unprotected <= 0 || usage <= own) return own
    return own + Math.floor((unclaimed * (usage - own)) / unprotected)
  }
}

/** The root first; then the workload's, in its order. */
export function openGroups(
  memcgs: readonly WorkloadMemcg[],
  folios: readonly Folio[],
): readonly Group[] {
  const groups = [new Group(undefined, {}, folios)]
  for (const memcg of memcgs)
    groups.push(new Group(groups[(memcg.parent ?? -1) + 1], memcg, folios))
  return groups
}
