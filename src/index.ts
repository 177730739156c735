/** The library's public names. */
export { type Figure, METRICS, readFigures, type SubjectFigures } from './analysis/figures.ts'
export { readRows } from './analysis/query.ts'
export { resolveSubjects } from './analysis/selection.ts'
export { createViews } from './analysis/views.ts'
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
export { PstraceError } from './model/error.ts'
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
  toChartSubject,
  toFactLines,
  toReportHtml,
  toReportLkml,
  toReportMarkdown,
} from './report/index.ts'
