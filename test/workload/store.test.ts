import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openWorkloadFolder } from '../../src/io/workload-folder.ts'
import { parseWorkloadJson } from '../../src/workload/json.ts'
import { readWorkload, writeWorkload } from '../../src/workload/store.ts'
import { PAGE_KINDS, type Workload } from '../../src/workload/types.ts'
import { plan } from '../replay/build.ts'

const byHand = {
  version: 1,
  machine: {
    cpus: [{ speed: 1 }, { speed: 0.5 }],
    nodes: [{ freeAtStart: 100 }],
    zones: [{ min: 10, low: 20, high: 30 }],
    lru: { value: 'mglru', basis: 'snapshot', from: 'lru_gen' },
  },
  pages: { length: 3, residentAtStart: [1, 1, 0], kind: ['shmem', 'anon', 'anon'] },
  tasks: [
    {
      comm: 'app',
      rows: [
        { op: 'alloc', cpuNs: 500, arg: 2 },
        { op: 'sleep', arg: 1000 },
      ],
    },
  ],
  costs: { store: 1000, unmap: { samples: [10, 20], basis: 'event', n: 2, from: 'measured' } },
}

function read(change: (json: typeof byHand) => unknown): Workload {
  return parseWorkloadJson(JSON.stringify(change(structuredClone(byHand))), 'w.json')
}

describe('a workload written by hand', () => {
  it('has defaults for what it leaves out', () => {
    const workload = read((json) => json)
    expect(workload.machine.cpus).toEqual([
      { id: 0, node: 0, speed: 1 },
      { id: 1, node: 0, speed: 0.5 },
    ])
    expect(workload.machine.lru).toEqual({ value: 'mglru', basis: 'snapshot', from: 'lru_gen' })
    expect(workload.machine.nodes[0]?.freeAtStart).toEqual({ value: 100, basis: 'default' })
    expect(Array.from(workload.pages.kind)).toEqual([
      PAGE_KINDS.indexOf('shmem'),
      PAGE_KINDS.indexOf('anon'),
      PAGE_KINDS.indexOf('anon'),
    ])
    expect(Array.from(workload.pages.owner)).toEqual([-1, -1, -1])
    expect(Array.from(workload.stream)).toEqual([0, 1, 2])
    expect(workload.costs.store.fixedNs).toBe(1000)
    expect(Array.from(workload.costs.unmap.samples)).toEqual([10, 20])
    expect(workload.costs.slab.fixedNs).toBe(0)
    expect(workload.tasks[0]?.hasMemory).toBe(true)
    expect(workload.pages.folio).toBeUndefined()
    expect(workload.machine.scheduler).toBeUndefined()
  })

  it('says of its kernel that it is for one CPU, or that aging does not walk page tables', () => {
    const { machine } = byHand
    const told = { ...machine, smp: false, walksPageTables: false }
    const given = read((json) => ({ ...json, machine: told })).machine
    expect([given.smp?.value, given.walksPageTables?.value]).toEqual([false, false])
    const silent = read((json) => json).machine
    expect([silent.smp, silent.walksPageTables]).toEqual([undefined, undefined])
  })

  it('says how large its swap devices and their clusters are', () => {
    const { machine } = byHand
    const told = { ...machine, swapSlots: 196_607, swapClusterSlots: 256 }
    const given = read((json) => ({ ...json, machine: told })).machine
    expect([given.swapSlots?.value, given.swapClusterSlots?.value]).toEqual([196_607, 256])
    expect(read((json) => json).machine.swapSlots).toBeUndefined()
    const wrong = { ...machine, swapClusterSlots: 100 }
    expect(() => read((json) => ({ ...json, machine: wrong }))).toThrow('machine.swapClusterSlots')
  })

  it('has a scheduler with ticks of 1 ms that has learnt nothing, unless it says so', () => {
    const scheduler = (given: object) =>
      read((json) => ({ ...json, machine: { ...json.machine, scheduler: given } })).machine
        .scheduler
    expect(scheduler({})).toEqual({ tickNs: { value: 1_000_000, basis: 'default' }, newidle: [] })
    const learnt = { value: { ratio: 100, costNs: 300_000 }, basis: 'inferred', from: 'a guess' }
    expect(scheduler({ tickNs: 4_000_000, newidle: [learnt] })).toEqual({
      tickNs: { value: 4_000_000, basis: 'default' },
      newidle: [learnt],
    })
    expect(() => scheduler({ tickNs: 0 })).toThrow(
      'machine.scheduler.tickNs: found 0, expected whole ns from 100000 to 100000000',
    )
    expect(() => scheduler({ newidle: [{ ...learnt, value: { ratio: 1 } }] })).toThrow(
      'machine.scheduler.newidle[0].value.costNs: found nothing',
    )
  })

  it('is recorded into buffers that nobody reads, unless it says when they are', () => {
    const buffers = (given: object) =>
      read((json) => ({ ...json, machine: { ...json.machine, traceBuffers: given } })).machine
        .traceBuffers
    const given = { wakesAtBytes: 9_000_000, pageNs: 150_000, unreadAtStart: [8, 9] }
    expect(read((json) => json).machine.traceBuffers).toBeUndefined()
    expect(buffers({ ...given, bytes: { isolate: 56 } })).toMatchObject({
      wakesAtBytes: { value: 9_000_000, basis: 'default' },
      waitNs: { value: 0, basis: 'default' },
      unreadAtStart: [8, 9],
      bytes: { isolate: 56, slab: 0 },
    })
    expect(buffers({ ...given, waitNs: 90_000, bytes: {} })?.waitNs.value).toBe(90_000)
    expect(() => buffers({ ...given, bytes: { isolate: -1 } })).toThrow(
      'machine.traceBuffers.bytes.isolate: found -1, expected a number not below 0',
    )
    expect(() => buffers({ ...given, wakesAtBytes: 'full', bytes: {} })).toThrow(
      'machine.traceBuffers.wakesAtBytes: found "full", expected a number',
    )
  })

  it('is of a release of Linux, where one is named', () => {
    const kernel = (given: string) =>
      read((json) => ({ ...json, machine: { ...json.machine, kernel: given } })).machine.kernel
    expect(kernel('6.6.30')).toEqual({ value: '6.6.30', basis: 'default' })
    expect(() => kernel('Darwin')).toThrow('machine.kernel: found "Darwin", expected a release of')
  })

  it('has folios whose pages have names, as many as their order says and all of one owner', () => {
    const folios = (order: readonly number[], folio: readonly number[]): Workload =>
      read((json) => ({ ...json, pages: { ...json.pages, order, folio } }))
    expect(Array.from(folios([1, 0, 0], [0, 0, -1]).pages.folio ?? [])).toEqual([0, 0, -1])
    expect(() => folios([2, 0, 0], [0, 0, 0])).toThrow('expected 4, by its order')
    expect(() => folios([1, 0, 0], [0, 2, -1])).toThrow('the first page of a folio')
    expect(() => folios([1, 0, 0], [0, 0])).toThrow('2 values')
  })

  it.each([
    [
      'an unknown operation',
      (j: typeof byHand) => {
        Object.assign(j.tasks[0]?.rows[0] ?? {}, { op: 'aloc' })
        return j
      },
      'w.json, tasks[0].rows[0].op: found "aloc", expected one of alloc, touch, sleep, file, free, exit, mark',
    ],
    [
      'a page that does not exist',
      (j: typeof byHand) => {
        Object.assign(j.tasks[0]?.rows[0] ?? {}, { arg: 3 })
        return j
      },
      'w.json, tasks[0].rows[0].arg: found 3, expected a page_id below pages.length (3)',
    ],
    [
      'watermarks out of order',
      (j: typeof byHand) => {
        Object.assign(j.machine.zones[0] ?? {}, { low: 40 })
        return j
      },
      'w.json, machine.zones[0]: found "min 10, low 40, high 30", expected min <= low <= high',
    ],
    [
      'a column of another length',
      (j: typeof byHand) => {
        j.pages.residentAtStart.push(1)
        return j
      },
      'w.json, pages.residentAtStart: found "4 values", expected 3, pages.length',
    ],
    [
      'an unknown cost',
      (j: typeof byHand) => ({ ...j, costs: { stor: 1 } }),
      'costs.stor: found "an unknown cost", expected one of store,',
    ],
    [
      'another version',
      (j: typeof byHand) => ({ ...j, version: 2 }),
      'w.json, version: found 2, expected 1',
    ],
  ])('is refused with its place for %s', (_, change, message) => {
    expect(() => read(change)).toThrow(message)
  })

  it('is refused when it is no JSON', () => {
    expect(() => parseWorkloadJson('{', 'w.json')).toThrow(/^w\.json: not JSON/)
  })
})

describe('a workload folder', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pstrace-store-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const example = (): Workload => {
    const planned = plan({
      free: 50,
      min: 10,
      low: 20,
      high: 30,
      resident: 5,
      pages: 7,
      nodes: 2,
      tasks: [
        {
          rows: [
            { op: 'alloc', cpuNs: 12.5, arg: 5 },
            { op: 'touch', arg: 0 },
            { op: 'mark', arg: 1 },
          ],
        },
        { rows: [{ op: 'sleep', arg: 7e12 }], kind: 'background', cpus: [1] },
      ],
      costs: { store: [100.25, 300, 200], unmap: 7 },
    })
    return {
      ...planned,
      machine: {
        ...planned.machine,
        kernel: { value: '6.6.30', basis: 'event', from: 'kernel 6.6.30-android15' },
        scheduler: {
          tickNs: { value: 4_000_000, basis: 'event', n: 60, from: 'phase' },
          newidle: [{ value: { ratio: 77, costNs: 340_000 }, basis: 'event', n: 9, from: 'looks' }],
        },
      },
      recordedPolicy: { value: 'kcompressd', basis: 'event', n: 9, from: 'stores' },
      recordedTunables: {
        'pstrace.rotate': { value: 1, basis: 'snapshot', n: 8, from: 'pgrotated' },
      },
      startOffsetNs: { value: 123, basis: 'event', from: 'first wake-up' },
      stolen: {
        atWork: Float64Array.of(0.2, 0.25),
        pages: Float64Array.of(3, 7),
        ns: Float64Array.of(4e6, 3.5e6),
      },
      stolenDirect: {
        atWork: Float64Array.of(0.1),
        pages: Float64Array.of(0),
        ns: Float64Array.of(9e6),
      },
      residuals: [{ name: 'r', value: -3, unit: 'pages', meaning: 'left' }],
    }
  }

  it('gives back the value that was written', async () => {
    const workload = example()
    await writeWorkload(openWorkloadFolder(folder, { create: true, overwrite: false }), workload)
    const back = await readWorkload(openWorkloadFolder(folder, { create: false, overwrite: false }))
    const { swappedAtStart, ...pages } = back.pages
    expect({ ...back, pages }).toEqual(workload)
    expect(swappedAtStart).toEqual(new Uint8Array(7))
  })

  it('is not replaced without being asked', async () => {
    await writeWorkload(openWorkloadFolder(folder, { create: true, overwrite: false }), example())
    expect(() => openWorkloadFolder(folder, { create: true, overwrite: false })).toThrow(
      'holds a workload already',
    )
  })

  it('is refused when a part of it is missing or shorter than it says', async () => {
    await writeWorkload(openWorkloadFolder(folder, { create: true, overwrite: false }), example())
    const json = join(folder, 'workload.json')
    writeFileSync(json, readFileSync(json, 'utf8').replace('"rowCount": 3', '"rowCount": 2'))
    const opened = () => openWorkloadFolder(folder, { create: false, overwrite: false })
    await expect(readWorkload(opened())).rejects.toThrow(
      'task_rows.parquet: found 4 rows, expected 3, the sum of rowCount in workload.json',
    )
    rmSync(join(folder, 'stream.parquet'))
    await expect(readWorkload(opened())).rejects.toThrow('stream.parquet is missing')
    rmSync(json)
    await expect(readWorkload(opened())).rejects.toThrow('no workload.json in this folder')
    expect(existsSync(json)).toBe(false)
  })
})
