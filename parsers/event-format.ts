import type { ColumnKind, EventFormat, FieldSpec } from './batch.ts'

/** How a field's bytes are found in a record and written to its column. */
export interface FieldPlan {
  readonly kind: ColumnKind
  /** `fixed`: at offset. `data_loc`: u32 length << 16 | offset from the record. `rel_loc`: the same from the u32's own end. `tail`: the rest. */
  readonly place: 'fixed' | 'data_loc' | 'rel_loc' | 'tail'
  readonly offset: number
  /** Bytes at `offset`. */
  readonly size: number
  /** Bytes of one element of a list; 1 for strings and bytes. */
  readonly elementSize: number
  readonly signed: boolean
}

/** A parsed description with what a decoder needs; `format` is what callers see. */
export interface RecordFormat {
  readonly format: EventFormat
  /** One per `format.fields`. */
  readonly plans: readonly FieldPlan[]
  /** Bytes that a record must have for its scalar fields. */
  readonly minBytes: number
  readonly common: CommonFields
  /** Why the fields could not be decoded: then the one field is the record's bytes. */
  readonly undecodable: string | undefined
}

/** Offsets in the record; -1 = this layout has no such field. */
export interface CommonFields {
  readonly typeOffset: number
  readonly typeSize: number
  readonly flagsOffset: number
  readonly preemptOffset: number
  readonly pidOffset: number
}

const MAX_FIELDS = 1024
/** Each may repeat the whole record in a window's memory. */
const MAX_VARIABLE_FIELDS = 64
const MAX_RECORD_BYTES = 1 << 20
/** Keeps the search for the name in a declaration, which is quadratic, short. */
const MAX_FIELD_LINE = 1024

// The kernel's f_show() in kernel/trace/trace_events.c (6.12); `field special` and a missing `signed` are of 2.6.
const FIELD_LINE =
  /^\s*field(?: special)?:([^;]*);\s*offset:(\d{1,9});\s*size:(\d{1,9});(?:\s*signed:(\d);)?\s*$/
const DECLARATION = /^(.*?)([A-Za-z_$][\w$.]*)((?:\[[^\][]*\])*)$/s

type Field = Readonly<{ spec: FieldSpec; plan: FieldPlan }>

/** Lines of a `format` file as they are found. */
interface Description {
  name: string | undefined
  id: number
  printFmt: string
  readonly own: Field[]
  readonly common: Map<string, FieldSpec>
  /** Why the fields cannot be decoded: the first reason. */
  failure: string | undefined
}

/** Parses one `format` file; `undefined` when it has no name or no id. */
export function parseEventFormat(
  text: string,
  system: string,
  longSize: 4 | 8,
): RecordFormat | undefined {
  const { name, id, printFmt, own, common, failure } = parseLines(text, longSize)
  if (name === undefined || name === '' || id < 0 || id > 0xffff) return undefined
  const fields = failure === undefined ? own : [wholeRecord(common)]
  const commonFields = toCommonFields(common)
  return {
    format: { system, name, id, fields: fields.map((field) => field.spec), printFmt },
    plans: fields.map((field) => field.plan),
    minBytes: toMinBytes(commonFields, fields),
    common: commonFields,
    undecodable: failure,
  }
}

function parseLines(text: string, longSize: 4 | 8): Description {
  const found: Description = {
    name: undefined,
    id: -1,
    printFmt: '',
    own: [],
    common: new Map(),
    failure: undefined,
  }
  for (let start = 0; start < text.length; ) {
    let end = text.indexOf('\n', start)
    if (end < 0) end = text.length
    const line = text.slice(start, end)
    if (line.startsWith('name:')) found.name ??= line.slice(5).trim()
    else if (line.startsWith('ID:'))
      found.id = /^\s*\d{1,5}\s*$/.test(line.slice(3)) ? Number(line.slice(3)) : found.id
    else if (line.startsWith('print fmt:')) {
      // The last of the file, and of several lines where the macro's text has them.
      found.printFmt = text.slice(start + 'print fmt:'.length).trim()
      break
    } else if (/^\s*field/.test(line)) addField(found, line, longSize)
    start = end + 1
  }
  if (found.own.filter(({ plan }) => isVariable(plan)).length > MAX_VARIABLE_FIELDS)
    found.failure ??= `it has more than ${MAX_VARIABLE_FIELDS} variable fields`
  return found
}

function addField(found: Description, line: string, longSize: 4 | 8): void {
  const field = parseField(line, longSize)
  if (field === undefined)
    found.failure ??= `the line "${line.trim().slice(0, 80)}" is not understood`
  else if (field.spec.name.startsWith('common_')) found.common.set(field.spec.name, field.spec)
  else if (found.own.length < MAX_FIELDS) found.own.push(field)
  else found.failure ??= `it has more than ${MAX_FIELDS} fields`
}

/** All bytes behind the common fields as one field: of an event whose own fields cannot be told. */
function wholeRecord(common: ReadonlyMap<string, FieldSpec>): Field {
  const offset = Math.max(0, ...[...common.values()].map((field) => field.offset + field.size))
  const place = { offset, size: 0, signed: false, kind: 'bytes' } as const
  return {
    spec: { name: 'record', type: 'undecodable', ...place },
    plan: { place: 'tail', elementSize: 1, ...place },
  }
}

function toMinBytes(common: CommonFields, fields: readonly Field[]): number {
  const ends = fields
    .filter(({ plan }) => plan.place !== 'tail' && (plan.place !== 'fixed' || !isVariable(plan)))
    .map(({ plan }) => plan.offset + plan.size)
  return Math.max(
    common.typeOffset + 2,
    common.pidOffset + 4,
    common.flagsOffset + 1,
    common.preemptOffset + 1,
    ...ends,
  )
}

/** Every field that is at one place has all of its bytes in each record that is long enough. */
export function isWhole({ plans, minBytes }: RecordFormat): boolean {
  return plans.every(({ place, offset, size }) => place !== 'fixed' || offset + size <= minBytes)
}

function isVariable(plan: FieldPlan): boolean {
  return plan.kind === 'string' || plan.kind === 'bytes' || plan.kind === 'list'
}

function toCommonFields(common: ReadonlyMap<string, FieldSpec>): CommonFields {
  const offsetOf = (name: string, size: number) => {
    const field = common.get(name)
    return field?.size === size && field.offset < MAX_RECORD_BYTES ? field.offset : -1
  }
  const type = common.get('common_type')
  return {
    typeOffset: type !== undefined && type.offset < MAX_RECORD_BYTES ? type.offset : 0,
    typeSize: type?.size ?? 2,
    flagsOffset: offsetOf('common_flags', 1),
    preemptOffset: offsetOf('common_preempt_count', 1),
    pidOffset: offsetOf('common_pid', 4),
  }
}

function parseField(line: string, longSize: 4 | 8): Field | undefined {
  if (line.length > MAX_FIELD_LINE) return undefined
  const [, declaration, offsetText, sizeText, signedText] = FIELD_LINE.exec(line) ?? []
  if (declaration === undefined) return undefined
  const [, typeText, name, suffix] = DECLARATION.exec(declaration.trim()) ?? []
  if (typeText === undefined || name === undefined || suffix === undefined) return undefined
  const offset = Number(offsetText)
  const size = Number(sizeText)
  if (offset > MAX_RECORD_BYTES || size > MAX_RECORD_BYTES) return undefined
  const type = typeText.trim()
  const dynamic = /^__(data|rel)_loc\b/.exec(type)
  const place =
    dynamic !== null
      ? (`${dynamic[1] as 'data' | 'rel'}_loc` as const)
      : size === 0
        ? 'tail'
        : 'fixed'
  if (dynamic !== null && size !== 4) return undefined
  const element = type
    .replace(/^__(data|rel)_loc\b/, '')
    .replace(/\[\]\s*$/, '')
    .trim()
  const signed =
    signedText === undefined
      ? !/\bunsigned\b|^u|\bu(8|16|32|64)\b|\*/.test(element)
      : signedText === '1'
  const plan = toPlan({ element, suffix, place, offset, size, signed, longSize })
  const spec: FieldSpec = {
    name,
    type: suffix === '' ? type : `${type}${suffix}`,
    offset,
    size,
    signed,
    kind: plan.kind,
    ...(plan.kind === 'list' ? { element: toElementKind(plan) } : {}),
  }
  return { spec, plan }
}

function toElementKind(plan: FieldPlan): 'i32' | 'u32' | 'i64' | 'u64' {
  if (plan.elementSize === 8) return plan.signed ? 'i64' : 'u64'
  return plan.signed ? 'i32' : 'u32'
}

function toPlan(field: {
  element: string
  suffix: string
  place: FieldPlan['place']
  offset: number
  size: number
  signed: boolean
  longSize: 4 | 8
}): FieldPlan {
  const { element, suffix, place, offset, size, signed } = field
  const base = { place, offset, size, signed, elementSize: 1 }
  if (place === 'fixed' && suffix === '') {
    if (size === 8) return { ...base, kind: signed ? 'i64' : 'u64' }
    if (size === 1 || size === 2 || size === 4) return { ...base, kind: signed ? 'i32' : 'u32' }
    return { ...base, kind: 'bytes' }
  }
  if (/^(const\s+)?char$/.test(element)) return { ...base, kind: 'string' }
  const counted = place === 'fixed' ? toCount(suffix) : undefined
  const elementSize =
    counted !== undefined && size % counted === 0
      ? size / counted
      : toElementSize(element, field.longSize)
  const isByte = elementSize === 1 && !/\bbool\b/.test(element)
  if (isByte || (elementSize !== 1 && elementSize !== 2 && elementSize !== 4 && elementSize !== 8))
    return { ...base, kind: 'bytes' }
  return { ...base, kind: 'list', elementSize }
}

/** Elements of `[4]` or `[2][3]`; `undefined` for a name such as `[TASK_COMM_LEN]`. */
function toCount(suffix: string): number | undefined {
  let count = 1
  for (const [, text] of suffix.matchAll(/\[([^\][]*)\]/g)) {
    if (text === undefined || !/^\s*\d{1,6}\s*$/.test(text)) return undefined
    count *= Number(text)
  }
  return count > 0 && count <= MAX_RECORD_BYTES ? count : undefined
}

/** Bytes of a C type by its spelling; 0 when only the compiler knows. */
function toElementSize(type: string, longSize: 4 | 8): number {
  if (type.endsWith('*')) return longSize
  const bits = /^(?:const\s+)?(?:__)?(?:u|s|uint|int|be|le)(8|16|32|64)(?:_t)?$/.exec(type)
  if (bits !== null) return Number(bits[1]) / 8
  if (/\bchar\b/.test(type) || /\bbool\b/.test(type)) return 1
  if (/\bshort\b/.test(type)) return 2
  if (/\blong long\b/.test(type)) return 8
  if (/\blong\b/.test(type) || /^(size_t|ssize_t|pgoff_t|uintptr_t)$/.test(type)) return longSize
  if (/\bint\b/.test(type) || /^unsigned$/.test(type) || /^(pid_t|dev_t|gfp_t)$/.test(type))
    return 4
  return 0
}
