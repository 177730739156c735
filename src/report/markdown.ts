import { toAnswer } from './answer.ts'
import { sayNumber } from './comparison.ts'
import type { ReportData } from './data.ts'
import { toCaveats, toFactLines } from './facts.ts'

/** The report as Markdown tables. */
export function toReportMarkdown(data: ReportData): string {
  const answer = toAnswer(data)
  const caveats = toCaveats(data)
  const lines = [
    `# Reclaim of ${data.trace.name}`,
    '',
    ...toFactLines(data).map(([name, said]) => `- **${name}**: ${escapeCell(said)}`),
    ...(answer.length > 0 ? ['', ...answer.map((line) => `- ${line}`)] : []),
    ...toSection('Recording and runs', toMetricsTable(data)),
    ...toSection('Stalls by task', toStallsTable(data)),
    ...(data.equations.length > 0
      ? toSection("kswapd's time against t1+t2+t3 and max(t1+t3, t2)", toEquationsTable(data))
      : []),
    ...toSection('Sums that have to agree', toChecksTable(data)),
    ...toSection('Import issues', toIssuesTable(data)),
    ...(caveats.length > 0
      ? toSection(
          'How to read this',
          caveats.map((line) => `- ${line}`),
        )
      : []),
  ]
  return `${lines.join('\n')}\n`
}

function toSection(title: string, lines: readonly string[]): string[] {
  return ['', `## ${title}`, '', ...lines]
}

function toMetricsTable({ columns, metrics }: ReportData): string[] {
  return toTable(
    ['metric', 'unit', ...columns],
    metrics.map(({ title, unit, figures }) => [
      title,
      unit,
      ...figures.map(({ said }) => withoutUnit(said, unit)),
    ]),
  )
}

function toStallsTable({ stallTasks }: ReportData): string[] {
  if (stallTasks.length === 0) return ['No task stalled.']
  const times = ['total, ms', 'p50, ms', 'p99, ms', 'max, ms']
  return toTable(
    ['column', 'task', 'kind', 'stalls', 'censored', ...times, 'most time in'],
    stallTasks.map((task) => [
      task.column,
      `${task.comm ?? '?'} (${task.tid ?? '?'})`,
      task.stalled,
      sayNumber(task.stalls),
      sayNumber(task.censored),
      ...[task.total_ms, task.p50_ms, task.p99_ms, task.max_ms].map(sayNumber),
      task.longest_cause ?? 'not known',
    ]),
  )
}

function toEquationsTable({ equations }: ReportData): string[] {
  const parts = ['t1 scan, ms', 't2 store, ms', 't3 rest, ms']
  return toTable(
    ['column', ...parts, 't1+t2+t3', 'max(t1+t3, t2)', 'kswapd on CPU, ms'],
    equations.map((row) => [
      row.column,
      ...[row.t1_ms, row.t2_ms, row.t3_ms, row.sum_ms, row.max_ms, row.running_ms].map(sayNumber),
    ]),
  )
}

function toChecksTable({ checks }: ReportData): string[] {
  return toTable(
    ['check', 'column', 'one side', 'other side', 'holds'],
    checks.map(({ name, column, one, other, unit, holds }) => [
      name,
      column,
      `${sayNumber(one)} ${unit}`,
      `${sayNumber(other)} ${unit}`,
      holds ? 'yes' : '**no**',
    ]),
  )
}

function toIssuesTable({ issues }: ReportData): string[] {
  if (issues.length === 0) return ['None.']
  return toTable(
    ['severity', 'code', 'count', 'first at', 'meaning'],
    issues.map(({ severity, code, count, first_position, message }) => [
      severity,
      code,
      sayNumber(count),
      first_position ?? '',
      message,
    ]),
  )
}

/** The unit has its own column. */
export function withoutUnit(said: string, unit: string): string {
  return said.endsWith(` ${unit}`) ? said.slice(0, -unit.length - 1) : said
}

function toTable(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeCell).join(' | ')} |`
  return [line(header), `|${header.map(() => '---').join('|')}|`, ...rows.map(line)]
}

function escapeCell(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('|', '\\|')
    .replaceAll('\n', ' ')
    .replaceAll('<', '&lt;')
}
