import { PstraceError } from '../model/error.ts'
import { readMachine } from './json-machine.ts'
import { readPages } from './json-pages.ts'
import { readTask, type TaskColumns } from './json-tasks.ts'
import { BASES, type Json, JsonValues } from './json-values.ts'
import {
  COSTS,
  type Cost,
  type CostName,
  type DeviceRequests,
  type Residual,
  type StolenTime,
  type Workload,
  type WorkloadPages,
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

/** The long columns, when they do not stand in the JSON itself. */
export interface WorkloadColumns {
  readonly pages: Readonly<Record<string, ArrayLike<number>>>
  readonly stream: ArrayLike<number>
  /** By row in `tasks`. */
  readonly rows: readonly TaskColumns[]
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
        ...(pages.memcg === undefined ? {} : { memcg: Array.from(pages.memcg) }),
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
  return readWorkload(new JsonValues(file), value, columns)
}

/** True when the JSON stands alone: no long columns beside it. */
export function isSelfContained(text: string): boolean {
  return !/"rowCount"\s*:/.test(text)
}

function readWorkload(
  values: JsonValues,
  value: unknown,
  columns: WorkloadColumns | undefined,
): Workload {
  const root = values.object(value, 'the file')
  const version = root['version']
  if (version !== 1) values.fail('version', version, '1')
  const machine = readMachine(values, values.object(root['machine'], 'machine'))
  const pages = readPages(
    values,
    values.object(root['pages'] ?? { length: 0 }, 'pages'),
    columns?.pages,
    machine,
  )
  const share = (name: string, otherwise: number) =>
    values.based(root[name] ?? otherwise, name, (item, at) => values.share(item, at))
  return {
    version: 1,
    source: values.labels(root['source']),
    recordedPolicy: values.based(root['recordedPolicy'] ?? 'none', 'recordedPolicy', (item, at) =>
      values.text(item, at),
    ),
    ...values.optional(root, 'recordedTunables', 'recordedTunables', (item, at) =>
      Object.fromEntries(
        Object.entries(values.object(item, at)).map(([name, tunable]) => [
          name,
          values.based(tunable, `${at}.${name}`, (v, place) => values.number(v, place)),
        ]),
      ),
    ),
    ...values.optional(root, 'startOffsetNs', 'startOffsetNs', (item, at) =>
      values.based(item, at, (v, place) => values.number(v, place)),
    ),
    machine,
    pages,
    tasks: values.objects(root['tasks'], 'tasks', (task, _at, index) =>
      readTask(values, task, index, {
        columns: columns?.rows[index],
        pages,
        memcgs: machine.memcgs?.length ?? 0,
      }),
    ),
    stream: readStream(values, columns?.stream ?? root['stream'], pages),
    costs: readCosts(values, values.object(root['costs'] ?? {}, 'costs'), columns?.samples),
    ...values.optional(root, 'stolen', 'stolen', (item, at) => readStolen(values, item, at)),
    ...values.optional(root, 'stolenDirect', 'stolenDirect', (item, at) =>
      readStolen(values, item, at),
    ),
    ...values.optional(root, 'deviceRequests', 'deviceRequests', (item, at) =>
      readDeviceRequests(values, values.object(item, at), at),
    ),
    unknownNextTouch: share('unknownNextTouch', 0),
    dirtiedShare: share('dirtiedShare', 1),
    residuals: values.objects(root['residuals'] ?? [], 'residuals', (item, at) =>
      readResidual(values, item, at),
    ),
  }
}

function readCosts(
  values: JsonValues,
  json: Json,
  samples: WorkloadColumns['samples'] | undefined,
): Record<CostName, Cost> {
  const unknown = Object.keys(json).find((name) => !(COSTS as readonly string[]).includes(name))
  if (unknown !== undefined)
    values.fail(`costs.${unknown}`, 'an unknown cost', `one of ${COSTS.join(', ')}`)
  const costs = COSTS.map((name) => [
    name,
    readCost(values, json[name] ?? 0, `costs.${name}`, samples?.[name]),
  ])
  return Object.fromEntries(costs) as Record<CostName, Cost>
}

function readCost(
  values: JsonValues,
  item: unknown,
  at: string,
  column: ArrayLike<number> | undefined,
): Cost {
  if (typeof item === 'number')
    return {
      samples: new Float64Array(0),
      fixedNs: values.amount(item, at),
      basis: 'default',
      n: 0,
      from: 'given',
    }
  const json = values.object(item, at)
  const samples =
    column ??
    values
      .list(json['samples'] ?? [], `${at}.samples`)
      .map((value, k) => values.amount(value, `${at}.samples[${k}]`))
  return {
    samples: Float64Array.from(samples),
    fixedNs: values.amount(json['fixedNs'] ?? 0, `${at}.fixedNs`),
    basis: values.oneOf(json['basis'] ?? 'default', `${at}.basis`, BASES),
    n: values.amount(json['n'] ?? samples.length, `${at}.n`),
    from: values.text(json['from'] ?? 'given', `${at}.from`),
  }
}

function readStream(values: JsonValues, value: unknown, pages: WorkloadPages): Uint32Array {
  if (value === undefined) return Uint32Array.from({ length: pages.length }, (_, page) => page)
  const list = ArrayBuffer.isView(value)
    ? Array.from(value as unknown as ArrayLike<number>)
    : values.list(value, 'stream')
  return Uint32Array.from(list, (item, index) => {
    const page = values.number(item, `stream[${index}]`)
    if (!(page >= 0 && page < pages.length))
      values.fail(`stream[${index}]`, page, `a page_id below ${pages.length}`)
    return page
  })
}

function readStolen(values: JsonValues, value: unknown, at: string): StolenTime {
  const json = values.object(value, at)
  const [atWork, pages, ns] = values.columns(json, at, ['atWork', 'pages', 'ns'])
  return { atWork, pages, ns }
}

function readDeviceRequests(values: JsonValues, json: Json, at: string): DeviceRequests {
  const [ns, pages, isWrite] = values.columns(json, at, ['ns', 'pages', 'isWrite'])
  return {
    ns,
    pages,
    isWrite: Uint8Array.from(isWrite),
    depth: values.amount(json['depth'], `${at}.depth`),
    from: values.text(json['from'] ?? '', `${at}.from`),
  }
}

function readResidual(values: JsonValues, json: Json, at: string): Residual {
  return {
    name: values.text(json['name'], `${at}.name`),
    value: values.number(json['value'], `${at}.value`),
    unit: values.text(json['unit'] ?? '', `${at}.unit`),
    meaning: values.text(json['meaning'] ?? '', `${at}.meaning`),
  }
}
