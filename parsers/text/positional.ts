import type { Values } from './body.ts'
import { COLON, isDigit, SPACE, skipSpaces } from './event-line.ts'

const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const OPEN = 40
const PLUS = 43
const COMMA = 44

/** Takes a body apart whose values have neither keys nor labels; false when it does not have that form. */
export type PositionalBody = (
  bytes: Uint8Array,
  start: number,
  end: number,
  values: Values,
) => boolean

/** `comm:pid [prio] STATE ==> comm:pid [prio]`: sched_switch as libtraceevent's plugin prints it (plugins/plugin_sched_switch.c). */
export const parsePluginSwitch: PositionalBody = (bytes, start, end, values) => {
  const state = addTask('prev_', bytes, start, end, values)
  if (state < 0) return false
  let at = state
  while (at < end && bytes[at] !== SPACE) at++
  values.add(values.names.codeOf('prev_state'), state, at)
  if (bytes[at + 1] !== 61 || bytes[at + 2] !== 61 || bytes[at + 3] !== 62) return false
  return addTask('next_', bytes, at + 5, end, values) >= 0
}

/** `comm:pid [prio] CPU:003`: sched_wakeup as the same plugin prints it. */
export const parsePluginWakeup: PositionalBody = (bytes, start, end, values) => {
  const at = addTask('', bytes, start, end, values)
  if (at < 0) return false
  for (let colon = end - 1; colon > at; colon--)
    if (bytes[colon] === COLON) {
      values.add(values.names.codeOf('target_cpu'), colon + 1, end)
      return true
    }
  return false
}

/** Adds `comm:pid [prio]`; the place behind it, -1 if it is not there. */
function addTask(
  prefix: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  values: Values,
): number {
  // The name may hold colons and brackets, so the first place where pid and priority fit counts.
  for (let open = start + 3; open < end; open++) {
    if (bytes[open] !== OPEN_BRACKET || bytes[open - 1] !== SPACE) continue
    let pid = open - 1
    while (pid > start && isDigit(bytes[pid - 1] as number)) pid--
    let close = open + 1
    while (close < end && bytes[close] !== CLOSE_BRACKET) close++
    if (pid === open - 1 || bytes[pid - 1] !== COLON || close >= end) continue
    const { names } = values
    values.add(names.codeOf(`${prefix}comm`), start, pid - 1)
    values.add(names.codeOf(`${prefix}pid`), pid, open - 1)
    values.add(names.codeOf(`${prefix}prio`), open + 1, close)
    return skipSpaces(bytes, close + 1, end)
  }
  return -1
}

/** `8,0 WS 4096 (cmd) 1234 + 8 ... [comm]`: include/trace/events/block.h (4.9 to 6.12). */
export const parseBlock: PositionalBody = (bytes, start, end, values) => {
  const { names } = values
  const devEnd = wordEnd(bytes, start, end)
  if (!isDigit(bytes[start] as number) || !bytes.subarray(start, devEnd).includes(COMMA))
    return false
  const rwbs = skipSpaces(bytes, devEnd, end)
  const rwbsEnd = wordEnd(bytes, rwbs, end)
  let plus = rwbsEnd
  while (plus < end && !(bytes[plus] === PLUS && bytes[plus - 1] === SPACE)) plus++
  if (plus >= end || plus < rwbsEnd + 3) return false
  values.add(names.codeOf('dev'), start, devEnd)
  values.add(names.codeOf('rwbs'), rwbs, rwbsEnd)
  const next = skipSpaces(bytes, rwbsEnd, end)
  const nextEnd = wordEnd(bytes, next, end)
  if (isDigit(bytes[next] as number) && bytes[skipSpaces(bytes, nextEnd, end)] === OPEN)
    values.add(names.codeOf('bytes'), next, nextEnd)
  let sector = plus - 1
  while (sector > rwbsEnd && isDigit(bytes[sector - 1] as number)) sector--
  values.add(names.codeOf('sector'), sector, plus - 1)
  const count = skipSpaces(bytes, plus + 1, end)
  values.add(names.codeOf('nr_sector'), count, wordEnd(bytes, count, end))
  if (bytes[end - 1] !== CLOSE_BRACKET) return true
  let open = end - 1
  while (open > count && bytes[open] !== OPEN_BRACKET) open--
  const isNumber = isDigit(bytes[end - 2] as number) && isErrorNumber(bytes, open + 1, end - 1)
  values.add(names.codeOf(isNumber ? 'error' : 'comm'), open + 1, end - 1)
  return true
}

function isErrorNumber(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = bytes[start] === 45 ? start + 1 : start; i < end; i++)
    if (!isDigit(bytes[i] as number)) return false
  return true
}

function wordEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== SPACE) at++
  return at
}
