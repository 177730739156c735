import { describe, expect, it } from 'vitest'
import {
  metadataBytes,
  SLOT_DESIGNS,
  type SlotDesignName,
} from '../../../src/memory/slots/metadata.ts'

const SLOTS = (32 * 2 ** 30) / 4096
const MIB = 2 ** 20

describe('bookkeeping of a 32 GiB device', () => {
  it.each<[string, SlotDesignName, 'pooled' | 'onDisk', readonly number[]]>([
    ['6.12 in front of zswap', '6.12', 'pooled', [25, 57, 89, 121, 153]],
    [
      'virtual swap with zswap, which needs no device slots',
      'vswap-3',
      'pooled',
      [0, 48.25, 96.5, 144.75, 193],
    ],
    ['6.12 on disk', '6.12', 'onDisk', [25, 41, 57, 73, 89]],
    ['virtual swap on disk', 'vswap-3', 'onDisk', [2, 66.25, 130.5, 194.75, 259]],
    ['the swap table of phase II', 'table-2', 'onDisk', [25.5, 41.5, 57.5, 73.5, 89.5]],
    ['the swap table of phase III', 'table-3', 'onDisk', [17.5, 33.5, 49.5, 65.5, 81.5]],
    ['the swap table of phase IV', 'table-4', 'onDisk', [0.5, 16.5, 32.5, 48.5, 64.5]],
  ])('of %s grows as published', (_name, design, where, expected) => {
    const slots = design === 'vswap-3' && where === 'pooled' ? 0 : SLOTS
    const found = [0, 0.25, 0.5, 0.75, 1].map(
      (share) =>
        metadataBytes(SLOT_DESIGNS[design], {
          slots,
          pooled: 0,
          onDisk: 0,
          [where]: SLOTS * share,
        }) / MIB,
    )
    expect(found).toEqual(expected)
  })

  it('is 24 bytes or 0.6 % of a page for a descriptor, 32 or 0.8 % with the reverse map', () => {
    const one = (design: SlotDesignName) =>
      metadataBytes(SLOT_DESIGNS[design], { slots: 0, pooled: 1, onDisk: 0 })
    expect([one('swap-desc'), one('swap-desc-reverse')]).toEqual([24, 32])
    expect([24 / 4096, 32 / 4096].map((share) => share.toFixed(3))).toEqual(['0.006', '0.008'])
  })

  it('costs a whole table for a cluster with one used slot', () => {
    expect(
      metadataBytes(SLOT_DESIGNS['table-2'], {
        slots: 0,
        pooled: 0,
        onDisk: 1,
        clustersTouched: 1,
      }),
    ).toBe(4096)
  })
})
