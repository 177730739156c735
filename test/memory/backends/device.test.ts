import { describe, expect, it } from 'vitest'
import { BlockDevice } from '../../../src/memory/backends/device.ts'
import { DiskBackend } from '../../../src/memory/backends/disk.ts'
import { openPool } from '../../../src/memory/pools/index.ts'
import { lengthCodec, pageOf } from './length-codec.ts'

function device(parameters: Record<string, number>) {
  return new BlockDevice({ codec: lengthCodec(1), openPool, parameters })
}

describe('the block device', () => {
  // 4096 bytes at 40.96 MB/s are 100 us.
  const one = { disk_latency_us: 1000, disk_bandwidth_mb: 40.96, disk_queue_depth: 1 }

  it('adds latency and transfer for a request alone', () => {
    expect(device(one).submit('read', 5000)).toBe(5000 + 1_000_000 + 100_000)
    expect(device(one).submit('read', 0, 8)).toBe(1_000_000 + 800_000)
  })

  it('lets a page-in wait behind writes that were submitted before', () => {
    const busy = device(one)
    for (let i = 0; i < 3; i++) busy.submit('write', 0)
    expect(busy.inFlight(1)).toBe(3)
    expect(busy.submit('read', 1)).toBe(4 * 1_100_000)
    expect(busy.inFlight(2_200_000)).toBe(2)
  })

  it('overlaps the latencies of as many requests as its queue is deep, never their transfers', () => {
    const deep = device({ ...one, disk_queue_depth: 4 })
    expect([0, 0, 0, 0, 0].map((at) => deep.submit('write', at))).toEqual([
      1_100_000, 1_200_000, 1_300_000, 1_400_000, 2_200_000,
    ])
  })

  it('spaces requests where the device is limited to a rate', () => {
    const slow = device({ ...one, disk_queue_depth: 64, disk_iops: 500 })
    expect([0, 0, 0].map((at) => slow.submit('write', at))).toEqual([
      1_100_000, 3_100_000, 5_100_000,
    ])
  })

  it('repeats recorded service times in their order', () => {
    const recorded = new BlockDevice(
      { codec: lengthCodec(1), openPool, parameters: { disk_queue_depth: 1 } },
      { read: Float64Array.of(10, 20), write: Float64Array.of(5) },
    )
    expect([
      recorded.submit('read', 0),
      recorded.submit('write', 0),
      recorded.submit('read', 0),
      recorded.submit('read', 0),
    ]).toEqual([10, 15, 35, 45])
    expect(recorded.counters()).toMatchObject({ reads: 3, writes: 1, pswpin: 3, pswpout: 1 })
  })
})

describe('plain disk swap', () => {
  it('writes every page once and gives it back', () => {
    const backend = new DiskBackend({ codec: lengthCodec(1), openPool, keepBytes: true })
    const result = backend.store({ slot: 4, page: 9, bytes: pageOf(77), key: 1, memcg: -1 })
    expect(result).toMatchObject({
      place: 'disk',
      deviceWrites: 1,
      compressions: 0,
      poolPagesTaken: 0,
    })
    const back = new Uint8Array(4096)
    expect(backend.load(4, back)).toBe('disk')
    expect(back).toEqual(pageOf(77))
    expect(backend.counters()).toEqual({ pswpin: 1, pswpout: 1, stored_pages: 1 })
    backend.free(4)
    expect(() => backend.load(4)).toThrow('disk: slot 4 holds nothing')
    backend.check()
  })
})
