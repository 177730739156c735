// What was met before: tasks, events by name, texts by their bytes. known-lines.ts says what is learned of a line, and when.

import {
  COMM_BYTES,
  COMMS,
  CPUS,
  EVENT_BYTES,
  EVENTS,
  HAS_CLOSING,
  HAS_END,
  HAS_EQUALS,
  HAS_SPACE,
  HINTS,
  HINTS_OF_EVENT,
  LENGTHS,
  MAX_EVENTS,
  MAX_NAME_BYTES,
  MAX_TEXT_BYTES,
  NAME,
  NAME_SLOTS,
  NAMES,
  TASK_COUNT,
  TASKS,
  TEXT_SLOT_BYTES,
  TEXT_SLOTS,
  TEXTS,
  TGIDS,
} from './_layout'
import { commEnd, commStart, cpu, tgid, tid } from './_heads'
import { hashOf, isEqual } from './_scan'
import { setValue } from './_values'

// Why a line was not taken: for something else, or only because its text at textStart .. textEnd, or its task, is not known.
export const NOTHING: u32 = 0
const A_TEXT: u32 = 1
export const A_TASK: u32 = 2

/** What the last call lacked to take the line at which it stopped. */
export let missing: u32 = NOTHING
export let textStart: u32 = 0
export let textEnd: u32 = 0

export function lack(what: u32): void {
  missing = what
}

/** True when nothing is to be learned of the line's task. */
export function isTaskKnown(): bool {
  const slot = <u32>tid & (TASK_COUNT - 1)
  const length = commEnd - commStart
  if (
    load<i32>(TASKS + 4 * slot) != tid ||
    load<i32>(TGIDS + 4 * slot) != tgid ||
    load<i32>(CPUS + 4 * slot) < cpu ||
    load<u8>(LENGTHS + slot) != length
  )
    return false
  return isEqual(COMMS + slot * COMM_BYTES, commStart, length)
}

export function findEvent(start: u32, end: u32): u32 {
  const length = end - start
  if (length > MAX_NAME_BYTES) return 0
  let slot = hashOf(start, length) & (NAME_SLOTS - 1)
  while (true) {
    const event = load<u32>(NAMES + 16 * slot)
    if (event == 0) return 0
    if (load<u32>(NAMES + 16 * slot + 4) == length && isEqual(event + NAME, start, length))
      return event
    slot = (slot + 1) & (NAME_SLOTS - 1)
  }
}

/** Makes the event at EVENTS + number * EVENT_BYTES known by the name at `start`; it has no plan yet. */
export function addEvent(number: u32, start: u32, length: u32): void {
  const event = EVENTS + number * EVENT_BYTES
  store<i32>(event, -1)
  memory.copy(event + NAME, start, length)
  let slot = hashOf(start, length) & (NAME_SLOTS - 1)
  while (load<u32>(NAMES + 16 * slot) != 0) slot = (slot + 1) & (NAME_SLOTS - 1)
  store<u32>(NAMES + 16 * slot, event)
  store<u32>(NAMES + 16 * slot + 4, length)
}

// @ts-ignore: decorator
@inline
function textSlot(start: u32, length: u32): u32 {
  return TEXTS + (hashOf(start, length) & (TEXT_SLOTS - 1)) * TEXT_SLOT_BYTES
}

/** Makes a text known; it takes the place of the older of two. */
export function addText(start: u32, end: u32, code: u32): void {
  const length = end - start
  const slot = textSlot(start, length)
  memory.copy(slot ^ TEXT_SLOT_BYTES, slot, TEXT_SLOT_BYTES)
  let has: u32 = 0
  let last: u32 = 0
  for (let at = start; at < end; at++) {
    last = load<u8>(at)
    if (last == 61) has |= HAS_EQUALS
    if (last == 32) has |= HAS_SPACE
    if (last == 41 || last == 60) has |= HAS_CLOSING
  }
  if (last == 32 || last == 44 || last == 62) has |= HAS_END
  store<u16>(slot, <u16>(length + 1))
  store<u16>(slot + 2, <u16>has)
  store<u32>(slot + 4, code)
  memory.copy(slot + 8, start, length)
}

export function forgetTexts(): void {
  memory.fill(TEXTS, 0, TEXT_SLOTS * TEXT_SLOT_BYTES)
  memory.fill(HINTS, 0, 4 * HINTS_OF_EVENT * MAX_EVENTS)
}

/** Slot of a text, whose code becomes the value; 0 when it is not known. */
export function findText(start: u32, end: u32): u32 {
  const length = end - start
  if (length > MAX_TEXT_BYTES) return 0
  let slot = textSlot(start, length)
  if (load<u16>(slot) != length + 1 || !isEqual(slot + 8, start, length)) {
    slot ^= TEXT_SLOT_BYTES
    if (load<u16>(slot) != length + 1 || !isEqual(slot + 8, start, length)) {
      missing = A_TEXT
      textStart = start
      textEnd = end
      return 0
    }
  }
  setValue(load<u32>(slot + 4))
  return slot
}
