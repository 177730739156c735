export const PAGE_CLASSES = ['zero', 'same', 'text', 'heap', 'sparse', 'binary', 'random'] as const
export type PageClass = (typeof PAGE_CLASSES)[number]

/** Uniformly random bytes collide in 1/256 of all pairs. Up to four times that is data with hardly any structure (compressed, encrypted). */
const RANDOM_COLLISIONS = 4 / 256

/**
 * What a page's bytes look like: zero, same (one 8-byte word all over), random (bytes spread widely), sparse (three quarters zero),
 * text (most bytes printable), heap (an eighth of the words are pointers of a 48-bit address space), binary (anything else).
 */
export function classOfPage(page: Uint8Array): PageClass {
  const { length } = page
  const counts = new Uint32Array(256)
  let repeated = true
  for (let i = 0; i < length; i += 1) {
    const byte = page[i] ?? 0
    counts[byte] = (counts[byte] ?? 0) + 1
    if (i >= 8 && byte !== page[i - 8]) repeated = false
  }
  const zeros = counts[0] ?? 0
  if (zeros === length) return 'zero'
  if (repeated) return 'same'
  let collisions = 0
  for (let byte = 0; byte < 256; byte += 1) {
    const count = counts[byte] ?? 0
    collisions += count * (count - 1)
  }
  if (collisions < RANDOM_COLLISIONS * length * (length - 1)) return 'random'
  if (zeros * 4 >= length * 3) return 'sparse'
  let printable = (counts[9] ?? 0) + (counts[10] ?? 0) + (counts[13] ?? 0)
  for (let byte = 32; byte < 127; byte += 1) printable += counts[byte] ?? 0
  if (printable * 10 >= length * 7) return 'text'
  let pointers = 0
  for (let at = 0; at + 8 <= length; at += 8) {
    if (
      page[at + 7] === 0 &&
      page[at + 6] === 0 &&
      ((page[at + 5] ?? 0) !== 0 || (page[at + 4] ?? 0) !== 0)
    ) {
      pointers += 1
    }
  }
  return pointers * 64 >= length ? 'heap' : 'binary'
}
