import { resolveSubjects } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import type { GeneratedTruth } from '../../src/generate/generate.ts'
import type { Scenario } from '../../src/generate/scenario.ts'
import { snapshotFiles } from '../../src/generate/snapshot.ts'
import { ingestBytes } from '../generate/domain-rows.ts'
import type { Row } from '../generate/expected.ts'
import { type Choice, generated, scenarioNamed } from '../generate/file.ts'

/** A generated recording as a user has it, file read into a database with its views, beside what really happened. */
export interface GeneratedRecording {
  readonly database: Database
  readonly scenario: Scenario
  readonly truth: GeneratedTruth
  /** The truth's rows; nothing of the database's. */
  table(name: string): readonly Row[]
  query(sql: string): Promise<Row[]>
}

export interface GeneratedChoice extends Partial<Omit<Choice, 'scenario'>> {
  readonly scenario: string | Scenario
  /** Further files that a recording script leaves beside a trace. */
  readonly beside?: ReadonlyMap<string, string>
  /** Which events' fields are kept (default: none). */
  readonly raw?: 'none' | 'all'
}

/** Generates a trace, reads it into a database in memory and makes the views. Once per test file: it takes half a second. */
export async function openGenerated(choice: GeneratedChoice): Promise<GeneratedRecording> {
  const { beside = new Map(), raw = 'none', ...options } = choice
  const scenario =
    typeof choice.scenario === 'string' ? scenarioNamed(choice.scenario) : choice.scenario
  const { bytes, truth } = generated({ ...options, scenario })
  const database = await Database.open(':memory:', { mode: 'write' })
  const snapshots = new Map([...snapshotFiles(scenario, truth), ...beside])
  await ingestBytes(database, bytes, { snapshots, raw })
  await createViews(database.connection, await resolveSubjects(database.connection))
  return {
    database,
    scenario,
    truth,
    table: (name) => truth.tables?.[name] ?? [],
    query: async (sql) => await database.query(sql),
  }
}

/** One node, one zram, and nobody but `actors`. */
export function scenarioOf(name: string, actors: Scenario['actors']): Scenario {
  return { ...scenarioNamed('phone'), name, summary: name, durationNs: 10_000_000_000, actors }
}
