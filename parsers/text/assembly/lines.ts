// Takes lines of text apart that look like lines met before. AssemblyScript: compiled by scripts/build-wasm.mjs.
// What a line may look like is said in reader.ts, event-rows.ts and their neighbours; here only what needs no decision is done, and
// every line with anything unusual is left to them.

import { follow } from './_body'
import {
  bodyStart,
  commEnd,
  commStart,
  cpu,
  flags,
  nameEnd,
  nameStart,
  nanoseconds,
  parsePerf,
  parseTracefs,
  seconds,
  tid,
} from './_heads'
import { A_TASK, findEvent, isTaskKnown, lack, NOTHING } from './_known'
import {
  COMM_BYTES,
  EVENT_BYTES,
  EVENTS,
  MAX_NAME_BYTES,
  MAX_ROW_BYTES,
  OUTPUT,
  OUTPUT_BYTES,
  PREFIX,
} from './_layout'
import { isDigit, lineEnd, newlineFrom, skipSpaces } from './_scan'

export { commEnd, commStart, cpu, tgid, tid } from './_heads'
export { addEvent, addText, forgetTexts, missing, textEnd, textStart } from './_known'
export {
  EVENTS,
  EVENT_BYTES,
  INPUT,
  MAX_EVENTS,
  MAX_LABEL_BYTES,
  MAX_NAME_BYTES,
  OUTPUT,
  SLACK,
  STEPS,
  STEP_BYTES,
  TASKS,
  TASK_COUNT,
} from './_layout'

const MAX_CPU: u32 = 8192

/** Where the last call stopped: the first line it did not take. */
export let stoppedAt: u32 = 0

/** Takes lines from `from` on, at most `most`, and stores their rows; returns their number. */
export function take(
  from: u32,
  to: u32,
  most: u32,
  isPerf: bool,
  bracketAt: u32,
  baseSeconds: f64,
): u32 {
  lack(NOTHING)
  let out = OUTPUT
  let line = from
  let rows: u32 = 0
  for (; rows < most && out + MAX_ROW_BYTES <= OUTPUT + OUTPUT_BYTES; rows++) {
    const newline = newlineFrom(line, to)
    if (newline >= to) break
    const end = lineEnd(line, newline)
    if (end == line || load<u8>(end - 1) == 92) break
    if (!(isPerf ? parsePerf(line, end) : parseTracefs(line, end, bracketAt))) break
    if (<u32>cpu > MAX_CPU) break
    if (!isTaskKnown()) {
      if (commEnd - commStart <= COMM_BYTES) lack(A_TASK)
      break
    }
    const event = findEvent(nameStart, nameEnd)
    if (event == 0 || load<i32>(event) < 0 || (bodyStart < end && load<u8>(bodyStart) == 91)) break
    const ts = (<f64>seconds - baseSeconds) * 1e9 + <f64>nanoseconds
    if (abs(ts) > 9007199254740991) break
    if (!follow(event, bodyStart, end, out + 24)) break
    store<f64>(out, ts)
    store<u32>(out + 8, (event - EVENTS) / EVENT_BYTES)
    store<i32>(out + 12, cpu)
    store<i32>(out + 16, tid)
    store<i32>(out + 20, flags)
    out += 24 + 8 * (load<u32>(event) + (load<u32>(event + PREFIX) == 0 ? 0 : 2))
    line = newline + 1
  }
  stoppedAt = line
  return rows
}

/** Steps over lines of tracefs whose events are known; returns their number. `nameAt` is where the last line had its event. */
export function skipKnown(from: u32, to: u32, nameAt: u32, bracketAt: u32): u32 {
  let line = from
  let lines: u32 = 0
  while (true) {
    const name = line + nameAt
    if (
      nameAt < 4 ||
      name >= to ||
      load<u8>(line) == 35 ||
      load<u8>(name - 1) != 32 ||
      load<u8>(name - 2) != 58 ||
      load<u8>(line + bracketAt) != 91 ||
      !isDigit(load<u8>(name - 3))
    )
      break
    const comm = skipSpaces(line, to)
    if (load<u8>(comm) == 107 && load<u8>(comm + 1) == 99) break
    const limit = min(to, name + MAX_NAME_BYTES)
    let colon = name
    while (colon < limit && load<u8>(colon) != 58) colon++
    if (findEvent(name, colon) == 0) break
    const newline = newlineFrom(line, to)
    if (newline >= to || newline < colon) break
    line = newline + 1
    lines++
  }
  stoppedAt = line
  return lines
}
