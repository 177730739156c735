import { badValue } from '../model/names.ts'

const UNIT_DIGITS: Readonly<Record<string, number>> = { '': 0, ns: 0, us: 3, µs: 3, ms: 6, s: 9 }

/** Nanoseconds from `1.5s`, `20ms`, `7us`, `1200ns` or a bare number of nanoseconds; exact, never through a float. */
export function parseTime(option: string, text: string): bigint {
  const match = /^(\d+)(?:\.(\d+))?(ns|us|µs|ms|s|)$/.exec(text.trim())
  const digits = UNIT_DIGITS[match?.[3] ?? '?']
  const fraction = match?.[2] ?? ''
  if (match === null || digits === undefined || fraction.length > digits)
    throw badValue(option, text, 'a time such as 1.5s, 20ms, 300us or 1200 (nanoseconds)')
  return BigInt((match[1] ?? '0') + fraction.padEnd(digits, '0'))
}
