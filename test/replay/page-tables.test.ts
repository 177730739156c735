import { beforeEach, describe, expect, it } from 'vitest'
import { kswapd } from '../../src/policies/kswapd.ts'
import { AddressSpace, TABLE_PAGES } from '../../src/replay/address-space.ts'
import { PageTables } from '../../src/replay/page-tables.ts'
import { ACCESSED, Pages, RESIDENT } from '../../src/replay/pages.ts'
import { replay } from '../../src/replay/replay.ts'
import { based, CountingBackend, plainContents, plan } from './build.ts'
import { pressure } from './scenarios.ts'

const TABLES = 3
const NODE = 0

/** Three tables of one mapping, every page in memory. */
function machine() {
  const workload = plan({
    free: 1,
    min: 0,
    low: 0,
    high: 0,
    pages: TABLES * TABLE_PAGES,
    tasks: [],
  })
  const pages = new Pages(workload.pages, 1, { multiGeneration: true })
  pages.state.fill(RESIDENT)
  const promoted = new Set<number>()
  const tables = new PageTables(pages, new AddressSpace(workload.pages), 1, (page) =>
    promoted.add(page),
  )
  const access = (from: number, count: number): void => {
    for (let page = from; page < from + count; page++) {
      pages.set(page, ACCESSED)
      tables.used(page)
    }
  }
  return { pages, promoted, tables, access }
}

describe('page tables under MGLRU', () => {
  let { pages, promoted, tables, access } = machine()
  beforeEach(() => {
    ;({ pages, promoted, tables, access } = machine())
  })

  it('are all walked at first, and later where one entry in eight was accessed', () => {
    access(0, 64)
    access(TABLE_PAGES, 63)
    tables.walk(NODE, 3)
    expect(promoted.size).toBe(127)
    promoted.clear()
    access(0, 10)
    access(TABLE_PAGES, 10)
    tables.walk(NODE, 4)
    expect([...promoted]).toEqual(Array.from({ length: 10 }, (_, page) => page))
    expect(pages.has(TABLE_PAGES, ACCESSED)).toBe(true)
  })

  it('leave what was faulted in since to reclaim, which takes those around an accessed page along', () => {
    tables.walk(NODE, 3)
    access(TABLE_PAGES, TABLE_PAGES)
    tables.walk(NODE, 4)
    expect(promoted.size).toBe(0)
    const met = TABLE_PAGES + 100
    pages.clear(met, ACCESSED)
    tables.lookAround(NODE, 5, met)
    expect([Math.min(...promoted), Math.max(...promoted), promoted.size]).toEqual([
      met - 32,
      met + 31,
      63,
    ])
  })

  it('stay within their table and mapping when those around a page are looked at', () => {
    access(0, TABLES * TABLE_PAGES)
    tables.lookAround(NODE, 3, TABLE_PAGES + 3)
    expect([Math.min(...promoted), Math.max(...promoted)]).toEqual([TABLE_PAGES, TABLE_PAGES + 63])
    promoted.clear()
    tables.lookAround(NODE, 3, TABLE_PAGES - 1)
    expect([Math.min(...promoted), Math.max(...promoted)]).toEqual([
      TABLE_PAGES - 64,
      TABLE_PAGES - 2,
    ])
  })

  it('are walked once more where reclaim met many accessed pages, if used since the walk before', () => {
    tables.walk(NODE, 3)
    tables.walk(NODE, 4)
    access(0, TABLE_PAGES)
    pages.clear(40, ACCESSED)
    tables.lookAround(NODE, 5, 40)
    promoted.clear()
    tables.walk(NODE, 5)
    expect(promoted.size).toBe(TABLE_PAGES - 64)
    pages.set(0, ACCESSED)
    promoted.clear()
    tables.walk(NODE, 6)
    expect(promoted.size).toBe(0)
  })
})

it('reclaim meets each accessed page itself where aging does not walk page tables', () => {
  const workload = pressure({ pages: 4000, touches: 0, lru: 'mglru' })
  const scanned = [true, false].map((walks) => {
    let pages = 0
    replay(
      { ...workload, machine: { ...workload.machine, walksPageTables: based(walks) } },
      {
        policy: kswapd,
        backend: new CountingBackend(3),
        contents: plainContents,
        log: ({ event, value }) => {
          if (event === 'isolate') pages += value
        },
      },
    )
    return pages
  })
  expect(scanned[1]).toBeGreaterThan((scanned[0] as number) + 1000)
})
