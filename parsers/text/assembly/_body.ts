// The body of a line, read along its event's plan.

import {
  COMM,
  COMM_BEFORE_PID,
  COMM_REACH,
  EVENT_BYTES,
  EVENTS,
  HAS_CLOSING,
  HAS_END,
  HAS_EQUALS,
  HAS_SPACE,
  HINTS,
  HINTS_OF_EVENT,
  HINTS_OF_STEP,
  LABEL,
  NO_BRACKET,
  PREFIX,
  SIGNED,
  SIGNED_SHRINKER,
  STEP_BYTES,
  STEPS,
  UNSIGNED,
  UP_TO_ARROW,
  UP_TO_PARENTHESIS,
  WORD,
} from './_layout'
import { findText } from './_known'
import { isEqual, skipSpaces } from './_scan'
import { isOfKind, readNumber, setValue, value } from './_values'

// ` <- ` and `pid=`.
const ARROW: u32 = 0x202d3c20
const PID: u32 = 0x3d646970

/** Steps over spaces, commas and sched_switch's arrow. */
// @ts-ignore: decorator
@inline
function skipSeparators(start: u32, end: u32): u32 {
  let at = start
  while (true) {
    while (at < end && (load<u8>(at) == 32 || load<u8>(at) == 44)) at++
    if (at + 3 > end || load<u8>(at) != 61 || load<u8>(at + 1) != 61 || load<u8>(at + 2) != 62)
      return at
    at += 3
  }
}

function trimEnd(start: u32, end: u32): u32 {
  let at = end
  while (true) {
    while (at > start && (load<u8>(at - 1) == 32 || load<u8>(at - 1) == 44)) at--
    if (at < start + 3 || load<u8>(at - 1) != 62 || load<u8>(at - 2) != 61 || load<u8>(at - 3) != 61)
      return at
    at -= 3
  }
}

/** Where the text at `start` ends, by what follows it; 0 if another key may come first. */
function valueEnd(step: u32, next: u32, start: u32, end: u32): u32 {
  const kind = load<u32>(step)
  if (kind == UP_TO_PARENTHESIS || kind == UP_TO_ARROW) {
    for (let at = start; at < end; at++) {
      const byte = load<u8>(at)
      if (byte == 41) return kind == UP_TO_PARENTHESIS ? at : 0
      if (byte == 32 && at + 4 <= end && load<u32>(at) == ARROW)
        return kind == UP_TO_ARROW ? at : 0
    }
    return 0
  }
  const before = load<u32>(step + 4) - 5
  const length = next == 0 ? 0 : load<u32>(next + 4)
  let hasEquals = false
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at)
    if (byte == 61) {
      if (kind != COMM_BEFORE_PID) return 0
      hasEquals = true
    } else if (byte == 32) {
      const isNear = at <= start + COMM_REACH
      if (kind == COMM && isNear && isEqual(at + 1, step + LABEL, before))
        if (load<u32>(at + 1 + before) == PID) return 0
      if (next == 0) {
        if (kind == WORD) return 0
        continue
      }
      const label = skipSeparators(at, end)
      if (load<u8>(label - 1) == 32 && label + length <= end)
        if (isEqual(label, next + LABEL, length))
          return !hasEquals || (isNear && label == at + 1) ? at : 0
      if (kind == WORD) return 0
    }
  }
  return next == 0 ? end : 0
}

/** Where the text at `start` ends if it is that of `slot`, whose code becomes the value; else 0. */
// @ts-ignore: decorator
@inline
function endOfHint(slot: u32, kind: u32, next: u32, start: u32, end: u32): u32 {
  if (slot == 0 || kind == COMM) return 0
  const length = <u32>load<u16>(slot) - 1
  const has = <u32>load<u16>(slot + 2)
  const after = start + length
  if (after > end || !isEqual(slot + 8, start, length)) return 0
  setValue(load<u32>(slot + 4))
  if (kind == UP_TO_PARENTHESIS)
    return after < end && load<u8>(after) == 41 && (has & HAS_CLOSING) == 0 ? after : 0
  if (kind == UP_TO_ARROW)
    return after + 4 <= end && load<u32>(after) == ARROW && (has & HAS_CLOSING) == 0 ? after : 0
  if ((has & (HAS_EQUALS | HAS_END)) != 0 || (kind == WORD && (has & HAS_SPACE) != 0)) return 0
  if (next == 0) return after == end ? after : 0
  if (after >= end || load<u8>(after) != 32) return 0
  const label = skipSeparators(after, end)
  const labelLength = load<u32>(next + 4)
  return load<u8>(label - 1) == 32 &&
    label + labelLength <= end &&
    isEqual(label, next + LABEL, labelLength)
    ? after
    : 0
}

/** Reads the body along the event's plan and stores the values from `out` on; false when it may be laid out otherwise. */
export function follow(event: u32, start: u32, end: u32, out: u32): bool {
  const steps = load<i32>(event)
  let at = start
  let to = out
  if (load<u32>(event + PREFIX) != 0) {
    at = followPrefix(load<u32>(event + PREFIX) == SIGNED_SHRINKER, start, end, out)
    if (at == 0) return false
    to += 16
  }
  const hints = HINTS + 4 * HINTS_OF_EVENT * ((event - EVENTS) / EVENT_BYTES)
  let step = event + STEPS
  for (let i = 0; i < steps; i++, step += STEP_BYTES, to += 8) {
    const kind = load<u32>(step)
    const length = load<u32>(step + 4)
    if (at + length > end || !isEqual(at, step + LABEL, length)) return false
    if (i > 0 && length > 0 && load<u8>(at - 1) != 32) return false
    at += length
    if (kind <= UNSIGNED) {
      at = readNumber(at, end)
      if (at == 0 || !isOfKind(kind == SIGNED)) return false
      if (at < end && load<u8>(at) != 32 && load<u8>(at) != 44) return false
    } else {
      // Not a key, but a comparison.
      if (load<u8>(at) == 61 && length > 0) return false
      const next = i + 1 < steps ? step + STEP_BYTES : 0
      const hint = hints + 4 * (i * HINTS_OF_STEP + ((load<u8>(at) + 3 * load<u8>(at + 2)) & 7))
      let after = endOfHint(load<u32>(hint), kind, next, at, end)
      if (after == 0) {
        after = valueEnd(step, next, at, end)
        if (after == 0) return false
        const isClosed = kind == UP_TO_PARENTHESIS || kind == UP_TO_ARROW
        const slot = findText(at, isClosed ? after : trimEnd(at, after))
        if (slot == 0) return false
        store<u32>(hint, slot)
      }
      at = after
      if (kind == UP_TO_PARENTHESIS) {
        store<u64>(to, value)
        at = skipSpaces(at + 1, end)
        continue
      }
      if (kind == UP_TO_ARROW) {
        store<u64>(to, value)
        at += 4
        continue
      }
    }
    store<u64>(to, value)
    if (at < end) at = skipSeparators(at, end)
  }
  if (at < end) return false
  return load<u32>(event + NO_BRACKET) == 0 || !hasBracket(start, end)
}

/** `FUNCTION SHRINKER: ` before the first key; the place behind it, 0 if it is not there. Stores both values. */
function followPrefix(isSigned: bool, start: u32, end: u32, out: u32): u32 {
  let space = start
  while (space < end && load<u8>(space) != 32) space++
  let colon = space + 1
  while (colon < end && load<u8>(colon) != 58 && load<u8>(colon) != 32) colon++
  if (colon + 1 >= end || load<u8>(colon) != 58 || load<u8>(colon + 1) != 32 || space == start)
    return 0
  if (findText(start, space) == 0) return 0
  store<u64>(out, value)
  if (readNumber(space + 1, colon) != colon || !isOfKind(isSigned)) return 0
  store<u64>(out + 8, value)
  return colon + 2
}

function hasBracket(start: u32, end: u32): bool {
  const bracket = i8x16.splat(91)
  for (let p = start; p < end; p += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), bracket))
    if (found != 0) return p + <u32>ctz<i32>(found) < end
  }
  return false
}
