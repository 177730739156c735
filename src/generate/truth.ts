import type { RowBuffer } from '../model/rows.ts'
import { RowBuffer as Rows } from '../model/rows.ts'

/** Column kinds of the truth's tables, named as the database's; all times are ns of the trace's clock. */
const TRUTH_TABLES = {
  tasks: { tid: 'number', tgid: 'number', comm: 'text', kind: 'text', node: 'number' },
  zones: {
    node: 'number',
    zone: 'text',
    start_pfn: 'number',
    spanned: 'number',
    managed: 'number',
    wmark_min: 'number',
    wmark_low: 'number',
    wmark_high: 'number',
  },
  swap_devices: {
    swap_type: 'number',
    device: 'text',
    kind: 'text',
    size_pages: 'number',
    priority: 'number',
  },
  swapouts: {
    /** Rank of the swap-out in its lane, at the hand-over. */
    submit_rank: 'number',
    start_rank: 'number',
    done_rank: 'number',
    lane: 'text',
    node: 'number',
    place: 'text',
    /** Time of the hand-over. */
    start_ns: 'number',
    /** Begin of the store, by `stored_tid`. */
    begin_ns: 'number',
    stored_tid: 'number',
    path: 'text',
    stored_ns: 'number',
    /** Time of the write_folio event. */
    write_ns: 'number',
    tid: 'number',
    cpu: 'number',
    pfn: 'number',
    swap_type: 'number',
    swap_offset: 'number',
    /** NULL where all folios are single pages. */
    folio_order: 'number',
    context: 'text',
    span: 'number',
  },
  swapins: {
    ts_ns: 'number',
    end_ns: 'number',
    tid: 'number',
    cpu: 'number',
    swap_type: 'number',
    swap_offset: 'number',
    swapout: 'number',
    fault_ns: 'number',
    refault_distance: 'number',
  },
  reclaim_spans: {
    parent: 'number',
    kind: 'text',
    tid: 'number',
    cpu: 'number',
    start_ns: 'number',
    end_ns: 'number',
    alloc_order: 'number',
    gfp_flags: 'number',
    nr_reclaimed: 'number',
    censored: 'text',
  },
  kswapd_spans: {
    node: 'number',
    tid: 'number',
    start_ns: 'number',
    end_ns: 'number',
    alloc_order: 'number',
    censored: 'text',
  },
  thread_states: {
    tid: 'number',
    cpu: 'number',
    start_ns: 'number',
    end_ns: 'number',
    state: 'text',
    doing: 'text',
  },
  /** `span` is the row of reclaim_spans; parts of a span sum to its length. */
  stall_parts: { span: 'number', part: 'text', detail: 'text', ns: 'number' },
  wakeups: { ts_ns: 'number', waker_tid: 'number', tid: 'number', reason: 'text' },
  shrink_batches: {
    ts_ns: 'number',
    start_ns: 'number',
    lru: 'text',
    tid: 'number',
    node: 'number',
    nr_scanned: 'number',
    nr_taken: 'number',
    nr_reclaimed: 'number',
    priority: 'number',
  },
  slab_shrinks: {
    start_ns: 'number',
    end_ns: 'number',
    tid: 'number',
    node: 'number',
    shrinker: 'text',
    nr_scanned: 'number',
    nr_freed: 'number',
  },
  /** Without `complete_ns`: under way at the end. */
  block_ios: {
    device: 'text',
    sector: 'number',
    sectors: 'number',
    op: 'text',
    issue_ns: 'number',
    complete_ns: 'number',
    tid: 'number',
  },
  /** `swapout` is the row of the page's last swap-out. */
  pool_moves: { ts_ns: 'number', swapout: 'number', from_place: 'text', reason: 'text' },
  samples: { ts_ns: 'number', node: 'number', name: 'text', value: 'number' },
  markers: { ts_ns: 'number', end_ns: 'number', tid: 'number', name: 'text' },
} as const

export type TruthTable = keyof typeof TRUTH_TABLES
export type TruthRow = Readonly<Record<string, number | string | null>>
type ColumnsOf<T extends TruthTable> = keyof (typeof TRUTH_TABLES)[T] & string

export type TruthCells<T extends TruthTable> = Readonly<
  Partial<Record<ColumnsOf<T>, number | string | undefined>>
>

/** What really happened, table by table. Memory grows with the number of rows: switch it off for very long traces. */
export class Truth {
  readonly tables: { readonly [T in TruthTable]: RowBuffer<ColumnsOf<T>> }

  constructor() {
    const tables: Partial<Record<TruthTable, RowBuffer>> = {}
    for (const name of Object.keys(TRUTH_TABLES) as TruthTable[])
      tables[name] = new Rows<string>(name, TRUTH_TABLES[name])
    this.tables = tables as Truth['tables']
  }

  /** Adds a row; returns its index, by which other rows refer to it. */
  add<T extends TruthTable>(table: T, row: TruthCells<T>): number {
    const rows = this.tables[table] as RowBuffer
    const index = rows.add()
    this.set(table, index, row)
    return index
  }

  set<T extends TruthTable>(table: T, index: number, row: TruthCells<T>): void {
    const rows = this.tables[table] as RowBuffer
    for (const [column, value] of Object.entries(row)) {
      if (typeof value === 'number') rows.number(index, column, value)
      else rows.text(index, column, value as string | undefined)
    }
  }

  /** Plain rows of one table, NULL as null. */
  rows(table: TruthTable): TruthRow[] {
    return Array.from({ length: this.tables[table].length }, (_, i) => this.row(table, i))
  }

  row(table: TruthTable, index: number): TruthRow {
    const row: Record<string, number | string | null> = {}
    for (const [name, column] of Object.entries((this.tables[table] as RowBuffer).columns)) {
      if (column.kind === 'number') {
        const value = column.values[index] ?? Number.NaN
        row[name] = Number.isNaN(value) ? null : value
      } else if (column.kind === 'text')
        row[name] = column.strings[column.codes[index] ?? -1] ?? null
    }
    return row
  }
}

const PIECE_LENGTH = 1 << 16

/** The truth as one JSON document in pieces, row by row: the whole of it would be longer than a string may be. */
export function* toJson(
  summary: object,
  truth: Truth,
  losses: readonly TruthRow[],
): Generator<string, void, void> {
  let piece = `${JSON.stringify(summary).slice(0, -1)},"tables":{`
  for (const table of Object.keys(truth.tables) as TruthTable[]) {
    piece += `"${table}":[`
    for (let i = 0; i < truth.tables[table].length; i++) {
      piece += `${i === 0 ? '' : ','}${JSON.stringify(truth.row(table, i))}`
      if (piece.length < PIECE_LENGTH) continue
      yield piece
      piece = ''
    }
    piece += '],'
  }
  yield `${piece}"losses":${JSON.stringify(losses)}}}\n`
}
