/** A chart is a pure function from rows to a Vega-Lite 6 specification; it neither queries nor draws. */

export type Cell = string | number | boolean | null
export type ChartRow = Readonly<Record<string, Cell>>
/** Rows by dataset name. */
export type ChartRows = Readonly<Record<string, readonly ChartRow[]>>

export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export type JsonObject = { readonly [key: string]: Json }

export type Theme = 'light' | 'dark'

/** What a chart is about and what it rests on; every chart prints it under its title. */
export interface ChartSubject {
  readonly trace: string
  /** The recording and the runs, in the order of display. */
  readonly columns: readonly string[]
  /** Short lines: kernel, losses, content source, demand model. */
  readonly rests: readonly string[]
  readonly theme: Theme
  /** Plot width in pixels, axes and legends not included. */
  readonly width: number
}

export interface Chart {
  readonly name: string
  /** One sentence for lists and help. */
  readonly summary: string
  /** Datasets with the fields the specification uses; a dataset is an analysis view or a query of the report. */
  readonly reads: Readonly<Record<string, readonly string[]>>
  /** Without rows in this dataset there is nothing to draw. */
  readonly main: string
  /** Said in place of the chart when `main` is empty: what a recording would have to contain. */
  readonly needs: string
  /** How to read the picture; printed beside it by the report. */
  readonly reading: string
  spec(rows: ChartRows, subject: ChartSubject): JsonObject
}

export const SCHEMA = 'https://vega.github.io/schema/vega-lite/v6.json'

/** The rows of one dataset; an absent one has none. */
export function rowsOf(rows: ChartRows, dataset: string): readonly ChartRow[] {
  return rows[dataset] ?? []
}

/** The largest number in a field, or `undefined` when no row has one. */
export function largest(rows: readonly ChartRow[], field: string): number | undefined {
  let best: number | undefined
  for (const row of rows) {
    const value = row[field]
    if (typeof value === 'number' && (best === undefined || value > best)) best = value
  }
  return best
}

/** The common time axis, in seconds since the recording's start, from the dataset `columns`. */
export function timeExtent(rows: ChartRows): { readonly start: number; readonly end: number } {
  const columns = rowsOf(rows, 'columns')
  const starts = columns.map((row) => Number(row['start_s']))
  return {
    start: starts.length === 0 ? 0 : Math.min(...starts),
    end: largest(columns, 'end_s') ?? 1,
  }
}

/** Columns of `subject` that have rows, in the subject's order. */
export function columnsIn(rows: readonly ChartRow[], subject: ChartSubject): readonly string[] {
  const present = new Set(rows.map((row) => row['column']))
  return subject.columns.filter((column) => present.has(column))
}
