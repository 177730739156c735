import type {
  BackendOptions,
  DeviceQueue,
  MemcgSettings,
  SwapBackend,
} from '../memory/backends/backend.ts'
import {
  type Based,
  COSTS,
  type Cost,
  type CostName,
  TASK_OPS,
  type TaskOp,
  type Workload,
} from '../workload/types.ts'
import { type Assumptions, type PressureFigures, runPressure } from './pressure.ts'

/** The two published tests of the zswap global-shrinker series, July 2024. */
export type ScenarioName = 'seed-003-a' | 'seed-003-b'

export interface Configuration {
  readonly name: string
  /** Absent = zswap is off. */
  readonly patches: string | undefined
  /** Deltas and means as published; absent columns were not. */
  readonly published: Partial<PressureFigures>
}

export interface Scenario {
  readonly name: ScenarioName
  readonly description: string
  readonly configurations: readonly Configuration[]
  readonly workload: () => Workload
  readonly zswap: Readonly<Record<string, number | string>>
  readonly totalPages: number
  readonly memcgs: readonly MemcgSettings[]
  /** The task's memory cgroup and its limit. */
  readonly memcg: { readonly index: number; readonly limitPages: number } | undefined
  /** Pages of others that fill zswap before the test begins, and what of the pool they leave. */
  readonly prefillPages: number
}

/** The device and the machine that the mails do not describe, and between what they may lie. */
export interface MachineAssumptions {
  /** One page from issue to completion, transfer apart. */
  readonly diskLatencyUs: number
  readonly diskBandwidthMb: number
  /** Share of the second CPU that is left. */
  readonly idleCpu: number
}

export const ASSUMED: { readonly [K in keyof MachineAssumptions]: readonly number[] } = {
  diskLatencyUs: [1000, 2000, 4000],
  diskBandwidthMb: [60, 100, 200],
  idleCpu: [0.3, 0.6, 1],
}

export interface ScenarioParts {
  readonly openZswap: (options: Partial<BackendOptions>) => SwapBackend
  readonly openDisk: (options: Partial<BackendOptions>) => SwapBackend
  readonly openDevice: (parameters: Readonly<Record<string, number>>) => DeviceQueue
}

const MIB = 256
const QUEUE_DEPTH = 32
/** Cloud disks of up to 512 GB are limited to about 5 requests a second for every MB/s (120 with 25, 240 with 50, 500 with 100). */
const REQUESTS_PER_MB = 5

const FIXED: Omit<Assumptions, 'idleCpu'> = {
  requests: 64,
  faultNs: 1400,
  scanNs: 900,
  compressNs: 2500,
  decompressNs: 1500,
  submitNs: 6000,
  keptNs: 250,
  // The published user times are 1.0 to 1.4 % of the elapsed ones: fitted, so that the order of `user` proves nothing.
  coldShare: 0.006,
  readahead: 8,
}

const ALLOCATED = 2048 * MIB

/** Test A: a script allocates 2 GB of data that compress to three quarters, on a machine of 1 GB. */
const testA: Scenario = {
  name: 'seed-003-a',
  description: 'allocate 2 GB of 3/4-compressible data with 1 GB of memory; mean of 10 runs',
  configurations: [
    {
      name: 'patches 1-3',
      patches: '1,2,3',
      published: { elapsed: 13.1, user: 0.183, sys: 2.049 },
    },
    {
      name: 'all patches',
      patches: '1,2,3,4,5,6',
      published: { elapsed: 11.17, user: 0.116, sys: 1.49 },
    },
    {
      name: 'zswap off',
      patches: undefined,
      published: { elapsed: 11.81, user: 0.149, sys: 1.381 },
    },
  ],
  workload: () =>
    workload({
      source: '2 GB allocated page by page',
      pages: ALLOCATED,
      rows: ALLOCATED,
      op: () => 'alloc',
      arg: (row) => row,
      cpuNs: 200,
      free: 800 * MIB,
    }),
  zswap: { max_pool_percent: 25, accept_threshold_percent: 50 },
  totalPages: 1024 * MIB,
  memcgs: [],
  memcg: undefined,
  prefillPages: 0,
}

const OFFLINE_MEMCG = 4
/** Whose pages fill the pool before the test. */
const PREFILL_MEMCG = 23

const WORKING_SET = 100 * MIB
// Chosen so that `patches 1-5` reads and writes about as many pages as published (3242, 9329); `before` then reads six times too many.
const HOT_SET = 58 * MIB
const COLD_EVERY = 30
const TOUCHES = 10 * 60_000

/** Test B: a package index is updated ten times in a memory cgroup of 60 MB while others have filled the pool. */
const testB: Scenario = {
  name: 'seed-003-b',
  description: '10 updates of a package index in a 60 MB memory cgroup, pool filled before; sums',
  configurations: [
    {
      name: 'before',
      patches: '',
      published: {
        pswpin: 32025,
        pswpout: 44060,
        zswpin: 0,
        zswpout: 0,
        zswpwb: 0,
        poolStart: 49204,
        poolEnd: 49204,
        elapsed: 8.473,
        user: 1.881,
        sys: 0.814,
      },
    },
    {
      name: 'patches 1-5',
      patches: '1,2,3,4,5',
      published: {
        pswpin: 3242,
        pswpout: 9329,
        zswpin: 296151,
        zswpout: 309544,
        zswpwb: 10329,
        poolStart: 18311,
        poolEnd: 21269,
        elapsed: 4.525,
        user: 1.839,
        sys: 1.467,
      },
    },
  ],
  workload: () =>
    workload({
      source: 'touches: 29 of 30 in 58 MB, the others anywhere in 100 MB',
      pages: WORKING_SET,
      rows: TOUCHES,
      op: () => 'touch',
      arg: touched,
      cpuNs: 3000,
      free: 800 * MIB,
    }),
  zswap: { max_pool_percent: 20, accept_threshold_percent: 50 },
  totalPages: 1024 * MIB,
  // A system's services; one has ended and its memory cgroup is offline, which sends the old worker back to the root for ever.
  memcgs: Array.from({ length: 25 }, (_, index) => ({ online: index !== OFFLINE_MEMCG })),
  memcg: { index: 24, limitPages: 60 * MIB },
  prefillPages: 1024 * MIB,
}

export const SCENARIOS: readonly Scenario[] = [testA, testB]

/** `requestsPerMb`: the disk's limit of requests a second for every MB/s of its bandwidth, 0 = none. */
export function runConfiguration(
  scenario: Scenario,
  configuration: Configuration,
  machine: MachineAssumptions,
  parts: ScenarioParts,
  given: Workload = scenario.workload(),
  requestsPerMb: number = REQUESTS_PER_MB,
): PressureFigures {
  const device = parts.openDevice({
    disk_latency_us: machine.diskLatencyUs,
    disk_bandwidth_mb: machine.diskBandwidthMb,
    disk_queue_depth: QUEUE_DEPTH,
    disk_iops: machine.diskBandwidthMb * requestsPerMb,
  })
  const backend =
    configuration.patches === undefined
      ? parts.openDisk({ device })
      : parts.openZswap({
          device,
          totalPages: scenario.totalPages,
          memcgs: scenario.memcgs,
          parameters: { ...scenario.zswap, form: '6.10', shrinker_patches: configuration.patches },
        })
  const page = threeQuarterPage()
  prefill(scenario, backend, page)
  return runPressure({
    workload: given,
    backend,
    device,
    assumptions: { ...FIXED, idleCpu: machine.idleCpu },
    content: () => ({ bytes: page, key: 1 }),
    ...(scenario.memcg === undefined ? {} : { memcg: scenario.memcg }),
  })
}

/** Columns whose order among the configurations was published, and whether a run has the same order. */
export function orderHolds(
  scenario: Scenario,
  column: keyof PressureFigures,
  found: readonly PressureFigures[],
): boolean {
  const { configurations } = scenario
  for (let a = 0; a < configurations.length; a++)
    for (let b = a + 1; b < configurations.length; b++) {
      const left = configurations[a]?.published[column]
      const right = configurations[b]?.published[column]
      if (left === undefined || right === undefined) continue
      const difference = (found[a]?.[column] ?? 0) - (found[b]?.[column] ?? 0)
      if (Math.sign(difference) !== Math.sign(left - right)) return false
    }
  return true
}

export interface SweepRow {
  readonly machine: MachineAssumptions
  readonly figures: readonly PressureFigures[]
}

/** Every combination of the assumed inputs. */
export function sweepScenario(
  scenario: Scenario,
  parts: ScenarioParts,
  assumed: { readonly [K in keyof MachineAssumptions]: readonly number[] } = ASSUMED,
): readonly SweepRow[] {
  const rows: SweepRow[] = []
  const given = scenario.workload()
  for (const diskLatencyUs of assumed.diskLatencyUs)
    for (const diskBandwidthMb of assumed.diskBandwidthMb)
      for (const idleCpu of assumed.idleCpu) {
        const machine = { diskLatencyUs, diskBandwidthMb, idleCpu }
        const figures = scenario.configurations.map((configuration) =>
          runConfiguration(scenario, configuration, machine, parts, given),
        )
        rows.push({ machine, figures })
      }
  return rows
}

/** Share of the sweep in which each published column has the published order. */
export function columnShares(
  scenario: Scenario,
  rows: readonly SweepRow[],
): Readonly<Record<string, number>> {
  const columns = Object.keys(
    scenario.configurations[0]?.published ?? {},
  ) as (keyof PressureFigures)[]
  return Object.fromEntries(
    columns.map((column) => [
      column,
      rows.filter(({ figures }) => orderHolds(scenario, column, figures)).length / rows.length,
    ]),
  )
}

export interface ComparisonRow {
  readonly scenario: ScenarioName
  readonly configuration: string
  readonly column: string
  readonly published: number
  /** Smallest, median and largest value over the sweep. */
  readonly low: number
  readonly median: number
  readonly high: number
  /** Share of the sweep in which the column's order among the configurations is the published one. */
  readonly orderShare: number
}

/** The sweep beside the published numbers, a row for each. */
export function compareWithPublished(
  scenario: Scenario,
  rows: readonly SweepRow[],
): readonly ComparisonRow[] {
  const shares = columnShares(scenario, rows)
  return scenario.configurations.flatMap((configuration, index) =>
    Object.entries(configuration.published).map(([column, published]) => {
      const values = rows
        .map(({ figures }) => figures[index]?.[column as keyof PressureFigures] ?? Number.NaN)
        .sort((a, b) => a - b)
      return {
        scenario: scenario.name,
        configuration: configuration.name,
        column,
        published,
        low: values[0] ?? Number.NaN,
        median: values[Math.floor(values.length / 2)] ?? Number.NaN,
        high: values.at(-1) ?? Number.NaN,
        orderShare: shares[column] ?? Number.NaN,
      }
    }),
  )
}

/** Others' pages go to swap before the test until zswap has filled and shrunk as far as its worker gets. */
function prefill(scenario: Scenario, backend: SwapBackend, page: Uint8Array): void {
  const first = PREFILL_SLOTS
  for (let i = 0; i < scenario.prefillPages; i++) {
    if (
      backend.store({ slot: first + i, page: -1, bytes: page, key: 1, memcg: PREFILL_MEMCG })
        .place === 'disk' &&
      backend.pendingShrink !== true
    )
      break
    if (backend.pendingShrink === true) settle(backend)
  }
}

/** Slots of the test itself lie below. */
const PREFILL_SLOTS = 1 << 20

function settle(backend: SwapBackend): void {
  while (backend.pendingShrink === true && backend.shrinkStep?.(0).done === false);
}

/**
 * Three quarters of the page have no structure, the rest is zero: it compresses to three quarters of its size. Read the other way round
 * (to one quarter), zswap would keep half of the data from the disk, and the published times of test A show nearly none kept.
 */
function threeQuarterPage(): Uint8Array {
  const page = new Uint8Array(4096)
  let seed = 0x9e3779b9
  for (let i = 0; i < 3072; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    page[i] = seed >>> 24
  }
  return page
}

function touched(row: number): number {
  const mixed = Math.imul(row + 1, 0x9e3779b1) >>> 0
  const pick = (Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0) / 0x1_0000_0000
  return Math.floor(pick * (row % COLD_EVERY === 0 ? WORKING_SET : HOT_SET))
}

interface Made {
  readonly source: string
  readonly pages: number
  readonly rows: number
  readonly op: (row: number) => TaskOp
  readonly arg: (row: number) => number
  readonly cpuNs: number
  readonly free: number
}

function workload(made: Made): Workload {
  const none = (): Cost => ({
    samples: new Float64Array(0),
    fixedNs: 0,
    basis: 'default',
    n: 0,
    from: 'not stated',
  })
  const costs = Object.fromEntries(COSTS.map((name) => [name, none()])) as Record<CostName, Cost>
  return {
    version: 1,
    source: { scenario: made.source },
    recordedPolicy: assumed('kswapd'),
    machine: {
      pageSize: 4096,
      cpus: [0, 1].map((id) => ({ id, node: 0, speed: 1 })),
      nodes: [{ node: 0, freeAtStart: assumed(made.free), totalPages: 1024 * MIB }],
      zones: [
        {
          node: 0,
          name: 'DMA32',
          managed: 1024 * MIB,
          min: 2800,
          low: 3500,
          high: 4200,
          basis: 'default',
        },
      ],
      lru: assumed('classic' as const),
      swappiness: assumed(60),
      boostStep: assumed(0),
      boostMax: assumed(0),
      boostEveryPoolPages: assumed(0),
      storePreemptible: assumed(true),
      backend: assumed('zswap' as const),
      codec: assumed('lz4'),
      backendParameters: {},
      zeroMap: assumed(false),
      readahead: assumed(8),
    },
    pages: {
      length: made.pages,
      node: new Uint8Array(made.pages),
      kind: new Uint8Array(made.pages),
      order: new Uint8Array(made.pages),
      fill: new Uint8Array(made.pages).fill(3),
      slot: new Float64Array(made.pages).fill(-1),
      owner: new Int32Array(made.pages),
      residentAtStart: new Uint8Array(made.pages),
      recordedBytes: new Int32Array(made.pages).fill(-1),
    },
    tasks: [
      {
        taskId: 1,
        tid: 1,
        comm: 'test',
        kind: 'user',
        cpus: [],
        hasMemory: true,
        op: Uint8Array.from({ length: made.rows }, (_, row) => TASK_OPS.indexOf(made.op(row))),
        cpuNs: new Float64Array(made.rows).fill(made.cpuNs),
        arg: Float64Array.from({ length: made.rows }, (_, row) => made.arg(row)),
        startNs: 0,
      },
    ],
    stream: new Uint32Array(0),
    costs,
    unknownNextTouch: assumed(0),
    dirtiedShare: assumed(1),
    residuals: [],
  }
}

function assumed<T>(value: T): Based<T> {
  return { value, basis: 'default', from: 'written by hand' }
}
