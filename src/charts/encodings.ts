import type { JsonObject } from './chart.ts'

/** A number in a tooltip, in d3's format. */
export function amount(field: string, title: string, format: string): JsonObject {
  return { field, title, type: 'quantitative', format }
}

/** A text in a tooltip. */
export function word(field: string, title: string): JsonObject {
  return { field, title, type: 'nominal' }
}

/** Title of one panel of several. */
export function panelTitle(text: string, subtitle: string): JsonObject {
  return { text, subtitle, fontSize: 12, subtitleFontSize: 10, offset: 6 }
}

/** Rows of the dataset about one column. */
export function only(column: string): JsonObject[] {
  return [{ filter: { field: 'column', equal: column } }]
}
