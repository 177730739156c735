// The way down a binary tree of positions, ordered by the bytes from each on. A position has two links: to those that come before it and to
// those behind. On the way the tree is split for the position that becomes its root.
import { commonBytes } from './_common-bytes'
import { base, end, links } from './_zstd-index'

// Where the next smaller and the next larger position are to be linked, and what all that follow there have in common with the new one.
let smaller: u32 = 0
let larger: u32 = 0
let commonSmaller: u32 = 0
let commonLarger: u32 = 0

// @ts-ignore: decorator
@inline
export function linksOf(position: u32): u32 {
  return links + (position << 2)
}

// @ts-ignore: decorator
@inline
export function openDescent(position: u32): void {
  smaller = linksOf(position)
  larger = smaller + 2
  commonSmaller = 0
  commonLarger = 0
}

/** How many bytes from `ip` on are those from the candidate on. */
// @ts-ignore: decorator
@inline
export function agreement(ip: u32, candidate: u32): u32 {
  const common = min(commonSmaller, commonLarger)
  return common + commonBytes(ip + common, base + candidate + common, end)
}

/** Links the candidate, which differs from `ip` after `common` bytes; the next one. */
// @ts-ignore: decorator
@inline
export function descend(ip: u32, candidate: u32, common: u32): u32 {
  if (load<u8>(base + candidate + common) < load<u8>(ip + common)) {
    store<u16>(smaller, <u16>candidate)
    commonSmaller = common
    smaller = linksOf(candidate) + 2
    return load<u16>(smaller)
  }
  store<u16>(larger, <u16>candidate)
  commonLarger = common
  larger = linksOf(candidate)
  return load<u16>(larger)
}

// @ts-ignore: decorator
@inline
export function closeDescent(): void {
  store<u16>(smaller, 0)
  store<u16>(larger, 0)
}
