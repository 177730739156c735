import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChartRow, Json, JsonObject } from '../../src/charts/chart.ts'
import { charts, findChart } from '../../src/charts/index.ts'
import { scenarioOf } from '../analysis/generated.ts'
import { trueStalls } from '../analysis/truth-stalls.ts'
import { type GeneratedCharts, openCharts } from './generated.ts'
import { COLUMNS, sampleRows, sampleSubject } from './rows.ts'

const MOST_MARKS = 10_000

const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false })
const validate = ajv.compile(
  JSON.parse(
    readFileSync(
      new URL('../../node_modules/vega-lite/build/vega-lite-schema.json', import.meta.url),
      'utf8',
    ),
  ),
)

const opened: GeneratedCharts[] = []
async function open(choice: Parameters<typeof openCharts>[0]): Promise<GeneratedCharts> {
  const generated = await openCharts(choice)
  opened.push(generated)
  return generated
}
afterAll(() => {
  for (const { database } of opened) database.close()
})

describe('of a generated recording', () => {
  const names = ['phone', 'server', 'late'] as const
  const recordings = new Map<string, GeneratedCharts>()
  beforeAll(async () => {
    for (const scenario of names) recordings.set(scenario, await open({ scenario, loss: 0.05 }))
  })

  describe.each(names)('%s', (scenario) => {
    it.each(charts.map((chart) => [chart.name, chart] as const))(
      '%s is valid Vega-Lite 6 with fields that its rows have, axes that say what they show, and few marks',
      (name, chart) => {
        const recording = recordings.get(scenario)
        if (recording === undefined) throw new Error(`${scenario} was not generated`)
        const rows = recording.rows.get(name) ?? {}
        // These have no queue, and sizes are known of runs only; without main rows the command says what is needed.
        if ((rows[chart.main] ?? []).length === 0) {
          expect(['queue-depth', 'compressed-sizes']).toContain(name)
          return
        }
        const spec = chart.spec(rows, recording.subject)
        expect(validate(spec), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true)
        const empty = new Set(
          Object.entries(spec['datasets'] as Record<string, readonly ChartRow[]>)
            .filter(([, list]) => list.length === 0)
            .map(([dataset]) => dataset),
        )
        expect(unknownFields(spec, empty)).toEqual([])
        for (const { channel, definition } of axes(spec))
          expect(titleOf(definition), `${channel} ${String(definition['field'])}`).toBeTruthy()
        expect(marksOf(spec)).toBeLessThanOrEqual(MOST_MARKS)
        expect(JSON.stringify(spec['title'])).toContain('6.12')
      },
    )
  })
})

// The shape with several columns, which only replays have: rows of runs are no recording's.
describe.each(charts.map((chart) => [chart.name, chart] as const))('%s', (name, chart) => {
  const rows = sampleRows()
  const spec = chart.spec(rows, sampleSubject())

  it.each(['light', 'dark'] as const)('is valid Vega-Lite 6 in the %s theme', (theme) => {
    const valid = validate(chart.spec(rows, sampleSubject(theme)))
    expect(validate.errors ?? [], JSON.stringify(validate.errors?.slice(0, 3))).toEqual([])
    expect(valid).toBe(true)
  })

  it('uses only fields that its rows have', () => {
    expect(unknownFields(spec)).toEqual([])
  })

  it('reads only fields that the sample rows carry', () => {
    for (const [dataset, fields] of Object.entries(chart.reads)) {
      const first = rows[dataset]?.[0]
      expect(first, dataset).toBeDefined()
      for (const field of fields) expect(Object.keys(first ?? {}), dataset).toContain(field)
    }
    expect(Object.keys(chart.reads)).toContain(chart.main)
  })

  // The comparison shows its metrics in the order of its rows.
  it.runIf(name !== 'policy-comparison')(
    'does not change when the rows come in another order',
    () => {
      const { datasets: _drawn, ...shape } = spec
      const reversed = Object.fromEntries(
        Object.entries(rows).map(([dataset, list]) => [dataset, [...list].reverse()]),
      )
      const { datasets: _other, ...again } = chart.spec(reversed, sampleSubject())
      expect(again).toEqual(shape)
    },
  )

  it('says in its title which trace it is about and what it rests on', () => {
    const title = spec['title'] as { text: string[]; subtitle: string[] }
    expect(title.text.join(' ')).toContain('zram-lz4-6.1')
    expect(title.subtitle.join(' ')).toContain('contents swap-image')
    expect(title.subtitle.join(' ')).toContain('0 events lost')
  })

  it('names the quantity, and the unit where there is one, on every quantitative axis', () => {
    for (const { channel, definition } of axes(spec)) {
      expect(titleOf(definition), `${channel} ${String(definition['field'])}`).toBeTruthy()
    }
  })

  it('draws at most ten thousand marks', () => {
    expect(marksOf(spec)).toBeLessThanOrEqual(MOST_MARKS)
  })

  it('keeps the shape that is written down in fixtures/charts', async () => {
    const { datasets: _rows, config: _config, ...shape } = spec
    await expect(`${JSON.stringify(shape, null, 1)}\n`).toMatchFileSnapshot(
      `../../fixtures/charts/${name}.vl.json`,
    )
  })
})

it('has one name per chart, found by that name', () => {
  expect(new Set(charts.map(({ name }) => name)).size).toBe(charts.length)
  for (const chart of charts) expect(findChart(chart.name)).toBe(chart)
  expect(findChart('pie')).toBeUndefined()
})

describe('stalls-by-task with many tasks', () => {
  let recording: GeneratedCharts
  beforeAll(async () => {
    const scenario = scenarioOf(
      'crowd',
      Array.from({ length: 40 }, (_, index) => ({
        comm: `task-${index}`,
        tid: 1000 + index,
        tgid: 1000 + index,
        cpu: index % 2,
        kind: 'user' as const,
        node: 0,
        steps: [
          { do: 'sleep' as const, ns: 1_000_000 * (index + 1) },
          {
            do: 'direct' as const,
            order: 0,
            steps: [
              {
                do: 'batch' as const,
                swapOuts: 1 + index,
                scanNs: 5_000,
                unmapNs: 5_000,
                storeNs: 20_000,
              },
            ],
          },
        ],
      })),
    )
    recording = await open({ scenario })
  })

  it('folds the shortest into one bar that says how many it holds', () => {
    const tasks = new Set(
      recording.drawn('stalls-by-task', 'stalls_by_task').map((row) => row['task']),
    )
    expect([...tasks]).toContain('29 more application tasks')
    expect(tasks.size).toBe(12)
    const longest = trueStalls(recording)
      .sort((a, b) => b.ns - a.ns)
      .slice(0, 11)
    for (const { comm, tid } of longest) expect([...tasks]).toContain(`${comm} (${tid})`)
  })

  it('loses no stall time in the fold', () => {
    const drawn = recording
      .drawn('stalls-by-task', 'stalls_by_task')
      .reduce((total, row) => total + Number(row['ms']), 0)
    const truth = trueStalls(recording).reduce((total, { ns }) => total + ns, 0)
    expect(drawn).toBeCloseTo(truth / 1e6, 3)
  })
})

it('gives the recording the neutral colour and every run its own, whichever columns are chosen', () => {
  const comparison = findChart('policy-comparison')
  const scaleOf = (columns: readonly string[]): { domain: string[]; range: string[] } => {
    const spec = comparison?.spec(sampleRows(), { ...sampleSubject(), columns })
    const text = JSON.stringify(spec)
    const found = /"scale":(\{"domain":\[[^\]]*\],"range":\[[^\]]*\]\})/.exec(text)
    return JSON.parse(found?.[1] ?? '{}')
  }
  const all = scaleOf(COLUMNS)
  expect(new Set(all.range).size).toBe(COLUMNS.length)
  expect(scaleOf(['kswapd', 'parallel']).range).not.toContain(all.range[0])
})

it('has zero at the left of a panel in which all is zero', () => {
  const rows = ['recording', 'parallel'].map((column) => ({
    ...sampleRows()['policy_comparison']?.[0],
    ...{ column, metric: 'order_done_inversions', value: 0, lo: null, hi: null },
  }))
  const draw = (list: readonly ChartRow[]) =>
    JSON.stringify(
      findChart('policy-comparison')?.spec({ policy_comparison: list }, sampleSubject()),
    )
  expect(draw(rows)).toContain('"scale":{"domain":[0,1]}')
  expect(draw(rows.map((row, value) => ({ ...row, value })))).toContain('"scale":{"zero":true}')
})

it('cuts free memory off far above the watermarks, but not where it stays there', () => {
  const { free_samples: samples = [], ...others } = sampleRows()
  const draw = (free: (row: ChartRow, index: number) => number) =>
    JSON.stringify(
      findChart('timeline')?.spec(
        { ...others, free_samples: samples.map((row, i) => ({ ...row, free_mib: free(row, i) })) },
        sampleSubject(),
      ),
    )
  expect(draw((row, i) => (i % 2 === 0 ? 1000 : Number(row['free_mib'])))).toContain('is cut off')
  expect(draw((row) => (row['column'] === 'recording' ? 1000 : 5))).not.toContain('is cut off')
})

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function titleOf(definition: JsonObject): unknown {
  return [definition['axis'], definition['title']]
    .map((part) => (isObject(part) ? part['title'] : part))
    .find((part) => part !== undefined && part !== null)
}

function marksOf(spec: JsonObject): number {
  const datasets = spec['datasets'] as Record<string, readonly ChartRow[]>
  return Object.values(datasets).reduce((sum, list) => sum + list.length, 0)
}

/** Fields that a view uses and that neither its rows nor its transforms have; of `empty` datasets nothing is drawn. */
function unknownFields(spec: JsonObject, empty: ReadonlySet<string> = new Set()): string[] {
  const datasets = spec['datasets'] as Record<string, readonly ChartRow[]>
  const bad: string[] = []
  const visit = (node: JsonObject, inherited: ReadonlySet<string>): void => {
    let known = new Set(inherited)
    const data = node['data']
    if (isObject(data)) {
      if (typeof data['name'] === 'string') {
        if (empty.has(data['name'])) return
        const list = datasets[data['name']]
        if (list === undefined) bad.push(`dataset ${data['name']}`)
        known = new Set(Object.keys(list?.[0] ?? {}))
      } else known = new Set(Object.keys((data['values'] as ChartRow[])[0] ?? {}))
    }
    for (const transform of (node['transform'] as JsonObject[] | undefined) ?? []) {
      for (const field of fieldsIn(transform)) if (!known.has(field)) bad.push(`transform ${field}`)
      for (const name of outputsOf(transform)) known.add(name)
    }
    for (const part of ['encoding', 'facet'])
      if (isObject(node[part]))
        for (const field of fieldsIn(node[part]))
          if (!known.has(field)) bad.push(`${part} ${field}`)
    for (const part of ['layer', 'vconcat', 'concat', 'hconcat'])
      for (const child of (node[part] as JsonObject[] | undefined) ?? []) visit(child, known)
    if (isObject(node['spec'])) visit(node['spec'], known)
  }
  visit(spec, new Set())
  return bad
}

function fieldsIn(value: Json): string[] {
  if (typeof value === 'string')
    return [...value.matchAll(/datum\.([a-z_0-9]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((name) => name !== 'value' || value.includes('datum.value,'))
  if (Array.isArray(value)) return value.flatMap(fieldsIn)
  if (!isObject(value)) return []
  const own = typeof value['field'] === 'string' ? [value['field']] : []
  const grouped = Array.isArray(value['groupby']) ? (value['groupby'] as string[]) : []
  const rest = Object.entries(value).filter(
    // An axis expression's datum is the tick, not the row.
    ([key]) => key !== 'axis' && key !== 'field' && key !== 'groupby',
  )
  return [...own, ...grouped, ...rest.flatMap(([, part]) => fieldsIn(part))]
}

function outputsOf(transform: JsonObject): string[] {
  const as = transform['as']
  const own = typeof as === 'string' ? [as] : Array.isArray(as) ? (as as string[]) : []
  const aggregated = (transform['aggregate'] as JsonObject[] | undefined) ?? []
  return [...own, ...aggregated.map((part) => String(part['as']))]
}

/** Quantitative x and y definitions of views that show an axis with labels. */
function axes(spec: JsonObject): { channel: string; definition: JsonObject }[] {
  const out: { channel: string; definition: JsonObject }[] = []
  const visit = (node: Json): void => {
    if (Array.isArray(node)) {
      // The first layer carries the axis; the others share it.
      for (const child of node) visit(child)
      return
    }
    if (!isObject(node)) return
    const layers = node['layer'] as JsonObject[] | undefined
    if (layers !== undefined) {
      for (const channel of ['x', 'y']) {
        const definitions = layers
          .map((layer) => (isObject(layer['encoding']) ? layer['encoding'][channel] : undefined))
          .filter(isObject)
          .filter((definition) => definition['type'] === 'quantitative')
        const titled =
          definitions.find((definition) => isObject(definition['axis'])) ?? definitions[0]
        if (titled !== undefined && shown(titled)) out.push({ channel, definition: titled })
      }
      return
    }
    const encoding = node['encoding']
    if (isObject(encoding))
      for (const channel of ['x', 'y']) {
        const definition = encoding[channel]
        if (isObject(definition) && definition['type'] === 'quantitative' && shown(definition))
          out.push({ channel, definition })
      }
    for (const part of ['vconcat', 'concat', 'hconcat']) visit(node[part] ?? [])
    if (isObject(node['spec'])) visit(node['spec'])
  }
  visit(spec)
  return out
}

/** Panels of a stack leave the shared time axis to the last one: they say `title: null`. */
function shown(definition: JsonObject): boolean {
  const axis = definition['axis']
  return !(isObject(axis) && axis['title'] === null)
}
