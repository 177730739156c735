import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import type { Actor, Scenario, Step } from '../../src/generate/scenario.ts'
import { DOMAIN_TABLES, domainRows } from './domain-rows.ts'
import { expectTruth } from './expect-truth.ts'
import type { Row } from './expected.ts'
import { type Choice, scenarioNamed } from './file.ts'

let database: Database
beforeAll(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterAll(() => database.close())

const batch = (more: Partial<Step & { do: 'batch' }> = {}): Step => ({
  do: 'batch',
  swapOuts: 6,
  kept: 2,
  scanNs: 20_000,
  unmapNs: 6_000,
  storeNs: 30_000,
  ...more,
})
const slab: Step = { do: 'slab', shrinker: 1, ns: 30_000, freed: 17 }
const refault: Step = { do: 'swapIn', page: 'oldest', ns: 20_000 }

const APP: readonly Step[] = [
  { do: 'run', ns: 400_000 },
  { do: 'wakeKswapd', node: 0 },
  { do: 'run', ns: 3_000_000 },
  {
    do: 'mark',
    name: 'frame',
    steps: [{ do: 'direct', steps: [batch(), slab, batch({ device: 1 })] }],
  },
  refault,
  refault,
  { do: 'throttle', ns: 2_000_000, reason: 1 },
  { do: 'memcg', steps: [batch({ swapOuts: 3 })] },
  { do: 'retry', free: 1900, reclaimable: 50_000, min: 2048 },
  { do: 'sleep', ns: 1_000_000 },
  { do: 'direct', order: 2, steps: [{ do: 'compaction', ns: 300_000 }, batch({ swapOuts: 2 })] },
  { do: 'run', ns: 100_000 },
]

/** Every duration is fixed, so that a change shows where it was made and in what follows from it. */
function scriptOf(steps: readonly Step[], more: Partial<Scenario> = {}): Scenario {
  const { zones, swapDevices } = scenarioNamed('server')
  const kswapd = (node: number): Actor => ({
    comm: `kswapd${node}`,
    tid: 60 + node,
    tgid: 60 + node,
    cpu: 2 * node + 1,
    kind: 'kswapd',
    node,
    steps: [
      {
        do: 'repeat',
        times: 2,
        steps: [{ do: 'kswapdRound', steps: [batch({ swapOuts: 8 }), slab] }],
      },
    ],
  })
  return {
    name: 'script',
    summary: '',
    cpuNodes: [0, 0, 1, 1],
    zones,
    swapDevices,
    startNs: 7_000_000_000,
    durationNs: 1_000_000_000,
    actors: [
      kswapd(0),
      kswapd(1),
      { comm: 'app', tid: 900, tgid: 900, cpu: 0, kind: 'user', node: 0, steps },
      {
        comm: 'other',
        tid: 901,
        tgid: 901,
        cpu: 2,
        kind: 'user',
        node: 1,
        steps: [
          { do: 'run', ns: 9_000_000 },
          { do: 'wakeKswapd', node: 1 },
          { do: 'run', ns: 500_000 },
        ],
      },
    ],
    ...more,
  }
}

/** The same steps with the one at `path` (indexes, from the outermost list inwards) replaced by others. */
function edit(
  steps: readonly Step[],
  path: readonly number[],
  change: (step: Step) => readonly Step[],
): Step[] {
  const [index, ...rest] = path
  return steps.flatMap((step, i) => {
    if (i !== index) return [step]
    if (rest.length === 0) return change(step)
    if (!('steps' in step)) throw new Error('the path leads nowhere')
    return [{ ...step, steps: edit(step.steps, rest, change) }]
  })
}

const app = (
  path: readonly number[],
  change: (step: Step) => readonly Step[],
): Partial<Choice> => ({
  scenario: scriptOf(edit(APP, path, change)),
})
const actors = (change: (actor: Actor) => Actor): Partial<Choice> => {
  const script = scriptOf(APP)
  return { scenario: { ...script, actors: script.actors.map(change) } }
}
const widened = (step: Step, more: object): Step[] => [{ ...step, ...more } as Step]

/** What is changed, how, and the tables in which that must show. */
const MUTATIONS: readonly (readonly [string, Partial<Choice>, readonly string[]])[] = [
  [
    'the order of two batches, of which one goes to the other device',
    {
      scenario: scriptOf(
        edit(APP, [3, 0], (step) =>
          widened(step, { steps: [batch({ device: 1 }), slab, batch()] }),
        ),
      ),
    },
    ['swapouts', 'swapins'],
  ],
  [
    'one store longer',
    app([3, 0, 0], (step) => widened(step, { storeNs: 31_000 })),
    ['swapouts', 'reclaim_spans', 'stall_parts', 'thread_states'],
  ],
  [
    'one scan longer',
    app([7, 0], (step) => widened(step, { scanNs: 25_000 })),
    ['reclaim_spans', 'stall_parts', 'thread_states'],
  ],
  [
    'one unmapping longer',
    app([7, 0], (step) => widened(step, { unmapNs: 7_000 })),
    ['swapouts', 'stall_parts', 'thread_states'],
  ],
  ['one refault less', app([5], () => []), ['swapins']],
  ['another page refaulted', app([5], (step) => widened(step, { page: 'newest' })), ['swapins']],
  ['a slower refault', app([4], (step) => widened(step, { ns: 25_000 })), ['swapins']],
  [
    'slab instead of compaction',
    app([10, 0], () => [slab]),
    ['reclaim_spans', 'stall_parts', 'slab_shrinks'],
  ],
  [
    'one slab shrink more',
    app([3, 0, 1], (step) => [step, slab]),
    ['slab_shrinks', 'stall_parts', 'thread_states'],
  ],
  ['more objects freed', app([3, 0, 1], (step) => widened(step, { freed: 18 })), ['slab_shrinks']],
  [
    'one swap-out more',
    app([3, 0, 0], (step) => widened(step, { swapOuts: 7 })),
    ['swapouts', 'shrink_batches', 'reclaim_spans'],
  ],
  ['one page more kept', app([3, 0, 0], (step) => widened(step, { kept: 3 })), ['shrink_batches']],
  [
    'another scan priority',
    app([3, 0, 0], (step) => widened(step, { priority: 10 })),
    ['shrink_batches'],
  ],
  [
    'memcg reclaim instead of direct',
    app([3, 0], (step) => widened(step, { do: 'memcg' })),
    ['reclaim_spans', 'swapouts'],
  ],
  [
    'soft limit reclaim within',
    app([3, 0, 0], (step) => [{ do: 'softlimit', steps: [step] }]),
    ['reclaim_spans', 'swapouts', 'stall_parts'],
  ],
  [
    'another order asked for',
    app([3, 0], (step) => widened(step, { order: 4 })),
    ['reclaim_spans'],
  ],
  [
    'throttled longer',
    app([6], (step) => widened(step, { ns: 2_500_000 })),
    ['reclaim_spans', 'stall_parts', 'thread_states'],
  ],
  [
    'a wait for a device within a stall',
    app([3, 0, 1], () => [{ do: 'io', ns: 700_000 }]),
    ['stall_parts', 'thread_states', 'slab_shrinks'],
  ],
  ['less free memory', app([8], (step) => widened(step, { free: 1899 })), ['samples']],
  ['another watermark met', app([8], (step) => widened(step, { min: 2047 })), ['samples']],
  ['another mark', app([3], (step) => widened(step, { name: 'scroll' })), ['markers']],
  ['a kill', app([9], (step) => [step, { do: 'oomKill', victim: 901 }]), ['markers']],
  [
    'the other kswapd woken',
    app([1], (step) => widened(step, { node: 1 })),
    ['kswapd_spans', 'wakeups'],
  ],
  [
    'one sleep longer',
    app([9], (step) => widened(step, { ns: 1_100_000 })),
    ['thread_states', 'wakeups'],
  ],
  [
    'a task on another CPU',
    actors((actor) => (actor.tid === 900 ? { ...actor, cpu: 2 } : actor)),
    ['thread_states', 'swapouts', 'reclaim_spans'],
  ],
  [
    'a task of the other node',
    actors((actor) => (actor.tid === 900 ? { ...actor, node: 1 } : actor)),
    ['swapouts', 'shrink_batches', 'slab_shrinks'],
  ],
  [
    'another name',
    actors((actor) => (actor.tid === 901 ? { ...actor, comm: 'third' } : actor)),
    ['tasks'],
  ],
  [
    'another thread',
    actors((actor) => (actor.tid === 901 ? { ...actor, tid: 902 } : actor)),
    ['tasks'],
  ],
  [
    'another watermark',
    {
      scenario: scriptOf(APP, {
        zones: scriptOf(APP).zones.map((zone) => ({ ...zone, low: zone.low + 1 })),
      }),
    },
    ['zones'],
  ],
  [
    'a larger swap device',
    {
      scenario: scriptOf(APP, {
        swapDevices: scriptOf(APP).swapDevices.map((device) => ({
          ...device,
          sizePages: device.sizePages + 1,
        })),
      }),
    },
    ['swap_devices'],
  ],
]

const TABLES = [...DOMAIN_TABLES, 'zones', 'swap_devices']
/** What follows from the number of events alone, or tells when a task was met. */
const NOT_COMPARED = ['first_ns', 'last_ns']
const EVENTS = 10_000
const FORMATS = ['v7', 'perf', 'text', 'perfetto-dense'] as const
type Format = (typeof FORMATS)[number]

async function tablesOf(
  choice: Choice & { readonly format: Format },
): Promise<{ truth: Map<string, string>; read: Map<string, string> }> {
  const { traceId, truth } = await expectTruth(database, { events: EVENTS, ...choice })
  const text = (rows: readonly Row[]) => JSON.stringify(rows)
  const read = new Map<string, string>()
  for (const table of TABLES) {
    const rows = await domainRows(database, traceId, table)
    const kept = rows.filter(({ name }) => !/^(vmstat|events)\./.test(String(name ?? '')))
    read.set(
      table,
      text(
        kept.map((row) =>
          Object.fromEntries(Object.entries(row).filter(([name]) => !NOT_COMPARED.includes(name))),
        ),
      ),
    )
  }
  return {
    truth: new Map(TABLES.map((table) => [table, text(truth.tables?.[table] ?? [])])),
    read,
  }
}

function changed(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  return TABLES.filter((table) => one.get(table) !== other.get(table))
}

/** The script with a queue and a worker for what its kswapds hand over. */
function withQueue(depth: number, ns: number, cpus: readonly number[]): Partial<Choice> {
  const script = scriptOf(APP)
  const worker = (cpu: number, i: number): Actor => ({
    comm: `kcompressd${i}`,
    tid: 70 + i,
    tgid: 70 + i,
    cpu,
    kind: 'compressor',
    node: 0,
    steps: [{ do: 'storeQueued', ns }],
  })
  return {
    scenario: { ...script, storeQueue: { depth }, actors: [...script.actors, ...cpus.map(worker)] },
  }
}

const QUEUE_MUTATIONS: readonly (readonly [string, Partial<Choice>, readonly string[]])[] = [
  ['a shorter queue', withQueue(2, 45_000, [2]), ['swapouts', 'kswapd_spans', 'thread_states']],
  ['slower stores', withQueue(4, 90_000, [2]), ['swapouts', 'thread_states']],
  ['a worker more', withQueue(4, 45_000, [2, 0]), ['tasks', 'swapouts', 'thread_states']],
  ['a worker on another CPU', withQueue(4, 45_000, [0]), ['thread_states', 'wakeups']],
]

describe.each(
  FORMATS.flatMap((format) => [
    { format, script: 'the script', first: { scenario: scriptOf(APP) }, mutations: MUTATIONS },
    {
      format,
      script: 'the script with a queue',
      first: withQueue(4, 45_000, [2]),
      mutations: QUEUE_MUTATIONS,
    },
  ]),
)('a change to $script, recorded as $format', ({ format, first, mutations }) => {
  const base: Choice & { readonly format: Format } = {
    scenario: scriptOf(APP),
    ...first,
    format,
    ...(format === 'perfetto-dense' && { clock: 'boot' }),
  }
  let before: Awaited<ReturnType<typeof tablesOf>>
  beforeAll(async () => {
    before = await tablesOf(base)
  })

  it.each(mutations)(
    'shows in the truth and in what is read alike: %s',
    async (_, mutation, tables) => {
      const after = await tablesOf({ ...base, ...mutation, format })
      const inTruth = changed(before.truth, after.truth)
      const inRead = changed(before.read, after.read)
      // perf has no user marks.
      const expressed = (table: string) => format !== 'perf' || table !== 'markers'
      expect(inTruth).toEqual(expect.arrayContaining([...tables]))
      expect(inRead).toEqual(expect.arrayContaining(tables.filter(expressed)))
    },
  )
})
