import type { Chart, ChartRow, ChartRows, ChartSubject } from '../../src/charts/chart.ts'
import { charts, findChart } from '../../src/charts/index.ts'
import { readChart, toChartSubject } from '../../src/report/index.ts'
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

export async function openCharts(choice: GeneratedChoice): Promise<GeneratedCharts> {
  const recording = await openGenerated(choice)
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

export function chartNamed(name: string): Chart {
  const chart = findChart(name)
  if (chart === undefined) throw new Error(`no chart ${name}`)
  return chart
}
