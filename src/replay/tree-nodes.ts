/** XA_CHUNK_SIZE. */
const SLOTS_PER_NODE = 64
/** Slots of a cluster, which one CPU fills after the other; a free cluster is opened before holes are filled (mm/swapfile.c). */
const CLUSTER_SLOTS = 512
/** struct xa_node has 576 bytes; a slab of two pages holds 14. */
const NODES_PER_SLAB = 14
/** SLUB keeps so many slabs of a node that are not full, even empty ones (MIN_PARTIAL). */
const MIN_PARTIAL = 5
/** Slabs of before the start are nobody's. */
const NOWHERE = -1

/** The swap cache's tree: a node for every 64 slots of which one holds something, in slabs of their own. */
export class TreeNodes {
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
  #waiting = -1

  /** A slot is taken; true = its node needs a new slab: `gainSlab` must tell of it. */
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
    const slab = this.#partial[this.#partial.length - 1]
    this.#waiting = node
    if (slab === undefined) return true
    this.#place(slab)
    return false
  }

  #nextOffset(cpu: number): number {
    const next = this.#next[cpu] ?? 0
    // The list of free clusters begins with those that were never used.
    const offset = next % CLUSTER_SLOTS === 0 ? this.#clusters++ * CLUSTER_SLOTS : next
    this.#next[cpu] = offset + 1
    return offset
  }

  /** The slab that `taken` asked for, and where its pages are from. */
  gainSlab(place = NOWHERE): void {
    const slab = this.#unused.pop() ?? this.#places.length
    this.#places[slab] = place
    this.#inUse[slab] = 0
    this.#partial.push(slab)
    this.#place(slab)
  }

  #place(slab: number): void {
    const inUse = (this.#inUse[slab] as number) + 1
    this.#inUse[slab] = inUse
    this.#slabOf[this.#waiting] = slab
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
