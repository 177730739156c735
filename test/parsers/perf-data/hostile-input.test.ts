import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toByteSource } from '../../../parsers/cursor.ts'
import { openTrace, sniffFormat, TraceParseError } from '../../../parsers/index.ts'
import type { ByteSource } from '../../../parsers/reader.ts'
import { generated, scenarioNamed } from '../../generate/file.ts'
import { eventAt, forEachEvent } from '../open-bytes.ts'
import { ByteWriter } from '../trace-dat-builder.ts'
import { zstdCompressSync } from '../zstd-command.ts'

const hasZstd = spawnSync('zstd', ['--version']).error === undefined
const choice = { scenario: scenarioNamed('phone'), events: 150 }
const FILES: readonly (readonly [string, Uint8Array])[] = [
  ['a file', generated({ ...choice, format: 'perf' }).bytes],
  ['a big-endian file', generated({ ...choice, format: 'perf', littleEndian: false }).bytes],
  ['a pipe', generated({ ...choice, format: 'perf-pipe' }).bytes],
  ...(hasZstd
    ? ([
        [
          'a compressed file',
          generated({ ...choice, format: 'perf-z', zstdCompress: zstdCompressSync }).bytes,
        ],
      ] as const)
    : []),
]

/** Reads everything; the only error that may come out is a positioned TraceParseError. */
async function readAll(source: ByteSource) {
  let events = 0
  let digest = 0
  try {
    const reader = await openTrace(source)
    forEachEvent(reader, (batch, row, seq) => {
      events++
      if (seq % 16 === 0) digest += JSON.stringify(eventAt(batch, row, seq), toPlain).length
    })
    for (const loss of reader.losses) expect(Number.isNaN(loss.startNs + loss.endNs)).toBe(false)
    return { events, digest, issues: reader.issues.length }
  } catch (error) {
    if (!(error instanceof TraceParseError)) throw error
    expect(error.message).toContain(`hostile, byte ${error.position.at}: `)
    return { events, digest, issues: 1 }
  }
}

const toPlain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)
const readBytes = (bytes: Uint8Array) => readAll(toByteSource('hostile', bytes))

describe.each(FILES)('perf.data as %s', (_, file) => {
  it('gives the same rows however short its reads are', async () => {
    const whole = await readBytes(file)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
        async (sizes) => {
          let reads = 0
          const bytes = toByteSource('hostile', file)
          const source: ByteSource = {
            name: 'hostile',
            size: file.length,
            readInto: (offset, target) =>
              bytes.readInto(offset, target.subarray(0, sizes[reads++ % sizes.length])),
          }
          expect(await readAll(source)).toEqual(whole)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('cut at any byte loses events only with an error or an issue', async () => {
    const whole = await readBytes(file)
    expect(whole.issues).toBe(0)
    const between = pipeRecordEnds(file)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: file.length - 1 }), async (length) => {
        const { events, issues } = await readBytes(file.subarray(0, length))
        expect(events).toBeLessThanOrEqual(whole.events)
        if (events < whole.events && length > 0 && !between.has(length))
          expect(issues).toBeGreaterThan(0)
      }),
      { numRuns: 80 },
    )
  })

  it('with changed bytes ends in rows, issues or one positioned error', async () => {
    const change = fc.record({
      at: fc.integer({ min: 8, max: file.length - 1 }),
      value: fc.integer({ min: 0, max: 255 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
        const bytes = file.slice()
        for (const { at, value } of changes) bytes[at] = value
        await readBytes(bytes)
      }),
      { numRuns: 120 },
    )
  })

  it('with hostile numbers anywhere ends in rows, issues or one positioned error', async () => {
    const number = fc.constantFrom(
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
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 8, max: file.length - 8 }),
        number,
        fc.constantFrom(2, 4, 8),
        async (at, value, size) => {
          const bytes = file.slice()
          bytes.set(new ByteWriter(true).u64(value).toBytes().subarray(0, size), at)
          await readBytes(bytes)
        },
      ),
      { numRuns: 120 },
    )
  })

  it('is known by its mark, and nothing else of it is', () => {
    expect(sniffFormat(file)?.name).toBe('perf.data')
    expect(sniffFormat(file.subarray(1))).toBe(undefined)
  })
})

describe('random bytes behind the mark of perf.data', () => {
  it('end in rows, issues or one positioned error', async () => {
    const mark = fc.constantFrom('PERFILE2', '2ELIFREP')
    const header = fc.constantFrom(16n, 104n, 0n)
    await fc.assert(
      fc.asyncProperty(
        mark,
        header,
        fc.uint8Array({ maxLength: 2000 }),
        async (text, size, noise) => {
          const start = new ByteWriter(text === 'PERFILE2').text(text).u64(size).toBytes()
          const bytes = new Uint8Array(start.length + noise.length)
          bytes.set(start)
          bytes.set(noise, start.length)
          await readBytes(bytes)
        },
      ),
      { numRuns: 200 },
    )
  })
})

/** Where a pipe's records end: it has no length, so a cut there cannot be told from its end. Empty for a file. */
function pipeRecordEnds(file: Uint8Array): Set<number> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const ends = new Set<number>()
  if (view.getUint32(8, true) !== 16) return ends
  for (let at = 16; at + 8 <= file.length; ) {
    ends.add(at)
    const type = view.getUint32(at, true)
    const size = view.getUint16(at + 6, true)
    // PERF_RECORD_HEADER_TRACING_DATA: its data is not counted in its size.
    at += type === 66 ? size + view.getUint32(at + 8, true) : size
  }
  return ends
}
