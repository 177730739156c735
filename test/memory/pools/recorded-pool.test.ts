import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { codecProviders, openCodec } from '../../../src/memory/codecs/index.ts'
import { ZsmallocPool } from '../../../src/memory/pools/zsmalloc.ts'
import { tracesFolder } from '../../shared/given-folders.ts'
import {
  hasZeroMap,
  readImageSizes,
  readMmStat,
  readPoolEvents,
  readSamples,
  replayPool,
} from './recorded-pool.ts'

const RECORDINGS = [
  { name: 'zram-lz4-6.1', codec: 'lz4', chain: 4 },
  { name: 'zram-lzorle-6.1', codec: 'lzo-rle', chain: 4 },
  { name: 'zram-zstd-6.12-numa2', codec: 'zstd', chain: 8 },
].filter(({ codec }) => codecProviders.some((provider) => provider.name === codec))

describe.runIf(tracesFolder !== undefined)('the pool of a recorded device', () => {
  it.each(RECORDINGS)(
    '$name: image and recording give mem_used_total within 3 %',
    async ({ name, codec, chain }) => {
      const image = join(tracesFolder ?? '', 'images', name)
      const recording = join(tracesFolder ?? '', 'captured', name)
      const [sizes, events] = await Promise.all([
        openCodec(codec).then((opened) => readImageSizes(image, opened)),
        readPoolEvents(recording),
      ])

      const packed = new ZsmallocPool({ chain })
      const truth = readMmStat(join(image, 'mm_stat.image-before'))
      for (const size of sizes)
        if (size > 0) packed.alloc(size >= packed.hugeClassSize ? 4096 : size)
      expect(packed.bytes).toBe(truth.compressed)
      expect(packed.pages * 4096).toBeLessThanOrEqual(truth.used)

      const end = readMmStat(join(recording, 'zram.mm_stat'))
      const replayed = replayPool(
        new ZsmallocPool({ chain }),
        events,
        sizes,
        readSamples(recording),
        hasZeroMap(recording),
      )
      replayed.pool.check()
      const error = (found: number, recorded: number) => Math.abs(found / recorded - 1)
      // Below 8 MiB the drawn sizes decide (compressed bytes are off by as much), not the packing.
      const errors = replayed.along
        .filter(({ recorded }) => recorded.used > 2048 * 4096)
        .map(({ used, recorded }) => error(used, recorded.used))
      process.stdout.write(
        `${name}: packed ${((packed.pages * 4096) / truth.used).toFixed(4)} of the image's pool; end ${((replayed.pool.pages * 4096) / end.used).toFixed(4)}; ` +
          `${errors.length} samples, worst ${Math.max(...errors).toFixed(4)}; compaction freed ${replayed.compacted.replayed} pages, recorded ${replayed.compacted.recorded}\n`,
      )
      expect(error(replayed.storedPages * 4096, end.orig)).toBeLessThan(0.01)
      expect(error(replayed.pool.pages * 4096, end.used)).toBeLessThan(0.03)
      expect(errors.length).toBeGreaterThan(50)
      expect(Math.max(...errors)).toBeLessThan(0.03)
    },
    60_000,
  )
})

describe.runIf(tracesFolder === undefined)('the pool of a recorded device', () => {
  it('is not tested: PSTRACE_TRACES is not set', () => {
    process.stdout.write('skipped: recorded pools (set PSTRACE_TRACES)\n')
  })
})
