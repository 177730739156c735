import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteName } from '../../database/quote.ts'
import { groupBy } from '../../model/group-by.ts'
import type { Figure } from '../figure.ts'
import { readRows } from '../query.ts'
import { readStoredMeasures } from './measures.ts'
import type { SweepAxis } from './question.ts'

/** One point of a sweep: a policy with one value of what is varied, over the runs (seeds) there are of it. */
export interface SweepPoint {
  readonly policy: string
  readonly at: string
  readonly runs: readonly number[]
  readonly figures: readonly ReadonlyMap<string, Figure>[]
}

interface StoredRun {
  readonly runId: number
  readonly policy: string
  readonly seed: number
  readonly config: Readonly<Record<string, unknown>>
}

/** Distinct values that make a sweep. A single CPU is one value that answers by itself. */
const LEAST: Readonly<Record<SweepAxis, number>> = { background: 2, codec: 2, workers: 2, cpus: 1 }

/** Runs of a trace that differ in `axis` and agree in everything else; empty when there are too few. Reads the tables, not the selection. */
export async function readSweep(
  connection: DuckDBConnection,
  source: { readonly catalog: string; readonly traceId: number },
  axis: SweepAxis,
): Promise<SweepPoint[]> {
  const base = `${quoteName(source.catalog)}.main`
  const rows = await readRows<{
    run_id: number
    policy: string
    seed: number | null
    config: string | null
  }>(
    connection,
    `SELECT run_id, policy, seed, CAST(config AS VARCHAR) AS config FROM ${base}.runs
     WHERE trace_id = ${source.traceId} AND state = 'complete' ORDER BY run_id`,
  )
  const runs: StoredRun[] = rows.flatMap(({ run_id: runId, policy, seed, config }) => {
    const parsed = parseConfig(config)
    return parsed === undefined ? [] : [{ runId, policy, seed: seed ?? 0, config: parsed }]
  })
  const group = chooseGroup(runs, axis)
  const stored = await readStoredMeasures(connection, `${base}.metrics`)
  const points = new Map<string, StoredRun[]>()
  for (const run of group) {
    const at = axisValue(run, axis)
    if (at === undefined) continue
    const key = `${run.policy}\n${at}`
    const others = (points.get(key) ?? []).filter(({ seed }) => seed !== run.seed)
    points.set(key, [...others, run])
  }
  return [...points].map(([key, own]) => {
    const [policy = '', at = ''] = key.split('\n')
    return {
      policy,
      at,
      runs: own.map(({ runId }) => runId),
      figures: own.map(({ runId }) => stored.get(runId) ?? new Map<string, Figure>()),
    }
  })
}

function parseConfig(text: string | null): Readonly<Record<string, unknown>> | undefined {
  if (text === null) return undefined
  const value: unknown = JSON.parse(text)
  const usable = typeof value === 'object' && value !== null && 'tunables' in value
  return usable ? (value as Record<string, unknown>) : undefined
}

/** The runs that agree in all but policy, seed and axis; of several such groups the one with most values, then the latest. */
function chooseGroup(runs: readonly StoredRun[], axis: SweepAxis): readonly StoredRun[] {
  const usable = runs.filter((run) => axis !== 'cpus' || axisValue(run, axis) !== undefined)
  const groups = groupBy(usable, ({ config }) => JSON.stringify(restOf(config, axis)))
  let best: readonly StoredRun[] = []
  let most = LEAST[axis] - 1
  for (const group of groups.values()) {
    const chosen = agreeInTunables(group, axis)
    const values = mostValues(chosen, axis)
    if (values > most || (values === most && best.length > 0)) {
      most = values
      best = chosen
    }
  }
  return best
}

/** Distinct values of the axis under the policy that has most of them. */
function mostValues(runs: readonly StoredRun[], axis: SweepAxis): number {
  const values = new Map<string, Set<string>>()
  for (const run of runs) {
    const own = values.get(run.policy) ?? new Set<string>()
    own.add(axisValue(run, axis) ?? '')
    values.set(run.policy, own)
  }
  return Math.max(0, ...[...values.values()].map(({ size }) => size))
}

/** Per policy the runs with one set of other tunables: those with most values, then the latest. */
function agreeInTunables(group: readonly StoredRun[], axis: SweepAxis): StoredRun[] {
  const variants = new Map<string, Map<string, StoredRun[]>>()
  for (const run of group) {
    const tunables = { ...(run.config['tunables'] as Record<string, unknown>) }
    if (axis === 'workers') for (const name of WORKER_TUNABLES) delete tunables[name]
    const own = variants.get(run.policy) ?? new Map<string, StoredRun[]>()
    const key = JSON.stringify(tunables)
    own.set(key, [...(own.get(key) ?? []), run])
    variants.set(run.policy, own)
  }
  return [...variants.values()].flatMap((own) => {
    let best: readonly StoredRun[] = []
    let most = 0
    for (const runs of own.values()) {
      const values = new Set(runs.map((run) => axisValue(run, axis) ?? '')).size
      if (values < most) continue
      most = values
      best = runs
    }
    return best
  })
}

const WORKER_TUNABLES = ['vm.parallel_swap', 'pstrace.workers']

/** Parts of a configuration that say where the workload came from, and results that may differ between runs of one sweep. */
const NOT_COMPARED = new Set([
  'policy',
  'seed',
  'tunables',
  'exhaustedUnder',
  'workUsed',
  'keep',
  'recordedWorkNs',
  'unlikeRecorded',
  'given',
])

function restOf(config: Readonly<Record<string, unknown>>, axis: SweepAxis): unknown {
  const skipped = new Set(NOT_COMPARED)
  if (axis === 'workers' || axis === 'cpus') skipped.add('cpus')
  else skipped.add(axis)
  // A codec differs from another by its time, too.
  if (axis === 'codec') skipped.add('costScale')
  // The description of contents goes on with the seed.
  const source = String(config['contents'] ?? '').split(' ')[0]
  return Object.entries({ ...config, contents: source })
    .filter(([name]) => !skipped.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/** `undefined`: the run says nothing about this axis. */
function axisValue({ config, policy }: StoredRun, axis: SweepAxis): string | undefined {
  const cpus = Array.isArray(config['cpus']) ? config['cpus'].length : undefined
  switch (axis) {
    case 'background':
      return `background ${String(config['background'] ?? 'recorded')}`
    case 'codec': {
      const scale = (config['costScale'] as Record<string, number> | undefined)?.['store'] ?? 1
      return `${String(config['codec'])}${scale === 1 ? '' : `, store x${scale}`}`
    }
    case 'cpus':
      return cpus === 1 ? '1 CPU' : undefined
    case 'workers': {
      const tunables = config['tunables'] as Readonly<Record<string, number>>
      return `${describeWorkers(policy, tunables)}, ${cpus ?? '?'} CPUs`
    }
  }
}

/** `pstrace.workers` limits the number that the policy has; -1 = no limit. */
function describeWorkers(policy: string, tunables: Readonly<Record<string, number>>): string {
  const limit = tunables['pstrace.workers'] ?? -1
  const own = tunables['vm.parallel_swap']
  if (own !== undefined) return `workers ${limit < 0 ? own : Math.min(own, limit)}`
  if (limit >= 0) return `workers ${limit}`
  return policy === 'kswapd' ? 'no workers' : 'workers as designed'
}

/** Median over the runs, with the smallest and largest as bounds. */
export function summarizePoint(point: SweepPoint, metric: string): Figure | undefined {
  const values = point.figures
    .flatMap((figures) => figures.get(metric)?.value ?? [])
    .sort((a, b) => a - b)
  const middle = values[Math.floor((values.length - 1) / 2)]
  if (middle === undefined) return undefined
  return {
    metric,
    value: middle,
    lo: values[0] ?? middle,
    hi: values.at(-1) ?? middle,
    basis: 'event',
    n: values.length,
  }
}
