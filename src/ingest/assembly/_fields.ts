// Columns of an event's batch, as fields.ts reads them.
import { ABSENT, EVENT_FIELDS, F64, FIELD_BYTES, FIELD_HIGH, FIELD_KIND, FIELD_VALUES, I32, I64, U32, U64 } from './_layout'

const TWO_32: f64 = 4294967296

@inline export function fieldOf(event: u32, field: u32): u32 {
  return event + EVENT_FIELDS + field * FIELD_BYTES
}

@inline export function isThere(event: u32, field: u32): bool {
  return load<i32>(fieldOf(event, field), FIELD_KIND) != ABSENT
}

/** NaN where the layout or the row lacks it; above 2^53 it is rounded. */
export function numberAt(event: u32, field: u32, row: u32): f64 {
  const place = fieldOf(event, field)
  const values = load<u32>(place, FIELD_VALUES)
  switch (load<i32>(place, FIELD_KIND)) {
    case I32:
      return <f64>load<i32>(values + (row << 2))
    case U32:
      return <f64>load<u32>(values + (row << 2))
    case F64:
      return load<f64>(values + (row << 3))
    case I64:
      return <f64>load<i32>(load<u32>(place, FIELD_HIGH) + (row << 2)) * TWO_32 + <f64>load<u32>(values + (row << 2))
    case U64:
      return <f64>load<u32>(load<u32>(place, FIELD_HIGH) + (row << 2)) * TWO_32 + <f64>load<u32>(values + (row << 2))
    default:
      return NaN
  }
}

/** The lower 32 bits; those of NaN, or without the field, are `none`. */
@inline export function wordAt(event: u32, field: u32, row: u32, none: i32): i32 {
  const place = fieldOf(event, field)
  const kind = load<i32>(place, FIELD_KIND)
  if (kind == ABSENT) return none
  const values = load<u32>(place, FIELD_VALUES)
  if (kind != F64) return load<i32>(values + (row << 2))
  const value = load<f64>(values + (row << 3))
  return isNaN(value) ? none : <i32>(<i64>value)
}

/** The upper 32 bits of a field that is not signed. */
@inline export function highAt(event: u32, field: u32, row: u32): u32 {
  const place = fieldOf(event, field)
  const kind = load<i32>(place, FIELD_KIND)
  if (kind == F64) return <u32>(load<f64>(load<u32>(place, FIELD_VALUES) + (row << 3)) / TWO_32)
  return kind == I64 || kind == U64 ? load<u32>(load<u32>(place, FIELD_HIGH) + (row << 2)) : 0
}
