// Which page each swap entry holds: see PageIdentities (identities.ts) and SlotNumbers (slot-numbers.ts), which makes the records.
import { entryOf, trace } from './_host'
import { AREAS, DENSE_OFFSETS, ENTRY_BITS, ENTRY_BYTES, ENTRY_SWAPOUT, FREES_RECORDED, MOST_AREAS, PAGES } from './_layout'

const KEY_OFFSETS: f64 = 70_368_744_177_664

/** swapKey (model/swap-entry.ts). */
@inline export function keyOf(type: u32, offset: f64): f64 {
  return <f64>type * KEY_OFFSETS + offset
}

/** The record of an entry that is held densely, 0 = nothing is held near it yet. */
@inline export function denseEntry(type: u32, offset: f64): u32 {
  // A snapshot may list more areas than there are.
  if (type >= <u32>MOST_AREAS) return 0
  const blocks = load<u32>(load<u32>(trace, AREAS) + (type << 2))
  if (blocks == 0) return 0
  const block = load<u32>(blocks + ((<u32>offset >>> ENTRY_BITS) << 2))
  return block == 0 ? 0 : block + (<u32>offset & ((1 << ENTRY_BITS) - 1)) * ENTRY_BYTES
}

@inline export function isDense(offset: f64): bool {
  return offset >= 0 && offset < <f64>DENSE_OFFSETS
}

@inline export function entryAt(type: u32, offset: f64): u32 {
  const entry = isDense(offset) ? denseEntry(type, offset) : 0
  return entry == 0 ? entryOf(keyOf(type, offset)) : entry
}

@inline function newPage(): f64 {
  const page = load<f64>(trace, PAGES) + 1
  store<f64>(trace, page, PAGES)
  return page
}

/** Page id of what is stored at the entry now, by swap-out `id`. */
@inline export function storedPage(entry: u32, id: f64): f64 {
  store<f64>(entry, id, ENTRY_SWAPOUT)
  const known = load<f64>(entry)
  // Read and not freed since: still the same page, through the swap cache.
  const page = known < 0 ? -known : newPage()
  store<f64>(entry, page)
  return page
}

/** Page id of what a read of the entry brings back; `first` is that of the address which wanted it, 0 = not known. */
export function readPage(entry: u32, first: f64): f64 {
  let page = abs(load<f64>(entry))
  if (page == 0) page = first == 0 ? newPage() : first
  setRead(entry, page)
  return page
}

export function setRead(entry: u32, page: f64): void {
  store<f64>(entry, load<i32>(trace, FREES_RECORDED) != 0 ? -page : page)
}
