import {
  type Based,
  COSTS,
  type Cost,
  type CostName,
  TASK_OPS,
  type TaskOp,
  type Workload,
} from '../workload/types.ts'

/** The two published tests of the zswap global-shrinker series, July 2024. */
export type ScenarioName = 'seed-003-a' | 'seed-003-b'

/** The columns of the published tables; times in seconds, amounts in pages. */
export interface ScenarioFigures {
  readonly elapsed: number
  readonly user: number
  readonly sys: number
  readonly pswpin: number
  readonly pswpout: number
  readonly zswpin: number
  readonly zswpout: number
  readonly zswpwb: number
  readonly poolStart: number
  readonly poolEnd: number
}

export interface Configuration {
  readonly name: string
  readonly backend: 'zswap' | 'disk'
  /** Beside those of the workload. */
  readonly settings: Readonly<Record<string, string>>
  /** Deltas and means as published; absent columns were not. */
  readonly published: Partial<ScenarioFigures>
}

export interface Scenario {
  readonly name: ScenarioName
  readonly description: string
  /** Requests a second that the disk lets through for every MB/s of its bandwidth: assumed; 0 = no such limit. */
  readonly requestsPerMb: number
  readonly configurations: readonly Configuration[]
  readonly workload: () => Workload
}

/** The device and the machine that the mails do not describe, and between what they may lie. */
export interface MachineAssumptions {
  /** One page from issue to completion, transfer apart. */
  readonly diskLatencyUs: number
  readonly diskBandwidthMb: number
  /** Share of each CPU that is left. */
  readonly idleCpu: number
}

const ASSUMED: { readonly [K in keyof MachineAssumptions]: readonly number[] } = {
  diskLatencyUs: [1000, 2000, 4000],
  diskBandwidthMb: [60, 100, 200],
  idleCpu: [0.3, 0.6, 1],
}

/**
 * Largest request that the I/O scheduler makes of neighbours: assumed to be what a plug holds at most. The mails name mq-deadline: pages that
 * the shrink worker writes back one by one grow the request of their neighbours while that waits. With none merged the worker writes a few
 * thousand pages in test A, where the mail's figures for filling the pool have it write more than are rejected; with requests four times as
 * large its writes cost so few of them that patches 1-3 are faster than the others.
 */
const LARGEST_REQUEST_KB = 128

/** Test A ran on a persistent disk of a cloud: those of up to 512 GB let about 5 requests a second through for every MB/s (120 with 25, 240 with 50, 500 with 100). */
const CLOUD_REQUESTS_PER_MB = 5

/** Settings of the device and load of the CPUs. */
export function machineSettings(
  { diskLatencyUs, diskBandwidthMb, idleCpu }: MachineAssumptions,
  requestsPerMb: number,
): { readonly settings: Readonly<Record<string, string>>; readonly background: number } {
  return {
    settings: {
      disk_latency_us: String(diskLatencyUs),
      disk_bandwidth_mb: String(diskBandwidthMb),
      disk_iops: String(diskBandwidthMb * requestsPerMb),
    },
    background: 1 - idleCpu,
  }
}

/** The middle of what is assumed: what the workload's files hold. */
const MIDDLE: MachineAssumptions = { diskLatencyUs: 2000, diskBandwidthMb: 100, idleCpu: 0.6 }

/** CPU times of a page on a machine of the published tests' time, ns: assumed. */
const COST_NS: Partial<Record<CostName, number>> = {
  fault: 1400,
  unmap: 900,
  unmapRemote: 900,
  store: 2500,
  storeSame: 300,
  scanKept: 250,
  freeClean: 400,
  swapIn: 1500,
  batch: 3000,
  slab: 9000,
  directEntry: 2000,
  wake: 1500,
  wakeLatency: 5000,
  switch: 3000,
}

const MIB = 256
const ALLOCATED = 2048 * MIB

/** Test A: a script allocates 2 GB of data that compress to three quarters, on a machine of 1 GB. */
const testA: Scenario = {
  name: 'seed-003-a',
  description: 'allocate 2 GB of 3/4-compressible data with 1 GB of memory; mean of 10 runs',
  requestsPerMb: CLOUD_REQUESTS_PER_MB,
  configurations: [
    {
      name: 'patches 1-3',
      backend: 'zswap',
      settings: { shrinker_patches: '1,2,3' },
      published: { elapsed: 13.1, user: 0.183, sys: 2.049 },
    },
    {
      name: 'all patches',
      backend: 'zswap',
      settings: { shrinker_patches: '1,2,3,4,5,6' },
      published: { elapsed: 11.17, user: 0.116, sys: 1.49 },
    },
    {
      name: 'zswap off',
      backend: 'disk',
      settings: {},
      published: { elapsed: 11.81, user: 0.149, sys: 1.381 },
    },
  ],
  workload: () =>
    workload({
      source: '2 GB allocated page by page',
      pages: ALLOCATED,
      touches: Array.from({ length: ALLOCATED }, (_, page) => page),
      cpuNs: 200,
      requestsPerMb: CLOUD_REQUESTS_PER_MB,
      zswap: { max_pool_percent: 25, accept_threshold_percent: 50 },
    }),
}

const WORKING_SET = 100 * MIB
// Chosen so that `patches 1-5` reads and writes about as many pages as published (3242, 9329).
const HOT_SET = 58 * MIB
const COLD_EVERY = 30
const TOUCHES = 10 * 60_000

/** Test B: a package index is updated ten times in a memory cgroup of 60 MB while others have filled the pool. */
const testB: Scenario = {
  name: 'seed-003-b',
  description: '10 updates of a package index in a 60 MB memory cgroup, pool filled before; sums',
  requestsPerMb: 0,
  configurations: [
    {
      name: 'before',
      backend: 'zswap',
      settings: { shrinker_patches: '' },
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
      backend: 'zswap',
      settings: { shrinker_patches: '1,2,3,4,5' },
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
      touches: Array.from({ length: TOUCHES }, (_, row) => touched(row)),
      cpuNs: 3000,
      requestsPerMb: 0,
      memcgLimitPages: 60 * MIB,
      // A system's services; one has ended and its memory cgroup is offline, which sends the old worker back to the root for ever.
      zswap: {
        max_pool_percent: 20,
        accept_threshold_percent: 50,
        other_memcgs: 24,
        offline_memcg: 4,
        prefill_pages: 1024 * MIB,
      },
    }),
}

export const SCENARIOS: readonly Scenario[] = [testA, testB]

/** Makes one run: the scenario's workload with other settings and another load. */
export type RunScenario = (
  scenario: Scenario,
  configuration: Configuration,
  machine: MachineAssumptions,
  given: Workload,
) => Promise<ScenarioFigures>

/** Columns whose order among the configurations was published, and whether a run has the same order. */
function orderHolds(
  scenario: Scenario,
  column: keyof ScenarioFigures,
  found: readonly ScenarioFigures[],
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
  readonly figures: readonly ScenarioFigures[]
}

/** Every combination of the assumed inputs. */
export async function sweepScenario(
  scenario: Scenario,
  run: RunScenario,
  assumed: { readonly [K in keyof MachineAssumptions]: readonly number[] } = ASSUMED,
): Promise<readonly SweepRow[]> {
  const rows: SweepRow[] = []
  const given = scenario.workload()
  for (const diskLatencyUs of assumed.diskLatencyUs)
    for (const diskBandwidthMb of assumed.diskBandwidthMb)
      for (const idleCpu of assumed.idleCpu) {
        const machine = { diskLatencyUs, diskBandwidthMb, idleCpu }
        const figures: ScenarioFigures[] = []
        for (const configuration of scenario.configurations)
          figures.push(await run(scenario, configuration, machine, given))
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
  ) as (keyof ScenarioFigures)[]
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
        .map(({ figures }) => figures[index]?.[column as keyof ScenarioFigures] ?? Number.NaN)
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

function touched(row: number): number {
  const mixed = Math.imul(row + 1, 0x9e3779b1) >>> 0
  const pick = (Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0) / 0x1_0000_0000
  return Math.floor(pick * (row % COLD_EVERY === 0 ? WORKING_SET : HOT_SET))
}

interface Made {
  readonly source: string
  readonly pages: number
  /** Pages in the order in which they are used; the first use allocates. */
  readonly touches: readonly number[]
  readonly cpuNs: number
  readonly requestsPerMb: number
  readonly memcgLimitPages?: number
  readonly zswap: Readonly<Record<string, number>>
}

function workload(made: Made): Workload {
  const costs = Object.fromEntries(
    COSTS.map((name) => [name, assumedCost(COST_NS[name] ?? 0)]),
  ) as Record<CostName, Cost>
  const known = new Uint8Array(made.pages)
  const op = new Uint8Array(made.touches.length)
  made.touches.forEach((page, row) => {
    const use: TaskOp = known[page] === 1 ? 'touch' : 'alloc'
    known[page] = 1
    op[row] = TASK_OPS.indexOf(use)
  })
  const parameters: Readonly<Record<string, number | string>> = {
    form: '6.10',
    ...made.zswap,
    ...machineSettings(MIDDLE, made.requestsPerMb).settings,
    disk_queue_depth: 32,
    disk_requests: 64,
    disk_request_us: 6,
    disk_request_kb: LARGEST_REQUEST_KB,
    // Read the other way round (to one quarter), zswap would keep half of the data from the disk; the published times of test A show nearly none kept.
    random_share: 0.75,
  }
  return {
    version: 1,
    source: { scenario: made.source },
    recordedPolicy: assumed('kswapd'),
    machine: {
      pageSize: 4096,
      cpus: [0, 1].map((id) => ({ id, node: 0, speed: 1 })),
      nodes: [{ node: 0, freeAtStart: assumed(800 * MIB), totalPages: 1024 * MIB }],
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
      ...(made.memcgLimitPages === undefined
        ? {}
        : { memcgLimitPages: assumed(made.memcgLimitPages) }),
      storePreemptible: assumed(true),
      backend: assumed('zswap' as const),
      codec: assumed('lz4'),
      backendParameters: Object.fromEntries(
        Object.entries(parameters).map(([name, value]) => [
          name,
          assumed(typeof value === 'string' && name !== 'form' ? Number(value) : value),
        ]),
      ),
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
        op,
        cpuNs: new Float64Array(made.touches.length).fill(made.cpuNs),
        arg: Float64Array.from(made.touches),
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

function assumedCost(fixedNs: number): Cost {
  return { samples: new Float64Array(0), fixedNs, basis: 'default', n: 0, from: 'assumed' }
}
