// Optimal parsing: from where a match begins, the cheapest way to each of the next places is found, until no match leads further; then the
// way to the last place is taken.
import { putRest, putSequence } from './_zstd-store'
import { FIRST, base, end, limit } from './_zstd-index'
import { LOOK_AHEAD, findMatches, matchLength, matchOffset } from './_zstd-tree'
import { countSequence, priceOfLiteral, priceOfLiteralLength, priceOfMatch, seedPrices, setBasePrices } from './_zstd-prices'

// A place: price i32 of the way there; its last step: offset value u32, match length u32 (0: a literal), literals before it u32; then the
// last offsets u32[3]. One place more than are looked at, for the way back.
const PRICE: u32 = 0
const OFFSET: u32 = 4
const LENGTH: u32 = 8
const LITERALS: u32 = 12
const REPEATS: u32 = 16
const PLACE_BYTES: u32 = 28
export const PLACES_BYTES: u32 = (LOOK_AHEAD + 2) * PLACE_BYTES
const UNREACHED: u32 = 1 << 30
const HALF_A_BIT: u32 = 128

let places: u32 = 0
let shortest: u32 = 0
let enough: u32 = 0
let isHasty: bool = false
let anchor: u32 = 0
let lastPlace: u32 = 0
// The last step of the way that is taken.
let finalOffset: u32 = 0
let finalLength: u32 = 0
let finalLiterals: u32 = 0

/** `hastily`: leaves out what is seldom better. */
export function openPlaces(at: u32, minMatch: u32, longEnough: u32, hastily: bool): void {
  places = at
  shortest = minMatch
  enough = longEnough
  isHasty = hastily
}

// @ts-ignore: decorator
@inline
function place(index: u32): u32 {
  return places + index * PLACE_BYTES
}

// @ts-ignore: decorator
@inline
function priceAt(index: u32): u32 {
  return load<u32>(place(index) + PRICE)
}

// @ts-ignore: decorator
@inline
function setStep(index: u32, price: u32, offset: u32, length: u32, literals: u32): void {
  const at = place(index)
  store<u32>(at + PRICE, price)
  store<u32>(at + OFFSET, offset)
  store<u32>(at + LENGTH, length)
  store<u32>(at + LITERALS, literals)
}

/** The last offsets after a match: RFC 8878, 3.1.1.5. `length` 0: there was none. */
function setRepeats(to: u32, from: u32, offset: u32, length: u32, literals: u32): void {
  const first = load<u32>(from)
  const second = load<u32>(from + 4)
  const third = load<u32>(from + 8)
  const code = offset - 1 + (literals == 0 ? 1 : 0)
  if (length == 0 || (offset <= 3 && code == 0)) {
    store<u32>(to, first)
    store<u32>(to + 4, second)
    store<u32>(to + 8, third)
    return
  }
  if (offset > 3) store<u32>(to, offset - 3)
  else store<u32>(to, code == 1 ? second : code == 2 ? third : first - 1)
  store<u32>(to + 4, first)
  store<u32>(to + 8, offset <= 3 && code == 1 ? third : second)
}

/** Prices of the places that the matches at the start reach. */
function beginPrices(many: u32, literals: u32): void {
  const start = priceAt(0) + priceOfLiteralLength(0)
  let index: u32 = 1
  for (; index < shortest; index++) store<u32>(place(index) + PRICE, UNREACHED)
  for (let match: u32 = 0; match < many; match++) {
    const offset = matchOffset(match)
    for (; index <= matchLength(match); index++) {
      setStep(index, start + priceOfMatch(offset, index), offset, index, literals)
    }
  }
  lastPlace = index - 1
}

/** The way by one more literal, where it is not dearer. */
function tryLiteral(index: u32, byte: u32): void {
  const before = place(index - 1)
  const literals = load<u32>(before + LENGTH) == 0 ? load<u32>(before + LITERALS) + 1 : 1
  const price =
    priceAt(index - 1) + priceOfLiteral(byte) + priceOfLiteralLength(literals) - priceOfLiteralLength(literals - 1)
  if (<i32>price <= <i32>priceAt(index)) setStep(index, price, 0, 0, literals)
}

/** The ways by the matches at a place, where they are cheaper. */
function tryMatches(from: u32, many: u32, literals: u32): void {
  const start = priceAt(from) + priceOfLiteralLength(0)
  let least = shortest
  for (let match: u32 = 0; match < many; match++) {
    const offset = matchOffset(match)
    const longest = matchLength(match)
    for (let length = longest; length >= least; length--) {
      const index = from + length
      const price = start + priceOfMatch(offset, length)
      if (index <= lastPlace && <i32>price >= <i32>priceAt(index)) {
        if (isHasty) break
        continue
      }
      while (lastPlace < index) store<u32>(place(++lastPlace) + PRICE, UNREACHED)
      setStep(index, price, offset, length, literals)
    }
    least = longest + 1
  }
}

// @ts-ignore: decorator
@inline
function setFinal(offset: u32, length: u32, literals: u32): void {
  finalOffset = offset
  finalLength = length
  finalLiterals = literals
}

/** Goes on from place to place; the one from which the last step leads. */
function walk(ip: u32): u32 {
  for (let index: u32 = 1; index <= lastPlace; index++) {
    const at = place(index)
    tryLiteral(index, load<u8>(ip + index - 1))
    const length = load<u32>(at + LENGTH)
    const from = length == 0 ? index - 1 : index - length
    setRepeats(at + REPEATS, place(from) + REPEATS, load<u32>(at + OFFSET), length, load<u32>(at + LITERALS))
    if (ip + index > limit) continue
    if (index == lastPlace) break
    if (isHasty && priceAt(index + 1) <= priceAt(index) + HALF_A_BIT) continue
    const literals = length == 0 ? load<u32>(at + LITERALS) : 0
    const many = findMatches(ip + index, at + REPEATS, length == 0 ? 0 : 1)
    if (many == 0) continue
    const longest = matchLength(many - 1)
    if (longest > enough || index + longest >= LOOK_AHEAD) {
      setFinal(matchOffset(many - 1), longest, literals)
      return index > literals ? index - literals : 0
    }
    tryMatches(index, many, literals)
  }
  const at = place(lastPlace)
  setFinal(load<u32>(at + OFFSET), load<u32>(at + LENGTH), load<u32>(at + LITERALS))
  const step = finalLength + finalLiterals
  return lastPlace > step ? lastPlace - step : 0
}

/** Puts the steps that lead to `from`, and the last one; the place behind them. */
function putWay(from: u32): u32 {
  const stop = from + 1
  setStep(stop, 0, finalOffset, finalLength, finalLiterals)
  let first = stop
  for (let index = from; index > 0; ) {
    const at = place(index)
    const step = load<u32>(at + LITERALS) + load<u32>(at + LENGTH)
    memory.copy(place(--first), at, REPEATS)
    index = index > step ? index - step : 0
  }
  let ip = anchor
  for (let index = first; index <= stop; index++) {
    const at = place(index)
    const literals = load<u32>(at + LITERALS)
    const length = load<u32>(at + LENGTH)
    // Literals only: they belong to the next match.
    if (length == 0) return anchor + literals
    const offset = load<u32>(at + OFFSET)
    countSequence(anchor, literals, offset, length)
    putSequence(anchor, literals, offset, length)
    anchor += literals + length
    ip = anchor
  }
  return ip
}

/** One pass over the input. */
export function searchOptimal(src: u32): void {
  const start = place(0)
  // The offsets that a frame begins with.
  store<u32>(start + REPEATS, 1)
  store<u32>(start + REPEATS + 4, 4)
  store<u32>(start + REPEATS + 8, 8)
  seedPrices(src, end - base - FIRST)
  anchor = src
  let ip = src + 1
  while (ip < limit) {
    const literals = ip - anchor
    const many = findMatches(ip, start + REPEATS, literals == 0 ? 1 : 0)
    if (many == 0) {
      ip++
      continue
    }
    setStep(0, priceOfLiteralLength(literals), 0, 0, literals)
    const longest = matchLength(many - 1)
    let from: u32 = 0
    if (longest > enough) {
      setFinal(matchOffset(many - 1), longest, literals)
    } else {
      beginPrices(many, literals)
      from = walk(ip)
    }
    setRepeats(start + REPEATS, place(from) + REPEATS, finalOffset, finalLength, finalLiterals)
    ip = putWay(from)
    setBasePrices()
  }
  putRest(anchor, end)
}
