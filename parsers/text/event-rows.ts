import { ByteDictionary } from '../string-dictionary.ts'
import {
  FieldNames,
  findBytes,
  isComm,
  type LabelledBody,
  MARK_VICTIM,
  parseKeyValues,
  parseLabels,
  parseProbePlace,
  parseShrinker,
  REST,
  SHRINK_SLAB,
  startsWith,
  trimEnd,
  Values,
} from './body.ts'
import { COLON, type EventLine, SPACE, skipSpaces } from './event-line.ts'
import { NumberScan } from './number.ts'
import {
  type PositionalBody,
  parseBlock,
  parsePluginSwitch,
  parsePluginWakeup,
} from './positional.ts'
import { TextBatch, TextColumn, type TextKind } from './text-batch.ts'

const COMMA = 44
const EQUALS = 61
const ZERO = 48
const POINTER_DIGITS = 16
/** Kinds of rows that one event may have: keys that come and go, numbers that turn out to be words. */
const MAX_VARIANTS = 16
const MAX_FIELDS = 256
const MAX_EVENTS = 4096
const KNOWN_NAMES = 256
const MAX_NAME_BYTES = 128
const MAX_STRINGS = 1 << 18
const MAX_STRING_BYTES = 1 << 25

/** What is known of one event: its fields as met so far, and how the last line was laid out. */
interface EventState {
  readonly system: string
  readonly name: string
  readonly labelled: LabelledBody | undefined
  readonly positional: PositionalBody | undefined
  readonly hasShrinker: boolean
  /** The whole body is one text: print and its like. */
  readonly isWhole: boolean
  batch: TextBatch | undefined
  columnOfName: Map<number, TextColumn>
  plan: readonly Step[] | undefined
  /** The plan has a step for every column. */
  isPlanFull: boolean
  variants: number
}

interface Step {
  readonly label: Uint8Array
  readonly column: TextColumn
  readonly isText: boolean
  /** What ends a text that no key follows: a probe's place is in parentheses. */
  readonly closing: Uint8Array | undefined
  /** The value may hold an equals sign: a task's name before its pid. */
  readonly isCommBeforePid: boolean
}

/** Turns bodies into rows. Fields are found by key; that most lines of an event look alike is only used to find them faster. */
export class EventRows {
  /** Of the strings in columns; replaced when it has grown too large. Code 0 is the empty string. */
  dictionary = newDictionary()
  readonly batches: TextBatch[] = []
  readonly #names = new FieldNames()
  readonly #values = new Values(this.#names)
  readonly #rest = this.#names.codeOf(REST)
  readonly #whole = this.#names.codeOf('buf')
  readonly #scan = new NumberScan()
  readonly #eventNames = new ByteDictionary()
  readonly #states: EventState[] = []
  readonly #knownStates: EventState[] = []
  /** Names that were learned, by a few of their bytes; a later one may take an earlier one's place. */
  readonly #known: (Uint8Array | undefined)[] = new Array<undefined>(KNOWN_NAMES).fill(undefined)

  /** The event's state; `undefined` when the input has more events than any kernel. */
  stateOf(bytes: Uint8Array, line: EventLine): EventState | undefined {
    const slot = this.#slotOf(bytes, line.nameStart, line.nameEnd)
    if (slot >= 0) return this.#knownStates[slot]
    const code = this.#eventNames.intern(bytes, line.nameStart, line.nameEnd)
    const known = this.#states[code]
    if (known !== undefined) return known
    if (code >= MAX_EVENTS) return undefined
    const state = newState(this.#eventNames.get(code))
    this.#states[code] = state
    return state
  }

  /** True when the event whose name and colon begin at `start` was learned before; may be false for one that was. */
  isKnown(bytes: Uint8Array, start: number): boolean {
    const end = Math.min(bytes.length, start + MAX_NAME_BYTES)
    let colon = start
    while (colon < end && bytes[colon] !== COLON) colon++
    return this.#slotOf(bytes, start, colon) >= 0
  }

  /** Place in #known of the name bytes[start .. end), -1 if it is not there. */
  #slotOf(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    const slot = nameSlot(bytes, start, end)
    const name = this.#known[slot]
    if (name === undefined || name.length !== length) return -1
    for (let i = 0; i < length; i++) if (bytes[start + i] !== name[i]) return -1
    return slot
  }

  /** Makes the format known without adding a row. */
  learn(state: EventState, bytes: Uint8Array, line: EventLine, end: number): void {
    const slot = nameSlot(bytes, line.nameStart, line.nameEnd)
    this.#known[slot] = bytes.slice(line.nameStart, line.nameEnd)
    this.#knownStates[slot] = state
    if (state.batch !== undefined) return
    this.#parse(state, bytes, line.bodyStart, end)
    this.#fit(state, bytes)
  }

  /** Fills the columns of the next row of the batch that is returned; the caller fills the rest and completes it. */
  fill(state: EventState, bytes: Uint8Array, start: number, end: number): TextBatch {
    const { batch, plan } = state
    if (batch !== undefined && plan !== undefined) {
      if (batch.length === batch.capacity) batch.grow()
      const row = batch.length
      const values = this.#values
      values.length = 0
      const at = state.hasShrinker ? this.#parsePrefix(state, bytes, start, end) : start
      if (this.#follow(plan, bytes, at, end, row) && this.#addPrefix(state, bytes, row)) {
        if (state.isPlanFull && !batch.hasMissing) batch.isRowFull = true
        else for (const { column } of plan) column.lastRow = row
        return batch
      }
    }
    return this.#fillSlowly(state, bytes, start, end)
  }

  /** Between windows. */
  trim(): void {
    if (this.dictionary.length > MAX_STRINGS || this.dictionary.bytesUsed > MAX_STRING_BYTES)
      this.dictionary = newDictionary()
    else return
    for (const { columns } of this.batches) for (const column of columns) column.codes.fill(-1)
  }

  #fillSlowly(state: EventState, bytes: Uint8Array, start: number, end: number): TextBatch {
    this.#parse(state, bytes, start, end)
    const batch = this.#fit(state, bytes)
    if (batch.length === batch.capacity) batch.grow()
    const row = batch.length
    const values = this.#values
    for (let i = 0; i < values.length; i++) {
      const column = state.columnOfName.get(values.name[i] as number)
      if (column !== undefined)
        this.#set(column, row, bytes, values.start[i] as number, values.end[i] as number)
    }
    state.plan = this.#toPlan(state, bytes)
    return batch
  }

  #parsePrefix(state: EventState, bytes: Uint8Array, start: number, end: number): number {
    if (!state.hasShrinker)
      return state.isWhole ? start : parseProbePlace(bytes, start, end, this.#values)
    const at = parseShrinker(bytes, start, end, this.#values)
    return at < 0 ? start : at
  }

  /** Takes the body apart into #values. */
  #parse(state: EventState, bytes: Uint8Array, start: number, end: number): void {
    const values = this.#values
    values.length = 0
    if (state.isWhole) {
      const buf = findBytes(bytes, BUF, start, end)
      values.add(this.#whole, bytes[start] === I && buf >= 0 ? buf + BUF.length : start, end)
      return
    }
    if (state.variants >= MAX_VARIANTS) {
      values.add(this.#rest, start, end)
      return
    }
    const at = this.#parsePrefix(state, bytes, start, end)
    if (state.positional?.(bytes, at, end, values) === true) return
    if (state.labelled !== undefined && parseLabels(state.labelled, bytes, at, end, values)) return
    if (!parseKeyValues(bytes, at, end, values) && at < end)
      values.add(this.#rest, at, trimEnd(bytes, at, end))
    this.#splitRests(state, bytes)
  }

  /** A number that more words follow, which no key announces, stays a number; the words are kept by themselves. */
  #splitRests(state: EventState, bytes: Uint8Array): void {
    const values = this.#values
    const { length } = values
    for (let i = 0; i < length; i++) {
      const from = values.start[i] as number
      const to = values.end[i] as number
      const space = bytes.indexOf(SPACE, from)
      if (space < 0 || space >= to || values.labelEnd[i] === values.labelStart[i]) continue
      const known = state.columnOfName.get(values.name[i] as number)
      if (known?.kind === 'string' || this.#isCommValue(bytes, i)) continue
      if (!this.#readNumber(bytes, from, space)) continue
      values.end[i] = trimEnd(bytes, from, space)
      values.add(this.#rest, skipSpaces(bytes, space, to), to)
    }
  }

  #isCommValue(bytes: Uint8Array, i: number): boolean {
    const values = this.#values
    const labelStart = values.labelStart[i] as number
    const labelEnd = values.labelEnd[i] as number
    return (
      isComm(bytes, labelStart, labelEnd - 1) ||
      COMM.test(this.#names.get(values.name[i] as number))
    )
  }

  /** The batch whose columns can take #values; made anew when the fields differ from those known. */
  #fit(state: EventState, bytes: Uint8Array): TextBatch {
    const values = this.#values
    let kinds: Map<number, TextKind> | undefined
    for (let i = 0; i < values.length; i++) {
      const name = values.name[i] as number
      const known = state.columnOfName.get(name)
      const kind = this.#kindOf(known?.kind, bytes, i)
      if (known?.kind === kind) continue
      if (known === undefined && state.columnOfName.size >= MAX_FIELDS) continue
      kinds ??= new Map()
      kinds.set(name, kind)
    }
    if (kinds === undefined && state.batch !== undefined) return state.batch
    return this.#newVariant(state, kinds ?? new Map())
  }

  #newVariant(state: EventState, kinds: ReadonlyMap<number, TextKind>): TextBatch {
    const columns = new Map<number, TextColumn>()
    for (const [name, { kind }] of state.columnOfName)
      columns.set(name, new TextColumn(this.#names.get(name), kinds.get(name) ?? kind))
    for (const [name, kind] of kinds)
      if (!columns.has(name)) columns.set(name, new TextColumn(this.#names.get(name), kind))
    const batch = new TextBatch(state.system, state.name, [...columns.values()])
    state.columnOfName = columns
    state.batch = batch
    state.plan = undefined
    state.variants++
    this.batches.push(batch)
    return batch
  }

  /** The kind that holds value `i` and all before it, which `known` held. */
  #kindOf(known: TextKind | undefined, bytes: Uint8Array, i: number): TextKind {
    if (known === 'string') return 'string'
    const values = this.#values
    const start = values.start[i] as number
    const end = values.end[i] as number
    if (
      known === undefined &&
      values.labelEnd[i] === values.labelStart[i] &&
      !this.#isNumberName(i)
    )
      return 'string'
    if (this.#isCommValue(bytes, i)) return 'string'
    if (!this.#readNumber(bytes, start, end)) return 'string'
    const { isNegative, isHex, hi } = this.#scan
    if (isNegative) return known === 'u64' ? 'string' : 'i64'
    if (known === undefined) return isHex || hi >= 0x8000_0000 ? 'u64' : 'i64'
    return hi >= 0x8000_0000 ? 'u64' : known
  }

  /** Values without a label that are numbers: those of positional bodies. */
  #isNumberName(i: number): boolean {
    return POSITIONAL_NUMBER.test(this.#names.get(this.#values.name[i] as number))
  }

  /** True when bytes[start .. end) is a number, with or without a unit. */
  #readNumber(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#scanNumber(bytes, start, end) && this.#scan.end === end
  }

  /** Reads the number at `start`; #scan.end is behind it and its unit. */
  #scanNumber(bytes: Uint8Array, start: number, end: number): boolean {
    const scan = this.#scan
    // Pointers come without 0x: %p prints 16 digits, filled with zeros.
    if (mayBePointer(bytes, start, end) && scan.readPointer(bytes, start)) return true
    if (!scan.read(bytes, start, end)) return false
    const at = scan.end
    if (at < end && !scan.isHex) {
      if (bytes[at] === CAPITAL_B) scan.end = at + 1
      else if (bytes[at] === SMALL_K && bytes[at + 1] === CAPITAL_B && at + 1 < end)
        scan.end = at + 2
    }
    return true
  }

  #set(column: TextColumn, row: number, bytes: Uint8Array, start: number, end: number): void {
    column.lastRow = row
    if (column.kind === 'string') {
      column.lo[row] = this.dictionary.intern(bytes, start, end)
      return
    }
    this.#scanNumber(bytes, start, end)
    column.lo[row] = this.#scan.lo
    column.hi[row] = this.#scan.hi
  }

  /** Reads the body along the last line's labels; false when it is laid out otherwise. */
  #follow(
    plan: readonly Step[],
    bytes: Uint8Array,
    start: number,
    end: number,
    row: number,
  ): boolean {
    let at = start
    const { length } = plan
    for (let i = 0; i < length; i++) {
      const step = plan[i] as Step
      const { label, column } = step
      if (!startsWith(bytes, label, at, end)) return false
      at += label.length
      if (step.isText) {
        at = this.#followText(step, plan[i + 1], bytes, at, end, row)
        if (at < 0) return false
      } else {
        const to = this.#followNumber(column, bytes, at, end, row)
        if (to < 0) return false
        at = to
      }
      if (at < end) at = skipSeparators(bytes, at, end)
    }
    return at >= end
  }

  /** Stores the text at `start`; the place behind it, or -1. */
  #followText(
    step: Step,
    next: Step | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
    row: number,
  ): number {
    const { column, closing } = step
    const slot = column.slotOf(bytes, start)
    const known = column.codes[slot] as number
    const guess = start + (column.lengths[slot] as number)
    if (
      known >= 0 &&
      guess <= end &&
      isTextAt(bytes, start, column.texts[slot] as Uint8Array, guess - start)
    ) {
      if (closing !== undefined) {
        if (startsWith(bytes, closing, guess, end)) {
          column.lo[row] = known
          return guess + closing.length
        }
      } else if (
        next === undefined
          ? guess === end
          : bytes[guess] === SPACE &&
            startsWith(bytes, next.label, skipSeparators(bytes, guess, end), end)
      ) {
        column.lo[row] = known
        return guess
      }
    }
    const to =
      closing !== undefined
        ? closedAt(bytes, closing, start, end)
        : next === undefined
          ? lastEnd(bytes, start, end)
          : valueEnd(bytes, step, next, start, end)
    if (to < 0) return -1
    const trimmed = trimEnd(bytes, start, to)
    const code = this.dictionary.intern(bytes, start, trimmed)
    column.lo[row] = code
    column.keep(slot, code, bytes, start, trimmed)
    return closing === undefined ? to : to + closing.length
  }

  /** Stores the number at `start`; the place behind it, or -1. */
  #followNumber(
    column: TextColumn,
    bytes: Uint8Array,
    start: number,
    end: number,
    row: number,
  ): number {
    let at = start
    let value = 0
    const first = bytes[at] as number
    // Zero may begin 0x or a pointer; longer numbers need both halves.
    const limit = first === ZERO ? at + 1 : Math.min(end, at + 9)
    while (at < limit) {
      const digit = (bytes[at] as number) - ZERO
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      at++
    }
    if (at > start && (at === end || bytes[at] === SPACE)) {
      column.lo[row] = value
      column.hi[row] = 0
      return at
    }
    if (!this.#scanNumber(bytes, start, end)) return -1
    const { lo, hi, isNegative } = this.#scan
    if (column.kind === 'u64' ? isNegative : !isNegative && hi >= 0x8000_0000) return -1
    column.lo[row] = lo
    column.hi[row] = hi
    at = this.#scan.end
    const byte = bytes[at]
    return at < end && byte !== SPACE && byte !== COMMA ? -1 : at
  }

  #addPrefix(state: EventState, bytes: Uint8Array, row: number): boolean {
    const values = this.#values
    for (let i = 0; i < values.length; i++) {
      const column = state.columnOfName.get(values.name[i] as number)
      if (column === undefined) return false
      const start = values.start[i] as number
      const end = values.end[i] as number
      if (column.kind !== 'string' && !this.#readNumber(bytes, start, end)) return false
      this.#set(column, row, bytes, start, end)
    }
    return true
  }

  /** The labels of #values in order; `undefined` when a value other than the prefix has none. */
  #toPlan(state: EventState, bytes: Uint8Array): readonly Step[] | undefined {
    const values = this.#values
    const steps: Step[] = []
    for (let i = 0; i < values.length; i++) {
      const labelStart = values.labelStart[i] as number
      const labelEnd = values.labelEnd[i] as number
      const column = state.columnOfName.get(values.name[i] as number)
      if (column === undefined) return undefined
      const place = PLACES.get(column.field.name)
      if (place !== undefined && column.kind === 'string' && labelStart === labelEnd) {
        steps.push({ ...place, column, isText: true, isCommBeforePid: false })
        continue
      }
      if (labelStart === labelEnd) {
        if (steps.length > 0 || !PREFIX.test(column.field.name)) return undefined
        continue
      }
      const label = bytes.slice(labelStart, labelEnd)
      const isText = column.kind === 'string'
      const following = i + 1 < values.length ? this.#names.get(values.name[i + 1] as number) : ''
      const isCommBeforePid =
        isComm(label, 0, label.length - 1) &&
        following === column.field.name.replace(/comm$/, 'pid')
      steps.push({ label, column, isText, closing: undefined, isCommBeforePid })
    }
    state.isPlanFull = steps.length === state.batch?.columns.length
    return steps.length === 0 ? undefined : steps
  }
}

export type { EventState }

const CAPITAL_B = 66
const SMALL_K = 107
const I = 105
const BUF = new TextEncoder().encode('buf=')
const COMM = /comm$/
const PREFIX = /^(shrink|shr)$/
const POSITIONAL_NUMBER = /^(shr|(prev_|next_)?(pid|prio)|target_cpu|sector|nr_sector|bytes|error)$/

const ENCODER = new TextEncoder()
/** `(where) `, `(to <- from) `: the fields of a probe's place. */
const PLACES: ReadonlyMap<string, { label: Uint8Array; closing: Uint8Array }> = new Map(
  (
    [
      ['__probe_ip', '(', ')'],
      ['__probe_ret_ip', '(', ' <- '],
      ['__probe_func', '', ')'],
    ] as const
  ).map(([name, label, closing]) => [
    name,
    { label: ENCODER.encode(label), closing: ENCODER.encode(closing) },
  ]),
)

/** Where `closing` is, -1 when something else closes the place first. */
function closedAt(bytes: Uint8Array, closing: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (startsWith(bytes, closing, at, end)) return at
    if (bytes[at] === CLOSE || startsWith(bytes, ARROW, at, end)) return -1
  }
  return -1
}

function isTextAt(bytes: Uint8Array, start: number, text: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[start + i] !== text[i]) return false
  return true
}

const CLOSE = 41
const ARROW = ENCODER.encode(' <- ')

function nameSlot(bytes: Uint8Array, start: number, end: number): number {
  const middle = bytes[start + ((end - start) >> 1)] as number
  const last = bytes[end - 1] as number
  return (
    ((end - start) * 31 + middle * 7 + last * 3 + (bytes[end - 3] as number)) & (KNOWN_NAMES - 1)
  )
}

function newDictionary(): ByteDictionary {
  const dictionary = new ByteDictionary()
  dictionary.intern(new Uint8Array(0), 0, 0)
  return dictionary
}

/** Groups of the kernel's own events, which only perf prints. */
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/^(?:mm_vmscan_|mm_shrink_slab_)/, 'vmscan'],
  [/^mm_compaction_/, 'compaction'],
  [/^mm_page_(?:alloc|free|pcpu)/, 'kmem'],
  [/^sched_(?:switch|waking|wakeup|wakeup_new|process_\w+|blocked_reason|migrate_task)$/, 'sched'],
  [/^(?:reclaim_retry_zone|compact_retry|mark_victim|oom_score_adj_update)$/, 'oom'],
  [/^block_(?:rq|bio|io|getrq|plug|unplug|split|dirty|touch)/, 'block'],
  [/^print$/, 'ftrace'],
]

function newState(fullName: string): EventState {
  const at = fullName.indexOf(':')
  const printed = fullName.slice(at + 1)
  // The kernel prints ftrace's print under the name of the function that wrote it.
  const name = printed === 'tracing_mark_write' ? 'print' : printed
  const isSlab = name === 'mm_shrink_slab_start' || name === 'mm_shrink_slab_end'
  return {
    system:
      at < 0 ? (SYSTEMS.find(([names]) => names.test(name))?.[1] ?? '') : fullName.slice(0, at),
    name,
    labelled: isSlab ? SHRINK_SLAB : name === 'mark_victim' ? MARK_VICTIM : undefined,
    positional: positionalOf(name),
    hasShrinker: isSlab,
    isWhole: name === 'print' || name === 'bprint' || name === 'bputs',
    batch: undefined,
    columnOfName: new Map(),
    plan: undefined,
    isPlanFull: false,
    variants: 0,
  }
}

function positionalOf(name: string): PositionalBody | undefined {
  if (name === 'sched_switch') return parsePluginSwitch
  if (/^sched_(wakeup|wakeup_new|waking)$/.test(name)) return parsePluginWakeup
  return /^block_(rq|bio|io|getrq|split|plug)/.test(name) ? parseBlock : undefined
}

/** `00000000dad970fd`, `ffffffff81301620`: a word of sixteen digits that cannot begin a decimal number. */
function mayBePointer(bytes: Uint8Array, start: number, end: number): boolean {
  const first = bytes[start] as number
  const isZero = first === ZERO && bytes[start + 1] === ZERO
  const after = start + POINTER_DIGITS
  if ((!isZero && !isHexLetter(first)) || after > end) return false
  const next = bytes[after]
  return after === end || next === SPACE || next === COMMA || next === COLON
}

function isHexLetter(byte: number): boolean {
  return byte >= 97 && byte <= 102
}

/** Where the last value ends, -1 when it holds what may be another key. */
function lastEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === EQUALS) return -1
  return end
}

/** Where a text ends that the next step's label follows; -1 when it does not, or when another key may come first. */
function valueEnd(bytes: Uint8Array, step: Step, next: Step, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte === SPACE) {
      if (startsWith(bytes, next.label, skipSeparators(bytes, at, end), end)) return at
    } else if (byte === EQUALS && !step.isCommBeforePid) return -1
  }
  return -1
}

/** Steps over spaces, commas and sched_switch's arrow. */
function skipSeparators(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  for (;;) {
    while (at < end && (bytes[at] === SPACE || bytes[at] === COMMA)) at++
    if (bytes[at] !== EQUALS || bytes[at + 1] !== EQUALS || bytes[at + 2] !== 62) return at
    at += 3
  }
}
