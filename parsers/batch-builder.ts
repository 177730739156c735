import type { Column, EventBatch, FieldSpec } from './batch.ts'
import type { FieldPlan, RecordFormat } from './event-format.ts'
import { type Dictionaries, type RecordBytes, VariableField } from './record-decoder.ts'
import type { RecordMemory } from './record-memory.ts'

const FIRST_ROWS = 64
const NAME_BYTES = 16

/** Words of a builder's structure; see assembly/records.ts. */
const LEAST = 0
const ROWS = 1
const ROOM = 2
const TS = 4
const CPU = 5
const FLAGS = 6
const KEPT_STARTS = 7
const KEPT_SIZES = 8
const STEP_ENDS = 9
const FLAGS_AT = 13
const PREEMPT_AT = 14
const TID_AT = 15
const IS_UNDECODED = 16

const WORD_STEP = 0
const WIDE_STEP = 1
const SMALL_STEP = 2
const NAME_STEP = 3
const STEP_KINDS = 4

/** What WebAssembly writes into one column, or the two halves of one. */
interface Step {
  readonly kind: number
  readonly offset: number
  /** Index of the first of its arrays. */
  readonly array: number
  /** Of a small number its bytes, negative if it is signed. */
  readonly size: number
}

/** The rows of one event in one instance: WebAssembly adds them, with the fields whose place is the same in every record. */
export class BatchBuilder {
  readonly record: RecordFormat
  readonly instance: number
  /** Of its structure. */
  readonly place: number
  readonly #memory: RecordMemory
  readonly #head: Uint32Array
  readonly #steps: Step[] = []
  /** By field: its step, or who decodes it when the window ends; undefined = it is not wanted. */
  readonly #fields: (Step | VariableField | undefined)[]
  /** Only fields are wanted: rows have no time, cpu, tid and flags of their own. */
  readonly #isBare: boolean
  readonly #isUndecoded: boolean
  readonly #arrayCount: number
  readonly #isKept: boolean
  /** Columns of steps, then start and size of kept records. */
  #arrays: Uint32Array[] = []
  #ts: Float64Array = new Float64Array(0)
  #cpu: Int32Array = new Int32Array(0)
  #tid: Int32Array = new Int32Array(0)
  #flags: Uint16Array = new Uint16Array(0)
  #rows = 0
  #rowsBytes = 0
  capacity = 0
  #batch: { -readonly [K in keyof EventBatch]: EventBatch[K] } | undefined
  #dictionary: object | undefined

  /** `wanted` are names of fields, or `records`: nothing is decoded; undefined = the whole rows. */
  constructor(
    record: RecordFormat,
    instance: number,
    memory: RecordMemory,
    wanted?: readonly string[] | 'records',
  ) {
    const { plans, format, common } = record
    this.record = record
    this.instance = instance
    this.#memory = memory
    const { pidOffset } = common
    this.#isBare = wanted !== undefined
    this.#isUndecoded = wanted === 'records'
    if (pidOffset >= 0 && !this.#isBare)
      this.#addStep({ kind: WORD_STEP, offset: pidOffset, size: 4 })
    this.#fields = plans.map((plan, i) => {
      const field = format.fields[i] as FieldSpec
      if (wanted === 'records' || wanted?.includes(field.name) === false) return undefined
      const step = toStep(plan, record.minBytes)
      if (step !== undefined) return this.#addStep(step)
      return new VariableField(field, plan)
    })
    this.#isKept = this.#fields.some((field) => field instanceof VariableField)
    this.#arrayCount = this.#steps.reduce((sum, { kind }) => sum + widthOf(kind), 0)
    const { STEPS, STEP_BYTES } = memory.kernel
    this.#head = memory.words((STEPS.value + STEP_BYTES.value * this.#steps.length) / 4)
    this.place = this.#head.byteOffset
    this.#head[LEAST] = record.minBytes
    this.#head[ROWS] = 0
    this.#head[ROOM] = 0
    this.#head[FLAGS_AT] = common.flagsOffset
    this.#head[PREEMPT_AT] = common.preemptOffset
    this.#head[TID_AT] = common.pidOffset
    this.#head[IS_UNDECODED] = this.#isUndecoded ? 1 : 0
  }

  get length(): number {
    return this.#head[ROWS] as number
  }

  grow(): void {
    const arrays = this.#arrays
    const [ts, cpu, flags] = [this.#ts, this.#cpu, this.#flags]
    const [rows, rowsBytes] = [this.#rows, this.#rowsBytes]
    this.#reserve(Math.max(FIRST_ROWS, this.capacity * 2))
    this.#ts.set(ts)
    this.#cpu.set(cpu)
    this.#flags.set(flags)
    for (let i = 0; i < arrays.length; i++) this.#arrays[i]?.set(arrays[i] as Uint32Array)
    if (rowsBytes > 0) this.#memory.release(rows, rowsBytes)
  }

  /** Gives its memory back; only when it has no rows. */
  release(): void {
    if (this.#rowsBytes > 0) this.#memory.release(this.#rows, this.#rowsBytes)
    this.#rowsBytes = 0
    this.capacity = 0
    this.#head[ROOM] = 0
    this.#batch = undefined
    this.#arrays = []
    this.#ts = new Float64Array(0)
    this.#cpu = new Int32Array(0)
    this.#flags = new Uint16Array(0)
    for (const field of this.#fields) if (field instanceof VariableField) field.release()
  }

  /** The rows that were added, with the rest of their fields; `records` are those that were kept. */
  finish(records: RecordBytes, dictionaries: Dictionaries): EventBatch {
    const { length } = this
    const known = this.#batch
    if (known !== undefined && !this.#isKept && this.#dictionary === dictionaries.fixed) {
      known.length = length
      return known
    }
    const [start, size] = this.#arrays.slice(this.#arrayCount)
    const places = { records, start: start ?? NONE, size: size ?? NONE, length }
    const columns = this.#fields.map((field, i) => {
      const spec = this.record.format.fields[i] as FieldSpec
      if (field === undefined) return emptyColumn(spec, dictionaries)
      return field instanceof VariableField
        ? field.decode(places, dictionaries)
        : this.#columnOf(field, spec, dictionaries)
    })
    this.#dictionary = dictionaries.fixed
    this.#batch = {
      format: this.record.format,
      length,
      ts: this.#ts,
      cpu: this.#cpu,
      tid: this.#tid,
      flags: this.#flags,
      columns,
      instance: this.instance,
      ...(this.#isUndecoded ? { isUndecoded: true } : {}),
    }
    return this.#batch
  }

  #columnOf({ kind, array }: Step, field: FieldSpec, { fixed }: Dictionaries): Column {
    const values = this.#arrays[array] as Uint32Array
    if (kind === NAME_STEP) return { kind: 'string', field, codes: values, dictionary: fixed }
    if (kind === WIDE_STEP) {
      const hi = this.#arrays[array + 1] as Uint32Array
      return { kind: field.kind === 'i64' ? 'i64' : 'u64', field, lo: values, hi }
    }
    return field.kind === 'i32'
      ? { kind: 'i32', field, values: signed(values) }
      : { kind: 'u32', field, values }
  }

  #addStep(step: Omit<Step, 'array'>): Step {
    const last = this.#steps.at(-1)
    const array = last === undefined ? 0 : last.array + widthOf(last.kind)
    const added = { ...step, array }
    this.#steps.push(added)
    return added
  }

  /** Lays the columns out for so many rows, and tells WebAssembly where they are. */
  #reserve(rows: number): void {
    const memory = this.#memory
    const kept = this.#isKept ? 2 : 0
    // Time, cpu and flags; a tid of its own where no step has it.
    const own = this.#isBare ? 0 : rows
    this.#rowsBytes = own * (8 + 4 + 2) + rows * 4 * (this.#arrayCount + kept)
    this.#rows = this.#rowsBytes > 0 ? memory.allocate(this.#rowsBytes) : 0
    this.capacity = rows
    const { buffer } = memory
    let place = this.#rows
    this.#ts = new Float64Array(buffer, place, own)
    place += 8 * own
    this.#cpu = new Int32Array(buffer, place, own)
    place += 4 * own
    this.#arrays = []
    for (let i = 0; i < this.#arrayCount + kept; i++, place += 4 * rows)
      this.#arrays.push(new Uint32Array(buffer, place, rows))
    this.#flags = new Uint16Array(buffer, place, own)
    const [first] = this.#arrays
    const hasTid = !this.#isBare && this.record.common.pidOffset >= 0 && first !== undefined
    this.#tid = hasTid ? signed(first) : new Int32Array(own)
    this.#batch = undefined
    this.#writeHead()
  }

  #writeHead(): void {
    const head = this.#head
    head[ROOM] = this.capacity
    head[TS] = this.#isBare ? 0 : this.#ts.byteOffset
    head[CPU] = this.#cpu.byteOffset
    head[FLAGS] = this.#flags.byteOffset
    const [start, size] = this.#arrays.slice(this.#arrayCount)
    head[KEPT_STARTS] = start?.byteOffset ?? 0
    head[KEPT_SIZES] = size?.byteOffset ?? 0
    const { STEPS, STEP_BYTES } = this.#memory.kernel
    let place = STEPS.value
    for (let kind = 0; kind < STEP_KINDS; kind++) {
      for (const step of this.#steps) {
        if (step.kind !== kind) continue
        const word = place / 4
        head[word] = step.offset
        head[word + 1] = this.#arrays[step.array]?.byteOffset ?? 0
        head[word + 2] =
          kind === WIDE_STEP ? (this.#arrays[step.array + 1]?.byteOffset ?? 0) : step.size
        place += STEP_BYTES.value
      }
      head[STEP_ENDS + kind] = this.place + place
    }
  }
}

const NONE = new Uint32Array(0)

function emptyColumn(field: FieldSpec, { fixed }: Dictionaries): Column {
  const { kind } = field
  switch (kind) {
    case 'i32':
    case 'u32':
    case 'f64':
      return { kind, field, values: NONE }
    case 'i64':
    case 'u64':
      return { kind, field, lo: NONE, hi: NONE }
    case 'string':
      return { kind, field, codes: NONE, dictionary: fixed }
    case 'bytes':
      return { kind, field, starts: NONE, bytes: new Uint8Array(0) }
    case 'list':
      return { kind, field, starts: NONE, lo: NONE, hi: NONE }
  }
}

function widthOf(kind: number): number {
  return kind === WIDE_STEP ? 2 : 1
}

function signed(values: Uint32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length)
}

/** How WebAssembly decodes a field; undefined = it does not. */
function toStep(plan: FieldPlan, minBytes: number): Omit<Step, 'array'> | undefined {
  const { kind, place, offset, size } = plan
  if (kind === 'bytes' || kind === 'list' || place !== 'fixed') return undefined
  if (kind === 'string')
    return size === NAME_BYTES && offset + size <= minBytes
      ? { kind: NAME_STEP, offset, size }
      : undefined
  if (kind === 'i64' || kind === 'u64') return { kind: WIDE_STEP, offset, size }
  if (size === 4) return { kind: WORD_STEP, offset, size }
  return { kind: SMALL_STEP, offset, size: plan.signed ? -size : size }
}
