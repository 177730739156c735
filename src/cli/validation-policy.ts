import { type Result, type ResultColumn, toResult, type Value } from '../analysis/result.ts'
import { findTrace } from '../analysis/selection.ts'
import { describeInputs } from '../analysis/validate.ts'
import { compareInputs, INPUTS_JUDGED_BY, type InputRow } from '../analysis/validate-inputs.ts'
import {
  JUDGED_BY,
  type PolicyRow,
  REPLAYS_PER_SEED,
  validatePolicy,
} from '../analysis/validate-policy.ts'
import { resolveReplay } from '../config/replay.ts'
import type { Settings } from '../config/settings.ts'
import { Database } from '../database/database.ts'
import { unknownName } from '../model/names.ts'
import { lookUpPolicy } from '../policies/index.ts'
import { completeTunables } from '../replay/tunables.ts'
import { inputsByBasis } from '../workload/describe.ts'
import { type Extraction, extractWorkload } from '../workload/extract.ts'
import { recordedLike, type Traced } from '../workload/trace-buffers.ts'
import type { Machine } from '../workload/types.ts'
import { usageError } from './failure.ts'
import { printLine, printResult, printText, remark, toFormat } from './output.ts'
import { catalogOf } from './replay-runs.ts'
import { checkRequest } from './run-plan.ts'
import { toSettings } from './settings.ts'
import { listOtherTunables } from './unlike-recorded.ts'
import type { ValidateOptions } from './validate.ts'
import { describeSeeds, REPLAYED, toSeeds, toShownResult, withReplayer } from './validation-runs.ts'

/** Two sets of recordings as given, and the policy under which the second was made. */
interface Asked {
  readonly a: string
  readonly b: string
  readonly policy: string
}

/** Predicts from the recordings of A what the policy does, and prints how that compares with those of B. */
export async function runPolicyValidation(asked: Asked, options: ValidateOptions): Promise<void> {
  const settings = toSettings(options)
  const seeds = toSeeds(options.seeds)
  const { policy, tunables, set } = resolvePolicy(asked.policy, options.set ?? [])
  const database = await Database.open(settings.databasePath, { mode: 'read' })
  try {
    const { a, b } = await openSets(database, asked)
    const recordedPolicy = findRecordedPolicy(a)
    const rows = await withReplayer(
      settings,
      { replays: a.length * seeds.length * REPLAYS_PER_SEED, recordedPolicy, set },
      (replayer) => validatePolicy({ a, b, policy, seeds }, replayer),
    )
    const inputs = compareInputs(a, b)
    const compared = { rows, inputs, a, b, recordedPolicy, policy, tunables, set, seeds }
    if (toFormat(options) === 'table') await printForPeople(compared, options, settings)
    else await printResult(toRows(compared), options, settings)
    remarkVerdicts(settings, compared)
  } finally {
    database.close()
  }
}

interface Compared {
  readonly rows: readonly PolicyRow[]
  readonly inputs: readonly InputRow[]
  readonly a: readonly Extraction[]
  readonly b: readonly Extraction[]
  readonly recordedPolicy: string
  readonly policy: string
  /** All of the policy's, defaults included. */
  readonly tunables: Readonly<Record<string, number>>
  /** Those that were given. */
  readonly set: readonly string[]
  readonly seeds: readonly number[]
}

/** The policy by its own name; throws for what is wrong before any recording is read. */
function resolvePolicy(
  name: string,
  set: readonly string[],
): Pick<Compared, 'policy' | 'tunables' | 'set'> {
  const request = resolveReplay({ policy: [name], set })
  checkRequest(request)
  const policy = lookUpPolicy(name)
  const known = policy.tunables.map((tunable) => tunable.name)
  const given: Record<string, number> = {}
  for (const [key, value] of request.settings) {
    if (!known.includes(key)) throw unknownName(`tunable of ${policy.name}`, key, known)
    given[key] = Number(value)
  }
  return { policy: policy.name, tunables: completeTunables(policy, given), set }
}

async function openSets(
  database: Database,
  asked: Asked,
): Promise<{ readonly a: readonly Extraction[]; readonly b: readonly Extraction[] }> {
  const catalog = await catalogOf(database)
  const seen = new Map<number, string>()
  const find = async (list: string): Promise<number[]> => {
    const ids: number[] = []
    for (const name of list.split(',')) {
      const trace = await findTrace(database.connection, catalog, name.replace(/^trace:/, ''))
      if (seen.has(trace.trace_id))
        throw usageError(`validate: ${trace.name} is named twice; each recording counts once`)
      seen.set(trace.trace_id, trace.name)
      ids.push(trace.trace_id)
    }
    return ids
  }
  const ids = { a: await find(asked.a), b: await find(asked.b) }
  const extract = async (traces: readonly number[]): Promise<(Extraction & Traced)[]> => {
    const found: (Extraction & Traced)[] = []
    for (const traceId of traces)
      found.push({ ...(await extractWorkload(database, traceId)), traceId })
    return found
  }
  const a = await extract(ids.a)
  const b = await extract(ids.b)
  return { a: await recordedLike(database, a, b), b }
}

/** Undefined: the replays have no recorder. */
function describeRecorder([first]: readonly Extraction[]): string | undefined {
  const buffers = first?.workload.machine.traceBuffers
  if (buffers === undefined) return undefined
  const mb = (buffers.wakesAtBytes.value / 1e6).toFixed(1)
  return `recorder: it was woken at ${mb} MB of events of a CPU; replays have it run, and allocate, when theirs are so many, and what it ran in A is no load`
}

function findRecordedPolicy(a: readonly Extraction[]): string {
  const own = new Set(a.map(({ workload }) => workload.recordedPolicy.value))
  if (own.size > 1)
    throw usageError(
      `validate: the recordings of A were made under different policies: ${[...own].join(', ')}`,
    )
  const [policy = 'kswapd'] = own
  return policy
}

function namesOf(extractions: readonly Extraction[]): string[] {
  return extractions.map(({ recording }) => recording.name)
}

async function printForPeople(
  compared: Compared,
  options: ValidateOptions,
  settings: Settings,
): Promise<void> {
  const { rows, inputs, a, b, recordedPolicy, policy, set, seeds } = compared
  const withTunables = set.length === 0 ? policy : `${policy} (${set.join(', ')})`
  await printText(
    `${withTunables} predicted from ${namesOf(a).join(', ')} under ${recordedPolicy}, against ${namesOf(b).join(', ')}; ${describeSeeds(seeds)}; ${REPLAYED}\n`,
  )
  await printResult(toShownResult(TABLE_COLUMNS, rows), options, settings)
  await printLine('')
  const notes = [
    'ratio: recorded B / recorded A; spread: half the range of the ratios of all pairs of repeats; predicted: replayed B / replayed A, low and high: for 0.9 and 1.1 times the demand; self error: replayed A against recorded A',
    'allocstalls and stall times are of applications; with _all of any thread, workers included',
    `sign: ${JUDGED_BY.sign}`,
    `size: ${JUDGED_BY.size}`,
    `null models: ${JUDGED_BY.null_models}`,
    describeRecorder(a),
    describeInputs(inputsByBasis(a.map(({ workload }) => workload))),
  ]
  for (const note of notes) if (note !== undefined) await printText(note)
  await printText(`\nInputs of a replay as B tells them against A: ${INPUTS_JUDGED_BY}\n`)
  await printResult(toShownResult(INPUT_COLUMNS, inputs), { format: 'table' }, settings)
}

/** Each row with all that it rests on: for programs, which read rows one by one. */
function toRows(compared: Compared): Result {
  const { a, b, recordedPolicy, policy, tunables, seeds } = compared
  const ground = {
    recordings_a: a.map(toRecording),
    recordings_b: b.map(toRecording),
    recorded_policy: recordedPolicy,
    policy,
    tunables,
    seeds,
    replayed: REPLAYED,
    judged_by: { ...JUDGED_BY, inputs: INPUTS_JUDGED_BY },
    inputs_compared: compared.inputs.map((row) => ({ ...row })),
    inputs: inputsByBasis(a.map(({ workload }) => workload)),
  }
  return toResult(
    POLICY_COLUMNS,
    compared.rows.map(({ repeats_a, repeats_b, ...figures }) => ({
      ...figures,
      repeats_a: repeats_a.map((repeat) => ({ ...repeat })),
      repeats_b: repeats_b.map((repeat) => ({ ...repeat })),
      ...ground,
    })),
  )
}

function toRecording({ recording, workload, startNs, endNs }: Extraction): Value {
  const { value, basis } = workload.recordedPolicy
  return {
    trace: recording.name,
    policy: value,
    policy_basis: basis,
    work_s: (endNs - startNs) / 1e9,
    lost_events: recording.losses,
  }
}

/** Columns in the order in which they are read; `wide` ones are left out of a table. */
const FIGURES = [
  { name: 'metric', type: 'text' },
  { name: 'unit', type: 'text' },
  { name: 'recorded_a', type: 'number' },
  { name: 'recorded_b', type: 'number' },
  { name: 'ratio', type: 'number' },
  { name: 'spread', type: 'number' },
  { name: 'replayed_a', type: 'number', wide: true },
  { name: 'replayed_b', type: 'number', wide: true },
  { name: 'predicted', type: 'number' },
  { name: 'error', type: 'number', wide: true },
  { name: 'predicted_demand_low', type: 'number' },
  { name: 'predicted_demand_high', type: 'number' },
  { name: 'sign', type: 'text' },
  { name: 'size', type: 'text' },
  { name: 'size_limit', type: 'number', wide: true },
  { name: 'nothing_changes', type: 'number', wide: true },
  { name: 'nothing_changes_error', type: 'number', wide: true },
  { name: 'formula', type: 'number' },
  { name: 'formula_error', type: 'number', wide: true },
  { name: 'predicted_better', type: 'boolean', wide: true },
  { name: 'self_error', type: 'number' },
  { name: 'trusted', type: 'boolean', wide: true },
  { name: 'verdict', type: 'text' },
] as const satisfies readonly (ResultColumn & { name: keyof PolicyRow; wide?: true })[]

const TABLE_COLUMNS = FIGURES.filter((column) => !('wide' in column))

const POLICY_COLUMNS: readonly ResultColumn[] = [
  ...FIGURES.map(({ name, type }) => ({ name, type })),
  { name: 'repeats_a', type: 'json' },
  { name: 'repeats_b', type: 'json' },
  { name: 'recordings_a', type: 'json' },
  { name: 'recordings_b', type: 'json' },
  { name: 'recorded_policy', type: 'text' },
  { name: 'policy', type: 'text' },
  { name: 'tunables', type: 'json' },
  { name: 'seeds', type: 'json' },
  { name: 'replayed', type: 'text' },
  { name: 'judged_by', type: 'json' },
  { name: 'inputs', type: 'json' },
  { name: 'inputs_compared', type: 'json' },
]

const INPUT_COLUMNS = [
  { name: 'input', type: 'text' },
  { name: 'unit', type: 'text' },
  { name: 'a', type: 'number' },
  { name: 'b', type: 'number' },
  { name: 'ratio', type: 'number' },
  { name: 'spread', type: 'number' },
  { name: 'limit', type: 'number' },
  { name: 'agrees', type: 'boolean' },
  { name: 'ratio_in_stores', type: 'number' },
  { name: 'spread_in_stores', type: 'number' },
  { name: 'agrees_in_stores', type: 'boolean' },
] as const satisfies readonly (ResultColumn & { name: keyof InputRow })[]

/** How much came out, what missed, and what makes a comparison doubtful, in a line each. */
function remarkVerdicts(settings: Settings, compared: Compared): void {
  const { rows } = compared
  const judged = rows.filter(({ size }) => size !== 'unknown')
  const count = (holds: (row: PolicyRow) => boolean): number => judged.filter(holds).length
  remark(
    settings,
    `of ${judged.length} metrics: ${count(({ sign }) => sign === 'wrong')} wrong signs, ` +
      `${count(({ size }) => size === 'right')} right sizes, ${count((row) => row.predicted_better)} better than both null models, ` +
      `${count(({ trusted }) => trusted)} with the self-replay within the spread`,
  )
  for (const verdict of new Set(rows.map((row) => row.verdict))) {
    const metrics = rows.filter((row) => row.verdict === verdict).map(({ metric }) => metric)
    remark(settings, `${verdict}: ${metrics.join(', ')}`)
  }
  remark(settings, describeAgreement(compared.inputs))
  for (const doubt of doubts(compared)) remark(settings, doubt)
}

function describeAgreement(inputs: readonly InputRow[]): string {
  const apart = inputs.filter((row) => !(row.agrees_in_stores ?? row.agrees))
  const named = apart.length === 0 ? '' : `; not: ${apart.map(({ input }) => input).join(', ')}`
  return `inputs: ${inputs.length - apart.length} of ${inputs.length} agree between A and B, costs in stores${named}`
}

function doubts({ a, b, recordedPolicy, policy, tunables }: Compared): string[] {
  const found = differences(a, b)
  if (a.length * b.length === 1)
    found.push(
      'one recording of each: their spread is not known and counts as none, so that little of what misses need be the prediction',
    )
  const lossy = [...a, ...b].filter(({ recording }) => recording.losses > 0)
  if (lossy.length > 0)
    found.push(
      `events were lost in ${namesOf(lossy).join(', ')}: what was recorded there is the least that happened`,
    )
  // Which of the asynchronous policies it was cannot always be told; that it was none can.
  const alike = b.filter(({ workload }) => workload.recordedPolicy.value === recordedPolicy)
  if (alike.length > 0 && policy !== recordedPolicy)
    found.push(
      `B: ${namesOf(alike).join(', ')} looks like a recording under ${recordedPolicy}, as those of A, not under ${policy}`,
    )
  for (const { recording, workload } of b) {
    const others = listOtherTunables({ policy, tunables }, workload)
    if (others.length > 0)
      found.push(
        `B: ${recording.name} looks like a recording with ${others.join(', ')}; the prediction has it otherwise (--set)`,
      )
  }
  return found
}

/** What both sets must share for a ratio to be the policy's doing. */
function differences(a: readonly Extraction[], b: readonly Extraction[]): string[] {
  const told: readonly (readonly [string, (machine: Machine) => string | number])[] = [
    ['number of CPUs', ({ cpus }) => cpus.length],
    ['memory in pages', ({ nodes }) => nodes.reduce((sum, node) => sum + node.totalPages, 0)],
    ['LRU', ({ lru }) => lru.value],
    ['swap', ({ backend }) => backend.value],
    ['codec', ({ codec }) => codec.value],
  ]
  return told.flatMap(([what, of]) => {
    const values = [...new Set([...a, ...b].map(({ workload }) => of(workload.machine)))]
    return values.length === 1 ? [] : [`the recordings differ in ${what}: ${values.join(', ')}`]
  })
}
