import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, openDoor } from './front-door.ts'

let door: Door
beforeAll(() => {
  door = openDoor()
  for (const seed of ['1', '2', '3', '4']) {
    const file = `phone-${seed}.dat`
    const generated = ['generate', 'phone', '-o', file, '--events', '1500', '--seed', seed]
    expect(door.run(generated).status).toBe(0)
    expect(door.run(['ingest', '-q', file, '--name', `phone-${seed}`]).status).toBe(0)
  }
})
afterAll(() => door.close())

const SETS = ['trace:phone-1,trace:phone-2', 'trace:phone-3,trace:phone-4']
const ROTATED = ['--policy', 'kcompressd', '--set', 'pstrace.rotate=1', '--seeds', '2']

const NUMBER = { type: ['number', 'null'] }
const TEXT = { type: 'string' }
const TEXTS = { type: 'array', items: TEXT }

function object(properties: Readonly<Record<string, object>>) {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  }
}

const RECORDINGS = {
  type: 'array',
  minItems: 2,
  items: object({
    trace: TEXT,
    policy: TEXT,
    policy_basis: { enum: ['event', 'snapshot', 'inferred', 'default'] },
    work_s: { type: 'number' },
    lost_events: { type: 'integer' },
  }),
}
const REPLAYED = { type: 'array', minItems: 2, maxItems: 2, items: NUMBER }

const POLICY_ROW = object({
  metric: TEXT,
  unit: TEXT,
  recorded_a: NUMBER,
  recorded_b: NUMBER,
  ratio: NUMBER,
  spread: NUMBER,
  replayed_a: NUMBER,
  replayed_b: NUMBER,
  predicted: NUMBER,
  error: NUMBER,
  predicted_demand_low: NUMBER,
  predicted_demand_high: NUMBER,
  sign: { enum: ['right', 'wrong', 'within spread', 'unknown'] },
  size: { enum: ['right', 'wrong', 'unknown'] },
  size_limit: NUMBER,
  nothing_changes: { const: 1 },
  nothing_changes_error: NUMBER,
  formula: { type: 'number' },
  formula_error: NUMBER,
  predicted_better: { type: 'boolean' },
  self_error: NUMBER,
  trusted: { type: 'boolean' },
  verdict: TEXT,
  repeats_a: {
    type: 'array',
    items: object({ trace: TEXT, recorded: NUMBER, replayed_a: REPLAYED, replayed_b: REPLAYED }),
  },
  repeats_b: { type: 'array', items: object({ trace: TEXT, recorded: NUMBER }) },
  recordings_a: RECORDINGS,
  recordings_b: RECORDINGS,
  recorded_policy: TEXT,
  policy: TEXT,
  tunables: { type: 'object', additionalProperties: { type: 'integer' } },
  seeds: { type: 'array', items: { type: 'integer' } },
  replayed: TEXT,
  judged_by: object({ sign: TEXT, size: TEXT, null_models: TEXT, trusted: TEXT, inputs: TEXT }),
  inputs: object({ event: TEXTS, snapshot: TEXTS, inferred: TEXTS, default: TEXTS }),
  inputs_compared: {
    type: 'array',
    minItems: 2,
    items: object({
      input: TEXT,
      unit: TEXT,
      a: { type: 'number' },
      b: { type: 'number' },
      ratio: NUMBER,
      spread: NUMBER,
      limit: NUMBER,
      agrees: { type: 'boolean' },
      ratio_in_stores: NUMBER,
      spread_in_stores: NUMBER,
      agrees_in_stores: { type: ['boolean', 'null'] },
    }),
  },
})

interface PolicyRow {
  readonly metric: string
  readonly recorded_a: number | null
  readonly recorded_b: number | null
  readonly ratio: number | null
  readonly spread: number | null
  readonly replayed_a: number | null
  readonly replayed_b: number | null
  readonly predicted: number | null
  readonly sign: string
  readonly size: string
  readonly formula: number
  readonly predicted_better: boolean
  readonly repeats_a: readonly {
    readonly trace: string
    readonly recorded: number | null
    readonly replayed_a: readonly (number | null)[]
    readonly replayed_b: readonly (number | null)[]
  }[]
  readonly repeats_b: readonly { readonly recorded: number | null }[]
  readonly policy: string
  readonly tunables: Readonly<Record<string, number>>
  readonly seeds: readonly number[]
  readonly recordings_b: readonly { readonly trace: string }[]
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((x, y) => x - y)
  const middle = known.length >> 1
  if (known.length === 0) return null
  return known.length % 2 === 1
    ? (known[middle] ?? null)
    : ((known[middle - 1] ?? 0) + (known[middle] ?? 0)) / 2
}

describe('a policy validated by two sets of recordings', () => {
  let rows: PolicyRow[]
  beforeAll(() => {
    rows = door.rows<PolicyRow>(['validate', '-q', ...SETS, ...ROTATED])
  })

  it('as JSON is what the schema says, one row per metric', () => {
    const validate = new Ajv({ allowUnionTypes: true }).compile({
      type: 'array',
      minItems: 12,
      maxItems: 12,
      items: POLICY_ROW,
    })
    validate(rows)
    expect(validate.errors).toBeNull()
  })

  it('names the recordings, the policy with all its tunables, and the seeds', () => {
    for (const row of rows) {
      expect(row.repeats_a.map(({ trace }) => trace)).toEqual(['phone-1', 'phone-2'])
      expect(row.recordings_b.map(({ trace }) => trace)).toEqual(['phone-3', 'phone-4'])
      expect(row.policy).toBe('kcompressd')
      expect(row.tunables).toMatchObject({ 'pstrace.rotate': 1, 'pstrace.fifo': 256 })
      expect(row.seeds).toEqual([1, 2])
    }
  })

  it('has medians of the single figures, and ratios of the medians', () => {
    for (const { metric, ...row } of rows) {
      expect(row.recorded_a, metric).toBe(medianOf(row.repeats_a.map((each) => each.recorded)))
      expect(row.recorded_b, metric).toBe(medianOf(row.repeats_b.map((each) => each.recorded)))
      const of = (side: 'replayed_a' | 'replayed_b') =>
        medianOf(row.repeats_a.flatMap((each) => each[side]))
      expect(row.replayed_a, metric).toBe(of('replayed_a'))
      expect(row.replayed_b, metric).toBe(of('replayed_b'))
      if (row.ratio !== null)
        expect(row.ratio * (row.recorded_a ?? 0)).toBeCloseTo(row.recorded_b ?? 0)
      if (row.predicted !== null)
        expect(row.predicted * (row.replayed_a ?? 0)).toBeCloseTo(row.replayed_b ?? 0)
    }
  })

  it('is judged by the rules that it prints', () => {
    for (const { metric, ratio, spread, predicted, sign, size, ...row } of rows) {
      if (ratio === null || spread === null || predicted === null) {
        expect([sign, size], metric).toEqual(['unknown', 'unknown'])
        continue
      }
      const effect = Math.abs(ratio - 1)
      const error = Math.abs(predicted - ratio)
      const agrees = predicted > 1 === ratio > 1
      expect(sign, metric).toBe(effect <= spread ? 'within spread' : agrees ? 'right' : 'wrong')
      expect(size, metric).toBe(error <= Math.max(0.25 * effect, spread) ? 'right' : 'wrong')
      const beaten = error >= effect || error >= Math.abs(row.formula - ratio)
      expect(row.predicted_better, metric).toBe(!beaten)
    }
  })

  it('for people says what was predicted from what, and each figure with its verdict', () => {
    const { stdout, stderr, status } = door.run(['validate', ...SETS, ...ROTATED])
    expect(status).toBe(0)
    const [first = ''] = stdout.split('\n')
    expect(first).toContain('kcompressd (pstrace.rotate=1) predicted from phone-1, phone-2')
    expect(first).toContain('against phone-3, phone-4; 2 seeds')
    for (const { metric } of rows) expect(stdout).toMatch(new RegExp(`^${metric} `, 'm'))
    expect(stdout).not.toMatch(/NaN|undefined|Infinity/)
    expect(stdout).toMatch(/^demand +pages /m)
    expect(stderr).toMatch(/inputs: \d+ of \d+ agree between A and B/)
    expect(stderr).toContain('phone-3, phone-4 looks like a recording under kswapd')
  })
})

describe('what cannot be compared', () => {
  it.each<readonly [string, RegExp]>([
    ['validate trace:phone-1 trace:phone-1 --policy parallel', /named twice/],
    ['validate trace:phone-1 --policy parallel', /both A and B/],
    ['validate trace:phone-1 trace:phone-2', /--policy names the policy/],
    ['validate trace:phone-1 trace:phone-2 --policy parallel --trace phone-3', /A and B name/],
    ['validate --set vm.parallel_swap=1', /--set belongs/],
    ['validate trace:phone-1 trace:phone-2 --policy parallel --set zram.level=2', /zram\.level/],
    ['validate trace:phone-1 trace:fone-2 --policy parallel', /fone-2/],
    ['validate --seeds 0', /from 1 to 1000/],
  ])('%s is wrong usage', (command, message) => {
    const { status, stderr } = door.run(command.split(' '))
    expect(status).toBe(2)
    expect(stderr).toMatch(message)
  })
})

describe('the halves of one recording', () => {
  it('as JSON name the recording, its policy, the seeds and the limits', () => {
    const rows = door.rows(['validate', '-q', '--trace', 'phone-2', '--seeds', '1'])
    for (const row of rows)
      expect(row).toMatchObject({
        trace: 'phone-2',
        policy: 'kswapd',
        seeds: [1],
        limits: expect.stringContaining('swapouts_per_s 10 %'),
        basis: expect.stringContaining('defaults:'),
      })
    expect(rows.map(({ metric }) => metric)).toContain('swapouts_per_s')
  })
})
