import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toByteSource } from '../../parsers/cursor.ts'
import { openTrace, TraceParseError } from '../../parsers/index.ts'
import type { ByteSource, LiveStream } from '../../parsers/reader.ts'
import { eventAt, visitWindow } from './open-bytes.ts'
import { ByteWriter } from './trace-dat-builder.ts'

export interface Reading {
  /** Every event with all its fields. */
  readonly rows: readonly string[]
  /** Code and count of each issue. */
  readonly issues: readonly string[]
  /** Codes of what is an error or lost data, or of the error that ended the reading. */
  readonly problems: readonly string[]
  readonly losses: number
}

export interface ReadOptions {
  readonly format?: string
}

/** How often a property is tried; PSTRACE_RUNS=20 tries twenty times as often. */
export function runs(count: number): { numRuns: number } {
  return { numRuns: count * Number(process.env['PSTRACE_RUNS'] ?? 1) }
}

const toPlain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)

/** Reads everything; the only error that may come out is a `TraceParseError` with its place. */
export async function readHostile(
  input: ByteSource | LiveStream,
  options: ReadOptions = {},
): Promise<Reading> {
  const rows: string[] = []
  try {
    const reader = await openTrace(input, options)
    for (;;) {
      await reader.wait?.()
      const window = reader.read()
      if (window === undefined) break
      visitWindow(window, (batch, row, seq) =>
        rows.push(JSON.stringify(eventAt(batch, row, seq), toPlain)),
      )
    }
    for (const { startNs, endNs } of reader.losses) expect(startNs).toBeLessThanOrEqual(endNs)
    for (const { count } of reader.issues) expect(count).toBeGreaterThanOrEqual(1)
    return {
      rows,
      issues: reader.issues.map(({ code, count }) => `${code} ${count}`).sort(),
      problems: reader.issues.filter(({ severity }) => severity !== 'info').map(({ code }) => code),
      losses: reader.losses.length,
    }
  } catch (error) {
    if (!(error instanceof TraceParseError)) throw error
    expect(error.message).toContain(`hostile, ${error.position.unit} ${error.position.at}: `)
    return { rows, issues: [error.code], problems: [error.code], losses: 0 }
  }
}

export function readHostileBytes(bytes: Uint8Array, options?: ReadOptions): Promise<Reading> {
  return readHostile(toByteSource('hostile', bytes), options)
}

/** A source whose reads give as many bytes as `sizes` say, again and again. */
function shortReads(bytes: Uint8Array, sizes: readonly number[]): ByteSource {
  const source = toByteSource('hostile', bytes)
  let reads = 0
  return {
    ...source,
    readInto: (offset, target) =>
      source.readInto(offset, target.subarray(0, sizes[reads++ % sizes.length])),
  }
}

export interface PieceOptions {
  readonly mostBytes: number
  readonly runs: number
  /** What else must give the same rows from pieces of these sizes. */
  readonly also?: (sizes: readonly number[], whole: Reading) => Promise<void>
}

export function itReadsPieces(file: Uint8Array, options: PieceOptions): void {
  it('gives the same rows whole, byte by byte and in any pieces', async () => {
    const whole = await readHostileBytes(file)
    expect(whole.rows.length).toBeGreaterThan(5)
    expect(await readHostile(shortReads(file, [1]))).toEqual(whole)
    const size = fc.integer({ min: 1, max: options.mostBytes })
    await fc.assert(
      fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 20 }), async (sizes) => {
        expect(await readHostile(shortReads(file, sizes))).toEqual(whole)
        await options.also?.(sizes, whole)
      }),
      runs(options.runs),
    )
  })
}

/** `looksWhole`: after so many bytes the file may as well have ended. */
export function itSeesCuts(
  file: Uint8Array,
  options: { readonly runs: number; readonly looksWhole?: (length: number) => boolean },
): void {
  it('cut at any byte gives a part of its rows, with an error or an issue', async () => {
    const whole = await readHostileBytes(file)
    expect(whole.problems).toEqual([])
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: file.length - 1 }), async (length) => {
        const { rows, problems } = await readHostileBytes(file.subarray(0, length))
        expect(rows.length).toBeLessThanOrEqual(whole.rows.length)
        if (rows.length < whole.rows.length && options.looksWhole?.(length) !== true)
          expect(problems).not.toEqual([])
      }),
      runs(options.runs),
    )
  })
}

export interface DamageOptions extends ReadOptions {
  /** Bytes before this one stay: the mark by which the format is known. */
  readonly from: number
  readonly runs: number
  /** No damage makes more rows of it. */
  readonly mostRows: number
  /** Bytes that matter to the format more than others. */
  readonly values?: readonly number[]
}

const HOSTILE_NUMBERS = [
  0n,
  1n,
  0x7fff_ffffn,
  0xffff_ffffn,
  1n << 31n,
  1n << 40n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
] as const

export function itSurvivesDamage(file: Uint8Array, options: DamageOptions): void {
  const readChanged = async (change: (bytes: Uint8Array) => void) => {
    const bytes = file.slice()
    change(bytes)
    const { rows } = await readHostileBytes(bytes, options)
    expect(rows.length).toBeLessThanOrEqual(options.mostRows)
  }
  const place = fc.integer({ min: options.from, max: file.length - 1 })

  it('with changed bytes ends in rows, issues or one positioned error', async () => {
    const any = fc.integer({ min: 0, max: 255 })
    const value =
      options.values === undefined ? any : fc.oneof(fc.constantFrom(...options.values), any)
    const changes = fc.array(fc.record({ at: place, value }), { minLength: 1, maxLength: 16 })
    await fc.assert(
      fc.asyncProperty(changes, (list) =>
        readChanged((bytes) => {
          for (const { at, value } of list) bytes[at] = value
        }),
      ),
      runs(options.runs),
    )
  })

  it('with hostile numbers anywhere ends in rows, issues or one positioned error', async () => {
    await fc.assert(
      fc.asyncProperty(
        place,
        fc.constantFrom(...HOSTILE_NUMBERS),
        fc.constantFrom(2, 4, 8),
        fc.boolean(),
        (at, value, size, littleEndian) =>
          readChanged((bytes) => {
            const number = new ByteWriter(littleEndian).u64(value).toBytes()
            const part = littleEndian ? number.subarray(0, size) : number.subarray(8 - size)
            bytes.set(part.subarray(0, bytes.length - at), at)
          }),
      ),
      runs(options.runs),
    )
  })

  it('with a run of random bytes ends in rows, issues or one positioned error', async () => {
    await fc.assert(
      fc.asyncProperty(place, fc.uint8Array({ minLength: 1, maxLength: 400 }), (at, noise) =>
        readChanged((bytes) => bytes.set(noise.subarray(0, bytes.length - at), at)),
      ),
      runs(options.runs),
    )
  })
}
