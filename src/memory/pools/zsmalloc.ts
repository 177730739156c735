import { PstraceError } from '../../model/error.ts'
import type { Pool, PoolClassStats, PoolOptions, PoolProvider } from './pool.ts'
import { buildClassTable, type ClassTable, classOf, type SizeClass } from './zsmalloc-classes.ts'

/**
 * zsmalloc (mm/zsmalloc.c of 6.1 and 6.12): which zspage an object goes to, which pages that costs, which pages come back.
 *
 *   class 3264, chain 4: [page][page][page][page] = one zspage, 5 places
 *   every class keeps its zspages in lists by use; alloc takes the first of the fullest list that is not full
 *
 * Lists are LIFO, places inside a zspage too: compaction moves objects in place order, so both decide which zspage later frees hit.
 */
export class ZsmallocPool implements Pool {
  readonly name = 'zsmalloc'
  readonly pageSize: number
  readonly table: ClassTable
  readonly hugeClassSize: number
  readonly maxSize: number
  pages = 0
  bytes = 0
  objects = 0
  pagesCompacted = 0
  readonly #classes: ClassState[]
  #handleClass = new Uint16Array(1024)
  #handlePlace = new Int32Array(1024)
  #handleSize = new Int32Array(1024)
  #handles = 0
  #freeHandle = -1

  constructor(options: PoolOptions = {}) {
    const pageSize = options.pageSize ?? 4096
    const chain = options.chain ?? 8
    if (![4096, 16384, 65536].includes(pageSize))
      throw new PstraceError(
        'pool-option',
        `zsmalloc: page size is ${pageSize}; expected 4096, 16384 or 65536`,
        { exitStatus: 2 },
      )
    if (!Number.isInteger(chain) || chain < 1 || chain > 16)
      throw new PstraceError(
        'pool-option',
        `zsmalloc: chain is ${chain}; expected an integer from 1 to 16`,
        { exitStatus: 2 },
      )
    const old = chain === 4
    this.pageSize = pageSize
    this.maxSize = pageSize
    this.table = buildClassTable(pageSize, chain, options.rounding ?? (old ? 'percent' : 'waste'))
    this.hugeClassSize = this.table.hugeClassSize
    const tenths = (options.fullness ?? (old ? 'quarters' : 'tenths')) === 'tenths'
    this.#classes = this.table.classes.map((size) => new ClassState(size, tenths))
  }

  alloc(size: number): number {
    if (!(size > 0 && size <= this.maxSize)) return -1
    const index = classOf(this.table, size)
    const state = this.#class(index)
    const handle = this.#takeHandle()
    let zspage = state.fullestOpen()
    if (zspage < 0) {
      zspage = state.newZspage()
      this.pages += state.shape.pages
    }
    this.#handleClass[handle] = index
    this.#handlePlace[handle] = state.place(zspage, handle)
    this.#handleSize[handle] = size
    state.regroup(zspage)
    this.bytes += size
    this.objects++
    return handle
  }

  free(handle: number): number {
    const size = this.#sizeOfLive(handle)
    const state = this.#class(this.#handleClass[handle] ?? 0)
    const zspage = state.release(this.#handlePlace[handle] ?? 0)
    this.#handleSize[handle] = 0
    this.#handlePlace[handle] = this.#freeHandle
    this.#freeHandle = handle
    this.bytes -= size
    this.objects--
    if (!state.isEmpty(zspage)) {
      state.regroup(zspage)
      return 0
    }
    state.dropZspage(zspage)
    this.pages -= state.shape.pages
    return state.shape.pages
  }

  sizeOf(handle: number): number {
    return this.#sizeOfLive(handle)
  }

  pagesFor(size: number): number {
    const state = this.#class(classOf(this.table, size))
    return state.fullestOpen() < 0 ? state.shape.pages : 0
  }

  storedSize(size: number): number {
    return this.table.classes[classOf(this.table, size)]?.size ?? this.pageSize
  }

  get compactable(): number {
    let pages = 0
    for (const state of this.#classes) pages += state.compactable()
    return pages
  }

  /** zs_compact: from the largest class down. */
  compact(): number {
    let freed = 0
    for (let index = this.#classes.length - 1; index >= 0; index--)
      freed += this.#class(index).compact(this.#handlePlace)
    this.pages -= freed
    this.pagesCompacted += freed
    return freed
  }

  stats(): readonly PoolClassStats[] {
    const bytes = new Float64Array(this.#classes.length)
    for (let handle = 0; handle < this.#handles; handle++) {
      const index = this.#handleClass[handle] ?? 0
      bytes[index] = (bytes[index] ?? 0) + (this.#handleSize[handle] ?? 0)
    }
    const rows: PoolClassStats[] = []
    this.#classes.forEach((state, index) => {
      if (state.zspages === 0) return
      const pages = state.zspages * state.shape.pages
      rows.push({
        size: state.shape.size,
        pagesPerGroup: state.shape.pages,
        objectsPerGroup: state.shape.objects,
        objects: state.used,
        groups: state.zspages,
        pages,
        wastedBytes: pages * this.pageSize - (bytes[index] ?? 0),
      })
    })
    return rows
  }

  check(): void {
    let pages = 0
    let objects = 0
    let bytes = 0
    for (let handle = 0; handle < this.#handles; handle++) {
      const size = this.#handleSize[handle] ?? 0
      if (size === 0) continue
      bytes += size
      const state = this.#class(this.#handleClass[handle] ?? 0)
      if (state.handleAt(this.#handlePlace[handle] ?? 0) !== handle)
        throw broken(`handle ${handle} is not at its place in class ${state.shape.size}`)
    }
    for (const state of this.#classes) {
      state.check()
      pages += state.zspages * state.shape.pages
      objects += state.used
    }
    if (pages !== this.pages)
      throw broken(`${this.pages} pages are counted but the classes hold ${pages}`)
    if (objects !== this.objects)
      throw broken(`${this.objects} objects are counted but the classes hold ${objects}`)
    if (bytes !== this.bytes)
      throw broken(`${this.bytes} bytes are counted but the handles hold ${bytes}`)
  }

  #class(index: number): ClassState {
    const state = this.#classes[index]
    if (state === undefined) throw broken(`there is no class ${index}`)
    return state
  }

  #sizeOfLive(handle: number): number {
    const size = this.#handleSize[handle] ?? 0
    if (size === 0)
      throw new PstraceError('pool-handle', `zsmalloc: handle ${handle} is not allocated`)
    return size
  }

  #takeHandle(): number {
    const free = this.#freeHandle
    if (free >= 0) {
      this.#freeHandle = this.#handlePlace[free] ?? -1
      return free
    }
    if (this.#handles === this.#handleSize.length) {
      const length = this.#handles * 2
      this.#handleClass = grown(this.#handleClass, new Uint16Array(length))
      this.#handlePlace = grown(this.#handlePlace, new Int32Array(length))
      this.#handleSize = grown(this.#handleSize, new Int32Array(length))
    }
    return this.#handles++
  }
}

/** Group 0 is "no objects" and the last group is "full" in both sortings; alloc looks in between, from the top. */
const TENTHS_FULL = 11
const QUARTERS_FULL = 3

class ClassState {
  readonly shape: SizeClass
  zspages = 0
  used = 0
  readonly #tenths: boolean
  readonly #full: number
  readonly #heads: Int32Array
  #next = new Int32Array(4)
  #prev = new Int32Array(4)
  #group = new Uint8Array(4)
  #inuse = new Int32Array(4)
  #freePlace = new Int32Array(4)
  /** Handle, or -1 = last of the free list, or -(next free place) - 2. */
  #places: Int32Array
  #known = 0
  #freeZspage = -1

  constructor(shape: SizeClass, tenths: boolean) {
    this.shape = shape
    this.#tenths = tenths
    this.#full = tenths ? TENTHS_FULL : QUARTERS_FULL
    this.#heads = new Int32Array(this.#full + 1).fill(-1)
    this.#places = new Int32Array(4 * shape.objects)
  }

  fullestOpen(): number {
    for (let group = this.#full - 1; group > 0; group--) {
      const zspage = this.#heads[group] ?? -1
      if (zspage >= 0) return zspage
    }
    return -1
  }

  isEmpty(zspage: number): boolean {
    return this.#inuse[zspage] === 0
  }

  handleAt(place: number): number {
    return this.#places[place] ?? -1
  }

  /** A zspage that is on no list yet; `regroup` puts it on one. */
  newZspage(): number {
    let zspage = this.#freeZspage
    if (zspage >= 0) this.#freeZspage = this.#next[zspage] ?? -1
    else {
      if (this.#known === this.#next.length) this.#grow()
      zspage = this.#known++
    }
    const objects = this.shape.objects
    const first = zspage * objects
    for (let i = first; i < first + objects - 1; i++) this.#places[i] = -(i + 1) - 2
    this.#places[first + objects - 1] = -1
    this.#freePlace[zspage] = first
    this.#inuse[zspage] = 0
    this.#group[zspage] = 0
    this.zspages++
    return zspage
  }

  place(zspage: number, handle: number): number {
    const place = this.#freePlace[zspage] ?? 0
    const link = this.#places[place] ?? -1
    this.#freePlace[zspage] = link === -1 ? -1 : -link - 2
    this.#places[place] = handle
    this.#inuse[zspage] = (this.#inuse[zspage] ?? 0) + 1
    this.used++
    return place
  }

  /** Empties a place; returns its zspage, which stays on its list until `regroup` or `dropZspage`. */
  release(place: number): number {
    const zspage = Math.floor(place / this.shape.objects)
    const head = this.#freePlace[zspage] ?? -1
    this.#places[place] = head === -1 ? -1 : -head - 2
    this.#freePlace[zspage] = place
    this.#inuse[zspage] = (this.#inuse[zspage] ?? 0) - 1
    this.used--
    return zspage
  }

  /** fix_fullness_group: moves a zspage only when its group changed, so its rank inside a group stays. */
  regroup(zspage: number): void {
    const group = this.#groupOf(zspage)
    if (group === this.#group[zspage]) return
    this.#unlink(zspage)
    this.#link(zspage, group)
  }

  dropZspage(zspage: number): void {
    this.#unlink(zspage)
    this.#next[zspage] = this.#freeZspage
    this.#freeZspage = zspage
    this.zspages--
  }

  compactable(): number {
    const spare = this.zspages * this.shape.objects - this.used
    return Math.floor(spare / this.shape.objects) * this.shape.pages
  }

  compact(handlePlace: Int32Array): number {
    return this.#tenths ? this.#compactTenths(handlePlace) : this.#compactQuarters(handlePlace)
  }

  check(): void {
    let zspages = 0
    let used = 0
    for (let group = 1; group <= this.#full; group++) {
      let prev = -1
      for (let zspage = this.#heads[group] ?? -1; zspage >= 0; zspage = this.#next[zspage] ?? -1) {
        if (this.#prev[zspage] !== prev || this.#groupOf(zspage) !== group)
          throw broken(`zspage ${zspage} of class ${this.shape.size} is on the wrong list`)
        prev = zspage
        zspages++
        let free = 0
        for (let p = this.#freePlace[zspage] ?? -1; p >= 0; free++) {
          const link = this.#places[p] ?? -1
          p = link === -1 ? -1 : -link - 2
        }
        const inuse = this.#inuse[zspage] ?? 0
        if (free + inuse !== this.shape.objects)
          throw broken(
            `zspage ${zspage} of class ${this.shape.size} has ${free} free and ${inuse} used places, expected ${this.shape.objects}`,
          )
        used += inuse
      }
    }
    if (zspages !== this.zspages || used !== this.used)
      throw broken(
        `class ${this.shape.size} counts ${this.zspages} zspages and ${this.used} objects but its lists hold ${zspages} and ${used}`,
      )
  }

  /** 6.12: one destination is filled from the emptiest zspages until it is full. */
  #compactTenths(handlePlace: Int32Array): number {
    let freed = 0
    let target = -1
    while (this.compactable() > 0) {
      if (target < 0) {
        target = this.fullestOpen()
        if (target < 0) break
        this.#unlink(target)
      }
      const source = this.#emptiest()
      if (source < 0) break
      this.#unlink(source)
      this.#move(source, target, handlePlace)
      if (this.#inuse[source] === 0) {
        freed += this.shape.pages
        this.#recycle(source)
      } else this.#link(source, this.#groupOf(source))
      if (this.#inuse[target] === this.shape.objects) {
        this.#link(target, this.#full)
        target = -1
      }
    }
    if (target >= 0) this.#link(target, this.#groupOf(target))
    return freed
  }

  /** 6.1: one source is spread over destinations until it is empty. */
  #compactQuarters(handlePlace: Int32Array): number {
    let freed = 0
    for (;;) {
      const source = this.#emptiest()
      if (source < 0) break
      this.#unlink(source)
      if (this.compactable() === 0) {
        this.#link(source, this.#groupOf(source))
        break
      }
      let ranOut = false
      while (this.#inuse[source] !== 0) {
        const target = this.fullestOpen()
        if (target < 0) {
          ranOut = true
          break
        }
        this.#unlink(target)
        this.#move(source, target, handlePlace)
        this.#link(target, this.#groupOf(target))
      }
      if (ranOut) {
        this.#link(source, this.#groupOf(source))
        break
      }
      freed += this.shape.pages
      this.#recycle(source)
    }
    return freed
  }

  #emptiest(): number {
    for (let group = 1; group < this.#full; group++) {
      const zspage = this.#heads[group] ?? -1
      if (zspage >= 0) return zspage
    }
    return -1
  }

  #move(source: number, target: number, handlePlace: Int32Array): void {
    const objects = this.shape.objects
    const first = source * objects
    for (let place = first; place < first + objects; place++) {
      const handle = this.#places[place] ?? -1
      if (handle < 0) continue
      handlePlace[handle] = this.place(target, handle)
      this.release(place)
      if (this.#inuse[target] === objects || this.#inuse[source] === 0) return
    }
  }

  #recycle(zspage: number): void {
    this.#next[zspage] = this.#freeZspage
    this.#freeZspage = zspage
    this.zspages--
  }

  #groupOf(zspage: number): number {
    const inuse = this.#inuse[zspage] ?? 0
    const objects = this.shape.objects
    if (inuse === 0) return 0
    if (inuse === objects) return this.#full
    if (this.#tenths) return Math.floor(Math.floor((100 * inuse) / objects) / 10) + 1
    return inuse <= Math.floor((3 * objects) / 4) ? 1 : 2
  }

  #unlink(zspage: number): void {
    const group = this.#group[zspage] ?? 0
    if (group === 0) return
    const next = this.#next[zspage] ?? -1
    const prev = this.#prev[zspage] ?? -1
    if (prev >= 0) this.#next[prev] = next
    else this.#heads[group] = next
    if (next >= 0) this.#prev[next] = prev
    this.#group[zspage] = 0
  }

  #link(zspage: number, group: number): void {
    const head = this.#heads[group] ?? -1
    this.#group[zspage] = group
    // Before 6.4 a zspage with fewer objects than the list's head goes second, so that the fuller one is filled first.
    if (!this.#tenths && head >= 0 && (this.#inuse[zspage] ?? 0) < (this.#inuse[head] ?? 0)) {
      const second = this.#next[head] ?? -1
      this.#next[zspage] = second
      this.#prev[zspage] = head
      this.#next[head] = zspage
      if (second >= 0) this.#prev[second] = zspage
      return
    }
    this.#next[zspage] = head
    this.#prev[zspage] = -1
    if (head >= 0) this.#prev[head] = zspage
    this.#heads[group] = zspage
  }

  #grow(): void {
    const length = this.#known * 2
    this.#next = grown(this.#next, new Int32Array(length))
    this.#prev = grown(this.#prev, new Int32Array(length))
    this.#group = grown(this.#group, new Uint8Array(length))
    this.#inuse = grown(this.#inuse, new Int32Array(length))
    this.#freePlace = grown(this.#freePlace, new Int32Array(length))
    this.#places = grown(this.#places, new Int32Array(length * this.shape.objects))
  }
}

export const zsmalloc: PoolProvider = {
  name: 'zsmalloc',
  summary: 'size classes over chains of pages, compacting; zram, and zswap since 6.7',
  open: (options) => new ZsmallocPool(options),
}

function grown<A extends Int32Array | Uint16Array | Uint8Array>(from: A, to: A): A {
  to.set(from)
  return to
}

function broken(message: string): PstraceError {
  return new PstraceError('pool-broken', `zsmalloc: ${message}`)
}
