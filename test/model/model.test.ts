import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { swapKey, swapOffset, swapType } from '../../src/model/swap-entry.ts'
import { nodeOfComm, taskKindOf } from '../../src/model/task-kind.ts'
import { type Ns, type Pfn, toNs, toPfn } from '../../src/model/units.ts'

describe('units', () => {
  it('are not mixed up', () => {
    const time: Ns = toNs(1)
    // @ts-expect-error a time is no page frame number
    const pfn: Pfn = time
    const other: Pfn = toPfn(2)
    // @ts-expect-error a page frame number is no time
    const back: Ns = other
    expect([pfn, back]).toEqual([1, 2])
  })
})

describe('swap entries', () => {
  it('are area number in the top six bits and offset in the rest', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 46n) - 1n }), fc.nat(31), (offset, type) => {
        const entry = (BigInt(type) << 58n) | offset
        const lo = Number(entry & 0xffffffffn)
        const hi = Number(entry >> 32n)
        expect(swapType(hi)).toBe(type)
        expect(swapOffset(lo, hi)).toBe(Number(offset))
        expect(BigInt(swapKey(type, Number(offset)))).toBe((BigInt(type) << 46n) | offset)
      }),
    )
  })
})

describe('task kinds', () => {
  it.each([
    ['kswapd0', 'kswapd'],
    ['kswapd1', 'kswapd'],
    ['kcompactd0', 'kcompactd'],
    ['kcompressd0.0', 'compressor'],
    ['kcompressd:0', 'compressor'],
    ['kworker/u8:1', 'kworker'],
    ['kworker/0:1H-kblockd', 'kworker'],
    ['rcu_preempt', 'kworker'],
    ['ksoftirqd/1', 'kworker'],
    ['app-0', 'user'],
    ['kswapd-like app', 'user'],
    ['', 'user'],
  ])('%s is %s', (comm, kind) => {
    expect(taskKindOf(comm)).toBe(kind)
  })

  it('know the node of per-node threads only', () => {
    expect(nodeOfComm('kswapd3')).toBe(3)
    expect(nodeOfComm('kworker/3:0')).toBeUndefined()
  })
})
