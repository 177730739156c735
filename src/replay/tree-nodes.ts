import { HUGE_CLUSTER_SLOTS, SLOTS_PER_TREE } from '../model/swap-clusters.ts'

/** XA_CHUNK_SIZE. */
const SLOTS_PER_NODE = 64
/** Slots below one node above the leaves, and below the root of a whole tree. */
const SLOTS_PER_UPPER = SLOTS_PER_NODE * SLOTS_PER_NODE
/** struct xa_node has 576 bytes; a slab of two pages holds 14. */
const NODES_PER_SLAB = 14
/** SLUB keeps so many slabs of a node that are not full, even empty ones (MIN_PARTIAL). */
const MIN_PARTIAL = 5
/** Slabs of before the start are nobody's. */
const NOWHERE = -1
/** Nodes of the slab in use at the start that are free: 0 to 13 are as likely, 6 on the mean; just 6 were in fifteen recordings of one kernel. */
const FREE_AT_START = 6

/** What is known of the swap device. */
export interface SwapClusters {
  readonly slots: number
  /** Slots of a cluster, which one CPU fills after the other; a free cluster is opened before holes are filled (mm/swapfile.c). */
  readonly perCluster: number
}

/**
 * The swap cache's trees: a node for every 64 slots of which one holds something, in slabs of their own. Where the device's size is known,
 * clusters that are opened one after the other lie in different trees (setup_clusters of mm/swapfile.c: the list of free clusters goes through
 * the first of all trees, then through the second), each of which needs a node above its leaves from its 65th slot on, and a root above those
 * from its 4097th on (lib/xarray.c). The nodes above stay: a tree of 64 MiB is hardly ever empty.
 */
export class TreeNodes {
  readonly #perCluster: number
  /** The device's clusters, and how many of them a tree has; 0 = unknown: one follows the other. */
  readonly #deviceClusters: number
  readonly #perTree: number
  /** By group of slots that has a node above its leaves, and by tree that has a root above those. */
  readonly #hasUpper: boolean[] = []
  readonly #hasRoot: boolean[] = []
  /** By slot: where the kernel would have put it. */
  #offsets = new Int32Array(1024)
  /** By CPU: the next offset of its cluster. */
  readonly #next: number[] = []
  #clusters = 0
  /** By node: slots that hold something, and its slab. */
  #live = new Uint8Array(1024)
  #slabOf = new Int32Array(1024).fill(-1)
  /** By slab: where its pages are from, and nodes in use. */
  readonly #places: number[] = []
  readonly #inUse: number[] = []
  readonly #partial: number[] = []
  readonly #unused: number[] = []
  /** The leaf that waits for a slab, -1 = none does; and how many nodes above leaves do. */
  #waiting = -1
  #waitingAbove = 0

  constructor(swap?: SwapClusters) {
    this.#perCluster = swap?.perCluster ?? HUGE_CLUSTER_SLOTS
    this.#deviceClusters = Math.ceil((swap?.slots ?? 0) / this.#perCluster)
    this.#perTree = SLOTS_PER_TREE / this.#perCluster
    if (swap === undefined) return
    this.#places.push(NOWHERE)
    this.#inUse.push(NODES_PER_SLAB - FREE_AT_START)
    this.#partial.push(0)
  }

  /** Must the CPU's next slot wait for a slab? */
  wantsSlab(cpu: number): boolean {
    if (this.#partial.length > 0) return false
    const next = this.#next[cpu] ?? 0
    return next % SLOTS_PER_NODE === 0 || this.#live[Math.floor(next / SLOTS_PER_NODE)] === 0
  }

  /** A slot is taken; true = its nodes need a new slab: `gainSlab` must tell of it. */
  taken(slot: number, cpu: number): boolean {
    const offset = this.#nextOffset(cpu)
    if (slot >= this.#offsets.length) this.#offsets = enlarged(this.#offsets, slot, 0)
    this.#offsets[slot] = offset
    const node = Math.floor(offset / SLOTS_PER_NODE)
    if (node >= this.#slabOf.length) {
      const live = new Uint8Array(node * 2)
      live.set(this.#live)
      this.#live = live
      this.#slabOf = enlarged(this.#slabOf, node, -1)
    }
    const before = this.#live[node] as number
    this.#live[node] = before + 1
    if (before > 0) return false
    this.#waiting = node
    this.#waitingAbove = this.#newAbove(offset)
    return !this.#placeAll()
  }

  /** How many nodes above its leaf a slot is the first to need. */
  #newAbove(offset: number): number {
    const inTree = offset % SLOTS_PER_TREE
    if (this.#deviceClusters === 0 || inTree < SLOTS_PER_NODE) return 0
    const upper = Math.floor(offset / SLOTS_PER_UPPER)
    const tree = Math.floor(offset / SLOTS_PER_TREE)
    const needsUpper = this.#hasUpper[upper] !== true
    const needsRoot = inTree >= SLOTS_PER_UPPER && this.#hasRoot[tree] !== true
    this.#hasUpper[upper] = true
    if (needsRoot) this.#hasRoot[tree] = true
    return Number(needsUpper) + Number(needsRoot)
  }

  /** False = a slab is wanted. */
  #placeAll(): boolean {
    while (this.#waiting >= 0 || this.#waitingAbove > 0) {
      const slab = this.#partial[this.#partial.length - 1]
      if (slab === undefined) return false
      this.#place(slab)
    }
    return true
  }

  #nextOffset(cpu: number): number {
    const next = this.#next[cpu] ?? 0
    // The list of free clusters begins with those that were never used.
    const offset = next % this.#perCluster === 0 ? this.#openCluster() * this.#perCluster : next
    this.#next[cpu] = offset + 1
    return offset
  }

  #openCluster(): number {
    const opened = this.#clusters++
    if (opened >= this.#deviceClusters) return opened
    // Trees that have a cluster of this number: the last one may be short.
    let number = 0
    let before = 0
    for (;;) {
      const trees = Math.ceil((this.#deviceClusters - number) / this.#perTree)
      if (opened < before + trees) return (opened - before) * this.#perTree + number
      before += trees
      number++
    }
  }

  /** The slab that `taken` asked for, and where its pages are from. */
  gainSlab(place = NOWHERE): void {
    const slab = this.#unused.pop() ?? this.#places.length
    this.#places[slab] = place
    this.#inUse[slab] = 0
    this.#partial.push(slab)
    this.#placeAll()
  }

  #place(slab: number): void {
    const inUse = (this.#inUse[slab] as number) + 1
    this.#inUse[slab] = inUse
    if (this.#waitingAbove > 0) this.#waitingAbove--
    else {
      this.#slabOf[this.#waiting] = slab
      this.#waiting = -1
    }
    if (inUse === NODES_PER_SLAB) this.#partial.splice(this.#partial.indexOf(slab), 1)
  }

  /** A slot came free; returns where the pages of a slab that is given back go, negative: none is. */
  given(slot: number): number {
    const node = Math.floor((this.#offsets[slot] as number) / SLOTS_PER_NODE)
    const left = (this.#live[node] as number) - 1
    this.#live[node] = left
    if (left > 0) return NOWHERE
    const slab = this.#slabOf[node] as number
    const inUse = (this.#inUse[slab] as number) - 1
    this.#inUse[slab] = inUse
    if (inUse + 1 === NODES_PER_SLAB) this.#partial.push(slab)
    const place = this.#places[slab] as number
    if (inUse > 0 || place === NOWHERE || this.#partial.length <= MIN_PARTIAL) return NOWHERE
    this.#partial.splice(this.#partial.indexOf(slab), 1)
    this.#unused.push(slab)
    return place
  }
}

function enlarged(
  array: Int32Array<ArrayBuffer>,
  index: number,
  filler: number,
): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(index * 2).fill(filler)
  larger.set(array)
  return larger
}
