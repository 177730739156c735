import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { describeWorkload } from '../../src/workload/describe.ts'
import { type Extraction, extractWorkload } from '../../src/workload/extract.ts'
import { COSTS, TASK_OPS } from '../../src/workload/types.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { openRecordings } from './recordings.ts'

const FIXTURE = fileURLToPath(new URL('../../fixtures/zram-lz4-6.1', import.meta.url))
const ALLOC = TASK_OPS.indexOf('alloc')
const TOUCH = TASK_OPS.indexOf('touch')

function median(values: Float64Array): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[sorted.length >> 1] ?? Number.NaN
}

function demandOf({ workload }: Extraction) {
  return workload.tasks.filter(({ kind }) => kind !== 'background')
}

describe('the workload of a recording on a classic LRU', () => {
  let database: Database
  let close: () => void
  let found: Extraction
  beforeAll(async () => {
    const opened = await openRecordings([FIXTURE])
    database = opened.database
    close = opened.close
    found = await extractWorkload(database, opened.traceIds[0] ?? 0)
  })
  afterAll(() => close())

  it('names the tasks that asked for memory and leaves the others as load', () => {
    expect(
      demandOf(found)
        .map(({ comm }) => comm)
        .sort(),
    ).toEqual(['app-0', 'app-1', 'app-2', 'app-3', 'filer'])
    expect(
      found.workload.tasks.some(({ comm, kind }) => comm === 'hold' && kind === 'background'),
    ).toBe(true)
    expect(demandOf(found).find(({ comm }) => comm === 'filer')?.hasMemory).toBe(false)
  })

  it('has as many touches as swap-ins by the demand, each of a page that was swapped out or there before', () => {
    const touches = demandOf(found).reduce(
      (sum, { op }) => sum + op.filter((o) => o === TOUCH).length,
      0,
    )
    expect(found.touches).toBe(12_798)
    expect(found.touches - touches).toBeLessThan(10)
  })

  it('allocates each page once, before it is touched', () => {
    const { pages } = found.workload
    const given = new Uint8Array(pages.length)
    let twice = 0
    const touched: number[] = []
    for (const task of demandOf(found))
      for (let row = 0; row < task.op.length; row++) {
        const page = task.arg[row] ?? -1
        if (task.op[row] === TOUCH) touched.push(page)
        if (task.op[row] !== ALLOC || page < 0) continue
        if (given[page] === 1 || pages.residentAtStart[page] === 1) twice++
        given[page] = 1
      }
    expect(twice).toBe(0)
    expect(
      touched.filter(
        (page) =>
          (given[page] ?? 0) +
            (pages.residentAtStart[page] ?? 0) +
            (pages.swappedAtStart?.[page] ?? 0) !==
          1,
      ),
    ).toEqual([])
  })

  it('has the memory cost of a stored page from the events alone, as the pool counters have it', async () => {
    const rho = found.workload.machine.backendParameters['poolPagesPerStoredPage']
    expect(rho?.basis).toBe('event')
    // mem_used_total over orig_data_size at the end of the recording.
    expect(rho?.value).toBeGreaterThan(0.42)
    expect(rho?.value).toBeLessThan(0.47)
  })

  it('recognises the machine and the policy', () => {
    const { machine, recordedPolicy } = found.workload
    expect(machine.lru).toMatchObject({ value: 'classic', basis: 'event' })
    expect(machine.codec).toMatchObject({ value: 'lz4', basis: 'snapshot' })
    expect(machine.boostStep.value).toBe(512)
    expect(machine.boostMax.value).toBe(Math.floor(872 * 1.5))
    expect(recordedPolicy).toMatchObject({ value: 'kswapd', basis: 'event' })
  })

  it('prints every cost with its basis, and residuals', () => {
    const facts = describeWorkload(found.workload)
    for (const name of COSTS)
      expect(
        facts.some(
          (fact) =>
            fact.part === 'costs' && (fact.name === name || fact.name.startsWith(`${name}.`)),
        ),
      ).toBe(true)
    expect(
      facts.every(({ basis }) => ['event', 'snapshot', 'inferred', 'default'].includes(basis)),
    ).toBe(true)
    expect(facts.filter(({ part }) => part === 'residual')).toHaveLength(
      found.workload.residuals.length,
    )
  })

  it('tells costs in stores too, which a slower host leaves as they are', () => {
    const { workload } = found
    const slower = Object.fromEntries(
      COSTS.map((name) => {
        const { samples, fixedNs, ...cost } = workload.costs[name]
        return [name, { ...cost, samples: samples.map((ns) => ns * 1.5), fixedNs: fixedNs * 1.5 }]
      }),
    ) as typeof workload.costs
    const inStores = (facts: ReturnType<typeof describeWorkload>): [string, unknown][] =>
      facts
        .filter(({ name }) => name.endsWith('.in_stores'))
        .map(({ name, value }) => [name, value])
    const told = inStores(describeWorkload(workload))
    expect(told.map(([name]) => name)).toEqual(
      expect.arrayContaining(['storeSame.in_stores', 'unmap.in_stores']),
    )
    expect(inStores(describeWorkload({ ...workload, costs: slower }))).toEqual(told)
  })

  it('prints what is asked for in all, and beyond what is free at the start', () => {
    const facts = describeWorkload(found.workload)
    const pages = (part: string, name: string): number =>
      Number(facts.find((fact) => fact.part === part && fact.name === name)?.value)
    expect(pages('demand', 'allocated')).toBe(found.anonPages)
    expect(pages('demand', 'allocated') - pages('demand', 'allocated_beyond_free')).toBe(
      pages('machine', 'node0.free_at_start'),
    )
  })

  it('takes costs from the first part of the work only when asked to', async () => {
    const half = await extractWorkload(database, 1, { costsUntilShare: 0.5 })
    expect(half.workload.costs.store.n).toBeLessThan(found.workload.costs.store.n * 0.75)
    // Where a task is on its own clock depends on what switches and interruptions cost it; what it touches does not.
    const touched = (extraction: Extraction): unknown[] =>
      demandOf(extraction).map(({ comm, op }) => [comm, op.filter((kind) => kind === TOUCH).length])
    expect(touched(half)).toEqual(touched(found))
  })

  it('is refused for a trace that is not there', async () => {
    await expect(extractWorkload(database, 99)).rejects.toThrow('trace 99: no complete trace')
  })
})

describe('a recording in which huge pages were swapped out whole', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pstrace-huge-'))
    cpSync(FIXTURE, folder, { recursive: true })
    const after = join(folder, 'vmstat.after')
    const counters = readFileSync(after, 'utf8')
    writeFileSync(after, counters.replace(/^thp_swpout \d+$/m, 'thp_swpout 3'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('says how many, for the workload has base pages only', async () => {
    const opened = await openRecordings([folder])
    try {
      const { workload } = await extractWorkload(opened.database, opened.traceIds[0] ?? 0)
      const residual = workload.residuals.find(({ name }) => name === 'huge_folios')
      expect(residual?.value).toBe(3)
    } finally {
      opened.close()
    }
  })
})

describe('without real recordings', () => {
  it.skipIf(tracesFolder !== undefined)(
    'the comparison with ground truth is skipped (set PSTRACE_TRACES)',
    () => {
      process.stderr.write(
        'PSTRACE_TRACES is not set: extraction is not compared with recorded allocations\n',
      )
    },
  )
})

describe.runIf(tracesFolder)('the demand of a recording with every allocation recorded', () => {
  it('agrees with them within 5 %, task by task, without reading them', async () => {
    const opened = await openRecordings([join(tracesFolder ?? '', 'captured/zram-lz4-6.12-alloc')])
    try {
      const [traceId = 0] = opened.traceIds
      const before = await extractWorkload(opened.database, traceId)
      const truth = await opened.database.query(
        `SELECT a.tid, count(*)::DOUBLE AS pages FROM raw."kmem:mm_page_alloc" a JOIN traces t USING (trace_id)
         WHERE a.trace_id = ${traceId} AND a.ts_ns - t.start_ns >= ${Math.round(before.startNs)} AND a.gfp_flags & 264 = 264 AND a."order" = 0
         GROUP BY a.tid HAVING count(*) > 1000 ORDER BY a.tid`,
      )
      await opened.database.query('DROP VIEW raw."kmem:mm_page_alloc"')
      await opened.database.query('DROP VIEW raw."kmem:mm_page_free"')
      const found = await extractWorkload(opened.database, traceId)
      const extracted = demandOf(found).map(({ tid, op }) => ({
        tid,
        pages: op.filter((o) => o === ALLOC).length,
      }))
      expect(extracted.map(({ tid }) => tid)).toEqual(truth.map((row) => row['tid']))
      for (const [index, row] of truth.entries())
        expect(Math.abs((extracted[index]?.pages ?? 0) / Number(row['pages']) - 1)).toBeLessThan(
          0.05,
        )
    } finally {
      opened.close()
    }
  })
})

describe.runIf(tracesFolder)('workloads of one activity recorded under four policies', () => {
  const policies = ['sync', 'kcompressd', 'rotate', 'parallel'] as const
  const found = new Map<string, Extraction>()
  beforeAll(async () => {
    const opened = await openRecordings(
      policies.map((policy) => join(tracesFolder ?? '', 'pairs/fixed-work/idle-3', policy)),
    )
    for (const [index, policy] of policies.entries())
      found.set(policy, await extractWorkload(opened.database, opened.traceIds[index] ?? 0))
    opened.close()
  })
  const sync = (): Extraction => {
    const extraction = found.get('sync')
    if (extraction === undefined) throw new Error('no workload of the synchronous recording')
    return extraction
  }

  it.each(policies)('under %s is recognised for what it is', (policy) => {
    const names = {
      sync: 'kswapd',
      kcompressd: 'kcompressd',
      rotate: 'kcompressd',
      parallel: 'parallel',
    }
    expect(found.get(policy)?.workload.recordedPolicy.value).toBe(names[policy])
  })

  it.each([
    ['kcompressd', 'pstrace.fifo'],
    ['rotate', 'pstrace.fifo'],
    ['parallel', 'vm.parallel_swap_factor'],
  ] as const)("under %s has the tunables that the kernel's files tell", (policy, queue) => {
    const folder = join(tracesFolder ?? '', 'pairs/fixed-work/idle-3', policy)
    const set = new Map(
      readFileSync(join(folder, 'pst.params'), 'utf8')
        .split('\n')
        .map((line) => [line.split(':')[0]?.split('/').at(-1), Number(line.split(':')[1])]),
    )
    const tunables = found.get(policy)?.workload.recordedTunables ?? {}
    expect(
      Object.fromEntries(Object.entries(tunables).map(([name, { value }]) => [name, value])),
    ).toEqual({
      'pstrace.memalloc': set.get('pst_memalloc'),
      'pstrace.rotate': set.get('pst_rotate'),
      [queue]: set.get('pst_depth'),
    })
  })

  it.each(policies)(
    'under %s asks for the same memory within 5 % and touches within 10 %',
    (policy) => {
      const other = found.get(policy)
      expect(Math.abs((other?.anonPages ?? 0) / sync().anonPages - 1)).toBeLessThan(0.05)
      expect(Math.abs((other?.touches ?? 0) / sync().touches - 1)).toBeLessThan(0.1)
    },
  )

  it.each(policies)('under %s has a page for each touch, in memory still or read', (policy) => {
    const extraction = found.get(policy)
    const placed = extraction === undefined ? [] : demandOf(extraction).flatMap(({ op }) => [...op])
    const touches = extraction?.touches ?? 0
    expect(placed.filter((op) => op === TOUCH).length / touches).toBeGreaterThan(0.99)
  })

  it('touches that find their page in memory show that they are no writes', () => {
    expect(found.get('parallel')?.workload.dirtiedShare).toMatchObject({ value: 0, basis: 'event' })
    expect(sync().workload.dirtiedShare.basis).toBe('default')
  })

  it.each(policies)('under %s has the defaults that the others have', (policy) => {
    const defaultsOf = ({ workload }: Extraction): Map<string, string> =>
      new Map(
        describeWorkload(workload)
          .filter(({ basis }) => basis === 'default')
          // A multiple of what was measured is the same multiple.
          .map(({ name, from, value }) => [name, / x /.test(from) ? from : `${from}: ${value}`]),
      )
    const expected = defaultsOf(sync())
    const own = defaultsOf(found.get(policy) ?? sync())
    const shared = [...own].filter(([name]) => expected.has(name))
    expect(shared.length).toBeGreaterThan(2)
    for (const [name, value] of shared) expect(value, name).toBe(expected.get(name))
  })

  it.each(policies)(
    'under %s has the same cost of a store and of a stored page in the pool',
    (policy) => {
      const other = found.get(policy)?.workload
      if (other === undefined) throw new Error('no workload')
      const store = median(other.costs.store.samples) / median(sync().workload.costs.store.samples)
      expect(Math.abs(store - 1)).toBeLessThan(0.15)
      const rho = (extraction: Extraction): number =>
        Number(extraction.workload.machine.backendParameters['poolPagesPerStoredPage']?.value)
      expect(Math.abs(rho(found.get(policy) ?? sync()) / rho(sync()) - 1)).toBeLessThan(0.05)
    },
  )
})
