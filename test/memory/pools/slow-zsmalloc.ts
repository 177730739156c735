import {
  buildClassTable,
  classOf,
  type SizeClass,
} from '../../../src/memory/pools/zsmalloc-classes.ts'

interface Zspage {
  readonly places: (number | undefined)[]
  readonly free: number[]
}

/** zsmalloc said plainly, with arrays of objects: the oracle of the property tests. Front of a list = its head. */
export class SlowZsmalloc {
  readonly #table
  readonly #tenths: boolean
  readonly #lists: Zspage[][][]
  readonly #where = new Map<number, { readonly cls: number; zspage: Zspage; place: number }>()
  #id = 0

  constructor(chain: number) {
    this.#tenths = chain !== 4
    this.#table = buildClassTable(4096, chain, chain === 4 ? 'percent' : 'waste')
    this.#lists = this.#table.classes.map(() => Array.from({ length: this.#full + 1 }, () => []))
  }

  get #full(): number {
    return this.#tenths ? 11 : 3
  }

  get pages(): number {
    return this.#table.classes.reduce(
      (sum, shape, cls) => sum + shape.pages * this.#open(cls).length,
      0,
    )
  }

  alloc(size: number): number {
    const cls = classOf(this.#table, size)
    let zspage = this.#pick(cls, false)
    if (zspage === undefined) {
      const { objects } = this.#shape(cls)
      zspage = {
        places: Array(objects).fill(undefined),
        free: Array.from({ length: objects }, (_, i) => i),
      }
    }
    const id = this.#id++
    const before = this.#group(cls, zspage)
    this.#put(cls, zspage, id)
    this.#sort(cls, zspage, before)
    return id
  }

  free(id: number): void {
    const at = this.#where.get(id)
    if (at === undefined) throw new Error(`no object ${id}`)
    const before = this.#group(at.cls, at.zspage)
    at.zspage.places[at.place] = undefined
    at.zspage.free.unshift(at.place)
    this.#where.delete(id)
    this.#sort(at.cls, at.zspage, before)
  }

  compact(): number {
    const before = this.pages
    for (let cls = this.#lists.length - 1; cls >= 0; cls--) {
      if (this.#tenths) this.#compactTenths(cls)
      else this.#compactQuarters(cls)
    }
    return before - this.pages
  }

  #compactTenths(cls: number): void {
    let target: Zspage | undefined
    const held: Zspage[] = []
    const wasted = () => {
      const all = [...this.#open(cls), ...held]
      return all.reduce((sum, each) => sum + each.free.length, 0) >= this.#shape(cls).objects
    }
    while (wasted()) {
      if (target === undefined) {
        target = this.#pick(cls, false)
        if (target === undefined) break
        this.#take(cls, target)
        held.push(target)
      }
      const source = this.#pick(cls, true)
      if (source === undefined) break
      this.#take(cls, source)
      this.#move(cls, source, target)
      this.#insert(cls, source)
      if (target.free.length === 0) {
        this.#insert(cls, target)
        held.pop()
        target = undefined
      }
    }
    if (target !== undefined) this.#insert(cls, target)
  }

  #compactQuarters(cls: number): void {
    for (;;) {
      const source = this.#pick(cls, true)
      if (source === undefined) return
      this.#take(cls, source)
      const free = [...this.#open(cls), source].reduce((sum, each) => sum + each.free.length, 0)
      let target: Zspage | undefined
      if (free >= this.#shape(cls).objects)
        while (source.places.some((id) => id !== undefined)) {
          target = this.#pick(cls, false)
          if (target === undefined) break
          this.#take(cls, target)
          this.#move(cls, source, target)
          this.#insert(cls, target)
        }
      this.#insert(cls, source)
      if (target === undefined) return
    }
  }

  #move(cls: number, source: Zspage, target: Zspage): void {
    for (let place = 0; place < source.places.length; place++) {
      const id = source.places[place]
      if (id === undefined) continue
      if (target.free.length === 0) return
      source.places[place] = undefined
      source.free.unshift(place)
      this.#put(cls, target, id)
    }
  }

  #put(cls: number, zspage: Zspage, id: number): void {
    const place = zspage.free.shift()
    if (place === undefined) throw new Error('zspage is full')
    zspage.places[place] = id
    this.#where.set(id, { cls, zspage, place })
  }

  #sort(cls: number, zspage: Zspage, before: number): void {
    if (this.#group(cls, zspage) === before) return
    this.#take(cls, zspage)
    this.#insert(cls, zspage)
  }

  #take(cls: number, zspage: Zspage): void {
    for (const list of this.#lists[cls] ?? []) {
      const at = list.indexOf(zspage)
      if (at >= 0) list.splice(at, 1)
    }
  }

  /** An empty zspage is gone. */
  #insert(cls: number, zspage: Zspage): void {
    const group = this.#group(cls, zspage)
    const list = this.#lists[cls]?.[group]
    if (group === 0 || list === undefined) return
    const head = list[0]
    const second = !this.#tenths && head !== undefined && zspage.free.length > head.free.length
    list.splice(second ? 1 : 0, 0, zspage)
  }

  #group(cls: number, zspage: Zspage): number {
    const { objects } = this.#shape(cls)
    const used = objects - zspage.free.length
    if (used === 0) return 0
    if (used === objects) return this.#full
    if (!this.#tenths) return used * 4 <= objects * 3 ? 1 : 2
    return Math.floor((used * 100) / objects / 10) + 1
  }

  #pick(cls: number, emptiest: boolean): Zspage | undefined {
    const groups = Array.from({ length: this.#full - 1 }, (_, i) => i + 1)
    if (!emptiest) groups.reverse()
    for (const group of groups) {
      const head = this.#lists[cls]?.[group]?.[0]
      if (head !== undefined) return head
    }
    return undefined
  }

  #open(cls: number): Zspage[] {
    return (this.#lists[cls] ?? []).flat()
  }

  #shape(cls: number): SizeClass {
    const shape = this.#table.classes[cls]
    if (shape === undefined) throw new Error(`no class ${cls}`)
    return shape
  }
}
