import type { Command } from 'commander'
import type { Answer, AnsweredQuestion } from '../analysis/questions/answers.ts'
import { type Result, toResult, type Value } from '../analysis/result.ts'
import { groupBy } from '../model/group-by.ts'
import { formatCell } from './format.ts'
import { addDatabase, addExamples, addOutput, addSelectors, collect } from './options.ts'
import { printLine, printResult, printText, toFormat, writeOut } from './output.ts'
import {
  headline,
  printHeadline,
  type Reading,
  type ReadingOptions,
  withReading,
} from './reading.ts'

interface QuestionsOptions extends ReadingOptions {
  readonly id?: readonly string[]
  readonly scenarios?: boolean
}

export function register(command: Command): void {
  command
    .description(
      "Answer the claims of the patches (C1 to C16) and the reviewers' questions (Q1 to Q25) from the recording and its runs: who asked, what, " +
        'the metric, its value per recording and run, and what it rests on. What cannot be answered says what is missing and how to get it. ' +
        'Rows that need a sweep read the runs that `pstrace sweep` stored. The recording is cut to the work that was replayed.',
    )
    .option('--id <id>', 'only this claim or question, such as C6 or Q7; repeatable', collect)
  command.option(
    '--scenarios',
    'also run the models of published tests (C10), which takes a minute',
  )
  addOutput(addSelectors(addDatabase(command)), ['md'])
  addExamples(
    command,
    `
pstrace questions
pstrace questions --id Q7 --id Q8
pstrace questions --format md > answers.md
pstrace questions --format csv --run kswapd --run parallel`,
  )
  command.action(async (options: QuestionsOptions) => {
    const { QUESTIONS } = await import('../analysis/questions/question.ts')
    const { unknownName } = await import('../model/names.ts')
    const ids = (options.id ?? []).flatMap((value) => value.toUpperCase().split(','))
    const known = QUESTIONS.map(({ id }) => id)
    for (const id of ids) if (!known.includes(id)) throw unknownName('question', id, known)
    await withReading(options, (reading) => answer(reading, ids, options))
  })
}

async function answer(
  reading: Reading,
  ids: readonly string[],
  options: QuestionsOptions,
): Promise<void> {
  const { answerQuestions } = await import('../analysis/questions/answers.ts')
  const { cutToReplayedWork } = await import('../analysis/replayed-work.ts')
  const { createViews } = await import('../analysis/views.ts')
  const { QUESTION_MODELS, SLOW_MODELS } = await import('./question-models.ts')
  const models =
    options.scenarios === true ? { ...QUESTION_MODELS, ...SLOW_MODELS } : QUESTION_MODELS
  const { connection, settings } = reading
  const cut = await cutToReplayedWork(connection, reading.selection)
  await createViews(connection, cut)
  const answered = await answerQuestions(
    connection,
    // The cut is the same work as the runs', not a part of it that the user chose.
    { ...cut, windowed: reading.selection.windowed },
    { ids, models },
  )
  const format = toFormat(options)
  if (options.format === 'md') {
    const { toMarkdown } = await import('./comparison.ts')
    const facts = (await headline(reading)).map((line) => `- ${line}`)
    const text = [...facts, '', toMarkdown(toOneTable(answered, reading), { text: true })]
    const markdown = text.join('\n')
    if (options.output === undefined) await writeOut(markdown)
    else {
      const { writeFileWhole } = await import('../io/whole-file.ts')
      await writeFileWhole(options.output, { force: options.force ?? false }, [markdown])
    }
    return
  }
  if (format !== 'table' || options.output !== undefined) {
    await printResult(toLongForm(answered), options, settings)
    return
  }
  await printHeadline(reading)
  if (cut !== reading.selection)
    await printLine('the recording is cut to the work that the runs replayed')
  for (const each of answered) {
    const { question, answers, missing } = each
    await printLine('')
    await printText(`${question.id}  ${question.question} (${question.askedBy})`)
    const table = withoutBasis(toTable(answers))
    if (table.rows.length > 0) await printResult(table, {}, settings)
    const basis = describeBasis(answers)
    if (basis !== '') await printText(`  rests on ${basis}`)
    for (const line of missing)
      await printText(`  ${isAnswered(each) ? 'open' : 'not answered'}: ${line}`)
  }
}

/** What all numbers of a question rest on, in one line: beside each number it would make the table too wide for a terminal. */
function describeBasis(answers: readonly Answer[]): string {
  const bases = new Map<string, Set<string>>()
  const swept = new Set<number>()
  for (const { value, basis, restsOn, at, runId } of answers) {
    if (value === null || basis === null) continue
    if (at !== null && basis === 'event' && runId !== null) swept.add(runId)
    else bases.set(basis, (bases.get(basis) ?? new Set()).add(restsOn))
  }
  const parts = [...bases].map(([basis, tables]) => `${[...tables].join('; ')} (${basis})`)
  if (swept.size > 0) parts.push(`metrics of runs ${[...swept].sort((a, b) => a - b).join(', ')}`)
  return parts.join('; ')
}

function withoutBasis({ columns, rows }: Result): Result {
  return { columns: columns.slice(0, -1), rows: rows.map((row) => row.slice(0, -1)) }
}

function isAnswered({ answers }: AnsweredQuestion): boolean {
  return answers.some(({ value }) => value !== null)
}

const TEXT = ['id', 'asked_by', 'question', 'metric', 'title', 'at'] as const

/** For machines: one row per question, metric and recording or run; where there is no value, `why` says so. */
function toLongForm(answered: readonly AnsweredQuestion[]): Result {
  const rows: Record<string, Value>[] = []
  for (const { question, answers, missing } of answered) {
    const { id, askedBy, question: text } = question
    const own = { id, asked_by: askedBy, question: text }
    for (const { title, traceId, runId, restsOn, ...rest } of answers)
      rows.push({
        ...own,
        ...rest,
        title,
        trace_id: traceId,
        run_id: runId,
        rests_on: restsOn,
      })
    const open = missing.filter(
      (line) => !answers.some(({ title, why }) => line === `${title}: ${why}`),
    )
    for (const why of open) rows.push({ ...own, why })
  }
  return toResult(
    [
      ...TEXT.map((name) => ({ name, type: 'text' as const })),
      { name: 'trace_id', type: 'integer' },
      { name: 'run_id', type: 'integer' },
      { name: 'label', type: 'text' },
      { name: 'value', type: 'number' },
      { name: 'lo', type: 'number' },
      { name: 'hi', type: 'number' },
      { name: 'unit', type: 'text' },
      { name: 'basis', type: 'text' },
      { name: 'rests_on', type: 'text' },
      { name: 'n', type: 'integer' },
      { name: 'why', type: 'text' },
    ],
    rows,
  )
}

/** One line per metric (and point of a sweep or model), one column per recording or run; lines that nothing is known of are left out. */
function toTable(answers: readonly Answer[]): Result {
  const labels = [...new Set(answers.map(({ label }) => label))]
  const lines = groupBy(answers, ({ metric, at }) => JSON.stringify([metric, at]))
  const shown = [...lines.values()].filter((line) => line.some(({ value }) => value !== null))
  const used = labels.filter((label) =>
    shown.some((line) => line.some((answer) => answer.label === label)),
  )
  return toResult(
    [
      { name: 'metric', type: 'text' },
      ...used.map((name) => ({ name, type: 'text' as const })),
      { name: 'rests on', type: 'text' },
    ],
    shown.map((line) => {
      const [first] = line
      const at = first?.at == null ? '' : `, ${first.at}`
      const row: Record<string, Value> = { metric: `${first?.title ?? ''}${at}` }
      for (const { label, ...figure } of line) row[label] = formatAnswer(figure)
      const known = line.find(({ value }) => value !== null)
      row['rests on'] = `${known?.basis ?? ''}: ${known?.restsOn ?? ''}`
      return row
    }),
  )
}

/** The whole as one table for Markdown: a question's own cells stand in its first line only. */
function toOneTable(answered: readonly AnsweredQuestion[], reading: Reading): Result {
  const labels = [
    ...new Set([
      ...reading.selection.subjects.map(({ label }) => label),
      ...answered.flatMap(({ answers }) =>
        answers.filter(({ value }) => value !== null).map(({ label }) => label),
      ),
    ]),
  ]
  const rows: Record<string, Value>[] = []
  for (const each of answered) {
    const { question, answers, missing } = each
    const table = toTable(answers)
    const lines: Record<string, Value>[] = table.rows.map((row) =>
      Object.fromEntries(table.columns.map(({ name }, index) => [name, row[index] ?? null])),
    )
    const open = missing.map((line) => ({
      metric: `${isAnswered(each) ? 'open' : 'not answered'}: ${line}`,
    }))
    for (const [index, line] of [...lines, ...open].entries())
      rows.push({
        ...(index === 0
          ? { id: question.id, 'asked by': question.askedBy, question: question.question }
          : {}),
        ...line,
      })
  }
  const columns = ['id', 'asked by', 'question', 'metric', ...labels, 'rests on']
  return toResult(
    columns.map((name) => ({ name, type: 'text' as const })),
    rows,
  )
}

/** `12`, `12 to 15`, `12 or more`; a dash where it is not known. */
function formatAnswer({
  value,
  lo,
  hi,
  unit,
}: Pick<Answer, 'value' | 'lo' | 'hi' | 'unit'>): string {
  if (value === null) return '-'
  const text = formatMeasured(value, unit)
  if (hi === null) return `${text} or more`
  if (lo !== null && lo < value)
    return `${text} (${formatMeasured(lo, unit)} to ${formatMeasured(hi, unit)})`
  return hi > value ? `${text} to ${formatMeasured(hi, unit)}` : text
}

function formatMeasured(value: number, unit: Answer['unit']): string {
  if (unit === 'ratio')
    return value >= 1000 ? formatCell(Math.round(value), 'count') : value.toPrecision(3)
  if (unit === 'byte_s') return `${formatCell(value, 'bytes')} s`
  if (unit === 'count' || unit === 'per_s') return formatCell(Math.round(value), unit, 'integer')
  return formatCell(value, unit, 'number')
}
