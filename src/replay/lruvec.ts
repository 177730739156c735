import type { Memcg } from './memcgs.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'

/**
 * The lists of one memory cgroup on one node, and what reclaim remembers of them. As in the kernel (lruvec_page_state, lru_note_cost,
 * workingset_age_nonresident) a cgroup's age, costs and activations are those of its subtree; the lists are its own.
 */
export class Lruvec {
  readonly index: number
  readonly memcg: Memcg
  readonly node: NodeState
  /** Its parent's on the same node. */
  readonly parent: Lruvec | undefined
  /** Place of its first list among all. */
  readonly firstList: number
  /** Clock of evictions and activations (nonresident_age). */
  age = 0
  anonCost = 0
  fileCost = 0
  anonActivations = 0
  fileActivations = 0
  seenAnonActivations = 0
  seenFileActivations = 0
  /** The walk over the subtree that all who need not see the whole of it go on with (mem_cgroup_iter): the cgroup it came to last, -1 = none. */
  walkedTo = -1
  /** How often that walk was at its end. */
  walks = 0

  constructor(index: number, memcg: Memcg, node: NodeState, parent: Lruvec | undefined) {
    this.index = index
    this.memcg = memcg
    this.node = node
    this.parent = parent
    this.firstList = index * P.LISTS
  }

  /** workingset_age_nonresident. */
  grow(pages: number): void {
    let at: Lruvec | undefined = this
    for (; at !== undefined; at = at.parent) at.age += pages
  }

  /** So many of its pages became active. */
  activate(pages: number, { isFile }: { readonly isFile: boolean }): void {
    let at: Lruvec | undefined = this
    for (; at !== undefined; at = at.parent) {
      if (isFile) at.fileActivations++
      else at.anonActivations++
      at.age += pages
    }
  }
}
