import { toAnswer } from './answer.ts'
import { NONE, sayNumber } from './comparison.ts'
import type { ReportData } from './data.ts'
import { toCaveats, toFactLines } from './facts.ts'
import { withoutUnit } from './markdown.ts'

/** Kernel mailing lists expect plain text of at most 72 columns. */
const WIDTH = 72
/** Units that the figure's name says already. */
const COUNTED = new Set(['stalls', 'pages', 'rounds', 'pairs'])

/** The same facts as the other forms, as plain text that a mail can hold; tables too wide for it are cut into several. */
export function toReportLkml(data: ReportData): string {
  const lines: string[] = []
  for (const [name, said] of toFactLines(data))
    lines.push(...fold(`${`${name}:`.padEnd(10)}${said}`, '          '))
  lines.push('')
  const answer = toAnswer(data)
  for (const line of answer) lines.push(...fold(line, ''))
  if (answer.length > 0) lines.push('')
  const rows = data.metrics.map(({ title, unit, figures }) => [
    COUNTED.has(unit) ? title : `${title}, ${unit}`,
    ...figures.map(({ said }) => UNSAID[said] ?? sayShort(said, unit)),
  ])
  lines.push(...toTables(['', ...data.columns], rows))
  if (data.stallTasks.length > 0) {
    lines.push('', 'Stalls by task (ms):', '')
    for (const column of data.columns) {
      const own = data.stallTasks.filter((task) => task.column === column).slice(0, 10)
      if (own.length === 0) continue
      lines.push(
        ...toTables(
          [clip(column, 24), 'stalls', 'total', 'p50', 'p99', 'max'],
          own.map((task) => [
            clip(`${task.comm ?? '?'}(${task.tid ?? '?'})`, 24),
            ...[task.stalls, task.total_ms, task.p50_ms, task.p99_ms, task.max_ms].map((value) =>
              sayNumber(value).replaceAll(',', ''),
            ),
          ]),
        ),
        '',
      )
    }
  }
  const failed = data.checks.filter(({ holds }) => !holds)
  lines.push(
    `Consistency checks: ${data.checks.length - failed.length} of ${data.checks.length} hold.`,
  )
  for (const { column, name, one, other, unit } of failed)
    lines.push(
      ...fold(
        `  ${column}: ${name}: ${sayNumber(one)} against ${sayNumber(other)} ${unit}`,
        '    ',
      ),
    )
  for (const caveat of toCaveats(data)) lines.push(...fold(`* ${caveat}`, '  '))
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}

/** Columns that do not fit beside each other go into further tables with the same rows. */
function toTables(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((name, i) =>
    Math.max(name.length, ...rows.map((row) => (row[i] ?? '').length)),
  )
  const first = Math.min(widths[0] ?? 0, 30)
  const groups: number[][] = []
  let group: number[] = []
  let used = first
  for (let i = 1; i < header.length; i++) {
    const width = Math.min(widths[i] ?? 0, WIDTH - first - 2)
    if (group.length > 0 && used + 2 + width > WIDTH) {
      groups.push(group)
      group = []
      used = first
    }
    group.push(i)
    used += 2 + width
  }
  if (group.length > 0) groups.push(group)
  const out: string[] = []
  for (const columns of groups) {
    if (out.length > 0) out.push('')
    for (const row of [header, ...rows]) {
      const cells = columns.map((i) => {
        const width = Math.min(widths[i] ?? 0, WIDTH - first - 2)
        return `  ${clip(row[i] ?? '', width).padStart(width)}`
      })
      out.push(`${clip(row[0] ?? '', first).padEnd(first)}${cells.join('')}`)
    }
  }
  return out
}

function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}~`
}

function fold(text: string, indent: string): string[] {
  const out: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      out.push(line)
      line = indent + word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') out.push(line)
  return out
}

/** What stands in the place of a figure. */
const UNSAID: Readonly<Record<string, string>> = { 'not known': '?', [NONE]: '-' }

function sayShort(said: string, unit: string): string {
  return withoutUnit(said, unit)
    .replace('at least ', '>=')
    .replace(' to ', '..')
    .replaceAll(',', '')
}
