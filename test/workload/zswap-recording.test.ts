import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { extractWorkload } from '../../src/workload/extract.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { openRecordings } from './recordings.ts'

describe.skipIf(tracesFolder)('without real recordings', () => {
  it('no recording of zswap is read: PSTRACE_TRACES is not set', () => {
    expect(tracesFolder).toBeUndefined()
  })
})

describe.runIf(tracesFolder)('a recording of zswap without its shrinker', () => {
  it('is one of zswap, whose other parameters are off', async () => {
    const { close, database, traceIds } = await openRecordings([
      join(tracesFolder ?? '', 'captured/zswap-lz4-6.12'),
    ])
    const { workload, recording } = await extractWorkload(database, traceIds[0] ?? 0)
    close()
    // swpout_zero of vmstat, and what it has of pswpout, all of which zswap refused.
    expect(recording.zeroPages?.ns.length).toBe(7648)
    expect(recording.refusals?.ns.length).toBe(20_641)
    expect(workload.machine.backend.value).toBe('zswap')
    expect(workload.machine.codec.value).toBe('lz4')
  })
})
