/** Doubly linked lists over small integers: each integer is in at most one list. No object per element. */
export class IndexLists {
  readonly #heads: Int32Array
  readonly #tails: Int32Array
  readonly #lengths: Int32Array
  #next = new Int32Array(64)
  #prev = new Int32Array(64)
  /** List number + 1; 0 = in none. */
  #list = new Int32Array(64)

  constructor(lists: number) {
    this.#heads = new Int32Array(lists).fill(-1)
    this.#tails = new Int32Array(lists).fill(-1)
    this.#lengths = new Int32Array(lists)
  }

  /** -1 = empty. */
  first(list: number): number {
    return this.#heads[list] ?? -1
  }

  /** -1 = empty. */
  last(list: number): number {
    return this.#tails[list] ?? -1
  }

  /** -1 = `index` is the last one. */
  after(index: number): number {
    return this.#next[index] ?? -1
  }

  length(list: number): number {
    return this.#lengths[list] ?? 0
  }

  /** -1 = in none. */
  listOf(index: number): number {
    return (this.#list[index] ?? 0) - 1
  }

  /** `index` must be in no list. */
  addFirst(list: number, index: number): void {
    this.#ensure(index)
    const head = this.#heads[list] ?? -1
    this.#next[index] = head
    this.#prev[index] = -1
    if (head >= 0) this.#prev[head] = index
    else this.#tails[list] = index
    this.#heads[list] = index
    this.#list[index] = list + 1
    this.#lengths[list] = this.length(list) + 1
  }

  /** `index` must be in no list. */
  addLast(list: number, index: number): void {
    this.#ensure(index)
    const tail = this.#tails[list] ?? -1
    this.#prev[index] = tail
    this.#next[index] = -1
    if (tail >= 0) this.#next[tail] = index
    else this.#heads[list] = index
    this.#tails[list] = index
    this.#list[index] = list + 1
    this.#lengths[list] = this.length(list) + 1
  }

  /** Does nothing when `index` is in no list. */
  remove(index: number): void {
    const list = this.listOf(index)
    if (list < 0) return
    const next = this.#next[index] ?? -1
    const prev = this.#prev[index] ?? -1
    if (prev >= 0) this.#next[prev] = next
    else this.#heads[list] = next
    if (next >= 0) this.#prev[next] = prev
    else this.#tails[list] = prev
    this.#list[index] = 0
    this.#lengths[list] = this.length(list) - 1
  }

  #ensure(index: number): void {
    if (index < this.#list.length) return
    let length = this.#list.length
    while (length <= index) length *= 2
    this.#next = grown(this.#next, length)
    this.#prev = grown(this.#prev, length)
    this.#list = grown(this.#list, length)
  }
}

function grown(from: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const to = new Int32Array(length)
  to.set(from)
  return to
}
