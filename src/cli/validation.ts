import { readRows } from '../analysis/query.ts'
import {
  type Result,
  type ResultColumn,
  toResult,
  type Unit,
  type Value,
} from '../analysis/result.ts'
import { findTrace } from '../analysis/selection.ts'
import { type Replayer, validateHalves, validatePolicy } from '../analysis/validate.ts'
import { resolveReplay } from '../config/replay.ts'
import type { Settings } from '../config/settings.ts'
import { Database } from '../database/database.ts'
import { completeTunables, replay } from '../replay/replay.ts'
import { type Extraction, extractWorkload } from '../workload/extract.ts'
import { usageError } from './failure.ts'
import { killOnInterrupt } from './interrupt.ts'
import { printLine, printResult, toFormat } from './output.ts'
import { startProgress } from './progress.ts'
import { openResources, planRuns } from './run-plan.ts'
import { toSettings } from './settings.ts'
import type { ValidateOptions } from './validate.ts'

/** Costs come from the first half of the work only, so that the second half is predicted. */
const FIRST_HALF = 0.5

export async function validateTrace(options: ValidateOptions, seeds: number): Promise<void> {
  const settings = toSettings(options)
  const database = await Database.open(settings.databasePath, { mode: 'read' })
  killOnInterrupt()
  try {
    const id = await traceId(database, options.trace)
    const extraction = await extractWorkload(database, id, { costsUntilShare: FIRST_HALF })
    const replayer = makeReplayer(options, settings, seeds)
    const rows = await validateHalves(extraction, replayer.run, listSeeds(seeds))
    replayer.stop()
    await printRows(
      'second half of the work: recorded, replayed with the costs of the first half, and two null models',
      rows as unknown as readonly Record<string, Value>[],
      options,
      settings,
    )
  } finally {
    database.close()
  }
}

export async function validatePair(
  a: string,
  b: string,
  options: ValidateOptions,
  seeds: number,
): Promise<void> {
  const settings = toSettings(options)
  const database = await Database.open(settings.databasePath, { mode: 'read' })
  killOnInterrupt()
  try {
    const under = async (list: string): Promise<Extraction[]> => {
      const extractions: Extraction[] = []
      for (const name of list.split(',')) {
        if (!name.startsWith('trace:')) throw usageError(`validate: '${name}' should be trace:NAME`)
        extractions.push(await extractWorkload(database, await traceId(database, name.slice(6))))
      }
      return extractions
    }
    const parts = {
      a: await under(a),
      b: await under(b),
      policy: options.policy ?? '',
      seeds: listSeeds(seeds),
    }
    const replayer = makeReplayer(options, settings, 6 * seeds * parts.a.length)
    const rows = await validatePolicy(parts, replayer.run)
    replayer.stop()
    await printRows(
      `B / A as recorded (ratio, spread) and as predicted from A for policy ${parts.policy}`,
      rows as unknown as readonly Record<string, Value>[],
      options,
      settings,
    )
  } finally {
    database.close()
  }
}

async function traceId(database: Database, wanted: string | undefined): Promise<number> {
  const [row] = await readRows<{ name: string }>(
    database.connection,
    'SELECT current_database() AS name',
  )
  const trace = await findTrace(database.connection, row?.name ?? 'memory', wanted)
  return trace.trace_id
}

function listSeeds(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

/** Runs with everything as recorded but what validation varies. */
function makeReplayer(
  options: ValidateOptions,
  settings: Settings,
  total: number,
): { run: Replayer; stop(): void } {
  const progress = startProgress(settings, 'replaying', 'count')
  let done = 0
  const run: Replayer = async ({ workload, policy, seed, demandScale, sink }) => {
    const own = policy ?? workload.recordedPolicy.value
    const request = resolveReplay({
      policy: [own],
      set: policy === undefined ? [] : (options.set ?? []),
      seed: String(seed),
    })
    const plan = planRuns(request, workload)
    const [planned] = plan.runs
    if (planned === undefined) throw usageError(`validate: no policy ${own}`)
    const resources = await openResources(plan.workload, planned.config)
    try {
      return replay(plan.workload, {
        policy: planned.policy,
        backend: resources.backend,
        contents: resources.contents.contents,
        tunables: completeTunables(planned.policy, planned.config.tunables),
        seed,
        cpus: plan.cpus,
        demandScale,
        sink,
      })
    } finally {
      resources.contents.close()
      progress.update(++done, total)
    }
  }
  return { run, stop: () => progress.stop() }
}

async function printRows(
  title: string,
  rows: readonly Record<string, Value>[],
  options: ValidateOptions,
  settings: Settings,
): Promise<void> {
  const forPeople = toFormat(options) === 'table' && options.output === undefined
  if (forPeople) {
    const basis = rows[0]?.['basis']
    await printLine(title)
    if (typeof basis === 'string' && basis !== '') await printLine(`inputs: ${basis}`)
    await printLine('')
  }
  await printResult(toRows(rows, forPeople), options, settings)
}

/** Columns as the rows have them; relative errors are shown to people in percent. */
function toRows(rows: readonly Record<string, Value>[], forPeople: boolean): Result {
  const names = Object.keys(rows[0] ?? {}).filter(
    (name) => !forPeople || (name !== 'basis' && name !== 'trace'),
  )
  const columns = names.map((name): ResultColumn => {
    const values = rows.map((row) => row[name])
    const type = values.every((value) => typeof value === 'number' || value === null)
      ? 'number'
      : values.every((value) => typeof value === 'boolean' || value === null)
        ? 'boolean'
        : 'text'
    const unit: Unit | undefined =
      name.endsWith('error') || name === 'tolerance' ? 'share' : undefined
    return unit === undefined ? { name, type } : { name, type, unit }
  })
  return toResult(columns, rows)
}
