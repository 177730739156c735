// Fields of an event's rows, as fields.ts reads them.
import { ABSENT, EVENT_FIELDS, F64, FIELD_BYTES, FIELD_HIGH, FIELD_KIND, FIELD_STRIDE, FIELD_VALUES, I32, I64, U32, U64 } from './_layout'

const TWO_32: f64 = 4294967296

@inline export function fieldOf(event: u32, field: u32): u32 {
  return event + EVENT_FIELDS + field * FIELD_BYTES
}

@inline export function isThere(event: u32, field: u32): bool {
  return load<i32>(fieldOf(event, field), FIELD_KIND) != ABSENT
}

/** Where a half of the field is, `half` being where it is of row 0. */
@inline function placeOf(field: u32, half: u32, row: u32): u32 {
  return load<u32>(field + half) + row * load<u32>(field, FIELD_STRIDE)
}

/** NaN where the layout or the row lacks it; above 2^53 it is rounded. */
export function numberAt(event: u32, field: u32, row: u32): f64 {
  const place = fieldOf(event, field)
  const value = placeOf(place, FIELD_VALUES, row)
  switch (load<i32>(place, FIELD_KIND)) {
    case I32:
      return <f64>load<i32>(value)
    case U32:
      return <f64>load<u32>(value)
    case F64:
      return load<f64>(value)
    case I64:
      return <f64>load<i32>(placeOf(place, FIELD_HIGH, row)) * TWO_32 + <f64>load<u32>(value)
    case U64:
      return <f64>load<u32>(placeOf(place, FIELD_HIGH, row)) * TWO_32 + <f64>load<u32>(value)
    default:
      return NaN
  }
}

/** The lower 32 bits; those of NaN, or without the field, are `none`. */
@inline export function wordAt(event: u32, field: u32, row: u32, none: i32): i32 {
  const place = fieldOf(event, field)
  const kind = load<i32>(place, FIELD_KIND)
  if (kind == ABSENT) return none
  const word = placeOf(place, FIELD_VALUES, row)
  if (kind != F64) return load<i32>(word)
  const value = load<f64>(word)
  return isNaN(value) ? none : <i32>(<i64>value)
}

/** The upper 32 bits of a field that is not signed. */
@inline export function highAt(event: u32, field: u32, row: u32): u32 {
  const place = fieldOf(event, field)
  const kind = load<i32>(place, FIELD_KIND)
  if (kind == F64) return <u32>(load<f64>(placeOf(place, FIELD_VALUES, row)) / TWO_32)
  return kind == I64 || kind == U64 ? load<u32>(placeOf(place, FIELD_HIGH, row)) : 0
}
