/** A view of `page` as 64-bit words is not always aligned, so pages are looked at as bytes against the first eight. */
function repeatsFirstWord(page: Uint8Array): boolean {
  const { length } = page
  for (let i = 8; i < length; i += 1) {
    if (page[i] !== page[i - 8]) return false
  }
  return true
}

/** All bytes zero: what the zero map of 6.12 and later catches before any backend. */
export function isZeroFilled(page: Uint8Array): boolean {
  const { length } = page
  for (let i = 0; i < length; i += 1) {
    if (page[i] !== 0) return false
  }
  return true
}

/** All unsigned longs (8 bytes) equal: page_same_filled of zram, zswap_is_page_same_filled up to 6.11. */
export function isSameFilled(page: Uint8Array): boolean {
  return repeatsFirstWord(page)
}

export type FillKind = 'zero' | 'same' | 'data'

/** What the kernel sees in a page before it compresses; a zero page is also same-filled. */
export function fillKindOf(page: Uint8Array): FillKind {
  if (!isSameFilled(page)) return 'data'
  return isZeroFilled(page.subarray(0, 8)) ? 'zero' : 'same'
}

/**
 * zsmalloc's huge_class_size: zram keeps a page raw when its compressed length reaches it. `chain` is CONFIG_ZSMALLOC_CHAIN_SIZE
 * (4 and fixed before 6.3, 8 by default since). Source: mm/zsmalloc.c, set_zspage_size and zs_create_pool, 6.1 and 6.12.
 */
export function hugeClassSize(pageSize: number, chain = 8): number {
  const step = pageSize >>> 8
  // Classes begin at 32; the last one is cut to the page size.
  for (let index = Math.ceil((pageSize - 32) / step); index >= 0; index -= 1) {
    const size = Math.min(32 + index * step, pageSize)
    const pages = chainLength(size, pageSize, chain)
    // zram adds the allocator's 8-byte handle to each object, so lengths of size - 8 still fit the class.
    if (pages !== 1 && Math.floor((pages * pageSize) / size) !== 1) return size - 7
  }
  return pageSize
}

function chainLength(size: number, pageSize: number, chain: number): number {
  if ((size & (size - 1)) === 0) return 1
  let best = 1
  let least = pageSize
  for (let pages = 1; pages <= chain; pages += 1) {
    const waste = (pages * pageSize) % size
    if (waste < least) {
      least = waste
      best = pages
    }
  }
  return best
}
