import { toAnswer } from './answer.ts'
import { sayNumber } from './comparison.ts'
import type { ReportData } from './data.ts'
import { toCaveats, toFactLines } from './facts.ts'

/** The report as Markdown tables. */
export function toReportMarkdown(data: ReportData): string {
  const lines = [`# Reclaim of ${data.trace.name}`, '']
  for (const [name, said] of toFactLines(data)) lines.push(`- **${name}**: ${escapeCell(said)}`)
  const answer = toAnswer(data)
  if (answer.length > 0) lines.push('', ...answer.map((line) => `- ${line}`))
  lines.push('', '## Recording and runs', '')
  lines.push(
    ...toTable(
      ['metric', 'unit', ...data.columns],
      data.metrics.map(({ title, unit, figures }) => [
        title,
        unit,
        ...figures.map(({ said }) => withoutUnit(said, unit)),
      ]),
    ),
  )
  lines.push('', '## Stalls by task', '')
  if (data.stallTasks.length === 0) lines.push('No task stalled.')
  else
    lines.push(
      ...toTable(
        [
          'column',
          'task',
          'kind',
          'stalls',
          'censored',
          'total, ms',
          'p50, ms',
          'p99, ms',
          'max, ms',
          'most time in',
        ],
        data.stallTasks.map((task) => [
          task.column,
          `${task.comm ?? '?'} (${task.tid ?? '?'})`,
          task.stalled,
          sayNumber(task.stalls),
          sayNumber(task.censored),
          sayNumber(task.total_ms),
          sayNumber(task.p50_ms),
          sayNumber(task.p99_ms),
          sayNumber(task.max_ms),
          task.longest_cause ?? 'not known',
        ]),
      ),
    )
  if (data.equations.length > 0)
    lines.push(
      '',
      "## kswapd's time against t1+t2+t3 and max(t1+t3, t2)",
      '',
      ...toTable(
        [
          'column',
          't1 scan, ms',
          't2 store, ms',
          't3 rest, ms',
          't1+t2+t3',
          'max(t1+t3, t2)',
          'kswapd on CPU, ms',
        ],
        data.equations.map((row) => [
          row.column,
          ...[row.t1_ms, row.t2_ms, row.t3_ms, row.sum_ms, row.max_ms, row.running_ms].map(
            sayNumber,
          ),
        ]),
      ),
    )
  lines.push(
    '',
    '## Sums that have to agree',
    '',
    ...toTable(
      ['check', 'column', 'one side', 'other side', 'holds'],
      data.checks.map(({ name, column, one, other, unit, holds }) => [
        name,
        column,
        `${sayNumber(one)} ${unit}`,
        `${sayNumber(other)} ${unit}`,
        holds ? 'yes' : '**no**',
      ]),
    ),
  )
  lines.push('', '## Import issues', '')
  if (data.issues.length === 0) lines.push('None.')
  else
    lines.push(
      ...toTable(
        ['severity', 'code', 'count', 'first at', 'meaning'],
        data.issues.map(({ severity, code, count, first_position, message }) => [
          severity,
          code,
          sayNumber(count),
          first_position ?? '',
          message,
        ]),
      ),
    )
  const caveats = toCaveats(data)
  if (caveats.length > 0)
    lines.push('', '## How to read this', '', ...caveats.map((line) => `- ${line}`))
  return `${lines.join('\n')}\n`
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
