import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sniffFormat } from '../../parsers/index.ts'
import { isInstalled } from '../shared/installed.ts'
import { itReadsPieces, itSeesCuts, itSurvivesDamage, readHostileBytes, runs } from './hostile.ts'
import { MACHINES, sampleTrace } from './sample-traces.ts'
import { buildVersion6, buildVersion7, NONE, ZLIB } from './trace-dat-builder.ts'
import { zstdCompressSync } from './zstd-command.ts'

const hasZstd = isInstalled('zstd')
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
/** Field 1 of Trace, of bytes. */
const PACKET_TAG = 10
/** A file of n bytes cannot hold more records, even if it is unpacked from 64 times less. */
const mostRows = (file: Uint8Array) => (64 * file.length) / 8

describe.each(FILES)('%s', (_, file) => {
  itReadsPieces(file, { mostBytes: 5000, runs: 20 })
  itSeesCuts(file, { runs: 150 })
  // The magic of 10 bytes stays.
  itSurvivesDamage(file, { from: 10, runs: 200, mostRows: mostRows(file) })
})

describe('random bytes', () => {
  it('behind the magic end in one positioned error', async () => {
    const magic = [0x17, 0x08, 0x44, ...new TextEncoder().encode('tracing')]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('6\0', '7\0', ''),
        fc.uint8Array({ maxLength: 2000 }),
        async (version, noise) => {
          const { problems } = await readHostileBytes(
            Uint8Array.from([...magic, ...new TextEncoder().encode(version), ...noise]),
          )
          expect(problems).toHaveLength(1)
        },
      ),
      runs(200),
    )
  })

  it('are no known format, unless they begin as a Perfetto packet does', () => {
    const noise = fc.uint8Array({ maxLength: 200 }).filter(([first]) => first !== PACKET_TAG)
    fc.assert(
      fc.property(noise, (bytes) => {
        expect(sniffFormat(bytes)).toBe(undefined)
      }),
      runs(100),
    )
  })

  it.each([[[]], [[0]], [[0, 0]], [[1, 2]], [[200, 1]]])(
    'behind the tag of a packet are none without a whole field: %j',
    (bytes) => {
      expect(sniffFormat(Uint8Array.of(PACKET_TAG, ...bytes))).toBe(undefined)
    },
  )

  it.each(['\n', '\n\n\n', '\nhello world, this is a text\n', `\n${'a line\n'.repeat(900)}`])(
    'are no packets where they are text that begins with a line break: %j',
    (text) => {
      expect(sniffFormat(new TextEncoder().encode(text))).toBe(undefined)
    },
  )
})
