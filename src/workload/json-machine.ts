import { SLOWEST_CPU } from '../model/cpu-speed.ts'
import { parseKernelRelease } from '../model/kernel-release.ts'
import { SLOTS_PER_TREE } from '../model/swap-clusters.ts'
import { BASES, type Json, type JsonValues } from './json-values.ts'
import {
  type Based,
  DEFAULT_TICK_NS,
  type Machine,
  type SchedulerInputs,
  TRACED_STEPS,
  type TraceBuffers,
  type WorkloadMemcg,
} from './types.ts'

/** Of CONFIG_HZ from 10 to 10,000; Linux has 24 to 1200. */
const SHORTEST_TICK_NS = 100_000
const LONGEST_TICK_NS = 100_000_000

/** The machine of a workload as JSON; what is left out is as on a machine of one zram device without memcgs. */
export function readMachine(values: JsonValues, json: Json): Machine {
  const at = (name: string): string => `machine.${name}`
  const number = (value: unknown, place: string): number => values.number(value, place)
  const basedOf = (value: unknown, place: string): Based<number> =>
    values.based(value, place, number)
  const basedNumber = (name: string, otherwise: number): Based<number> =>
    basedOf(json[name] ?? otherwise, at(name))
  const optional = <Name extends string>(name: Name): { [K in Name]?: Based<number> } =>
    values.optional(json, name, at(name), basedOf)
  const flagOf = (value: unknown, place: string): Based<boolean> =>
    values.based(value, place, (flag, where) => values.flag(flag, where))
  const basedFlag = (name: string, otherwise: boolean): Based<boolean> =>
    flagOf(json[name] ?? otherwise, at(name))
  return {
    pageSize: values.number(json['pageSize'] ?? 4096, at('pageSize')),
    cpus: readCpus(values, json),
    ...optional('slowestCpu'),
    nodes: readNodes(values, json),
    zones: readZones(values, json),
    lru: values.based(json['lru'] ?? 'classic', at('lru'), (value, place) =>
      values.oneOf(value, place, ['classic', 'mglru'] as const),
    ),
    ...values.optional(json, 'walksPageTables', at('walksPageTables'), flagOf),
    swappiness: basedNumber('swappiness', 60),
    boostStep: basedNumber('boostStep', 0),
    boostMax: basedNumber('boostMax', 0),
    boostEveryPoolPages: basedNumber('boostEveryPoolPages', 0),
    ...optional('boostBelowFree'),
    ...optional('recordPagesPerSlot'),
    ...optional('swapSlots'),
    ...values.optional(json, 'swapClusterSlots', at('swapClusterSlots'), (slots, place) =>
      values.based(slots, place, (value, where) => readCluster(values, value, where)),
    ),
    ...optional('memcgLimitPages'),
    ...values.optional(json, 'memcgs', at('memcgs'), (list) =>
      values.objects(list, at('memcgs'), (item, place, index) =>
        readMemcg(values, item, place, index),
      ),
    ),
    storePreemptible: basedFlag('storePreemptible', true),
    backend: values.based(json['backend'] ?? 'zram', at('backend'), (value, place) =>
      values.oneOf(value, place, ['zram', 'zswap', 'disk'] as const),
    ),
    codec: values.based(json['codec'] ?? 'lzo-rle', at('codec'), (value, place) =>
      values.text(value, place),
    ),
    backendParameters: readBackendParameters(values, json),
    zeroMap: basedFlag('zeroMap', false),
    ...values.optional(json, 'kernel', at('kernel'), (release, place) =>
      values.based(release, place, (value, where) => readRelease(values, value, where)),
    ),
    ...values.optional(json, 'smp', at('smp'), flagOf),
    readahead: basedNumber('readahead', 1),
    ...values.optional(json, 'scheduler', at('scheduler'), (value, place) =>
      readSchedulerInputs(values, value, place),
    ),
    ...values.optional(json, 'traceBuffers', at('traceBuffers'), (value, place) =>
      readBuffers(values, value, place),
    ),
  }
}

function readCluster(values: JsonValues, value: unknown, at: string): number {
  const slots = values.number(value, at)
  return slots > 0 && SLOTS_PER_TREE % slots === 0
    ? slots
    : values.fail(at, String(slots), `a power of two up to ${SLOTS_PER_TREE}`)
}

function readRelease(values: JsonValues, value: unknown, at: string): string {
  const text = values.text(value, at)
  return parseKernelRelease(text) === undefined
    ? values.fail(at, text, 'a release of Linux, such as 6.12.95 or 6.1')
    : text
}

function readSchedulerInputs(values: JsonValues, value: unknown, at: string): SchedulerInputs {
  const json = values.object(value, at)
  const tick = (ns: unknown, place: string): number => {
    const read = values.number(ns, place)
    const isWhole = Number.isInteger(read) && read >= SHORTEST_TICK_NS && read <= LONGEST_TICK_NS
    return isWhole
      ? read
      : values.fail(place, read, `whole ns from ${SHORTEST_TICK_NS} to ${LONGEST_TICK_NS}`)
  }
  return {
    tickNs: values.based(json['tickNs'] ?? DEFAULT_TICK_NS, `${at}.tickNs`, tick),
    newidle: values.objects(json['newidle'] ?? [], `${at}.newidle`, (item, place) =>
      values.based(item, place, (learnt, where) => {
        const given = values.object(learnt, where)
        return {
          ratio: values.amount(given['ratio'], `${where}.ratio`),
          costNs: values.amount(given['costNs'], `${where}.costNs`),
        }
      }),
    ),
  }
}

function readBuffers(values: JsonValues, value: unknown, at: string): TraceBuffers {
  const json = values.object(value, at)
  const amount = (given: unknown, place: string): number => values.amount(given, place)
  const bytes = values.object(json['bytes'], `${at}.bytes`)
  const steps = TRACED_STEPS.map((step) => [
    step,
    values.amount(bytes[step] ?? 0, `${at}.bytes.${step}`),
  ])
  return {
    wakesAtBytes: values.based(json['wakesAtBytes'], `${at}.wakesAtBytes`, amount),
    pageNs: values.based(json['pageNs'], `${at}.pageNs`, amount),
    waitNs: values.based(json['waitNs'] ?? 0, `${at}.waitNs`, amount),
    unreadAtStart: Array.from(values.columns(json, at, ['unreadAtStart'])[0]),
    bytes: Object.fromEntries(steps),
  }
}

function readCpus(values: JsonValues, json: Json): Machine['cpus'] {
  const cpus = values.objects(json['cpus'], 'machine.cpus', (cpu, at, index) => ({
    id: values.number(cpu['id'] ?? index, `${at}.id`),
    node: values.number(cpu['node'] ?? 0, `${at}.node`),
    speed: readSpeed(values, cpu['speed'] ?? 1, `${at}.speed`),
  }))
  if (cpus.length === 0) values.fail('machine.cpus', '[]', 'at least one CPU')
  return cpus
}

function readSpeed(values: JsonValues, value: unknown, at: string): number {
  const speed = values.number(value, at)
  return speed >= SLOWEST_CPU ? speed : values.fail(at, speed, `a speed from ${SLOWEST_CPU}`)
}

function readNodes(values: JsonValues, json: Json): Machine['nodes'] {
  const pages = (value: unknown, place: string): Based<number> =>
    values.based(value, place, (number, at) => values.number(number, at))
  const nodes = values.objects(json['nodes'], 'machine.nodes', (node, at, index) => ({
    node: values.number(node['node'] ?? index, `${at}.node`),
    freeAtStart: values.based(node['freeAtStart'], `${at}.freeAtStart`, (value, place) =>
      values.number(value, place),
    ),
    totalPages: values.number(node['totalPages'] ?? 0, `${at}.totalPages`),
    ...values.optional(node, 'refillAtStart', `${at}.refillAtStart`, pages),
    ...values.optional(node, 'unmovableFree', `${at}.unmovableFree`, pages),
    ...values.optional(node, 'reclaimableFree', `${at}.reclaimableFree`, pages),
    ...values.optional(node, 'unmovableListed', `${at}.unmovableListed`, pages),
    ...values.optional(node, 'reclaimableListed', `${at}.reclaimableListed`, pages),
  }))
  if (nodes.length === 0) values.fail('machine.nodes', '[]', 'at least one node')
  return nodes
}

function readZones(values: JsonValues, json: Json): Machine['zones'] {
  const number = (value: unknown, place: string): number => values.number(value, place)
  return values.objects(json['zones'], 'machine.zones', (zone, at) => {
    const read = {
      node: values.number(zone['node'] ?? 0, `${at}.node`),
      name: values.text(zone['name'] ?? 'Normal', `${at}.name`),
      managed: values.number(zone['managed'] ?? 0, `${at}.managed`),
      min: values.number(zone['min'], `${at}.min`),
      low: values.number(zone['low'], `${at}.low`),
      high: values.number(zone['high'], `${at}.high`),
      ...values.optional(zone, 'freeAtStart', `${at}.freeAtStart`, number),
      ...values.optional(zone, 'reserve', `${at}.reserve`, number),
      basis: values.oneOf(zone['basis'] ?? 'default', `${at}.basis`, BASES),
    }
    if (!(read.min <= read.low && read.low <= read.high))
      values.fail(at, `min ${read.min}, low ${read.low}, high ${read.high}`, 'min <= low <= high')
    return read
  })
}

function readMemcg(values: JsonValues, json: Json, at: string, index: number): WorkloadMemcg {
  const amount = (name: keyof WorkloadMemcg & `${string}Pages`) =>
    values.optional(json, name, `${at}.${name}`, (value, place) => values.amount(value, place))
  return {
    name: values.text(json['name'], `${at}.name`),
    ...values.optional(json, 'parent', `${at}.parent`, (value, place) =>
      readMemcgIndex(values, value, place, index),
    ),
    ...amount('minPages'),
    ...amount('lowPages'),
    ...amount('highPages'),
    ...amount('maxPages'),
    ...amount('swapHighPages'),
    ...amount('swapMaxPages'),
    ...amount('zswapMaxPages'),
    ...values.optional(json, 'writeback', `${at}.writeback`, (value, place) =>
      values.flag(value, place),
    ),
    ...values.optional(json, 'basis', `${at}.basis`, (value, place) =>
      values.oneOf(value, place, BASES),
    ),
  }
}

/** The place of one of the first so many `machine.memcgs`. */
export function readMemcgIndex(
  values: JsonValues,
  value: unknown,
  at: string,
  memcgs: number,
): number {
  const index = values.amount(value, at)
  if (!Number.isInteger(index) || index >= memcgs)
    values.fail(at, index, `the place of one of the first ${memcgs} machine.memcgs`)
  return index
}

function readBackendParameters(values: JsonValues, json: Json): Machine['backendParameters'] {
  const at = 'machine.backendParameters'
  const given = Object.entries(values.object(json['backendParameters'] ?? {}, at))
  return Object.fromEntries(
    given.map(([name, item]) => [
      name,
      values.based(item, `${at}.${name}`, (value, place) =>
        typeof value === 'number' ? value : values.text(value, place),
      ),
    ]),
  )
}
