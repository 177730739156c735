import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EventKind, KINDS } from '../../src/generate/event-kinds.ts'
import { parseScenario } from '../../src/generate/parse-scenario.ts'
import type { Scenario } from '../../src/generate/scenario.ts'
import { SCENARIOS } from '../../src/generate/scenarios.ts'
import { simulate } from '../../src/generate/simulate.ts'
import { Truth } from '../../src/generate/truth.ts'
import { PstraceError } from '../../src/model/error.ts'
import { scenarioNamed } from './file.ts'

interface Emitted {
  readonly kind: EventKind
  readonly ts: number
  readonly cpu: number
  readonly tid: number
}

function run(scenario: Scenario, seed = 1, maxEvents = 5_000) {
  const events: Emitted[] = []
  const truth = new Truth()
  simulate(
    scenario,
    { event: (kind, ts, cpu, tid) => events.push({ kind, ts, cpu, tid }) },
    { seed, maxEvents, truth },
  )
  return { events, truth }
}

describe('a scenario', () => {
  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    'emits in the order of time, and on each cpu only what its current task can: %s',
    (_, scenario) => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 1_000_000 }), (seed) => {
          let last = 0
          const onCpu = new Map<number, number>()
          const args = (values: Float64Array, index: number) => values[index] ?? -1
          simulate(
            scenario,
            {
              event(kind, ts, cpu, tid, values) {
                expect(ts).toBeGreaterThanOrEqual(last)
                last = ts
                const current = onCpu.get(cpu)
                // A timer interrupt wakes tasks in the context of whoever runs.
                if (current !== undefined) expect({ kind, tid }).toEqual({ kind, tid: current })
                if (kind === 'switch') {
                  expect(args(values, 1)).toBe(tid)
                  onCpu.set(cpu, args(values, 5))
                }
              },
            },
            { seed, maxEvents: 800 },
          )
        }),
        { numRuns: 20 },
      )
    },
  )

  it('uses every kind of event somewhere', () => {
    const seen = new Set(
      SCENARIOS.flatMap((scenario) => run(scenario).events.map(({ kind }) => kind)),
    )
    expect(KINDS.filter((kind) => !seen.has(kind))).toEqual([])
  })

  it('stores every page once before it comes back', () => {
    const { truth } = run(scenarioNamed('server'))
    const swapouts = truth.rows('swapouts')
    for (const swapin of truth.rows('swapins')) {
      const swapout = swapouts[Number(swapin['swapout'])]
      expect(swapout?.['swap_offset']).toBe(swapin['swap_offset'])
      expect(Number(swapout?.['write_ns'])).toBeLessThan(Number(swapin['ts_ns']))
    }
    const slots = swapouts.map(
      (row) => `${row['swap_type']}:${row['swap_offset']}:${row['write_ns']}`,
    )
    expect(new Set(slots).size).toBe(slots.length)
  })

  it('changes its truth when its script changes', () => {
    const phone = scenarioNamed('phone')
    const slower: Scenario = JSON.parse(
      JSON.stringify(phone).replaceAll('"storeNs":[15000,70000]', '"storeNs":[150000,700000]'),
    )
    const stallNs = (scenario: Scenario) =>
      run(scenario)
        .truth.rows('reclaim_spans')
        .filter((row) => row['kind'] === 'direct')
        .map((row) => Number(row['end_ns']) - Number(row['start_ns']))
        .reduce((sum, ns, _, { length }) => sum + ns / length, 0)
    expect(stallNs(slower)).toBeGreaterThan(4 * stallNs(phone))
  })

  it('cuts the spans that were open when recording began', () => {
    const { truth } = run(scenarioNamed('late'))
    const cut = truth.rows('reclaim_spans').filter((row) => row['censored'] === 'start')
    const kswapd = truth.rows('kswapd_spans').filter((row) => row['censored'] === 'start')
    expect(cut.length + kswapd.length).toBeGreaterThan(0)
    for (const row of [...cut, ...kswapd]) expect(row['start_ns']).toBe(null)
  })
})

describe('a scenario file', () => {
  it('ends though nothing in an endless repeat takes time', () => {
    const { events } = run(
      parseScenario(
        change(
          { do: 'repeat', times: 0, steps: [{ do: 'swapIn', page: 'oldest', ns: 5 }] },
          { durationNs: 90_000 },
        ),
        'file',
      ),
    )
    expect(events.length).toBeLessThan(10)
  })

  it('survives the way through JSON', () => {
    for (const scenario of SCENARIOS)
      expect(parseScenario(JSON.stringify(scenario), 'file')).toEqual(scenario)
  })

  it.each([
    ['not JSON', '{\n  "name": oops\n}', /file, line 2, column 11: not JSON/],
    ['cut off', '{\n"name"', /file, line 2, column 7: not JSON/],
    ['an array', '[]', /the document: expected an object/],
    ['no CPUs', change({}, { cpuNodes: [] }), /file, cpuNodes: expected the node of each of 1/],
    ['no name', change({}, { name: 5 }), /file, name: expected a text/],
    ['a zone without a node', change({}, { zones: [{}] }), /zones\[0\]\.node: expected an integer/],
    [
      'no such CPU',
      change({}, {}, { cpu: 1 }),
      /actors\[0\]\.cpu: expected an integer from 0 to 0/,
    ],
    [
      'no such node',
      change({}, {}, { node: 3 }),
      /actors\[0\]\.node: expected a node of a zone or CPU: 0/,
    ],
    ['no such kind', change({}, {}, { kind: 'cat' }), /actors\[0\]\.kind: expected one of user/],
    ['a long name', change({}, {}, { comm: 'x'.repeat(16) }), /actors\[0\]\.comm: expected a text/],
    ['an unknown step', change({ do: 'fly' }), /steps\[0\]\.do: expected one of run, sleep/],
    ['a step without its time', change({ do: 'run' }), /steps\[0\]\.ns: expected nanoseconds/],
    ['a falling range', change({ do: 'run', ns: [9, 1] }), /steps\[0\]\.ns: expected nanoseconds/],
    ['no such page', change({ do: 'swapIn', page: 'any', ns: 1 }), /page: expected one of oldest/],
    ['no such kswapd', change({ do: 'wakeKswapd', node: 1 }), /steps\[0\]\.node: expected a node/],
    [
      'a nested error',
      change({ do: 'direct', steps: [{ do: 'io' }] }),
      /steps\[0\]\.steps\[0\]\.ns: expected nanoseconds/,
    ],
  ])('is refused with the place: %s', (_, text, message) => {
    expect(() => parseScenario(text, 'file')).toThrow(message)
    expect(() => parseScenario(text, 'file')).toThrow(PstraceError)
  })
})

function change(step: unknown, root: object = {}, own: object = {}): string {
  const actor = { comm: 'a', tid: 5, tgid: 5, cpu: 0, kind: 'user', node: 0, steps: [step] }
  return JSON.stringify({
    name: 'x',
    cpuNodes: [0],
    zones: [],
    swapDevices: [],
    startNs: 0,
    durationNs: 10,
    actors: [{ ...actor, ...own }],
    ...root,
  })
}
