import Table from 'cli-table3'
import type { ResultColumn, ResultStream, Unit, Value } from '../analysis/result.ts'
import { formatCell } from './format.ts'
import { wrap } from './wrap.ts'

export interface TableOptions {
  readonly color: boolean
  /** Characters in a line of the terminal; columns that do not fit go into a further block. Undefined = no limit. */
  readonly width?: number | undefined
}

/** Rows laid out together; columns of a longer result are aligned anew per block, so that it can be printed while it arrives. */
const BLOCK_ROWS = 2000

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** A table for people: numbers with units to the right, NULL as a dash. */
export async function* toTableText(
  stream: ResultStream,
  options: TableOptions,
): AsyncGenerator<string> {
  let block: (readonly Value[])[] = []
  let total = 0
  for await (const rows of stream.pieces)
    for (const row of rows) {
      block.push(row)
      if (block.length < BLOCK_ROWS) continue
      yield layOut(stream.columns, block, options)
      total += block.length
      block = []
    }
  if (block.length > 0 || total === 0) yield layOut(stream.columns, block, options)
  if (total + block.length === 0) yield '(no rows)\n'
}

function layOut(
  columns: readonly ResultColumn[],
  rows: readonly (readonly Value[])[],
  options: TableOptions,
): string {
  const headings = columns.map(({ name, unit }) => toHeading(name, unit))
  const cells = rows.map((row) =>
    columns.map(({ unit, type }, i) => formatCell(row[i] ?? null, unit, type)),
  )
  const isText = columns.map(({ type }) => !isNumeric(type))
  const blocks =
    options.width === undefined
      ? [columns.map((_, i) => ({ i, width: Number.POSITIVE_INFINITY }))]
      : fold({ headings, cells, isText }, options.width)
  return blocks
    .map((block) => {
      const table = new Table({
        head: block.map(({ i }) => headings[i] ?? ''),
        chars: NO_BORDERS,
        style: {
          head: options.color ? ['bold'] : [],
          border: [],
          'padding-left': 0,
          'padding-right': 0,
        },
        colAligns: block.map(({ i }) => (isText[i] === true ? 'left' : 'right')),
      })
      for (const row of cells) table.push(block.map(({ i, width }) => wrap(row[i] ?? '', width)))
      const lines = table.toString().split('\n')
      return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
    })
    .join('\n')
}

interface Place {
  readonly i: number
  /** Text beyond it goes on in the next line of its cell. */
  readonly width: number
}

/** Text is not wrapped into less. */
const LEAST_WRAP = 30
/** Share of a line that the columns may take that begin each block. */
const MOST_KEYS = 0.6

interface Cells {
  readonly headings: readonly string[]
  readonly cells: readonly (readonly string[])[]
  readonly isText: readonly boolean[]
}

/** Columns by block. One block with its longest text wrapped where that is enough; else each begins with what tells its rows apart. */
function fold(table: Cells, width: number): Place[][] {
  const widths = table.headings.map((heading, i) =>
    Math.max(heading.length, ...table.cells.map((row) => row[i]?.length ?? 0)),
  )
  const wrapped = wrapOne(table, widths, width)
  if (wrapped !== undefined) return [wrapped]
  const keys = findKeys(table, widths, width).map((i) => ({ i, width: widths[i] ?? 0 }))
  const isKey = (place: Place) => keys.some(({ i }) => i === place.i)
  const blocks: Place[][] = [[]]
  let used = 0
  for (const [i, own] of widths.entries()) {
    const block = blocks.at(-1) ?? []
    if (block.some((place) => place.i === i)) continue
    let left = width - used
    const wraps = table.isText[i] === true && i > 0
    if (own > left && !(wraps && left >= LEAST_WRAP) && !block.every(isKey)) {
      blocks.push([...keys])
      used = keys.reduce((sum, key) => sum + key.width + 2, 0)
      left = width - used
    }
    const taken = wraps && own > left && left >= LEAST_WRAP ? left : own
    blocks.at(-1)?.push({ i, width: taken })
    used += taken + 2
  }
  return blocks
}

/** All columns in one block, the longest text in the room that the others leave; `undefined` when that is too little. */
function wrapOne(table: Cells, widths: readonly number[], width: number): Place[] | undefined {
  const beyond = widths.reduce((sum, own) => sum + own + 2, -2) - width
  let longest = -1
  for (const [i, own] of widths.entries())
    if (table.isText[i] === true && own > (widths[longest] ?? 0)) longest = i
  const left = (widths[longest] ?? 0) - Math.max(0, beyond)
  const longestWord = Math.max(
    table.headings[longest]?.length ?? 0,
    ...table.cells.flatMap((row) => (row[longest] ?? '').split(' ').map((word) => word.length)),
  )
  if (beyond > 0 && left < Math.max(LEAST_WRAP, longestWord)) return undefined
  return widths.map((own, i) => ({ i, width: i === longest ? left : own }))
}

/** The first columns that together tell the rows apart, texts before numbers; the first alone where that takes too much room. */
function findKeys({ cells, isText }: Cells, widths: readonly number[], width: number): number[] {
  const all = widths.map((_, i) => i)
  const wanted = countDistinct(cells, all)
  for (const candidates of [all.filter((i) => isText[i] === true), all]) {
    const keys: number[] = []
    let told = 0
    for (const i of candidates) {
      const more = countDistinct(cells, [...keys, i])
      if (keys.length > 0 && more === told) continue
      keys.push(i)
      told = more
      if (told === wanted) break
    }
    const taken = keys.reduce((sum, i) => sum + (widths[i] ?? 0) + 2, 0)
    if (told === wanted && taken <= width * MOST_KEYS) return keys
  }
  return [0]
}

function countDistinct(cells: readonly (readonly string[])[], columns: readonly number[]): number {
  return new Set(cells.map((row) => columns.map((i) => row[i] ?? '').join('\0'))).size
}

function isNumeric(type: ResultColumn['type'] | undefined): boolean {
  return type === 'integer' || type === 'unsigned' || type === 'huge' || type === 'number'
}

/** The unit moves from the name to the cells. */
function toHeading(name: string, unit: Unit | undefined): string {
  // Kernel names (vm.parallel_swap) keep their spelling.
  if (unit === 'ns_ts' || unit === 'per_s' || name.includes('.')) return name
  return name.replace(/_(ns|bytes)$/, '').replaceAll('_', ' ')
}
