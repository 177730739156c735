import type {
  Place,
  StoreRequest,
  StoreResult,
  SwapBackend,
} from '../../src/memory/backends/backend.ts'
import type { PageContents } from '../../src/memory/contents/contents.ts'
import {
  type Based,
  COSTS,
  type Cost,
  type CostName,
  type Machine,
  TASK_OPS,
  type TaskOp,
  type Workload,
  type WorkloadTask,
} from '../../src/workload/types.ts'

export function based<T>(value: T): Based<T> {
  return { value, basis: 'default' }
}

export type CostValues = Partial<Record<CostName, number | readonly number[]>>

export interface Row {
  readonly op: TaskOp
  readonly cpuNs?: number
  readonly arg?: number
}

export interface TaskPlan {
  readonly rows: readonly Row[]
  readonly kind?: WorkloadTask['kind']
  readonly cpus?: readonly number[]
  readonly hasMemory?: boolean
  readonly startNs?: number
  /** Place of its memory cgroup. */
  readonly memcg?: number
}

export interface Plan {
  readonly cpus?: number
  readonly speeds?: readonly number[]
  readonly nodes?: number
  readonly free: number
  readonly min: number
  readonly low: number
  readonly high: number
  readonly managed?: number
  /** Instead of one zone for each node with the marks above. */
  readonly zones?: Machine['zones']
  /** Pages resident at the start; the first ids. */
  readonly resident?: number
  /** All pages with an identity. */
  readonly pages?: number
  readonly tasks: readonly TaskPlan[]
  readonly memcgs?: Machine['memcgs']
  /** Place of the memory cgroup of a page that is there at the start. */
  readonly memcgOf?: (page: number) => number
  readonly costs?: CostValues
  readonly lru?: 'classic' | 'mglru'
  readonly boostStep?: number
  readonly boostMax?: number
  readonly boostEvery?: number
  readonly preemptible?: boolean
  readonly zeroMap?: boolean
  readonly swappiness?: number
  readonly dirtied?: number
  readonly kinds?: (page: number) => number
  /** log2 of a folio's base pages. */
  readonly orders?: (page: number) => number
  /** First page of the folio that this one is a named part of, -1 = none. */
  readonly folios?: (page: number) => number
}

/** A workload by hand: costs are fixed unless samples are given; what is not named costs nothing. */
export function plan(given: Plan): Workload {
  const count = given.pages ?? given.resident ?? 0
  const resident = given.resident ?? 0
  const nodes = given.nodes ?? 1
  const cpus = given.cpus ?? 2
  const machine: Machine = {
    pageSize: 4096,
    cpus: Array.from({ length: cpus }, (_, id) => ({
      id,
      node: id % nodes,
      speed: given.speeds?.[id] ?? 1,
    })),
    nodes: Array.from({ length: nodes }, (_, node) => ({
      node,
      freeAtStart: based(given.free),
      totalPages: 100_000,
    })),
    zones:
      given.zones ??
      Array.from({ length: nodes }, (_, node) => ({
        node,
        name: 'Normal',
        managed: given.managed ?? 16_000,
        min: given.min,
        low: given.low,
        high: given.high,
        basis: 'default' as const,
      })),
    lru: based(given.lru ?? 'classic'),
    swappiness: based(given.swappiness ?? 100),
    boostStep: based(given.boostStep ?? 0),
    boostMax: based(given.boostMax ?? 0),
    boostEveryPoolPages: based(given.boostEvery ?? 0),
    storePreemptible: based(given.preemptible ?? true),
    backend: based('zram' as const),
    codec: based('lz4'),
    backendParameters: {},
    zeroMap: based(given.zeroMap ?? true),
    readahead: based(1),
    ...(given.memcgs === undefined ? {} : { memcgs: given.memcgs }),
  }
  const kind = new Uint8Array(count)
  if (given.kinds !== undefined)
    for (let page = 0; page < count; page++) kind[page] = given.kinds(page)
  const costs = {} as Record<CostName, Cost>
  for (const name of COSTS) {
    const value = given.costs?.[name] ?? 0
    const samples = typeof value === 'number' ? [] : value
    costs[name] = {
      samples: Float64Array.from(samples),
      fixedNs: typeof value === 'number' ? value : 0,
      basis: 'default',
      n: samples.length,
      from: 'by hand',
    }
  }
  return {
    version: 1,
    source: {},
    recordedPolicy: based('none'),
    machine,
    pages: {
      length: count,
      node: Uint8Array.from({ length: count }, (_, page) => page % nodes),
      kind,
      order: Uint8Array.from({ length: count }, (_, page) => given.orders?.(page) ?? 0),
      ...(given.folios === undefined
        ? {}
        : { folio: Int32Array.from({ length: count }, (_, page) => given.folios?.(page) ?? -1) }),
      fill: new Uint8Array(count),
      slot: new Float64Array(count).fill(-1),
      owner: new Int32Array(count).fill(-1),
      ...(given.memcgOf === undefined
        ? {}
        : { memcg: Int32Array.from({ length: count }, (_, page) => given.memcgOf?.(page) ?? -1) }),
      residentAtStart: Uint8Array.from({ length: count }, (_, page) => (page < resident ? 1 : 0)),
      recordedBytes: new Int32Array(count).fill(-1),
    },
    tasks: given.tasks.map((task, index) => ({
      taskId: index + 1,
      tid: 100 + index,
      comm: `app-${index}`,
      kind: task.kind ?? 'user',
      cpus: task.cpus ?? [],
      hasMemory: task.hasMemory ?? false,
      op: Uint8Array.from(task.rows, (row) => TASK_OPS.indexOf(row.op)),
      cpuNs: Float64Array.from(task.rows, (row) => row.cpuNs ?? 0),
      arg: Float64Array.from(task.rows, (row) => row.arg ?? 0),
      startNs: task.startNs ?? 0,
      ...(task.memcg === undefined ? {} : { memcg: task.memcg }),
    })),
    stream: Uint32Array.from({ length: count }, (_, page) => page),
    costs,
    unknownNextTouch: based(0),
    dirtiedShare: based(given.dirtied ?? 1),
    residuals: [],
  }
}

/** Contents whose only property is their key: page id and version. */
export const plainContents: PageContents = {
  source: 'generator',
  description: 'page number in the first word',
  fill(page, version, _slot, target) {
    target[0] = page & 255
    target[1] = (page >>> 8) & 255
    target[2] = (page >>> 16) & 255
    target[3] = version & 255
    target[target.length - 1] = 1
    return page * 4 + (version & 3)
  },
}

/** Of a page of a usual size. */
export const STORED: Readonly<StoreResult> = {
  place: 'zram',
  compressedBytes: 1365,
  compressions: 1,
  poolPagesTaken: 0,
  deviceWrites: 0,
}

/** A pool that takes one page per `perPage` stored pages. */
export class CountingBackend implements SwapBackend {
  readonly name = 'zram' as const
  readonly stored = new Map<number, number>()
  readonly order: number[] = []
  readonly #perPage: number
  readonly #result: StoreResult = { ...STORED }

  /** 0: the pool takes no memory. */
  constructor(perPage = 0) {
    this.#perPage = perPage
  }

  get poolPages(): number {
    return this.#perPage === 0 ? 0 : Math.ceil(this.stored.size / this.#perPage)
  }

  get poolBytes(): number {
    return this.stored.size * STORED.compressedBytes
  }

  store(request: StoreRequest): StoreResult {
    if (this.stored.has(request.slot)) throw new Error(`slot ${request.slot} is stored twice`)
    const before = this.poolPages
    this.stored.set(request.slot, request.page)
    this.order.push(request.page)
    this.#result.poolPagesTaken = this.poolPages - before
    return this.#result
  }

  load(slot: number): Place {
    if (!this.stored.has(slot)) throw new Error(`slot ${slot} is loaded but was never stored`)
    return 'zram'
  }

  free(slot: number): number {
    const before = this.poolPages
    if (!this.stored.delete(slot)) throw new Error(`slot ${slot} is freed twice`)
    return before - this.poolPages
  }

  counters(): Readonly<Record<string, number>> {
    return {}
  }

  check(): void {}
}

/** Allocation of `count` pages without an identity, `cpuNs` apart. */
export function allocations(count: number, cpuNs: number): Row[] {
  return Array.from({ length: count }, () => ({ op: 'alloc' as const, cpuNs, arg: -1 }))
}
