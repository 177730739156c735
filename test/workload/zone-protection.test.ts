import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readReserves } from '../../src/workload/zone-protection.ts'

const DEVICE = readFileSync(
  new URL('../../fixtures/zram-lz4-6.1/zoneinfo.before', import.meta.url),
  'utf8',
)

function zone(node: number, name: string, managed: number, protection: readonly number[]): string {
  return `Node ${node}, zone ${name.padStart(8)}
  pages free     100
        min      10
        low      20
        high     30
        spanned  ${managed}
        present  ${managed}
        managed  ${managed}
        protection: (${protection.join(', ')})
`
}

describe('what zones keep from allocations that could use the highest zone', () => {
  it('is read of the zones that have memory', () => {
    expect([...readReserves(DEVICE)]).toEqual([['0/DMA', 346]])
  })

  it('is by node: against the highest zone with memory there, not the last that is listed', () => {
    const text = [
      zone(0, 'DMA', 3840, [0, 1900, 31_000, 31_000]),
      zone(0, 'DMA32', 480_000, [0, 0, 29_100, 29_100]),
      zone(0, 'Normal', 7_000_000, [0, 0, 0, 0]),
      zone(0, 'Movable', 0, [0, 0, 0, 0]),
      zone(1, 'DMA', 0, [0, 7, 7, 8]),
      zone(1, 'Normal', 8_000_000, [0, 0, 0, 99]),
      zone(1, 'Movable', 0, [0, 0, 0, 0]),
    ].join('')
    expect([...readReserves(text)]).toEqual([
      ['0/DMA', 31_000],
      ['0/DMA32', 29_100],
    ])
  })

  it('is nothing where no zoneinfo was recorded, or an old one without that line', () => {
    expect(readReserves('').size).toBe(0)
    expect(readReserves(DEVICE.replace(/^ +protection.*\n/gm, '')).size).toBe(0)
  })
})
