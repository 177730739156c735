import { resolveSubjects } from '../../src/analysis/selection.ts'
import { createViews, dropViews } from '../../src/analysis/views.ts'
import type { Chart, ChartRow, ChartRows, ChartSubject } from '../../src/charts/chart.ts'
import { charts, findChart } from '../../src/charts/index.ts'
import { planRuns } from '../../src/cli/run-plan.ts'
import { runPolicy } from '../../src/cli/run-policy.ts'
import { resolveReplay } from '../../src/config/replay.ts'
import { readChart, toChartSubject } from '../../src/report/index.ts'
import { extractWorkload } from '../../src/workload/extract.ts'
import {
  type GeneratedChoice,
  type GeneratedRecording,
  openGenerated,
} from '../analysis/generated.ts'

/** The charts of a generated recording as `pstrace chart` has them, beside the truth. */
export interface GeneratedCharts extends GeneratedRecording {
  readonly rows: ReadonlyMap<string, ChartRows>
  readonly subject: ChartSubject
  /** Rows of one dataset in the specification: what is drawn. */
  drawn(chart: string, dataset: string): readonly ChartRow[]
}

export interface ChartsChoice extends GeneratedChoice {
  /** Policies under which the recording is replayed; their runs are columns beside it. */
  readonly policies?: readonly string[]
}

export async function openCharts(choice: ChartsChoice): Promise<GeneratedCharts> {
  const { policies = [], ...recorded } = choice
  const recording = await openGenerated({
    ...recorded,
    raw: policies.length > 0 ? 'all' : 'none',
  })
  if (policies.length > 0) await replayUnder(policies, recording)
  const { connection } = recording.database
  const rows = new Map<string, ChartRows>()
  let subject: ChartSubject | undefined
  for (const chart of charts) {
    const read = await readChart(connection, chart)
    rows.set(chart.name, read.rows)
    subject ??= toChartSubject(read.facts, 'light', 640)
  }
  if (subject === undefined) throw new Error('there is no chart')
  const known = subject
  return {
    ...recording,
    rows,
    subject: known,
    drawn(name, dataset) {
      const spec = chartNamed(name).spec(rows.get(name) ?? {}, known)
      return (spec['datasets'] as ChartRows)[dataset] ?? []
    },
  }
}

/** Runs under each of the policies, beside the recording in its database. */
async function replayUnder(
  policies: readonly string[],
  { database }: GeneratedRecording,
): Promise<void> {
  const traceId = 1
  const { workload } = await extractWorkload(database, traceId)
  const plan = planRuns(resolveReplay({ policy: [...policies], seed: '1' }), workload)
  // A run is written into the tables that the views hide.
  await dropViews(database.connection)
  for (const run of plan.runs) await runPolicy({ database, traceId, plan, keep: 'folios' }, run)
  await createViews(database.connection, await resolveSubjects(database.connection))
}

export function chartNamed(name: string): Chart {
  const chart = findChart(name)
  if (chart === undefined) throw new Error(`no chart ${name}`)
  return chart
}
