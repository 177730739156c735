import { lendRows } from './_host'
import { ROWS_COLUMNS, ROWS_LENGTH, ROWS_ROOM } from './_layout'

/** The number of a new row, all of whose columns are to be set. */
@inline export function addRow(rows: u32): u32 {
  let row = load<u32>(rows, ROWS_LENGTH)
  if (row == load<u32>(rows, ROWS_ROOM)) {
    lendRows(rows)
    row = load<u32>(rows, ROWS_LENGTH)
  }
  store<u32>(rows, row + 1, ROWS_LENGTH)
  return row
}

@inline export function setNumber(rows: u32, column: u32, row: u32, value: f64): void {
  store<f64>(load<u32>(rows + (column << 2), ROWS_COLUMNS) + (row << 3), value)
}

@inline export function setWord(rows: u32, column: u32, row: u32, value: i32): void {
  store<i32>(load<u32>(rows + (column << 2), ROWS_COLUMNS) + (row << 2), value)
}

/** A whole number below 2^32. */
@inline export function setUnsigned(rows: u32, column: u32, row: u32, value: f64): void {
  setWord(rows, column, row, toWord(value))
}

/** 32 bits of a whole number from 0 to 2^32: next to 2^52 they are the lowest of the sum's. A conversion has to look at more cases. */
@inline export function toWord(value: f64): i32 {
  return <i32>reinterpret<i64>(value + 4503599627370496.0)
}
