import { PstraceError } from '../model/error.ts'
import {
  type Based,
  type Basis,
  COSTS,
  type Cost,
  type CostName,
  type DeviceRequests,
  type Machine,
  PAGE_FILLS,
  PAGE_KINDS,
  type Residual,
  type StolenTime,
  TASK_OPS,
  type TaskOp,
  type Workload,
  type WorkloadMemcg,
  type WorkloadPages,
  type WorkloadTask,
} from './types.ts'

/**
 * A workload as JSON: what people write by hand, and the small part of what `pstrace workload` writes (its long columns lie beside
 * it in Parquet files).
 *
 *   { "version": 1, "machine": {...}, "tasks": [{ "comm": "app", "rows": [{ "op": "alloc", "cpuNs": 1000, "arg": 0 }, ...] }],
 *     "pages": { "length": 4, "residentAtStart": [1, 1, 0, 0], ... }, "costs": { "store": 1000, ... } }
 *
 * Left out: costs are 0, page columns have their defaults, the stream is by page_id, basis is `default`.
 */

const BASES: readonly Basis[] = ['event', 'snapshot', 'inferred', 'default']
export const TASK_KINDS = ['user', 'kworker', 'background'] as const

/** Columns of `pages` with their defaults, in the order of the Parquet file. */
export const PAGE_COLUMNS = [
  { name: 'node', otherwise: 0, make: (length: number) => new Uint8Array(length) },
  {
    name: 'kind',
    otherwise: 0,
    make: (length: number) => new Uint8Array(length),
    names: PAGE_KINDS,
  },
  { name: 'order', otherwise: 0, make: (length: number) => new Uint8Array(length) },
  {
    name: 'fill',
    otherwise: 0,
    make: (length: number) => new Uint8Array(length),
    names: PAGE_FILLS,
  },
  { name: 'slot', otherwise: -1, make: (length: number) => new Float64Array(length) },
  { name: 'owner', otherwise: -1, make: (length: number) => new Int32Array(length) },
  { name: 'residentAtStart', otherwise: 0, make: (length: number) => new Uint8Array(length) },
  { name: 'swappedAtStart', otherwise: 0, make: (length: number) => new Uint8Array(length) },
  { name: 'recordedBytes', otherwise: -1, make: (length: number) => new Int32Array(length) },
] as const

/** The long columns, when they do not stand in the JSON itself. */
export interface WorkloadColumns {
  readonly pages: Readonly<Record<string, ArrayLike<number>>>
  readonly stream: ArrayLike<number>
  /** By row in `tasks`. */
  readonly rows: readonly {
    readonly op: ArrayLike<number>
    readonly cpuNs: ArrayLike<number>
    readonly arg: ArrayLike<number>
  }[]
  readonly samples: Readonly<Record<string, ArrayLike<number>>>
}

/** Everything but the long columns. */
export function toWorkloadJson(workload: Workload): string {
  const { pages, tasks, costs, deviceRequests, stream: _stream, ...rest } = workload
  return `${JSON.stringify(
    {
      ...rest,
      pages: {
        length: pages.length,
        ...(pages.folio === undefined ? {} : { folio: Array.from(pages.folio) }),
      },
      tasks: tasks.map(({ op, cpuNs: _cpuNs, arg: _arg, ...task }) => ({
        ...task,
        rowCount: op.length,
      })),
      costs: Object.fromEntries(
        Object.entries(costs).map(([name, { samples: _samples, ...cost }]) => [name, cost]),
      ),
      ...stolenJson('stolen', workload.stolen),
      ...stolenJson('stolenDirect', workload.stolenDirect),
      ...(deviceRequests === undefined
        ? {}
        : {
            deviceRequests: {
              ...deviceRequests,
              isWrite: Array.from(deviceRequests.isWrite),
              pages: Array.from(deviceRequests.pages),
              ns: Array.from(deviceRequests.ns),
            },
          }),
    },
    null,
    2,
  )}\n`
}

function stolenJson(name: 'stolen' | 'stolenDirect', time: StolenTime | undefined): object {
  if (time === undefined) return {}
  const { atWork, pages, ns } = time
  return { [name]: { atWork: Array.from(atWork), pages: Array.from(pages), ns: Array.from(ns) } }
}

/** Reads and checks; `file` names the place in errors. */
export function parseWorkloadJson(text: string, file: string, columns?: WorkloadColumns): Workload {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new PstraceError('workload_not_json', `${file}: not JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
  return new Checker(file).workload(value, columns)
}

/** True when the JSON stands alone: no long columns beside it. */
export function isSelfContained(text: string): boolean {
  return !/"rowCount"\s*:/.test(text)
}

type Json = Readonly<Record<string, unknown>>

/** What a task's numbers are checked against. */
interface TaskSurroundings {
  readonly columns: WorkloadColumns | undefined
  readonly pages: WorkloadPages
  /** How many there are. */
  readonly memcgs: number
}

class Checker {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  workload(value: unknown, columns: WorkloadColumns | undefined): Workload {
    const root = this.object(value, 'the file')
    const version = root['version']
    if (version !== 1) this.fail('version', version, '1')
    const machine = this.machine(this.object(root['machine'], 'machine'))
    const pages = this.pages(
      this.object(root['pages'] ?? { length: 0 }, 'pages'),
      columns?.pages,
      machine,
    )
    const tasks = this.list(root['tasks'], 'tasks').map((task, index) =>
      this.task(this.object(task, `tasks[${index}]`), index, {
        columns,
        pages,
        memcgs: machine.memcgs?.length ?? 0,
      }),
    )
    const costs = this.costs(this.object(root['costs'] ?? {}, 'costs'), columns)
    const stream = this.stream(columns?.stream ?? root['stream'], pages)
    return {
      version: 1,
      source: this.labels(root['source']),
      recordedPolicy: this.based(root['recordedPolicy'] ?? 'none', 'recordedPolicy', (v, at) =>
        this.text(v, at),
      ),
      ...(root['startOffsetNs'] === undefined
        ? {}
        : {
            startOffsetNs: this.based(root['startOffsetNs'], 'startOffsetNs', (v, at) =>
              this.number(v, at),
            ),
          }),
      machine,
      pages,
      tasks,
      stream,
      costs,
      ...this.stolen(root, 'stolen'),
      ...this.stolen(root, 'stolenDirect'),
      ...(root['deviceRequests'] === undefined
        ? {}
        : {
            deviceRequests: this.deviceRequests(
              this.object(root['deviceRequests'], 'deviceRequests'),
            ),
          }),
      unknownNextTouch: this.based(root['unknownNextTouch'] ?? 0, 'unknownNextTouch', (v, at) =>
        this.share(v, at),
      ),
      dirtiedShare: this.based(root['dirtiedShare'] ?? 1, 'dirtiedShare', (v, at) =>
        this.share(v, at),
      ),
      residuals: this.list(root['residuals'] ?? [], 'residuals').map((item, index) =>
        this.residual(this.object(item, `residuals[${index}]`), `residuals[${index}]`),
      ),
    }
  }

  machine(json: Json): Machine {
    const at = (name: string): string => `machine.${name}`
    const basedNumber = (name: string, otherwise: number): Based<number> =>
      this.based(json[name] ?? otherwise, at(name), (v, place) => this.number(v, place))
    const basedFlag = (name: string, otherwise: boolean): Based<boolean> =>
      this.based(json[name] ?? otherwise, at(name), (v, place) => this.flag(v, place))
    const cpus = this.list(json['cpus'], at('cpus')).map((item, index) => {
      const place = `machine.cpus[${index}]`
      const cpu = this.object(item, place)
      return {
        id: this.number(cpu['id'] ?? index, `${place}.id`),
        node: this.number(cpu['node'] ?? 0, `${place}.node`),
        speed: this.number(cpu['speed'] ?? 1, `${place}.speed`),
      }
    })
    if (cpus.length === 0) this.fail(at('cpus'), '[]', 'at least one CPU')
    const nodes = this.list(json['nodes'], at('nodes')).map((item, index) => {
      const place = `machine.nodes[${index}]`
      const node = this.object(item, place)
      return {
        node: this.number(node['node'] ?? index, `${place}.node`),
        freeAtStart: this.based(node['freeAtStart'], `${place}.freeAtStart`, (v, p) =>
          this.number(v, p),
        ),
        totalPages: this.number(node['totalPages'] ?? 0, `${place}.totalPages`),
      }
    })
    if (nodes.length === 0) this.fail(at('nodes'), '[]', 'at least one node')
    const zones = this.list(json['zones'], at('zones')).map((item, index) => {
      const place = `machine.zones[${index}]`
      const zone = this.object(item, place)
      const read = {
        node: this.number(zone['node'] ?? 0, `${place}.node`),
        name: this.text(zone['name'] ?? 'Normal', `${place}.name`),
        managed: this.number(zone['managed'] ?? 0, `${place}.managed`),
        min: this.number(zone['min'], `${place}.min`),
        low: this.number(zone['low'], `${place}.low`),
        high: this.number(zone['high'], `${place}.high`),
        ...(zone['freeAtStart'] === undefined
          ? {}
          : { freeAtStart: this.number(zone['freeAtStart'], `${place}.freeAtStart`) }),
        ...(zone['reserve'] === undefined
          ? {}
          : { reserve: this.number(zone['reserve'], `${place}.reserve`) }),
        basis: this.oneOf(zone['basis'] ?? 'default', `${place}.basis`, BASES),
      }
      if (!(read.min <= read.low && read.low <= read.high))
        this.fail(
          place,
          `min ${read.min}, low ${read.low}, high ${read.high}`,
          'min <= low <= high',
        )
      return read
    })
    return {
      pageSize: this.number(json['pageSize'] ?? 4096, at('pageSize')),
      cpus,
      nodes,
      zones,
      lru: this.based(json['lru'] ?? 'classic', at('lru'), (v, p) =>
        this.oneOf(v, p, ['classic', 'mglru'] as const),
      ),
      swappiness: basedNumber('swappiness', 60),
      boostStep: basedNumber('boostStep', 0),
      boostMax: basedNumber('boostMax', 0),
      boostEveryPoolPages: basedNumber('boostEveryPoolPages', 0),
      ...(json['boostBelowFree'] === undefined
        ? {}
        : { boostBelowFree: basedNumber('boostBelowFree', 0) }),
      ...(json['recordPagesPerSlot'] === undefined
        ? {}
        : { recordPagesPerSlot: basedNumber('recordPagesPerSlot', 0) }),
      ...(json['memcgLimitPages'] === undefined
        ? {}
        : { memcgLimitPages: basedNumber('memcgLimitPages', 0) }),
      ...(json['memcgs'] === undefined
        ? {}
        : {
            memcgs: this.list(json['memcgs'], at('memcgs')).map((item, index) =>
              this.memcg(
                this.object(item, `${at('memcgs')}[${index}]`),
                `${at('memcgs')}[${index}]`,
              ),
            ),
          }),
      storePreemptible: basedFlag('storePreemptible', true),
      backend: this.based(json['backend'] ?? 'zram', at('backend'), (v, p) =>
        this.oneOf(v, p, ['zram', 'zswap', 'disk'] as const),
      ),
      codec: this.based(json['codec'] ?? 'lzo-rle', at('codec'), (v, p) => this.text(v, p)),
      backendParameters: Object.fromEntries(
        Object.entries(this.object(json['backendParameters'] ?? {}, at('backendParameters'))).map(
          ([name, item]) => [
            name,
            this.based(item, at(`backendParameters.${name}`), (v, p) =>
              typeof v === 'number' ? v : this.text(v, p),
            ),
          ],
        ),
      ),
      zeroMap: basedFlag('zeroMap', false),
      readahead: basedNumber('readahead', 1),
    }
  }

  pages(
    json: Json,
    columns: Readonly<Record<string, ArrayLike<number>>> | undefined,
    machine: Machine,
  ): WorkloadPages {
    const length = this.number(json['length'], 'pages.length')
    const read: Record<string, Uint8Array | Float64Array | Int32Array> = {}
    for (const column of PAGE_COLUMNS) {
      const values = column.make(length).fill(column.otherwise)
      const place = `pages.${column.name}`
      const given = columns?.[column.name]
      if (given !== undefined)
        for (let i = 0; i < length; i++) values[i] = given[i] ?? column.otherwise
      else if (json[column.name] !== undefined) {
        const list = this.list(json[column.name], place)
        if (list.length !== length)
          this.fail(place, `${list.length} values`, `${length}, pages.length`)
        const names: readonly string[] | undefined = 'names' in column ? column.names : undefined
        list.forEach((item, index) => {
          const at = `${place}[${index}]`
          values[index] =
            names !== undefined && typeof item === 'string'
              ? names.indexOf(this.oneOf(item, at, names))
              : this.number(item, at)
        })
      }
      read[column.name] = values
    }
    const node = read['node'] as Uint8Array
    const known = new Set(machine.nodes.map((item) => item.node))
    for (let page = 0; page < length; page++)
      if (!known.has(node[page] ?? 0))
        this.fail(
          `pages.node[${page}]`,
          node[page],
          `a node of the machine (${[...known].join(', ')})`,
        )
    const folio = json['folio'] === undefined ? {} : { folio: this.folios(json['folio'], read) }
    return { length, ...read, ...folio } as unknown as WorkloadPages
  }

  /** Each folio has as many pages as its order says, all of one owner. */
  folios(value: unknown, { order, owner }: Record<string, ArrayLike<number>>): Int32Array {
    const place = 'pages.folio'
    const folio = Int32Array.from(this.list(value, place), (item, page) =>
      this.number(item, `${place}[${page}]`),
    )
    const length = order?.length ?? 0
    if (folio.length !== length)
      this.fail(place, `${folio.length} values`, `${length}, pages.length`)
    const members = new Map<number, number>()
    folio.forEach((first, page) => {
      if (first < 0) return
      members.set(first, (members.get(first) ?? 0) + 1)
      if (folio[first] !== first || first > page || owner?.[first] !== owner?.[page])
        this.fail(`${place}[${page}]`, first, 'the first page of a folio, with the same owner')
    })
    for (const [first, count] of members)
      if (count !== 1 << (order?.[first] ?? 0))
        this.fail(
          `${place}[${first}]`,
          `${count} pages`,
          `${1 << (order?.[first] ?? 0)}, by its order`,
        )
    return folio
  }

  task(json: Json, index: number, { columns, pages, memcgs }: TaskSurroundings): WorkloadTask {
    const at = `tasks[${index}]`
    const given = columns?.rows[index]
    let op: Uint8Array
    let cpuNs: Float64Array
    let arg: Float64Array
    if (given !== undefined) {
      op = Uint8Array.from(given.op)
      cpuNs = Float64Array.from(given.cpuNs)
      arg = Float64Array.from(given.arg)
    } else {
      const rows = this.list(json['rows'], `${at}.rows`)
      op = new Uint8Array(rows.length)
      cpuNs = new Float64Array(rows.length)
      arg = new Float64Array(rows.length)
      rows.forEach((item, row) => {
        const place = `${at}.rows[${row}]`
        const read = this.object(item, place)
        op[row] = TASK_OPS.indexOf(this.oneOf(read['op'], `${place}.op`, TASK_OPS))
        cpuNs[row] = this.amount(read['cpuNs'] ?? 0, `${place}.cpuNs`)
        arg[row] = this.number(read['arg'] ?? 0, `${place}.arg`)
      })
    }
    const alloc: TaskOp = 'alloc'
    const touch: TaskOp = 'touch'
    for (let row = 0; row < op.length; row++) {
      const name = TASK_OPS[op[row] ?? 0]
      const value = arg[row] ?? 0
      const least = name === alloc ? -1 : 0
      if ((name === alloc || name === touch) && !(value >= least && value < pages.length))
        this.fail(`${at}.rows[${row}].arg`, value, `a page_id below pages.length (${pages.length})`)
    }
    return {
      taskId: this.number(json['taskId'] ?? index + 1, `${at}.taskId`),
      tid: this.number(json['tid'] ?? index + 1, `${at}.tid`),
      comm: this.text(json['comm'] ?? `task-${index}`, `${at}.comm`),
      kind: this.oneOf(json['kind'] ?? 'user', `${at}.kind`, TASK_KINDS),
      cpus: this.list(json['cpus'] ?? [], `${at}.cpus`).map((cpu, k) =>
        this.number(cpu, `${at}.cpus[${k}]`),
      ),
      hasMemory: this.flag(json['hasMemory'] ?? json['kind'] !== 'background', `${at}.hasMemory`),
      ...(json['memcg'] === undefined
        ? {}
        : { memcg: this.memcgIndex(json['memcg'], `${at}.memcg`, memcgs) }),
      op,
      cpuNs,
      arg,
      startNs: this.amount(json['startNs'] ?? 0, `${at}.startNs`),
    }
  }

  memcgIndex(value: unknown, at: string, memcgs: number): number {
    const index = this.amount(value, at)
    if (!Number.isInteger(index) || index >= memcgs)
      this.fail(at, index, `the place of one of the ${memcgs} machine.memcgs`)
    return index
  }

  memcg(json: Json, at: string): WorkloadMemcg {
    return {
      name: this.text(json['name'], `${at}.name`),
      ...(json['zswapMaxPages'] === undefined
        ? {}
        : { zswapMaxPages: this.amount(json['zswapMaxPages'], `${at}.zswapMaxPages`) }),
      ...(json['writeback'] === undefined
        ? {}
        : { writeback: this.flag(json['writeback'], `${at}.writeback`) }),
    }
  }

  costs(json: Json, columns: WorkloadColumns | undefined): Record<CostName, Cost> {
    const unknown = Object.keys(json).find((name) => !(COSTS as readonly string[]).includes(name))
    if (unknown !== undefined)
      this.fail(`costs.${unknown}`, 'an unknown cost', `one of ${COSTS.join(', ')}`)
    const costs = {} as Record<CostName, Cost>
    for (const name of COSTS) {
      const item = json[name] ?? 0
      const at = `costs.${name}`
      if (typeof item === 'number') {
        costs[name] = {
          samples: new Float64Array(0),
          fixedNs: this.amount(item, at),
          basis: 'default',
          n: 0,
          from: 'given',
        }
        continue
      }
      const read = this.object(item, at)
      const samples =
        columns?.samples[name] ??
        this.list(read['samples'] ?? [], `${at}.samples`).map((v, k) =>
          this.amount(v, `${at}.samples[${k}]`),
        )
      costs[name] = {
        samples: Float64Array.from(samples),
        fixedNs: this.amount(read['fixedNs'] ?? 0, `${at}.fixedNs`),
        basis: this.oneOf(read['basis'] ?? 'default', `${at}.basis`, BASES),
        n: this.amount(read['n'] ?? samples.length, `${at}.n`),
        from: this.text(read['from'] ?? 'given', `${at}.from`),
      }
    }
    return costs
  }

  stream(value: unknown, pages: WorkloadPages): Uint32Array {
    if (value === undefined) return Uint32Array.from({ length: pages.length }, (_, page) => page)
    const list = ArrayBuffer.isView(value)
      ? Array.from(value as unknown as ArrayLike<number>)
      : this.list(value, 'stream')
    return Uint32Array.from(list, (item, index) => {
      const page = this.number(item, `stream[${index}]`)
      if (!(page >= 0 && page < pages.length))
        this.fail(`stream[${index}]`, page, `a page_id below ${pages.length}`)
      return page
    })
  }

  stolen(root: Json, name: 'stolen' | 'stolenDirect'): Pick<Workload, 'stolen' | 'stolenDirect'> {
    if (root[name] === undefined) return {}
    const json = this.object(root[name], name)
    const [atWork, pages, ns] = this.columns(json, name, ['atWork', 'pages', 'ns'])
    return { [name]: { atWork, pages, ns } }
  }

  deviceRequests(json: Json): DeviceRequests {
    const [ns, pages, isWrite] = this.columns(json, 'deviceRequests', ['ns', 'pages', 'isWrite'])
    return {
      ns,
      pages,
      isWrite: Uint8Array.from(isWrite),
      depth: this.amount(json['depth'], 'deviceRequests.depth'),
      from: this.text(json['from'] ?? '', 'deviceRequests.from'),
    }
  }

  /** Lists of amounts that stand in the JSON itself, all of one length. */
  columns<const Names extends readonly string[]>(
    json: Json,
    at: string,
    names: Names,
  ): { readonly [K in keyof Names]: Float64Array } {
    const columns = names.map((name) =>
      Float64Array.from(this.list(json[name], `${at}.${name}`), (value, row) =>
        this.amount(value, `${at}.${name}[${row}]`),
      ),
    )
    const length = columns[0]?.length ?? 0
    columns.forEach((column, index) => {
      if (column.length !== length)
        this.fail(
          `${at}.${names[index]}`,
          column.length,
          `as many numbers as ${at}.${names[0]} (${length})`,
        )
    })
    return columns as { readonly [K in keyof Names]: Float64Array }
  }

  residual(json: Json, at: string): Residual {
    return {
      name: this.text(json['name'], `${at}.name`),
      value: this.number(json['value'], `${at}.value`),
      unit: this.text(json['unit'] ?? '', `${at}.unit`),
      meaning: this.text(json['meaning'] ?? '', `${at}.meaning`),
    }
  }

  /** A bare value has the basis `default`. */
  based<T>(value: unknown, at: string, read: (value: unknown, at: string) => T): Based<T> {
    if (typeof value !== 'object' || value === null)
      return { value: read(value, at), basis: 'default' }
    const json = this.object(value, at)
    return {
      value: read(json['value'], `${at}.value`),
      basis: this.oneOf(json['basis'] ?? 'default', `${at}.basis`, BASES),
      ...(json['n'] === undefined ? {} : { n: this.number(json['n'], `${at}.n`) }),
      ...(json['from'] === undefined ? {} : { from: this.text(json['from'], `${at}.from`) }),
    }
  }

  labels(value: unknown): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(this.object(value ?? {}, 'source')).map(([name, label]) => [
        name,
        this.text(label, `source.${name}`),
      ]),
    )
  }

  object(value: unknown, at: string): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.fail(at, value, 'an object')
    return value as Json
  }

  list(value: unknown, at: string): readonly unknown[] {
    if (!Array.isArray(value)) this.fail(at, value, 'a list')
    return value as readonly unknown[]
  }

  number(value: unknown, at: string): number {
    if (typeof value !== 'number' || !Number.isFinite(value)) this.fail(at, value, 'a number')
    return value as number
  }

  amount(value: unknown, at: string): number {
    const read = this.number(value, at)
    if (read < 0) this.fail(at, value, 'a number not below 0')
    return read
  }

  share(value: unknown, at: string): number {
    const read = this.number(value, at)
    if (read < 0 || read > 1) this.fail(at, value, 'a number from 0 to 1')
    return read
  }

  text(value: unknown, at: string): string {
    if (typeof value !== 'string') this.fail(at, value, 'a text')
    return value as string
  }

  flag(value: unknown, at: string): boolean {
    if (typeof value !== 'boolean') this.fail(at, value, 'true or false')
    return value as boolean
  }

  oneOf<T extends string>(value: unknown, at: string, names: readonly T[]): T {
    const found = names.find((name) => name === value)
    if (found === undefined) return this.fail(at, value, `one of ${names.join(', ')}`)
    return found
  }

  fail(at: string, found: unknown, expected: string): never {
    const shown = found === undefined ? 'nothing' : JSON.stringify(found)
    throw new PstraceError(
      'workload_invalid',
      `${this.#file}, ${at}: found ${shown.length > 80 ? `${shown.slice(0, 77)}...` : shown}, expected ${expected}`,
    )
  }
}
