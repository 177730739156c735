import type { ResultColumn, Unit, Value } from '../analysis/result.ts'
import { toJson } from '../export/json.ts'
import { formatCount } from '../model/counted.ts'

/** A cell for people; `unit` decides the form. */
export function formatCell(value: Value, unit?: Unit, type?: ResultColumn['type']): string {
  if (value === null) return '-'
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (unit === 'ns') return formatNs(Number(value))
    if (unit === 'bytes') return formatBytes(Number(value))
    if (unit === 'share') return formatShare(Number(value))
    if (unit === 'per_s') return `${formatNumber(Number(value))}/s`
    if (unit === 'count' || unit === 'pages') return formatCount(value)
    return type === 'number' ? formatNumber(Number(value)) : String(value)
  }
  if (typeof value === 'string') return toPrintable(value)
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return toPrintable(
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : toJson(value),
  )
}

/** Control characters of a task's name must not reach the terminal. */
function toPrintable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => {
    const code = c.charCodeAt(0).toString(16).padStart(2, '0')
    return `\\x${code}`
  })
}

function formatShare(share: number): string {
  const percent = share * 100
  // Little is not nothing.
  return percent > 0 && percent < 0.005 ? '<0.01 %' : `${toFixed(percent)} %`
}

const NS_UNITS = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'us'],
] as const

/** `12.3 ms`; three significant digits. */
export function formatNs(ns: number): string {
  for (const [size, unit] of NS_UNITS)
    if (Math.abs(ns) >= size) return `${toFixed(ns / size)} ${unit}`
  return `${toFixed(ns)} ns`
}

const BYTE_UNITS = [
  [1024 ** 3, 'GiB'],
  [1024 ** 2, 'MiB'],
  [1024, 'KiB'],
] as const

/** With the largest binary unit that gives at least 1, e.g. `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  for (const [size, unit] of BYTE_UNITS)
    if (Math.abs(bytes) >= size) return `${toFixed(bytes / size)} ${unit}`
  return `${toFixed(bytes)} B`
}

function formatNumber(value: number): string {
  if (Number.isInteger(value)) return String(value)
  const size = Math.abs(value)
  return size >= 1e-3 && size < 1e15 ? String(Number(value.toPrecision(6))) : value.toPrecision(6)
}

function toFixed(value: number): string {
  const size = Math.abs(value)
  if (Number.isInteger(value) && size < 1000) return String(value)
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}
