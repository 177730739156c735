import { ByteDictionary } from '../string-dictionary.ts'
import { COLON, SPACE, skipSpaces } from './event-line.ts'

const EQUALS = 61
const OPEN = 40
const CLOSE = 41
const COMMA = 44
const MORE = 62
/** A body with more values is no event's. */
const MAX_VALUES = 128

/** Names that values are stored under, by code. */
export class FieldNames {
  readonly #dictionary = new ByteDictionary()
  readonly #codes = new Map<string, number>()

  codeOf(name: string): number {
    let code = this.#codes.get(name)
    if (code === undefined) {
      const bytes = ENCODER.encode(name)
      code = this.#dictionary.intern(bytes, 0, bytes.length)
      this.#codes.set(name, code)
    }
    return code
  }

  /** Code of a key as printed: `total-vm` is the field total_vm. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    for (let i = start; i < end; i++)
      if (bytes[i] === MINUS) return this.codeOf(toName(bytes, start, end).replaceAll('-', '_'))
    return this.#dictionary.intern(bytes, start, end)
  }

  get(code: number): string {
    return this.#dictionary.get(code)
  }
}

/** The values of one body in order, each with its field's name and the label it was found by. */
export class Values {
  readonly names: FieldNames
  length = 0
  readonly name = new Int32Array(MAX_VALUES)
  readonly start = new Int32Array(MAX_VALUES)
  readonly end = new Int32Array(MAX_VALUES)
  /** Bytes of the label, `key=` or words; an empty one cannot be looked for. */
  readonly labelStart = new Int32Array(MAX_VALUES)
  readonly labelEnd = new Int32Array(MAX_VALUES)

  constructor(names: FieldNames) {
    this.names = names
  }

  add(name: number, start: number, end: number, labelStart = 0, labelEnd = 0): void {
    const i = this.length
    if (i >= MAX_VALUES) return
    for (let known = 0; known < i; known++) if (this.name[known] === name) return
    this.name[i] = name
    this.start[i] = start
    this.end[i] = end
    this.labelStart[i] = labelStart
    this.labelEnd[i] = labelEnd
    this.length = i + 1
  }
}

/** Field of text that no key announces. */
export const REST = 'text'

/** Takes `key=value` pairs apart; a value ends before the next key. Returns false when there is no key. */
export function parseKeyValues(
  bytes: Uint8Array,
  start: number,
  end: number,
  values: Values,
): boolean {
  let key = nextKey(bytes, start, end)
  if (key < 0) return false
  if (key > start) addTrimmed(values, values.names.codeOf(REST), bytes, start, key)
  while (key >= 0) {
    const equals = bytes.indexOf(EQUALS, key)
    const from = equals + 1
    const next = isComm(bytes, key, equals)
      ? keyAfterComm(bytes, key, equals, end)
      : nextKey(bytes, from, end)
    const to = trimEnd(bytes, from, next < 0 ? end : next)
    values.add(values.names.intern(bytes, key, equals), from, to, key, from)
    key = next
  }
  return true
}

/** A return probe's `(to <- from)` or an entry probe's `(where)`; the place behind it, or `start` when there is none. */
export function parseProbePlace(
  bytes: Uint8Array,
  start: number,
  end: number,
  values: Values,
): number {
  if (bytes[start] !== OPEN) return start
  const close = bytes.indexOf(CLOSE, start)
  if (close < 0 || close >= end) return start
  const { names } = values
  for (let at = start + 1; at + 3 < close; at++)
    if (isArrow(bytes, at)) {
      values.add(names.codeOf('__probe_ret_ip'), start + 1, at)
      values.add(names.codeOf('__probe_func'), at + 4, close)
      return skipSpaces(bytes, close + 1, end)
    }
  values.add(names.codeOf('__probe_ip'), start + 1, close)
  return skipSpaces(bytes, close + 1, end)
}

/** ` <- ` */
function isArrow(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === SPACE && bytes[at + 1] === 60 && bytes[at + 2] === 45 && bytes[at + 3] === SPACE
  )
}

/** Words in place of keys: `labels` in the order in which they may come, each followed by its value. */
export interface LabelledBody {
  readonly labels: readonly { readonly label: Uint8Array; readonly field: string }[]
}

/** Labels that are missing are passed over; false where the text begins with none of them. */
export function parseLabels(
  body: LabelledBody,
  bytes: Uint8Array,
  start: number,
  end: number,
  values: Values,
): boolean {
  let at = start
  let field = ''
  let label = 0
  let from = start
  for (const next of body.labels) {
    const found = findBytes(bytes, next.label, at, end)
    if (found < 0) continue
    if (field !== '')
      values.add(values.names.codeOf(field), from, trimEnd(bytes, from, found), label, from)
    else if (found > start) return false
    field = next.field
    label = found
    from = found + next.label.length
    at = from
  }
  if (field === '') return false
  values.add(values.names.codeOf(field), from, trimEnd(bytes, from, end), label, from)
  return true
}

/** First place of `what` at a word's start. */
export function findBytes(bytes: Uint8Array, what: Uint8Array, start: number, end: number): number {
  const last = end - what.length
  for (let at = start; at <= last; at++)
    if ((at === start || bytes[at - 1] === SPACE) && startsWith(bytes, what, at, end)) return at
  return -1
}

/** False, too, where fewer bytes are left before `end` than `what` has. */
export function startsWith(bytes: Uint8Array, what: Uint8Array, at: number, end: number): boolean {
  const { length } = what
  if (at + length > end) return false
  for (let i = 0; i < length; i++) if (bytes[at + i] !== what[i]) return false
  return true
}

/** The end of a value without what separates it from the next: spaces, a comma, sched_switch's arrow. */
export function trimEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = end
  for (;;) {
    while (at > start && (bytes[at - 1] === SPACE || bytes[at - 1] === COMMA)) at--
    if (
      at - 3 < start ||
      bytes[at - 1] !== MORE ||
      bytes[at - 2] !== EQUALS ||
      bytes[at - 3] !== EQUALS
    )
      return at
    at -= 3
  }
}

/** Start of the next `key=` that follows a space (or is at `start`), -1 if there is none. */
function nextKey(bytes: Uint8Array, start: number, end: number): number {
  for (let equals = bytes.indexOf(EQUALS, start); equals >= 0 && equals < end; ) {
    let at = equals
    while (at > start && isKeyByte(bytes[at - 1] as number)) at--
    const isKey =
      at < equals && isKeyStart(bytes[at] as number) && (at === start || bytes[at - 1] === SPACE)
    if (isKey && bytes[equals + 1] !== EQUALS) return at
    equals = bytes.indexOf(EQUALS, equals + 1)
  }
  return -1
}

const MINUS = 45

function isKeyStart(byte: number): boolean {
  return (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90) || byte === 95
}

function isKeyByte(byte: number): boolean {
  return isKeyStart(byte) || (byte >= 48 && byte <= 57) || byte === MINUS
}

/** Keys `comm`, `prev_comm`, ...: their values may hold spaces and equals signs. */
export function isComm(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start >= 4 &&
    bytes[end - 1] === 109 &&
    bytes[end - 2] === 109 &&
    bytes[end - 3] === 111 &&
    bytes[end - 4] === 99
  )
}

/** The key behind a task's name: `prev_pid` behind `prev_comm`, else the first key. A name has at most 15 bytes. */
function keyAfterComm(bytes: Uint8Array, key: number, equals: number, end: number): number {
  const prefix = equals - 4 - key
  for (let at = equals + 1; at < end && at <= equals + 17; at++) {
    if (bytes[at] !== SPACE) continue
    let same = 0
    while (same < prefix && bytes[at + 1 + same] === bytes[key + same]) same++
    const pid = at + 1 + prefix
    if (
      same === prefix &&
      bytes[pid] === 112 &&
      bytes[pid + 1] === 105 &&
      bytes[pid + 2] === 100 &&
      bytes[pid + 3] === EQUALS
    )
      return at + 1
  }
  return nextKey(bytes, equals + 1, end)
}

function addTrimmed(
  values: Values,
  name: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const to = trimEnd(bytes, start, end)
  if (to > start) values.add(name, start, to)
}

function toName(bytes: Uint8Array, start: number, end: number): string {
  return DECODER.decode(bytes.subarray(start, end))
}

/** mm_shrink_slab_*: `symbol pointer: nid: ...`; the place of `nid:`, or -1. */
export function parseShrinker(
  bytes: Uint8Array,
  start: number,
  end: number,
  values: Values,
): number {
  let space = start
  while (space < end && bytes[space] !== SPACE) space++
  let colon = space + 1
  while (colon < end && bytes[colon] !== COLON && bytes[colon] !== SPACE) colon++
  if (colon >= end || bytes[colon] !== COLON || bytes[colon + 1] !== SPACE || space === start)
    return -1
  values.add(values.names.codeOf('shrink'), start, space)
  values.add(values.names.codeOf('shr'), space + 1, colon)
  return colon + 2
}

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder()

function labels(...pairs: readonly (readonly [string, string])[]): LabelledBody {
  return { labels: pairs.map(([label, field]) => ({ label: ENCODER.encode(label), field })) }
}

// include/trace/events/vmscan.h (4.9 to 6.12); the fields have the binary format's names.
export const SHRINK_SLAB: LabelledBody = labels(
  ['nid: ', 'nid'],
  ['objects to shrink ', 'nr_objects_to_shrink'],
  ['unused scan count ', 'unused_scan'],
  ['new scan count ', 'new_scan'],
  ['gfp_flags ', 'gfp_flags'],
  ['pgs_scanned ', 'pgs_scanned'],
  ['lru_pgs ', 'lru_pgs'],
  ['cache items ', 'cache_items'],
  ['delta ', 'delta'],
  ['total_scan ', 'total_scan'],
  ['priority ', 'priority'],
  ['last shrinker return val ', 'retval'],
)

// include/trace/events/oom.h mark_victim (6.12): some values follow a colon.
export const MARK_VICTIM: LabelledBody = labels(
  ['pid=', 'pid'],
  ['comm=', 'comm'],
  ['total-vm=', 'total_vm'],
  ['anon-rss=', 'anon_rss'],
  ['file-rss:', 'file_rss'],
  ['shmem-rss:', 'shmem_rss'],
  ['uid=', 'uid'],
  ['pgtables=', 'pgtables'],
  ['oom_score_adj=', 'oom_score_adj'],
)
