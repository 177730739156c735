/** The size classes of zsmalloc: mm/zsmalloc.c, calculate of zs_create_pool, of 6.1 and 6.12. */
export interface SizeClass {
  /** Rank among the nominal classes (the largest of those merged into it). */
  readonly index: number
  /** Bytes per object, the 8-byte handle included. */
  readonly size: number
  readonly pages: number
  readonly objects: number
}

export interface ClassTable {
  readonly pageSize: number
  readonly chain: number
  /** Distinct classes, ascending. */
  readonly classes: readonly SizeClass[]
  /** Nominal class index -> position in `classes`. */
  readonly byIndex: Uint16Array
  /** Sizes from here on cost a whole page, so zram stores the page raw. */
  readonly hugeClassSize: number
}

/** Every object is preceded by its handle; those of the last class keep it in the page's metadata. */
const HANDLE_BYTES = 8
const MIN_ALLOC = 32
/** CLASS_BITS: classes are a 256th of a page apart. */
const CLASSES_PER_PAGE = 256

/** `chain` = most pages of a zspage; `rounding` = how their number is chosen: by least waste (6.3 and later) or best used percentage. */
export function buildClassTable(
  pageSize: number,
  chain: number,
  rounding: 'waste' | 'percent',
): ClassTable {
  const delta = pageSize / CLASSES_PER_PAGE
  const nominal = Math.ceil((pageSize - MIN_ALLOC) / delta) + 1
  const byIndex = new Uint16Array(nominal)
  const classes: SizeClass[] = []
  let hugeClassSize = 0
  for (let index = nominal - 1; index >= 0; index--) {
    const size = Math.min(MIN_ALLOC + index * delta, pageSize)
    const pages =
      rounding === 'waste' ? leastWaste(size, pageSize, chain) : bestPercent(size, pageSize, chain)
    const objects = Math.floor((pages * pageSize) / size)
    if (hugeClassSize === 0 && pages !== 1 && objects !== 1)
      hugeClassSize = size - (HANDLE_BYTES - 1)
    const larger = classes.at(-1)
    if (larger === undefined || larger.pages !== pages || larger.objects !== objects)
      classes.push({ index, size, pages, objects })
    byIndex[index] = classes.length - 1
  }
  classes.reverse()
  for (let index = 0; index < nominal; index++)
    byIndex[index] = classes.length - 1 - (byIndex[index] ?? 0)
  // A chain of one page has no class that shares pages across a boundary, and so no size that is huge before a page is full.
  return { pageSize, chain, classes, byIndex, hugeClassSize: hugeClassSize || pageSize }
}

/** Position in `table.classes` of an object of `size` bytes. */
export function classOf(table: ClassTable, size: number): number {
  const over = size + HANDLE_BYTES - MIN_ALLOC
  const last = table.byIndex.length - 1
  const index = over <= 0 ? 0 : Math.ceil((over * CLASSES_PER_PAGE) / table.pageSize)
  return table.byIndex[Math.min(index, last)] ?? 0
}

/** 6.3 and later: the least remainder, the shorter chain on ties; a power of two is never chained. */
function leastWaste(size: number, pageSize: number, chain: number): number {
  if ((size & (size - 1)) === 0) return 1
  let best = 1
  let least = pageSize
  for (let pages = 1; pages <= chain; pages++) {
    const waste = (pages * pageSize) % size
    if (waste < least) {
      least = waste
      best = pages
    }
  }
  return best
}

/** Before 6.3: the best used percentage in whole percents, which hides small gains (class 208 gets 2 pages, not 3). */
function bestPercent(size: number, pageSize: number, chain: number): number {
  let best = 1
  let most = 0
  for (let pages = 1; pages <= chain; pages++) {
    const bytes = pages * pageSize
    const percent = Math.floor(((bytes - (bytes % size)) * 100) / bytes)
    if (percent > most) {
      most = percent
      best = pages
    }
  }
  return best
}
