import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { snapshotFiles } from '../../src/generate/snapshot.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import { replay } from '../../src/replay/replay.ts'
import { describeWorkload } from '../../src/workload/describe.ts'
import { type Extraction, extractWorkload } from '../../src/workload/extract.ts'
import { TASK_OPS, type WorkloadTask } from '../../src/workload/types.ts'
import { CountingBackend, plainContents } from '../replay/build.ts'
import { RowCollector } from '../replay/rows.ts'
import { ingestBytes } from './domain-rows.ts'
import type { Row } from './expected.ts'
import { type Choice, generated, scenarioNamed } from './file.ts'

const scenario = scenarioNamed('folios')
const TOUCH = TASK_OPS.indexOf('touch')
const ALLOC = TASK_OPS.indexOf('alloc')

let database: Database
beforeAll(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterAll(() => database.close())

async function extractFrom(choice: Partial<Choice>) {
  const { bytes, truth } = generated({ scenario, events: 12_000, ...choice })
  const snapshots = snapshotFiles(choice.scenario ?? scenario, truth)
  const traceId = await ingestBytes(database, bytes, { raw: 'all', snapshots })
  return { truth, traceId, extraction: await extractWorkload(database, traceId) }
}

function argsOf(tasks: readonly WorkloadTask[], op: number): number[] {
  return tasks.flatMap((task) => [...task.arg].filter((_, row) => task.op[row] === op))
}

/** Folios of the workload by order, and those that really went out since it begins. */
function countOrders({ workload, startNs }: Extraction, outs: readonly Row[], beginNs: number) {
  const { folio, order } = workload.pages
  const found: Record<string, number> = {}
  folio?.forEach((first, page) => {
    const name = String(order[page])
    if (first === page) found[name] = (found[name] ?? 0) + 1
  })
  const real: Record<string, number> = {}
  for (const row of outs) {
    const name = String(row['folio_order'])
    if (name !== '0' && Number(row['start_ns']) >= beginNs + startNs)
      real[name] = (real[name] ?? 0) + 1
  }
  return { found, real }
}

describe('a generated recording of folios of several sizes', () => {
  it.each([
    ['v7', '6.12'],
    ['v6', '6.18'],
    ['perf', '6.12'],
    ['perfetto', '6.12'],
    ['text', '6.12'],
  ] as const)(
    '%s of %s has its folios in the workload, each by its order',
    async (format, kernel) => {
      const { truth, extraction } = await extractFrom({ format, kernel })
      const outs = truth.tables?.['swapouts'] ?? []
      const { found, real } = countOrders(extraction, outs, truth.startNs)
      expect(found).toEqual(real)
      expect(found['2']).toBeGreaterThan(100)
      expect(found['4']).toBeGreaterThan(30)
      const facts = describeWorkload(extraction.workload).filter(({ name }) =>
        name.startsWith('folios.order'),
      )
      expect(facts.map(({ name, value, basis }) => [name, value, basis])).toEqual([
        ['folios.order2', (real['2'] ?? 0) * 4, 'event'],
        ['folios.order4', (real['4'] ?? 0) * 16, 'event'],
      ])
    },
  )

  it('brings each page back from its own slot of the folio', async () => {
    const { truth, extraction } = await extractFrom({})
    const { pages, tasks } = extraction.workload
    const real = (truth.tables?.['swapins'] ?? []).map((row) => Number(row['swap_offset']))
    // No page goes out twice here: the slot that it went to is the one that it comes back from.
    const touched = argsOf(tasks, TOUCH).map((page) => Number(pages.slot[page]))
    const bySize = (a: number, b: number): number => a - b
    expect(touched.sort(bySize)).toEqual(real.sort(bySize))
    expect(real.length).toBeGreaterThan(50)
    const tails = argsOf(tasks, TOUCH).filter((page) => (pages.folio?.[page] ?? page) !== page)
    expect(tails.length).toBeGreaterThan(20)
  })

  it('tells of each page that comes back with which folio it went out', async () => {
    const { truth, traceId } = await extractFrom({})
    const known = await database.query(
      `SELECT i.swap_offset::INT AS entry, o.swap_offset::INT AS first, o.folio_order::INT AS folio_order, i.page_id = o.page_id AS is_first
       FROM swapins i JOIN swapouts o USING (trace_id, swapout_id)
       WHERE trace_id = ${traceId} AND i.run_id IS NULL AND o.run_id IS NULL`,
    )
    const real = (truth.tables?.['swapins'] ?? []).filter((row) => row['swapout'] !== null)
    expect(known.length).toBe(real.length)
    for (const { entry, first, folio_order: order, is_first: isFirst } of known) {
      const part = Number(entry) - Number(first)
      expect(part).toBeGreaterThanOrEqual(0)
      expect(part).toBeLessThan(2 ** Number(order))
      expect(isFirst).toBe(part === 0)
    }
    expect(known.filter(({ entry, first }) => entry !== first).length).toBeGreaterThan(20)
  })

  it('allocates a folio once, by the task whose it is, and costs what its pages cost', async () => {
    const { extraction } = await extractFrom({})
    const { pages, tasks, costs } = extraction.workload
    const allocated = argsOf(tasks, ALLOC)
    expect(new Set(allocated).size).toBe(allocated.length)
    expect(
      allocated.filter(
        (page) => (pages.folio?.[page] ?? page) !== page && pages.folio?.[page] !== -1,
      ),
    ).toEqual([])
    expect(allocated.some((page) => pages.folio?.[page] === page)).toBe(true)
    pages.folio?.forEach((first, page) => {
      if (first >= 0) expect(pages.owner[page]).toBe(pages.owner[first])
    })
    // A page is stored in 8 to 70 us and unmapped in 1 to 9: a folio's 16 would be far beyond.
    expect(Math.max(...costs.store.samples)).toBeLessThan(90_000)
    expect(Math.max(...costs.unmap.samples)).toBeLessThan(12_000)
    expect(extraction.workload.stolen?.ns.length ?? 0).toBe(0)
  })

  it('is replayed with folios that go out whole and come back page by page', async () => {
    const { extraction } = await extractFrom({})
    const rows = new RowCollector()
    const loads: number[] = []
    replay(extraction.workload, {
      policy: kswapd,
      backend: new CountingBackend(3),
      contents: plainContents,
      checkEveryNs: 20_000_000,
      sink: rows.sink,
      log: ({ event, value }) => {
        if (event === 'load') loads.push(value)
      },
    })
    const orders = new Set(rows.of('swapouts').map((row) => row['folio_order']))
    expect([...orders].sort()).toEqual([0, 2, 4])
    expect(loads.length).toBeGreaterThan(50)
    expect(Math.max(...loads)).toBe(1)
  })

  it('has single pages only where no probe at the gate told an order', async () => {
    const stock = await extractFrom({ probes: 'stock' })
    expect(stock.extraction.workload.pages.folio).toBeUndefined()
    const phone = await extractFrom({ scenario: scenarioNamed('phone') })
    expect(phone.extraction.workload.pages.folio).toBeUndefined()
    expect(Math.max(...phone.extraction.workload.pages.order)).toBe(0)
  })
})
