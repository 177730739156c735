import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toByteSource } from '../../parsers/cursor.ts'
import { openTrace, sniffFormat, TraceParseError } from '../../parsers/index.ts'
import { eventAt, forEachEvent } from './open-bytes.ts'
import { MACHINES, sampleTrace } from './sample-traces.ts'
import { ByteWriter, buildVersion6, buildVersion7, NONE, ZLIB } from './trace-dat-builder.ts'
import { zstdCompressSync } from './zstd-command.ts'

const hasZstd = spawnSync('zstd', ['--version']).error === undefined
const LITTLE = { littleEndian: true, longSize: 8, pageBytes: 4096 } as const
const BIG = MACHINES['big endian, 32 bit'] ?? LITTLE
const FILES: readonly (readonly [string, Uint8Array])[] = [
  ['version 6', buildVersion6(sampleTrace(LITTLE))],
  ['version 6, big endian', buildVersion6(sampleTrace(BIG))],
  ['version 7', buildVersion7(sampleTrace(LITTLE), NONE)],
  ['version 7, zlib', buildVersion7(sampleTrace(LITTLE), ZLIB)],
  ...(hasZstd
    ? ([
        [
          'version 7, zstd',
          buildVersion7(sampleTrace(LITTLE), { name: 'zstd', pack: zstdCompressSync }),
        ],
      ] as const)
    : []),
]
/** A file of n bytes cannot hold more records. */
const MIN_RECORD_BYTES = 8

/** Reads everything; the only error that may come out is a positioned TraceParseError. */
async function readAll(bytes: Uint8Array): Promise<{ events: number; issues: number }> {
  let events = 0
  try {
    const reader = await openTrace(toByteSource('hostile', bytes))
    forEachEvent(reader, (batch, row, seq) => {
      events++
      eventAt(batch, row, seq)
    })
    for (const issue of reader.issues) expect(issue.count).toBeGreaterThanOrEqual(1)
    for (const loss of reader.losses) expect(Number.isNaN(loss.startNs + loss.endNs)).toBe(false)
    return { events, issues: reader.issues.length }
  } catch (error) {
    if (!(error instanceof TraceParseError)) throw error
    expect(error.position.at).toBeGreaterThanOrEqual(0)
    expect(error.message).toContain(`hostile, byte ${error.position.at}: `)
    return { events, issues: 1 }
  }
}

describe.each(FILES)('%s', (_, file) => {
  it('cut at any byte loses events only with an error or an issue', async () => {
    const whole = await readAll(file)
    expect(whole).toEqual({ events: 10, issues: 0 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: file.length - 1 }), async (length) => {
        const { events, issues } = await readAll(file.subarray(0, length))
        expect(events).toBeLessThanOrEqual(10)
        if (events < 10) expect(issues).toBeGreaterThan(0)
      }),
      { numRuns: 150 },
    )
  })

  it('with changed bytes ends in rows, issues or one positioned error', async () => {
    const change = fc.record({
      at: fc.integer({ min: 10, max: file.length - 1 }),
      value: fc.integer({ min: 0, max: 255 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
        const bytes = file.slice()
        for (const { at, value } of changes) bytes[at] = value
        const { events } = await readAll(bytes)
        expect(events).toBeLessThanOrEqual((64 * file.length) / MIN_RECORD_BYTES)
      }),
      { numRuns: 200 },
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
        fc.integer({ min: 10, max: file.length - 8 }),
        number,
        fc.constantFrom(4, 8),
        async (at, value, size) => {
          const bytes = file.slice()
          const writer = new ByteWriter(true).u64(value).toBytes().subarray(0, size)
          bytes.set(writer, at)
          await readAll(bytes)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('with a run of random bytes ends in rows, issues or one positioned error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 10, max: file.length - 1 }),
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        async (at, noise) => {
          const bytes = file.slice()
          bytes.set(noise.subarray(0, bytes.length - at), at)
          await readAll(bytes)
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('random bytes', () => {
  it('behind the magic end in one positioned error', async () => {
    const magic = [0x17, 0x08, 0x44, ...new TextEncoder().encode('tracing')]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('6\0', '7\0', ''),
        fc.uint8Array({ maxLength: 2000 }),
        async (version, noise) => {
          const { issues } = await readAll(
            Uint8Array.from([...magic, ...new TextEncoder().encode(version), ...noise]),
          )
          expect(issues).toBe(1)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('are no known format', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(sniffFormat(noise)).toBe(undefined)
      }),
    )
  })
})
