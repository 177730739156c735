// LZ4 blocks of the high-compression encoder in the kernel's lib/lz4. All addresses come from the caller, so that several instances
// may share one memory.
import { commonBytes } from './_common-bytes'

const LAST_LITERALS: u32 = 5
const MATCH_FIND_LIMIT: u32 = 12
const HEAD_BYTES: u32 = 131072
const CHAIN_BYTES: u32 = 131072
// Positions are counted from 65536, so that 0 in the tables is before all of them.
const FIRST: u32 = 65536
// A match of this length is not worth cutting for the next one.
const LONG_ENOUGH: u32 = 18

let base: u32 = 0
let head: u32 = 0
let chain: u32 = 0
let inserted: u32 = 0
let matchLimit: u32 = 0
let attempts: u32 = 0
let out: u32 = 0
let anchor: u32 = 0
// Results of the searches: where a match starts, and what it repeats.
let foundAt: u32 = 0
let foundMatch: u32 = 0

// @ts-ignore: decorator
@inline
function headSlot(p: u32): u32 {
  return head + (((load<u32>(p) * 2654435761) >>> 17) << 2)
}

// @ts-ignore: decorator
@inline
function chainSlot(position: u32): u32 {
  return chain + ((position & 0xffff) << 1)
}

/** Links every position before `p` that is not linked yet. */
// @ts-ignore: decorator
@inline
function insertUpTo(p: u32): void {
  while (inserted < p) {
    const slot = headSlot(inserted)
    const position = inserted - base + FIRST
    const delta = min(position - load<u32>(slot), 65535)
    store<u16>(chainSlot(position), <u16>delta)
    store<u32>(slot, position)
    inserted++
  }
}

/** Longest match at `ip`; its length, and `foundMatch`. */
function best(ip: u32): u32 {
  insertUpTo(ip)
  const word = load<u32>(ip)
  let candidate = load<u32>(headSlot(ip))
  let left = attempts
  let longest: u32 = 0
  const lowest = max(FIRST, ip - base + FIRST > 65535 ? ip - base + FIRST - 65535 : 0)
  while (candidate >= lowest && left > 0) {
    left--
    const match = base + candidate - FIRST
    if (load<u8>(match + longest) == load<u8>(ip + longest) && load<u32>(match) == word) {
      const length: u32 = 4 + commonBytes(ip + 4, match + 4, matchLimit)
      if (length > longest) {
        longest = length
        foundMatch = match
      }
    }
    candidate -= <u32>load<u16>(chainSlot(candidate))
  }
  return longest
}

/** Longest match that covers `ip` and may begin as early as `low`; `longest` where none is longer. */
function wider(ip: u32, low: u32, limit: u32): u32 {
  insertUpTo(ip)
  const word = load<u32>(ip)
  let longest = limit
  let candidate = load<u32>(headSlot(ip))
  let left = attempts
  const lowest = max(FIRST, ip - base + FIRST > 65535 ? ip - base + FIRST - 65535 : 0)
  while (candidate >= lowest && left > 0) {
    left--
    const match = base + candidate - FIRST
    if (load<u32>(match) == word) {
      let length: u32 = 4 + commonBytes(ip + 4, match + 4, matchLimit)
      let start = ip
      let source = match
      while (start > low && source > base && load<u8>(start - 1) == load<u8>(source - 1)) {
        start--
        source--
        length++
      }
      if (length > longest) {
        longest = length
        foundAt = start
        foundMatch = source
      }
    }
    candidate -= <u32>load<u16>(chainSlot(candidate))
  }
  return longest
}

function putLength(length: u32): void {
  let rest = length
  while (rest >= 255) {
    store<u8>(out++, 255)
    rest -= 255
  }
  store<u8>(out++, <u8>rest)
}

/** A sequence with the literals before `ip`; the position behind it. */
function emit(ip: u32, length: u32, match: u32): u32 {
  const token = out++
  const literals = ip - anchor
  if (literals >= 15) putLength(literals - 15)
  memory.copy(out, anchor, literals)
  out += literals
  store<u16>(out, <u16>(ip - match))
  out += 2
  const extra = length - 4
  if (extra >= 15) putLength(extra - 15)
  store<u8>(token, <u8>((min(literals, 15) << 4) | min(extra, 15)))
  anchor = ip + length
  return anchor
}

/** Compresses `n` bytes at `src` to `dst`, which has room for n + n / 255 + 16. `tables`: 256 KiB of scratch. */
export function compress(src: u32, n: u32, dst: u32, tables: u32, tries: u32): u32 {
  base = src
  head = tables
  chain = tables + HEAD_BYTES
  memory.fill(head, 0, HEAD_BYTES)
  memory.fill(chain, 0xff, CHAIN_BYTES)
  inserted = src
  attempts = tries
  out = dst
  anchor = src
  const end = src + n
  if (n > MATCH_FIND_LIMIT) {
    matchLimit = end - LAST_LITERALS
    parse(src + 1, end - MATCH_FIND_LIMIT)
  }
  const rest = end - anchor
  store<u8>(out++, <u8>(min(rest, 15) << 4))
  if (rest >= 15) putLength(rest - 15)
  memory.copy(out, anchor, rest)
  return out + rest - dst
}

/** Looks two matches ahead of the one at hand before it decides where that one ends. */
function parse(from: u32, findLimit: u32): void {
  let ip = from
  while (ip < findLimit) {
    let length = best(ip)
    if (length == 0) {
      ip++
      continue
    }
    let match = foundMatch
    let savedIp = ip
    let savedMatch = match
    let savedLength = length
    let at2: u32 = 0
    let match2: u32 = 0
    let length2: u32 = 0
    let third = false
    while (true) {
      if (!third) {
        // A match that reaches further than the first.
        length2 = length
        if (ip + length < findLimit) length2 = wider(ip + length - 2, ip, length)
        if (length2 == length) {
          ip = emit(ip, length, match)
          break
        }
        at2 = foundAt
        match2 = foundMatch
        if (savedIp < ip && at2 < ip + savedLength) {
          ip = savedIp
          match = savedMatch
          length = savedLength
        }
        if (at2 - ip < 3) {
          length = length2
          ip = at2
          match = match2
          continue
        }
        third = true
      }
      if (at2 - ip < LONG_ENOUGH) {
        let keep = min(length, LONG_ENOUGH)
        if (ip + keep > at2 + length2 - 4) keep = at2 - ip + length2 - 4
        if (keep > at2 - ip) {
          const shift = keep - (at2 - ip)
          at2 += shift
          match2 += shift
          length2 -= shift
        }
      }
      let length3 = length2
      if (at2 + length2 < findLimit) length3 = wider(at2 + length2 - 3, at2, length2)
      if (length3 == length2) {
        if (at2 < ip + length) length = at2 - ip
        emit(ip, length, match)
        ip = emit(at2, length2, match2)
        break
      }
      const at3 = foundAt
      const match3 = foundMatch
      if (at3 < ip + length + 3) {
        if (at3 >= ip + length) {
          if (at2 < ip + length) {
            const shift = ip + length - at2
            at2 += shift
            match2 += shift
            length2 -= shift
            // The shift may be larger than the match: compared as signed.
            if (<i32>length2 < 4) {
              at2 = at3
              match2 = match3
              length2 = length3
            }
          }
          emit(ip, length, match)
          ip = at3
          match = match3
          length = length3
          savedIp = at2
          savedMatch = match2
          savedLength = length2
          third = false
          continue
        }
        at2 = at3
        match2 = match3
        length2 = length3
        continue
      }
      if (at2 < ip + length) length = at2 - ip
      emit(ip, length, match)
      ip = at2
      match = match2
      length = length2
      at2 = at3
      match2 = match3
      length2 = length3
    }
  }
}
