import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { ZswapBackend } from '../../../src/memory/backends/zswap.ts'
import { openCodec } from '../../../src/memory/codecs/index.ts'
import { openPool } from '../../../src/memory/pools/index.ts'
import { tracesFolder } from '../../shared/given-folders.ts'
import { readImageSizes } from '../pools/recorded-pool.ts'
import { lengthCodec, pageOf } from './length-codec.ts'

interface Returned {
  readonly what: 'store' | 'load'
  readonly slot: number
  readonly accepted: boolean
}

/** Calls of zswap_store and zswap_load with what they returned, in the order of their returns. */
async function readCalls(recording: string): Promise<readonly Returned[]> {
  const report = spawn('trace-cmd', ['report', join(recording, 'trace.dat')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const open = new Map<string, number>()
  const calls: Returned[] = []
  for await (const line of createInterface({ input: report.stdout })) {
    const match = /-(\d+) +\[\d+\].*: zswap_(store|load)(_ret)?: .*(?:entry|ret)=(\d+)/.exec(line)
    if (match === null) continue
    const [, tid = '', what, returns, value] = match
    const slot = open.get(tid + what)
    if (returns === undefined) open.set(tid + what, Number(value))
    else if (slot !== undefined)
      calls.push({ what: what === 'store' ? 'store' : 'load', slot, accepted: value === '1' })
  }
  return calls
}

describe.runIf(tracesFolder !== undefined)('a recorded zswap', () => {
  it('finds in the pool exactly the loads that zswap served, and ends within 3 % of its pool pages', async () => {
    const recording = join(tracesFolder ?? '', 'captured', 'zswap-lz4-6.12')
    const [calls, image] = await Promise.all([
      readCalls(recording),
      // Another run of the same workload: this recording has no image.
      openCodec('lz4').then((codec) =>
        readImageSizes(join(tracesFolder ?? '', 'images', 'zram-lz4-6.1'), codec),
      ),
    ])
    const sizes = image.filter((size) => size > 12 && size <= 4096)
    const backend = new ZswapBackend({
      codec: lengthCodec(1),
      openPool,
      totalPages: 407616 / 4,
      // Which stores were refused is taken from the recording, so the pool needs no limit of its own.
      parameters: { form: '6.12', max_pool_percent: 100 },
    })
    let seed = 1
    let wrong = 0
    for (const { what, slot, accepted } of calls) {
      if (what === 'load') {
        if ((backend.load(slot) === 'zswap') !== accepted) wrong++
        continue
      }
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
      const size = accepted ? (sizes[(seed >>> 8) % sizes.length] ?? 0) : 5000
      backend.store({ slot, page: slot, bytes: pageOf(size), key: size, memcg: -1 })
    }
    backend.check()
    const vmstat = readFileSync(join(recording, 'vmstat.after'), 'utf8')
    const recorded = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(vmstat)?.[1])
    const { zswpin, zswpout, pswpin, pswpout } = backend.counters()
    expect(wrong).toBe(0)
    expect({ zswpin, zswpout, pswpin, pswpout }).toEqual({
      zswpin: recorded('zswpin'),
      zswpout: recorded('zswpout'),
      pswpin: recorded('pswpin'),
      pswpout: recorded('pswpout'),
    })
    process.stdout.write(
      `zswap pool: ${backend.poolPages} pages, recorded ${recorded('nr_zspages')}\n`,
    )
    expect(Math.abs(backend.poolPages / recorded('nr_zspages') - 1)).toBeLessThan(0.03)
  })
})

describe.runIf(tracesFolder === undefined)('a recorded zswap', () => {
  it('is not tested: PSTRACE_TRACES is not set', () => {
    process.stdout.write('skipped: recorded zswap (set PSTRACE_TRACES)\n')
  })
})
