/** Pages by a small generator: Z zeros, L eight letters, W words, R noise. */
export function makeReferencePage(length: number, kind: 'Z' | 'L' | 'W' | 'R'): Uint8Array {
  const page = new Uint8Array(length)
  const view = new DataView(page.buffer)
  let x = 1
  const next = (): number => {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0
    return x
  }
  if (kind === 'L') for (let i = 0; i < length; i += 1) page[i] = (next() >>> 16) & 7
  if (kind === 'R') for (let i = 0; i < length; i += 1) page[i] = next() >>> 24
  if (kind === 'W') {
    for (let i = 0; i < length; i += 4) {
      next()
      const r = x >>> 28
      const word = r < 6 ? 0 : r < 12 ? 0x7f000000 + ((x >>> 20) & 255) * 16 : x
      view.setUint32(i, word >>> 0, true)
    }
  }
  return page
}

/** Length and CRC-32 of what Linux 6.12 makes of them; columns as in REFERENCE_CODECS. */
export const REFERENCE_ROWS = [
  [
    4096,
    'Z',
    '26:6d64f4cf',
    '26:6d64f4cf',
    '44:6aeefa46',
    '41:1ccde2b0',
    '19:0e941bd4',
    '19:0e941bd4',
    '20:5d38b051',
  ],
  [
    4096,
    'L',
    '3445:f84dafb0',
    '3328:e38a18b5',
    '3949:d1328b32',
    '3951:272e4b1a',
    '1790:ccb02101',
    '1647:dff66fac',
    '1896:83963fd7',
  ],
  [
    4096,
    'W',
    '3013:420e9b10',
    '2698:4ef91d11',
    '2855:bb1b6334',
    '3051:73c39fa0',
    '2402:4a56785e',
    '2466:046b8ca7',
    '2342:9b6b3387',
  ],
  [
    4096,
    'R',
    '4114:002058a7',
    '4114:002058a7',
    '4116:c5f33a37',
    '4118:597249d9',
    '4106:acceb2c6',
    '4106:acceb2c6',
    '4140:1c52a2fd',
  ],
  [
    16384,
    'W',
    '11481:0e9e2a15',
    '9669:9c1a5f85',
    '10741:411c0c92',
    '11363:35099954',
    '8739:73edbcd8',
    '9088:8b086f24',
    '8777:ed7ab207',
  ],
  [
    65536,
    'W',
    '45452:621cac78',
    '35844:5590c9d8',
    '42590:1a90dd7d',
    '44978:7635ccf2',
    '35195:26d4dbde',
    '35182:0e70d50f',
    '34834:8f4254bb',
  ],
] as const

export const REFERENCE_CODECS = [
  ['lz4'],
  ['lz4hc'],
  ['lzo'],
  ['lzo-rle'],
  ['zstd', 'zram'],
  ['zstd', 'zswap'],
  ['deflate'],
] as const
