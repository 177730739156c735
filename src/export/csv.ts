import type { ResultStream, Value } from '../analysis/result.ts'
import { toJson } from './json.ts'

/** RFC 4180 with line feeds. NULL is empty, an empty string is `""`, so that the two stay apart. */
export async function* toCsvText(stream: ResultStream): AsyncGenerator<string> {
  yield `${stream.columns.map(({ name }) => toField(name)).join(',')}\n`
  for await (const rows of stream.pieces) {
    let text = ''
    for (const row of rows) text += `${row.map(toField).join(',')}\n`
    if (text !== '') yield text
  }
}

function toField(value: Value): string {
  if (value === null) return ''
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  const text = typeof value === 'string' ? value : toJson(value)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
