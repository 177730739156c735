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
  trimEnd,
  Values,
} from './body.ts'
import { COLON, type EventLine, SPACE, skipSpaces } from './event-line.ts'
import { KnownLines, type LineKnowledge, type Step } from './known-lines.ts'
import { NumberScan } from './number.ts'
import {
  type PositionalBody,
  parseBlock,
  parsePluginSwitch,
  parsePluginWakeup,
} from './positional.ts'
import { TextBatch, TextColumn, type TextKind } from './text-batch.ts'

const COMMA = 44
const ZERO = 48
const POINTER_DIGITS = 16
/** Kinds of rows that one event may have: keys that come and go, numbers that turn out to be words. */
const MAX_VARIANTS = 16
const MAX_FIELDS = 256
const MAX_EVENTS = 4096
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
  variants: number
  /** Its number among the known lines' events; -1 = it is none of them. */
  number: number
  /** Columns in the order of a known line's values. */
  planned: readonly TextColumn[]
  /** Rows at the end of the batch whose values are still where known lines put them, and those places. */
  unset: number
  places: Uint32Array
}

/** Turns bodies into rows. Fields are found by key; that most lines of an event look alike is only used to find them faster (`known`). */
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
  /** By number. */
  readonly #knownStates: EventState[] = []
  readonly #unset: EventState[] = []
  readonly known: KnownLines

  constructor(learnTask: LineKnowledge['learnTask']) {
    this.known = new KnownLines({
      codeOfText: (bytes, start, end) => this.dictionary.intern(bytes, start, end),
      learnTask,
    })
  }

  /** The event's state; `undefined` when the input has more events than any kernel. */
  stateOf(bytes: Uint8Array, line: EventLine): EventState | undefined {
    const code = this.#eventNames.intern(bytes, line.nameStart, line.nameEnd)
    const known = this.#states[code]
    if (known !== undefined) return known
    if (code >= MAX_EVENTS) return undefined
    const state = newState(this.#eventNames.get(code))
    this.#states[code] = state
    this.#addKnown(state, bytes, line)
    return state
  }

  /** Makes the format known without adding a row. */
  learn(state: EventState, bytes: Uint8Array, line: EventLine, end: number): void {
    if (state.batch !== undefined) return
    this.#parse(state, bytes, line.bodyStart, end)
    this.#fit(state, bytes)
  }

  #addKnown(state: EventState, bytes: Uint8Array, line: EventLine): void {
    // PERF_RECORD_LOST and its like stand where events do.
    if (bytes[line.nameStart] === CAPITAL_P) return
    state.number = this.known.addEvent(bytes.slice(line.nameStart, line.nameEnd))
    if (state.number >= 0) this.#knownStates[state.number] = state
  }

  /** The batch that takes a known line's next row; its values, from words[at] on, are set by `fillKnown`. */
  addKnownRow(number: number, at: number): TextBatch {
    const state = this.#knownStates[number] as EventState
    const batch = state.batch as TextBatch
    if (batch.length === batch.capacity) batch.grow()
    if (state.unset === 0) this.#unset.push(state)
    if (state.unset === state.places.length) state.places = copied(state.places)
    state.places[state.unset++] = at
    batch.isRowFull = state.planned.length === batch.columns.length && !batch.hasMissing
    if (!batch.isRowFull) for (const column of state.planned) column.lastRow = batch.length
    return batch
  }

  /** Fills the columns of the rows that were added since the last call, column by column. */
  fillKnown(): void {
    const { words } = this.known
    for (const state of this.#unset) {
      const { places, planned, unset } = state
      const first = (state.batch?.length ?? 0) - unset
      for (let c = 0; c < planned.length; c++) {
        const { lo, hi, kind } = planned[c] as TextColumn
        const word = 2 * c
        for (let i = 0; i < unset; i++)
          lo[first + i] = words[(places[i] as number) + word] as number
        if (kind === 'string') continue
        for (let i = 0; i < unset; i++)
          hi[first + i] = words[(places[i] as number) + word + 1] as number
      }
      state.unset = 0
    }
    this.#unset.length = 0
  }

  /** Words that a known line's row of the event takes. */
  knownWords(number: number): number {
    return 2 * (this.#knownStates[number] as EventState).planned.length
  }

  /** Between windows. */
  trim(): void {
    if (this.dictionary.length > MAX_STRINGS || this.dictionary.bytesUsed > MAX_STRING_BYTES)
      this.dictionary = newDictionary()
    else return
    this.known.forgetTexts()
  }

  /** Fills the columns of the next row of the batch that is returned; the caller fills the rest and completes it. */
  fill(state: EventState, bytes: Uint8Array, start: number, end: number): TextBatch {
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
    if (state.number >= 0) this.#plan(state, bytes)
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

  /** Tells how the body that is in #values is laid out. */
  #plan(state: EventState, bytes: Uint8Array): void {
    const steps = this.#toSteps(state, bytes)
    const { columnOfName } = state
    const shrink = columnOfName.get(this.#names.codeOf('shrink'))
    const shr = columnOfName.get(this.#names.codeOf('shr'))
    const hasPrefix = steps !== undefined && steps.length < this.#values.length
    // Only a shrinker has no label, and its address nearly always is a number.
    const isPossible = !hasPrefix || (shrink?.kind === 'string' && shr?.kind !== 'string')
    const plan = {
      shrinker: hasPrefix && shr?.kind !== 'string' ? shr?.kind : undefined,
      steps: steps ?? [],
      isLabelled: state.labelled !== undefined,
      mayBePositional: state.positional !== undefined,
    }
    if (!this.known.plan(state.number, isPossible && steps !== undefined ? plan : undefined)) return
    const columns = plan.steps.map(({ column }) => column)
    state.planned =
      plan.shrinker === undefined || shrink === undefined || shr === undefined
        ? columns
        : [shrink, shr, ...columns]
  }

  /** The labels of #values in order; `undefined` when a value other than the prefix has none. */
  #toSteps(state: EventState, bytes: Uint8Array): readonly Step[] | undefined {
    const values = this.#values
    const steps: Step[] = []
    for (let i = 0; i < values.length; i++) {
      const labelStart = values.labelStart[i] as number
      const labelEnd = values.labelEnd[i] as number
      const column = state.columnOfName.get(values.name[i] as number)
      if (column === undefined) return undefined
      const place = PLACES.get(column.field.name)
      if (place !== undefined && column.kind === 'string' && labelStart === labelEnd) {
        steps.push({ ...place, column, comm: undefined })
        continue
      }
      if (labelStart === labelEnd) {
        if (steps.length > 0 || !PREFIX.test(column.field.name)) return undefined
        continue
      }
      const label = bytes.slice(labelStart, labelEnd)
      steps.push({ label, column, closing: undefined, comm: this.#commBefore(bytes, label, i + 1) })
    }
    return steps.length === 0 ? undefined : steps
  }

  /** Whether `label` is a task's name's, and the next value's label its pid's. */
  #commBefore(bytes: Uint8Array, label: Uint8Array, next: number): Step['comm'] {
    if (!isComm(label, 0, label.length - 1)) return undefined
    const values = this.#values
    if (next >= values.length) return 'alone'
    const following = bytes.subarray(values.labelStart[next], values.labelEnd[next])
    const pid = [...label.subarray(0, -COMM_LABEL), ...PID]
    return following.length === pid.length && pid.every((byte, i) => following[i] === byte)
      ? 'before pid'
      : 'alone'
  }
}

export type { EventState }

const CAPITAL_B = 66
const CAPITAL_P = 80
const SMALL_K = 107
const I = 105
const BUF = new TextEncoder().encode('buf=')
const COMM = /comm$/
const COMM_LABEL = 'comm='.length
const PID = new TextEncoder().encode('pid=')
const PREFIX = /^(shrink|shr)$/
const POSITIONAL_NUMBER = /^(shr|(prev_|next_)?(pid|prio)|target_cpu|sector|nr_sector|bytes|error)$/

const ENCODER = new TextEncoder()
/** `(where) `, `(to <- from) `: the fields of a probe's place. */
const PLACES: ReadonlyMap<string, { label: Uint8Array; closing: ')' | ' <- ' }> = new Map(
  (
    [
      ['__probe_ip', '(', ')'],
      ['__probe_ret_ip', '(', ' <- '],
      ['__probe_func', '', ')'],
    ] as const
  ).map(([name, label, closing]) => [name, { label: ENCODER.encode(label), closing }]),
)

function copied(from: Uint32Array): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(from.length * 2)
  to.set(from)
  return to
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
    variants: 0,
    number: -1,
    planned: [],
    unset: 0,
    places: new Uint32Array(64),
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
