import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toByteSource } from '../../../parsers/cursor.ts'
import { openTrace, sniffFormat, TraceParseError } from '../../../parsers/index.ts'
import type { ByteSource, LiveStream } from '../../../parsers/reader.ts'
import { eventAt, forEachEvent } from '../open-bytes.ts'

const folder = fileURLToPath(new URL('../../../fixtures/text/', import.meta.url))
const FILES = readdirSync(folder)
  .filter((name) => !name.endsWith('.json'))
  .map((name) => {
    const bytes = new Uint8Array(readFileSync(join(folder, name)))
    // Enough of each form; its lines are whole.
    const end = bytes.lastIndexOf(10, Math.min(bytes.length, 9000)) + 1
    return [name, bytes.slice(0, end)] as const
  })

interface Reading {
  readonly rows: readonly string[]
  readonly issues: readonly string[]
  readonly losses: number
}

const toPlain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)

/** Reads everything; the only error that may come out is a positioned TraceParseError. */
async function readAll(source: ByteSource | LiveStream, format?: string): Promise<Reading> {
  const rows: string[] = []
  try {
    const reader = await openTrace(source, format === undefined ? {} : { format })
    if (reader.wait === undefined)
      forEachEvent(reader, (batch, row, seq) =>
        rows.push(JSON.stringify(eventAt(batch, row, seq), toPlain)),
      )
    else
      for (;;) {
        await reader.wait()
        const window = reader.read()
        if (window === undefined) break
        for (let k = 0; k < window.length; k++) {
          const batch = window.batches[window.batch[k] ?? -1]
          if (batch === undefined) throw new Error('no batch')
          rows.push(
            JSON.stringify(eventAt(batch, window.row[k] ?? -1, window.firstSeq + k), toPlain),
          )
        }
      }
    for (const loss of reader.losses) expect(loss.startNs).toBeLessThanOrEqual(loss.endNs)
    return {
      rows,
      issues: reader.issues.map(({ code, count }) => `${code} ${count}`).sort(),
      losses: reader.losses.length,
    }
  } catch (error) {
    if (!(error instanceof TraceParseError)) throw error
    expect(error.message).toContain(`hostile, ${error.position.unit} ${error.position.at}: `)
    return { rows, issues: [error.code], losses: 0 }
  }
}

const readBytes = (bytes: Uint8Array) => readAll(toByteSource('hostile', bytes))

function inPieces(bytes: Uint8Array, sizes: readonly number[]): LiveStream {
  let at = 0
  let piece = 0
  return {
    name: 'hostile',
    wait: () => Promise.resolve(),
    next() {
      if (at >= bytes.length) return undefined
      const size = sizes[piece++ % sizes.length] ?? 1
      at += size
      return bytes.slice(at - size, at)
    },
  }
}

describe.each(FILES)('%s', (name, file) => {
  const format = sniffFormat(file)?.name

  it('gives the same rows whole, byte by byte and in any pieces', async () => {
    const whole = await readBytes(file)
    expect(whole.rows.length).toBeGreaterThan(5)
    const shortReads = (sizes: readonly number[]): ByteSource => {
      let reads = 0
      const bytes = toByteSource('hostile', file)
      return {
        name: 'hostile',
        size: file.length,
        readInto: (offset, target) =>
          bytes.readInto(offset, target.subarray(0, sizes[reads++ % sizes.length])),
      }
    }
    expect(await readAll(shortReads([1]))).toEqual(whole)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }),
        async (sizes) => {
          expect(await readAll(shortReads(sizes))).toEqual(whole)
          if (format === 'ftrace text')
            expect((await readAll(inPieces(file, sizes))).rows).toEqual(whole.rows)
        },
      ),
      { numRuns: 15 },
    )
  })

  it('cut at any byte gives a beginning of its rows and says that it is cut', async () => {
    const whole = await readBytes(file)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: file.length - 1 }), async (length) => {
        const { rows, issues } = await readBytes(file.subarray(0, length))
        expect(whole.rows.slice(0, rows.length)).toEqual(rows)
        if (file[length - 1] !== 10 && name.endsWith('.txt'))
          expect(issues.length).toBeGreaterThan(0)
      }),
      { numRuns: 60 },
    )
  })

  it('with changed bytes ends in rows, issues or one positioned error', async () => {
    const change = fc.record({
      at: fc.integer({ min: 0, max: file.length - 1 }),
      value: fc.oneof(
        fc.constantFrom(32, 10, 61, 58, 45, 91, 93, 48),
        fc.integer({ min: 0, max: 255 }),
      ),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 30 }), async (changes) => {
        const bytes = file.slice()
        for (const { at, value } of changes) bytes[at] = value
        const { rows } = await readBytes(bytes)
        expect(rows.length).toBeLessThanOrEqual(file.length / 20)
      }),
      { numRuns: 60 },
    )
  })

  it('with a run of random bytes ends in rows, issues or one positioned error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: file.length - 1 }),
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        async (at, noise) => {
          const bytes = file.slice()
          bytes.set(noise.subarray(0, bytes.length - at), at)
          await readBytes(bytes)
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('hostile lines', () => {
  it('of any shape end in rows, issues or one positioned error, whatever the format asked for', async () => {
    const word = fc.constantFrom(
      'a-1 ',
      '[000] ',
      '(-------) ',
      '1.000000: ',
      '99999999999999999999: ',
      'x: ',
      'sched:sched_switch: ',
      'k=',
      'comm=',
      '==> ',
      '0x',
      '-',
      '18446744073709551616',
      '[',
      ']',
      '(',
      ')',
      '<- ',
      '\n',
      '\r\n',
      '\t',
      ' ',
      '#',
      'CPU:1 [LOST 99999999999999999999 EVENTS]\n',
      'mm_shrink_slab_start: ',
      'nid: ',
      'block_rq_issue: ',
      '8,0 ',
      '+ ',
      '\u0000',
      'é',
      '<script class="trace-data">\n',
      '</script>',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { maxLength: 60 }),
        fc.constantFrom('ftrace text', 'perf script', 'systrace', undefined),
        async (words, format) => {
          const head = format === 'systrace' ? '<html>trace-data' : ''
          await readAll(
            toByteSource('hostile', new TextEncoder().encode(head + words.join(''))),
            format,
          )
        },
      ),
      { numRuns: 600 },
    )
  })

  it('of enormous length are left out, and said to be', async () => {
    const line = '  a-1 [000] ....  1.000000: x: n=1\n'
    const long = `  a-1 [000] ....  2.000000: x: n=${'1'.repeat(3 << 20)}\n`
    const { rows, issues } = await readBytes(new TextEncoder().encode(line + long + line))
    expect([rows.length, issues]).toEqual([2, ['line_too_long 1']])
  })

  it('with ever new events and keys take bounded memory', async () => {
    let text = ''
    for (let i = 0; i < 6000; i++) text += `  a-1 [000] ....  1.000000: e${i}: k${i}=${i} z=${i}\n`
    const { rows, issues } = await readBytes(new TextEncoder().encode(text))
    expect([rows.length, issues]).toEqual([4096, ['too_many_events 1904']])
  })
})
