import { PstraceError } from '../model/error.ts'

/** Nanoseconds: a number, or a seeded choice between two. */
export type Duration = number | readonly [min: number, max: number]

/** One thing an actor does. Reclaim steps nest: what `steps` holds happens inside the span. */
export type Step =
  /** On the CPU in user code. */
  | { readonly do: 'run'; readonly ns: Duration }
  /** Asleep by its own will (S). */
  | { readonly do: 'sleep'; readonly ns: Duration }
  /** Waiting for a device (D). */
  | { readonly do: 'io'; readonly ns: Duration }
  /** A reclaim span; `reclaimed` pages are reported at its end. */
  | {
      readonly do: 'direct' | 'memcg' | 'softlimit' | 'node'
      readonly order?: number
      readonly gfp?: number
      readonly steps: readonly Step[]
    }
  /** One shrink call: isolate, `swapOuts` pages unmapped and stored one by one, then the summary event. */
  | {
      readonly do: 'batch'
      readonly swapOuts: number
      /** Pages scanned and kept. */
      readonly kept?: number
      readonly scanNs: Duration
      readonly unmapNs: Duration
      readonly storeNs: Duration
      readonly priority?: number
      /** Swap type of the device used. */
      readonly device?: number
    }
  | {
      readonly do: 'slab'
      readonly shrinker: number
      readonly ns: Duration
      readonly freed: number
    }
  /** Asleep in reclaim_throttle (D), reported by mm_vmscan_throttled afterwards. */
  | { readonly do: 'throttle'; readonly ns: Duration; readonly reason: number }
  | { readonly do: 'compaction'; readonly ns: Duration }
  /** A fault on a swapped-out page. */
  | { readonly do: 'swapIn'; readonly page: 'oldest' | 'newest' | 'random'; readonly ns: Duration }
  | { readonly do: 'wakeKswapd'; readonly node: number }
  /** kswapd: one round from wake-up to sleep, then it waits to be woken. */
  | { readonly do: 'kswapdRound'; readonly steps: readonly Step[] }
  /** A user mark (atrace begin and end) around `steps`. */
  | { readonly do: 'mark'; readonly name: string; readonly steps: readonly Step[] }
  /** A direct reclaim is repeated: reclaim_retry_zone, which tells the free memory. Pages. */
  | {
      readonly do: 'retry'
      readonly free: number
      readonly reclaimable: number
      readonly min: number
    }
  | { readonly do: 'oomKill'; readonly victim: number }
  /** A worker: from here on it stores what waits in the queue, oldest first, and sleeps while nothing does. */
  | { readonly do: 'storeQueued'; readonly ns: Duration }
  /** `times` 0 = as long as the scenario runs. */
  | { readonly do: 'repeat'; readonly times: number; readonly steps: readonly Step[] }

export interface Actor {
  readonly comm: string
  readonly tid: number
  readonly tgid: number
  readonly cpu: number
  readonly kind: 'user' | 'kswapd' | 'kcompactd' | 'kworker' | 'compressor'
  readonly node: number
  readonly steps: readonly Step[]
}

export interface ScenarioZone {
  readonly node: number
  readonly name: string
  readonly startPfn: number
  readonly spanned: number
  readonly managed: number
  readonly min: number
  readonly low: number
  readonly high: number
}

export interface ScenarioSwapDevice {
  readonly swapType: number
  readonly device: string
  readonly kind: 'zram' | 'disk' | 'file'
  readonly sizePages: number
  readonly priority: number
}

/** A script of a machine. Everything a generated trace says, and its truth, follow from it, the seed and the number of events. */
export interface Scenario {
  readonly name: string
  readonly summary: string
  /** Node of each CPU. */
  readonly cpuNodes: readonly number[]
  readonly zones: readonly ScenarioZone[]
  readonly swapDevices: readonly ScenarioSwapDevice[]
  /** Trace clock at the scenario's start, ns. */
  readonly startNs: number
  /** Length, ns; ends earlier when every actor is done or the asked number of events is reached. */
  readonly durationNs: number
  /** Recording begins this long after the start: spans open at that moment lack their beginning. */
  readonly recordAfterNs?: number
  /**
   * kswapd hands pages over to the actors that store what is queued, and stores a page itself when `depth` wait. Recorded
   * with probes at the begin and the end of every store.
   */
  readonly storeQueue?: { readonly depth: number }
  readonly actors: readonly Actor[]
}

/** Reads a scenario from JSON text; every error names the place in the document. */
export function parseScenario(text: string, source: string): Scenario {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new PstraceError('scenario-json', `${source}: not JSON; expected a scenario object`, {
      cause,
    })
  }
  const bad = (place: string, expected: string): never => {
    throw new PstraceError('scenario-shape', `${source}, ${place}: expected ${expected}`)
  }
  const root = object(value, 'the document', bad)
  const numbers = (place: string, list: unknown): number[] => {
    if (!Array.isArray(list) || !list.every((n) => Number.isSafeInteger(n) && n >= 0))
      return bad(place, 'an array of integers from 0')
    return list
  }
  const cpuNodes = numbers('cpuNodes', root['cpuNodes'])
  if (cpuNodes.length === 0 || cpuNodes.length > 256) bad('cpuNodes', '1 to 256 CPUs')
  const actors = root['actors']
  if (!Array.isArray(actors) || actors.length === 0) return bad('actors', 'a list of actors')
  const tids = new Set<number>()
  for (const [i, actor] of actors.entries()) {
    const fields = object(actor, `actors[${i}]`, bad)
    const tid = fields['tid']
    if (!Number.isSafeInteger(tid) || Number(tid) < 1) bad(`actors[${i}].tid`, 'an integer from 1')
    if (tids.has(Number(tid))) bad(`actors[${i}].tid`, 'a tid that no other actor has')
    tids.add(Number(tid))
    const cpu = Number(fields['cpu'])
    if (!(cpu >= 0 && cpu < cpuNodes.length))
      bad(`actors[${i}].cpu`, `a CPU below ${cpuNodes.length}`)
    checkSteps(fields['steps'], `actors[${i}].steps`, bad)
  }
  for (const name of ['startNs', 'durationNs'])
    if (!(Number(root[name]) >= 0 && Number(root[name]) < 2 ** 52))
      bad(name, 'nanoseconds below 2^52')
  for (const name of ['zones', 'swapDevices']) if (!Array.isArray(root[name])) bad(name, 'a list')
  return value as Scenario
}

const STEP_FIELDS: Readonly<Record<Step['do'], readonly string[]>> = {
  run: ['ns'],
  sleep: ['ns'],
  io: ['ns'],
  direct: ['steps'],
  memcg: ['steps'],
  softlimit: ['steps'],
  node: ['steps'],
  batch: ['swapOuts', 'scanNs', 'unmapNs', 'storeNs'],
  slab: ['shrinker', 'ns', 'freed'],
  throttle: ['ns', 'reason'],
  compaction: ['ns'],
  swapIn: ['page', 'ns'],
  wakeKswapd: ['node'],
  kswapdRound: ['steps'],
  mark: ['name', 'steps'],
  retry: ['free', 'reclaimable', 'min'],
  oomKill: ['victim'],
  storeQueued: ['ns'],
  repeat: ['times', 'steps'],
}

function checkSteps(
  steps: unknown,
  place: string,
  bad: (place: string, expected: string) => never,
): void {
  if (!Array.isArray(steps)) bad(place, 'a list of steps')
  for (const [i, step] of steps.entries()) {
    const fields = object(step, `${place}[${i}]`, bad)
    const wanted = STEP_FIELDS[fields['do'] as Step['do']]
    if (wanted === undefined)
      bad(`${place}[${i}].do`, `one of ${Object.keys(STEP_FIELDS).join(', ')}`)
    for (const name of wanted) {
      if (!(name in fields)) bad(`${place}[${i}]`, `a field ${name}`)
      if (name.toLowerCase().endsWith('ns'))
        checkDuration(fields[name], `${place}[${i}].${name}`, bad)
    }
    if ('steps' in fields) checkSteps(fields['steps'], `${place}[${i}].steps`, bad)
  }
}

function checkDuration(
  value: unknown,
  place: string,
  bad: (place: string, expected: string) => never,
): void {
  const range = Array.isArray(value) && value.length === 2 ? value : [value, value]
  const [min, max] = range
  if (!(Number.isSafeInteger(min) && Number.isSafeInteger(max) && min >= 0 && min <= max))
    bad(place, 'nanoseconds, or a pair of them in rising order')
}

function object(
  value: unknown,
  place: string,
  bad: (place: string, expected: string) => never,
): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return bad(place, 'an object')
  return value as Record<string, unknown>
}
