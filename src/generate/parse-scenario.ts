import { PstraceError } from '../model/error.ts'
import { partitionPoint } from '../model/partition-point.ts'
import type { Scenario, Step } from './scenario.ts'
import { SHRINKERS } from './text-values.ts'

/** What a place of the document must hold, in words, and whether it does. */
interface Rule {
  readonly expected: string
  readonly holds: (value: unknown) => boolean
  readonly isOptional?: true
}
type Rules = Readonly<Record<string, Rule>>
type Bad = (place: string, expected: string) => never

const MOST_CPUS = 256
const MOST_NS = 2 ** 52
const MOST_ITEMS = 1_000_000

const isInteger = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max
const integer = (min: number, max: number): Rule => ({
  expected: `an integer from ${min} to ${max}`,
  holds: (value) => isInteger(value, min, max),
})
const oneOf = (...values: readonly string[]): Rule => ({
  expected: `one of ${values.join(', ')}`,
  holds: (value) => values.includes(String(value)),
})
const text = (bytes: number): Rule => ({
  expected: `a text of 1 to ${bytes} bytes without line breaks`,
  holds: (value) =>
    typeof value === 'string' &&
    value !== '' &&
    !value.includes('\n') &&
    Buffer.byteLength(value) <= bytes,
})
const optional = (rule: Rule): Rule => ({ ...rule, isOptional: true })
const time: Rule = {
  expected: 'nanoseconds below 2^52',
  holds: (value) => isInteger(value, 0, MOST_NS - 1),
}
const duration: Rule = {
  expected: 'nanoseconds, or a pair of them in rising order',
  holds: (value) => {
    const [min, max] = Array.isArray(value) && value.length === 2 ? value : [value, value]
    return isInteger(min, 0, MOST_NS) && isInteger(max, 0, MOST_NS) && min <= max
  },
}
const list: Rule = { expected: 'a list', holds: Array.isArray }
const steps: Rule = { expected: 'a list of steps', holds: Array.isArray }
const count = integer(0, MOST_ITEMS)
const pages = integer(0, 2 ** 40)

const ROOT: Rules = {
  name: text(64),
  cpuNodes: {
    expected: `the node of each of 1 to ${MOST_CPUS} CPUs`,
    holds: (value) =>
      Array.isArray(value) &&
      value.length >= 1 &&
      value.length <= MOST_CPUS &&
      value.every((node) => isInteger(node, 0, 63)),
  },
  zones: list,
  swapDevices: list,
  startNs: time,
  durationNs: time,
  recordAfterNs: optional(time),
  actors: {
    expected: 'a list of actors',
    holds: (value) => Array.isArray(value) && value.length > 0,
  },
}
const ZONE: Rules = {
  node: integer(0, 63),
  name: text(32),
  startPfn: pages,
  spanned: pages,
  managed: pages,
  min: pages,
  low: pages,
  high: pages,
}
const SWAP_DEVICE: Rules = {
  swapType: integer(0, 31),
  device: text(255),
  kind: oneOf('zram', 'disk', 'file'),
  sizePages: pages,
  priority: integer(-32_768, 32_767),
}
const REQUESTS: Rules = {
  major: integer(0, 4095),
  minor: integer(0, 1_048_575),
  readNs: duration,
  writeNs: duration,
}
const ACTOR: Rules = {
  comm: text(15),
  tid: integer(1, 4_194_304),
  tgid: integer(1, 4_194_304),
  kind: oneOf('user', 'kswapd', 'kcompactd', 'kworker', 'compressor'),
  node: integer(0, 63),
  steps,
}

const reclaim: Rules = {
  steps,
  order: optional(integer(0, 10)),
  gfp: optional(integer(0, 2 ** 32 - 1)),
}
const STEPS: Readonly<Record<Step['do'], Rules>> = {
  run: { ns: duration },
  sleep: { ns: duration },
  io: { ns: duration },
  direct: reclaim,
  memcg: reclaim,
  softlimit: reclaim,
  node: reclaim,
  batch: {
    swapOuts: count,
    order: optional(integer(0, 9)),
    kept: optional(count),
    scanNs: duration,
    unmapNs: duration,
    storeNs: duration,
    priority: optional(integer(0, 12)),
  },
  slab: { shrinker: integer(0, SHRINKERS.length - 1), ns: duration, freed: count },
  throttle: { ns: duration, reason: integer(0, 7) },
  compaction: { ns: duration },
  swapIn: { page: oneOf('oldest', 'newest', 'random'), ns: duration },
  wakeKswapd: { node: integer(0, 63) },
  kswapdRound: { steps },
  mark: { name: text(64), steps },
  retry: { free: pages, reclaimable: pages, min: pages },
  oomKill: { victim: integer(1, 4_194_304) },
  storeQueued: { ns: duration },
  repeat: { times: count, steps },
}

/** Reads a scenario from JSON text; every error names the line or the place in the document. */
export function parseScenario(json: string, source: string): Scenario {
  const bad: Bad = (place, expected) => {
    throw new PstraceError('scenario-shape', `${source}, ${place}: expected ${expected}`)
  }
  const root = check(parseJson(json, source), 'the document', ROOT, bad)
  const nodes = root['cpuNodes'] as readonly number[]
  const zones = each(root['zones'], 'zones', ZONE, bad)
  const devices = each(root['swapDevices'], 'swapDevices', SWAP_DEVICE, bad)
  for (const [i, { requests }] of devices.entries())
    if (requests !== undefined) check(requests, `swapDevices[${i}].requests`, REQUESTS, bad)
  if (root['storeQueue'] !== undefined)
    check(root['storeQueue'], 'storeQueue', { depth: integer(1, MOST_ITEMS) }, bad)
  const nodeOf: Rule = {
    expected: `a node of a zone or CPU: ${[...new Set([...nodes, ...zones.map(({ node }) => node)])].join(', ')}`,
    holds: (node) => nodes.includes(Number(node)) || zones.some((zone) => zone['node'] === node),
  }
  const tids = new Set<unknown>()
  const rules = { ...ACTOR, cpu: integer(0, nodes.length - 1), node: nodeOf }
  const actors = each(root['actors'], 'actors', rules, bad)
  const inSteps = {
    ...STEPS,
    wakeKswapd: { node: nodeOf },
    batch: { ...STEPS.batch, device: optional(integer(0, devices.length - 1)) },
  }
  for (const [i, actor] of actors.entries()) {
    if (tids.has(actor['tid'])) bad(`actors[${i}].tid`, 'a tid that no other actor has')
    tids.add(actor['tid'])
    checkSteps(actor['steps'], `actors[${i}].steps`, inSteps, bad)
  }
  return root as unknown as Scenario
}

function parseJson(json: string, source: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    const before = json.slice(0, firstWrongIn(json)).split('\n')
    const place = `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`
    throw new PstraceError(
      'scenario-json',
      `${source}, ${place}: not JSON; expected a scenario object`,
      { cause },
    )
  }
}

/** Where the text ceases to be the begin of a JSON text: what JSON.parse says of places differs from version to version. */
function firstWrongIn(json: string): number {
  return partitionPoint(json.length, (last) => isBeginOfJson(json.slice(0, last + 1)))
}

function isBeginOfJson(json: string): boolean {
  try {
    JSON.parse(json)
    return true
  } catch (error) {
    const said = error instanceof Error ? error.message : ''
    const at = /at position (\d+)/.exec(said)?.[1]
    return /end of JSON input|Unterminated/.test(said) || Number(at) >= json.length
  }
}

function check(
  value: unknown,
  place: string,
  rules: Rules,
  bad: Bad,
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return bad(place, 'an object')
  const fields = value as Readonly<Record<string, unknown>>
  for (const [name, { expected, holds, isOptional }] of Object.entries(rules)) {
    const own = fields[name]
    if (own === undefined && isOptional === true) continue
    if (!holds(own)) bad(place === 'the document' ? name : `${place}.${name}`, expected)
  }
  return fields
}

function each(
  items: unknown,
  place: string,
  rules: Rules,
  bad: Bad,
): readonly Readonly<Record<string, unknown>>[] {
  return (items as readonly unknown[]).map((item, i) => check(item, `${place}[${i}]`, rules, bad))
}

function checkSteps(
  items: unknown,
  place: string,
  rules: Readonly<Record<string, Rules>>,
  bad: Bad,
): void {
  for (const [i, step] of (items as readonly unknown[]).entries()) {
    const at = `${place}[${i}]`
    const { do: what } = check(step, at, { do: oneOf(...Object.keys(rules)) }, bad)
    const fields = check(step, at, rules[String(what)] ?? {}, bad)
    if ('steps' in fields) checkSteps(fields['steps'], `${at}.steps`, rules, bad)
  }
}
