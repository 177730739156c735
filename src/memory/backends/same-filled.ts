/**
 * All unsigned longs (8 bytes) of the page are equal: page_same_filled of zram, and zswap's own test up to 6.11. Compared as bytes
 * because a borrowed page need not be aligned; nearly every page that is not same-filled ends the loop within its first words.
 */
export function isSameFilled(page: Uint8Array): boolean {
  for (let i = 8; i < page.length; i++) if (page[i] !== page[i - 8]) return false
  return true
}
