/** The library's public names. Readers of trace files alone are in `pstrace/parsers`. */
export { openTrace } from '../parsers/index.ts'
export { type Equation, readEquations } from './analysis/equations.ts'
export type { Figure, Metric as MetricDefinition } from './analysis/figure.ts'
export { readFigures, type SubjectFigures } from './analysis/figures.ts'
export { readFitness } from './analysis/fitness.ts'
export { type LossSummary, readLosses } from './analysis/losses.ts'
export { findMetric, METRICS } from './analysis/metrics.ts'
export { readLaneOrders } from './analysis/order.ts'
export { readRows, runQuery, streamQuery } from './analysis/query.ts'
export {
  type ResolvedSelection,
  resolveSubjects,
  type Subject,
  selectEverything,
} from './analysis/selection.ts'
export { createViews, dropViews } from './analysis/views.ts'
export {
  type Chart,
  type ChartRow,
  type ChartRows,
  type ChartSubject,
  charts,
  findChart,
} from './charts/index.ts'
export { renderHtml, renderPng, renderSvg } from './charts/render.ts'
export { Database } from './database/database.ts'
export { rowKinds } from './database/schema.ts'
export { beginRun, completeRun, removeRun, removeTrace } from './database/states.ts'
export { roleOf } from './ingest/aliases.ts'
export { ingestTrace } from './ingest/ingest.ts'
export { openInput } from './io/input.ts'
export { readSnapshots } from './io/snapshots.ts'
export { openBackend } from './memory/backends/index.ts'
export { codecProviders, openCodec } from './memory/codecs/index.ts'
export { createCorpusContents, createGenerator, decodeCorpus } from './memory/contents/index.ts'
export { openPool } from './memory/pools/index.ts'
export { openSlots } from './memory/slots/index.ts'
export { PstraceError } from './model/error.ts'
export { RowBuffer } from './model/rows.ts'
export type { Selection } from './model/selection.ts'
export { findPolicy, policies } from './policies/index.ts'
export type { Policy } from './policies/policy.ts'
export { type ReplayOptions, type RunResult, replay } from './replay/replay.ts'
export {
  type Metric,
  type OpenRecording,
  openRecording,
  type ReportData,
  type ReportFacts,
  readChart,
  readComparison,
  readDataset,
  readReport,
  toAnswer,
  toChartSubject,
  toFactLines,
  toReportHtml,
  toReportLkml,
  toReportMarkdown,
} from './report/index.ts'
export { describeWorkload } from './workload/describe.ts'
export { extractWorkload } from './workload/extract.ts'
export { readWorkload, writeWorkload } from './workload/store.ts'
export type { Workload } from './workload/types.ts'
