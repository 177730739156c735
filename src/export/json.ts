import type { ResultColumn, ResultStream, Value } from '../analysis/result.ts'

/** Text of a JSON value: integers beyond 2^53-1 as decimal strings, NaN and infinities as null, bytes as hex. */
export function toJson(value: Value): string {
  if (value === null) return 'null'
  if (typeof value === 'bigint') {
    const exact = value >= -9007199254740991n && value <= 9007199254740991n
    return exact ? value.toString() : `"${value}"`
  }
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null'
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'boolean') return String(value)
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('hex')}"`
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
  const members = Object.entries(value as Readonly<Record<string, Value>>)
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${toJson(member)}`).join(',')}}`
}

function toJsonRow(keys: readonly string[], row: readonly Value[]): string {
  let text = '{'
  for (let i = 0; i < keys.length; i++)
    text += `${i === 0 ? '' : ','}${keys[i]}:${toJson(row[i] ?? null)}`
  return `${text}}`
}

function toKeys(columns: readonly ResultColumn[]): string[] {
  return columns.map(({ name }) => JSON.stringify(name))
}

/** One array of row objects, a row per line. */
export async function* toJsonText(stream: ResultStream): AsyncGenerator<string> {
  const keys = toKeys(stream.columns)
  let separator = '[\n'
  for await (const rows of stream.pieces) {
    let text = ''
    for (const row of rows) {
      text += separator + toJsonRow(keys, row)
      separator = ',\n'
    }
    if (text !== '') yield text
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n'
}

/** One object a line, a text for each piece of the stream: memory does not grow with the result. */
export async function* toNdjsonText(stream: ResultStream): AsyncGenerator<string> {
  const keys = toKeys(stream.columns)
  for await (const rows of stream.pieces) {
    let text = ''
    for (const row of rows) text += `${toJsonRow(keys, row)}\n`
    if (text !== '') yield text
  }
}
