import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sniffFormat } from '../../../parsers/index.ts'
import { generated, scenarioNamed } from '../../generate/file.ts'
import { isInstalled } from '../../shared/installed.ts'
import { itReadsPieces, itSeesCuts, itSurvivesDamage, readHostileBytes, runs } from '../hostile.ts'
import { ByteWriter } from '../trace-dat-builder.ts'
import { zstdCompressSync } from '../zstd-command.ts'

const hasZstd = isInstalled('zstd')
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

describe.each(FILES)('perf.data as %s', (_, file) => {
  const between = roundEnds(file)
  itReadsPieces(file, { mostBytes: 700, runs: 20 })
  itSeesCuts(file, { runs: 80, looksWhole: (length) => between.has(length) })
  itSurvivesDamage(file, { from: 8, runs: 120, mostRows: file.length })

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
          await readHostileBytes(bytes)
        },
      ),
      runs(200),
    )
  })
})

/** Where a round of a pipe ends, or nothing but its head is there: a cut in these places cannot be told from the pipe's end. */
function roundEnds(file: Uint8Array): Set<number> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const ends = new Set<number>()
  if (view.getUint32(8, true) !== PIPE_HEADER_BYTES) return ends
  let isOpen = false
  for (let at = PIPE_HEADER_BYTES; at + 8 <= file.length; ) {
    if (!isOpen) ends.add(at)
    const type = view.getUint32(at, true)
    const size = view.getUint16(at + 6, true)
    if (type === RECORD.sample) isOpen = true
    if (type === RECORD.finishedRound) isOpen = false
    // Its data is not counted in its size.
    at += type === RECORD.tracingData ? size + view.getUint32(at + 8, true) : size
  }
  return ends
}

const PIPE_HEADER_BYTES = 16
const RECORD = { sample: 9, tracingData: 66, finishedRound: 68 } as const
