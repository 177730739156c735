import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockDevice } from '../../../src/memory/backends/device.ts'
import { DiskBackend } from '../../../src/memory/backends/disk.ts'
import { ServiceTimes } from '../../../src/memory/backends/service-times.ts'
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
      { codec: lengthCodec(1), openPool },
      {
        isWrite: Uint8Array.of(0, 1, 0),
        pages: Float64Array.of(1, 1, 1),
        ns: Float64Array.of(10, 5, 20),
        depth: 1,
      },
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

describe('requests of a recorded device', () => {
  const times = new ServiceTimes({
    isWrite: Uint8Array.of(1, 1, 1, 1, 0),
    pages: Float64Array.of(1, 8, 9, 32, 4),
    ns: Float64Array.of(100, 200, 300, 400, 50),
    depth: 4,
  })

  it('have the times of requests of their size, round and round', () => {
    expect([1, 8, 15, 12, 1, 32].map((pages) => times.take('write', pages))).toEqual([
      100, 200, 300, 200, 100, 400,
    ])
  })

  it('of sizes that were not recorded have those of the next larger ones, else of the largest', () => {
    expect([2, 16, 64].map((pages) => times.take('write', pages))).toEqual([300, 400, 400])
    expect([1, 4, 32].map((pages) => times.take('read', pages))).toEqual([50, 50, 50])
    const writesOnly = new ServiceTimes({
      isWrite: Uint8Array.of(1),
      pages: Float64Array.of(1),
      ns: Float64Array.of(7),
      depth: 1,
    })
    expect(writesOnly.take('read', 1)).toBe(-1)
  })
})

describe('writes that wait to be dispatched', () => {
  // One place, 1,100 us for a page: whatever is submitted while it is taken waits in the scheduler.
  const one = {
    disk_latency_us: 1000,
    disk_bandwidth_mb: 40.96,
    disk_queue_depth: 1,
    disk_request_kb: 512,
  }

  it('take pages next to them on either side, without a request', () => {
    const busy = device(one)
    busy.submit('write', 0, 1, 500)
    expect(busy.submit('write', 0, 2, 10)).toBe(2_300_000)
    expect(busy.merge(12, 0)).toBe(2_400_000)
    expect(busy.merge(9, 0)).toBe(2_500_000)
    expect(busy.merge(8, 0)).toBe(2_600_000)
    expect(busy.inFlight(0)).toBe(2)
    expect(busy.counters()).toMatchObject({ writes: 2, pswpout: 6, write_merges: 3 })
    // Who comes after them feels the longer transfer.
    expect(busy.submit('write', 0)).toBe(3_700_000)
  })

  it('take no page that is not next to them, none after they were dispatched, and none beyond the largest request', () => {
    const busy = device({ ...one, disk_request_kb: 12 })
    busy.submit('write', 0, 1, 500)
    expect(busy.merge(501, 0)).toBe(-1)
    busy.submit('write', 0, 2, 10)
    expect(busy.merge(13, 0)).toBe(-1)
    expect(busy.merge(12, 0)).toBeGreaterThan(0)
    expect(busy.merge(13, 0)).toBe(-1)
    busy.submit('write', 0, 1, 40)
    expect(busy.merge(41, 1e9)).toBe(-1)
    const { disk_request_kb: _, ...withoutScheduler } = one
    const single = device(withoutScheduler)
    single.submit('write', 0, 1, 500)
    single.submit('write', 0, 1, 10)
    expect(single.merge(11, 0)).toBe(-1)
  })

  it('move every page once, whatever is merged', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(40), fc.nat(2_000_000)), { maxLength: 80 }),
        (writes) => {
          const disk = device({ ...one, disk_queue_depth: 2, disk_request_kb: 16 })
          let now = 0
          for (const [slot, later] of writes) {
            now += later
            const merged = disk.merge(slot, now)
            const done = merged < 0 ? disk.submit('write', now, 1, slot) : merged
            expect(done).toBeGreaterThan(now)
          }
          const { pswpout, writes: requests, write_merges: merges } = disk.counters()
          expect(pswpout).toBe(writes.length)
          expect((requests ?? 0) + (merges ?? 0)).toBe(writes.length)
        },
      ),
    )
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
