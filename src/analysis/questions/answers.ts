import type { DuckDBConnection } from '@duckdb/node-api'
import type { Figure } from '../figure.ts'
import type { SubjectFigures } from '../figures.ts'
import { readRows } from '../query.ts'
import type { ResolvedSelection } from '../selection.ts'
import type { MeasureUnit } from './measure.ts'
import { describeMeasure, readMeasures, readStoredMeasures } from './measures.ts'
import { QUESTIONS, type Question } from './question.ts'
import { Reasons, readHoldings } from './reasons.ts'
import { readSweep, summarizePoint } from './sweeps.ts'

/** One number, or the reason why there is none. */
export interface Answer {
  readonly metric: string
  readonly title: string
  /** What was varied, in a sweep or a cost model; null = the recording or run as it is. */
  readonly at: string | null
  readonly traceId: number | null
  readonly runId: number | null
  /** `recording`, the run, or `model`. */
  readonly label: string
  readonly value: number | null
  readonly lo: number | null
  readonly hi: number | null
  readonly unit: MeasureUnit
  readonly basis: Figure['basis'] | null
  readonly restsOn: string
  readonly n: number | null
  /** Why there is no value. */
  readonly why: string | null
}

export interface AnsweredQuestion {
  readonly question: Question
  readonly answers: readonly Answer[]
  /** What is missing, and how to get it. Not empty when nothing is answered. */
  readonly missing: readonly string[]
}

/** What cost models need to know of a recording or run. */
export interface ModelFacts {
  readonly label: string
  readonly pageSize: number
  /** Slots of the recorded swap devices; null = not known. */
  readonly deviceSlots: number | null
  value(measure: string): number | null
}

export interface ModelAnswer {
  readonly metric: string
  readonly title: string
  readonly at: string | null
  readonly value: number
  /** Absent = `value`. */
  readonly lo?: number
  readonly hi?: number
  readonly unit: MeasureUnit
  /** What the model is, in words. */
  readonly restsOn: string
}

/** Cost models by the name a question gives; `facts` is undefined for those that need no trace. */
export type Models = Readonly<Record<string, CostModel>>
export interface CostModel {
  readonly perSubject: boolean
  answer(facts: ModelFacts | undefined): Promise<readonly ModelAnswer[]>
}

/** Answers the questions from the rows of the selection, from sweeps of the same trace, and from cost models. Needs the views. */
export async function answerQuestions(
  connection: DuckDBConnection,
  selection: ResolvedSelection,
  options: { readonly ids: readonly string[]; readonly models: Models },
): Promise<AnsweredQuestion[]> {
  const subjects = await readSubjects(connection, selection)
  const wanted = QUESTIONS.filter(({ id }) => options.ids.length === 0 || options.ids.includes(id))
  const reasons = new Reasons(await readHoldings(connection), subjects, (label) =>
    SYNCHRONOUS.test(label),
  )
  const answered: AnsweredQuestion[] = []
  for (const question of wanted) {
    const answers = [
      ...fromSubjects(question, subjects, reasons),
      ...(await fromSweep(connection, selection, question)),
      ...(await fromModels(connection, selection, question, subjects, options.models)),
    ]
    answered.push({ question, answers, missing: toMissing(question, answers) })
  }
  return answered
}

/** Figures of each subject; what only the engine knows comes from the stored ones, and those of a run without rows are all stored. */
async function readSubjects(
  connection: DuckDBConnection,
  selection: ResolvedSelection,
): Promise<SubjectFigures[]> {
  const measured = await readMeasures(connection)
  const stored = await readStoredMeasures(connection, 'metrics')
  const [rows, whole] = [await readRunsWithRows(connection), isWhole(selection)]
  return measured.map((subject) => {
    const own = subject.runId === null || !whole ? undefined : stored.get(subject.runId)
    if (own === undefined) return subject
    const kept = rows.has(subject.runId ?? 0)
    const names = new Set([...subject.figures.map(({ metric }) => metric), ...own.keys()])
    return {
      ...subject,
      figures: [...names].flatMap((name) => {
        const computed = subject.figures.find(({ metric }) => metric === name)
        const given = own.get(name)
        const figure = kept
          ? ((FROM_ENGINE.has(name) ? given : undefined) ?? computed ?? given)
          : given
        return figure === undefined ? [] : [figure]
      }),
    }
  })
}

/** Rows end when the last of them ends, the work when the last task has consumed its demand. */
const FROM_ENGINE = new Set(['work_ns', 'pool_peak_bytes', 'pool_fill_max_share'])

function isWhole({ windowed, cpus, tids, comms, nodes }: ResolvedSelection): boolean {
  return !windowed && cpus.length + tids.length + comms.length + nodes.length === 0
}

async function readRunsWithRows(connection: DuckDBConnection): Promise<Set<number>> {
  const rows = await readRows<{ run_id: number }>(
    connection,
    `SELECT DISTINCT run_id FROM swapouts WHERE run_id IS NOT NULL
     UNION SELECT DISTINCT run_id FROM thread_states WHERE run_id IS NOT NULL`,
  )
  return new Set(rows.map(({ run_id: runId }) => runId))
}

function fromSubjects(
  question: Question,
  subjects: readonly SubjectFigures[],
  reasons: Reasons,
): Answer[] {
  const { onlyWith } = question
  const chosen = subjects.filter(
    ({ figures }) => onlyWith === undefined || findValue(figures, onlyWith) !== null,
  )
  const answers: Answer[] = []
  for (const name of question.measures) {
    const measure = describeMeasure(name)
    const { title, unit, restsOn } = measure
    for (const subject of chosen) {
      const { traceId, runId, label, figures } = subject
      const figure = figures.find(({ metric }) => metric === name)
      const known = figure !== undefined && figure.value !== null
      answers.push({
        metric: name,
        title,
        at: null,
        traceId,
        runId,
        label,
        value: figure?.value ?? null,
        lo: figure?.lo ?? null,
        hi: figure?.hi ?? null,
        unit,
        basis: known ? figure.basis : null,
        restsOn,
        n: figure?.n ?? null,
        why: known ? null : reasons.say(measure, subject),
      })
    }
    if (question.ratios?.includes(name) === true) answers.push(...toRatios(name, title, chosen))
  }
  return answers
}

function toRatios(name: string, title: string, subjects: readonly SubjectFigures[]): Answer[] {
  const runs = subjects.filter(({ runId }) => runId !== null)
  const base = runs.find(({ label }) => SYNCHRONOUS.test(label))
  const unit = findValue(base?.figures ?? [], name)
  return runs
    .filter((run) => run !== base)
    .map(({ traceId, runId, label, figures }) => {
      const value = findValue(figures, name)
      const ratio = unit === null || unit === 0 || value === null ? null : value / unit
      return {
        metric: `${name}_ratio`,
        title: `${title}, against kswapd`,
        at: null,
        traceId,
        runId,
        label,
        value: ratio,
        lo: ratio,
        hi: ratio,
        unit: 'ratio' as const,
        basis: ratio === null ? null : ('event' as const),
        restsOn: describeMeasure(name).restsOn,
        n: null,
        why:
          ratio !== null
            ? null
            : base === undefined
              ? 'needs a run of the synchronous policy: `pstrace replay --policy kswapd`'
              : 'the synchronous run has no such value, or 0',
      }
    })
}

const SYNCHRONOUS = /^kswapd( #\d+)?$/

function findValue(figures: readonly Figure[], name: string): number | null {
  return figures.find(({ metric }) => metric === name)?.value ?? null
}

async function fromSweep(
  connection: DuckDBConnection,
  selection: ResolvedSelection,
  { sweep }: Question,
): Promise<Answer[]> {
  const traceId = selection.subjects[0]?.traceId
  if (sweep === undefined || traceId === undefined) return []
  const points = await readSweep(connection, { catalog: selection.catalog, traceId }, sweep.axis)
  return sweep.measures.flatMap((name) =>
    points.map((point) => {
      const { title, unit } = describeMeasure(name)
      const figure = summarizePoint(point, name)
      return {
        metric: name,
        title,
        at: point.at,
        traceId,
        runId: point.runs.length === 1 ? (point.runs[0] ?? null) : null,
        label: point.policy,
        value: figure?.value ?? null,
        lo: figure?.lo ?? null,
        hi: figure?.hi ?? null,
        unit,
        basis: figure === undefined ? null : figure.basis,
        restsOn: `metrics of ${point.runs.length === 1 ? 'run' : 'runs'} ${point.runs.join(', ')}`,
        n: figure?.n ?? null,
        why: figure === undefined ? 'the run was stored without this metric' : null,
      }
    }),
  )
}

async function fromModels(
  connection: DuckDBConnection,
  selection: ResolvedSelection,
  question: Question,
  subjects: readonly SubjectFigures[],
  models: Models,
): Promise<Answer[]> {
  const answers: Answer[] = []
  if (question.models === undefined) return answers
  const slots = await readDeviceSlots(connection)
  for (const name of question.models) {
    const model = models[name]
    if (model === undefined) continue
    const askers = model.perSubject ? subjects : [undefined]
    for (const subject of askers) {
      const facts: ModelFacts | undefined =
        subject === undefined
          ? undefined
          : {
              label: subject.label,
              pageSize:
                selection.subjects.find(({ traceId }) => traceId === subject.traceId)?.pageSize ??
                4096,
              deviceSlots: slots.get(subject.traceId) ?? null,
              value: (measure) => findValue(subject.figures, measure),
            }
      for (const answer of await model.answer(facts))
        answers.push({
          ...answer,
          traceId: subject?.traceId ?? null,
          runId: subject?.runId ?? null,
          label: subject?.label ?? 'model',
          lo: answer.lo ?? answer.value,
          hi: answer.hi ?? answer.value,
          basis: 'inferred',
          n: null,
          why: null,
        })
    }
  }
  return answers
}

async function readDeviceSlots(connection: DuckDBConnection): Promise<Map<number, number>> {
  const rows = await readRows<{ trace_id: number; slots: number | null }>(
    connection,
    'SELECT trace_id, CAST(sum(size_pages) AS BIGINT) AS slots FROM swap_devices GROUP BY ALL',
  )
  return new Map(rows.flatMap(({ trace_id: id, slots }) => (slots === null ? [] : [[id, slots]])))
}

function toMissing(question: Question, answers: readonly Answer[]): string[] {
  const missing = new Set<string>()
  for (const metric of new Set(answers.map((answer) => answer.metric))) {
    const own = answers.filter((answer) => answer.metric === metric)
    if (own.some(({ value }) => value !== null)) continue
    for (const { why, title } of own) if (why !== null) missing.add(`${title}: ${why}`)
  }
  const { sweep, remedy, limit } = question
  if (sweep !== undefined && !answers.some(({ at }) => at !== null))
    missing.add(
      `${AXES[sweep.axis]}: no such runs in the database; \`${sweep.command}\` makes them`,
    )
  if (remedy !== undefined && !answers.some(({ value }) => value !== null)) missing.add(remedy)
  if (limit !== undefined) missing.add(limit)
  return [...missing]
}

const AXES = {
  background: 'against background load',
  codec: 'by codec',
  workers: 'by number of workers',
  cpus: 'with one CPU',
} as const
