import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { openSwapImage } from '../../../src/io/swap-image.ts'
import { openCodec } from '../../../src/memory/codecs/index.ts'
import { PageReport } from '../../../src/memory/codecs/page-report.ts'
import { zstdFrames } from '../../../src/memory/codecs/zstd-frame.ts'
import { tracesFolder } from '../../shared/given-folders.ts'

const images = tracesFolder === undefined ? undefined : join(tracesFolder, 'images')
const present = images !== undefined && existsSync(images)

test('the images of swap devices are there, or it is said that they are not', () => {
  if (!present) process.stdout.write('PSTRACE_TRACES is not set: swap images are not compared\n')
  expect(present || tracesFolder === undefined || !existsSync(join(tracesFolder, 'images'))).toBe(
    true,
  )
})

/** Kernels before 6.3 have zsmalloc chains of 4 pages. */
const CASES = [
  { name: 'zram-lz4-6.1', codec: 'lz4', chain: 4 },
  { name: 'zram-lzorle-6.1', codec: 'lzo-rle', chain: 4 },
  { name: 'zram-zstd-6.12-numa2', codec: 'zstd', chain: 8 },
]

describe.runIf(present)('swap devices of running kernels', () => {
  test.each(CASES)(
    '$name: sizes, huge and same pages are what its zram counted',
    async ({ name, codec, chain }) => {
      const folder = join(images ?? '', name)
      const image = openSwapImage(join(folder, 'swap.img.zst'), zstdFrames)
      const report = new PageReport(await openCodec(codec), { chain })
      const page = new Uint8Array(4096)
      const states = gunzipSync(readFileSync(join(folder, 'block_state.gz'))).toString()
      const flags = new Map<number, string>()
      for (const line of states.trim().split('\n')) {
        const [index = '', , state = ''] = line.trim().split(/\s+/)
        flags.set(Number(index), state)
      }
      const wrong: number[] = []
      let sameOfZram = 0
      for (let offset = 0; offset < image.pages; offset += 1) {
        image.readPage(offset, page)
        const { kind } = report.add(page)
        const state = flags.get(offset)
        const isSame = kind === 'zero' || kind === 'same'
        if (state === undefined ? kind !== 'zero' : state.includes('s') !== isSame)
          wrong.push(offset)
        if (state !== undefined && state.includes('h') !== (kind === 'huge')) wrong.push(offset)
        if (state?.includes('s') === true) sameOfZram += 1
      }
      image.close()
      const [, comprDataSize, , , , samePages, , hugePages] = readFileSync(
        join(folder, 'mm_stat.image-after'),
        'utf8',
      )
        .trim()
        .split(/\s+/)
        .map(Number)
      expect(wrong).toEqual([])
      expect(report.totals).toMatchObject({
        storedBytes: comprDataSize,
        huge: hugePages,
        damaged: 0,
      })
      expect(sameOfZram).toBe(samePages)
    },
  )
})
