import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteText } from '../database/quote.ts'
import { badValue, unknownName } from '../model/names.ts'
import type { Selection } from '../model/selection.ts'
import { readRows } from './query.ts'
import type { Subject } from './selection.ts'

/** What a selection names must be there: of what is not, every command would say that nothing happened, which reads as an answer. */
export async function expectThere(
  connection: DuckDBConnection,
  of: {
    readonly catalog: string
    readonly traceId: number
    readonly selection: Selection
    readonly subjects: readonly Subject[]
  },
): Promise<void> {
  const { catalog, selection, subjects, traceId } = of
  await expectTasks(connection, catalog, traceId, selection)
  for (const place of PLACES)
    for (const number of selection[place.option])
      await expectPlace(connection, catalog, traceId, place, number)
  expectTime(selection, subjects)
}

const NS_PER_S = 1e9

/** CPUs and nodes are counted from 0; recordings in which some are off line have higher ones, and replays may have more than the recording. */
interface Place {
  readonly option: 'cpus' | 'nodes'
  readonly flag: '--cpu' | '--node'
  readonly column: 'cpu' | 'node'
  readonly noun: string
  readonly tables: readonly string[]
}

const PLACES: readonly Place[] = [
  {
    option: 'cpus',
    flag: '--cpu',
    column: 'cpu',
    noun: 'a CPU',
    tables: ['reclaim_spans', 'swapouts', 'thread_states'],
  },
  {
    option: 'nodes',
    flag: '--node',
    column: 'node',
    noun: 'a node',
    tables: ['zones', 'tasks', 'reclaim_spans', 'swapouts'],
  },
]

async function expectPlace(
  connection: DuckDBConnection,
  catalog: string,
  traceId: number,
  { option, flag, column, noun, tables }: Place,
  number: number,
): Promise<void> {
  const main = `"${catalog}".main`
  const [trace] = await readRows<{ count: number | null }>(
    connection,
    `SELECT ${option} AS count FROM ${main}.traces WHERE trace_id = ${traceId}`,
  )
  const count = trace?.count ?? 0
  if (number < count) return
  const there = tables.map(
    (table) =>
      `(SELECT 1 FROM ${main}.${table} WHERE trace_id = ${traceId} AND ${column} = ${number} LIMIT 1)`,
  )
  const [row] = await readRows<{ found: number | null }>(
    connection,
    `SELECT coalesce(${there.join(', ')}) AS found`,
  )
  if (typeof row?.found === 'number') return
  const known = count === 0 ? '' : `; it has ${count}, from 0`
  throw badValue(flag, `${number}`, `${noun} that the trace or a run of it has${known}`)
}

/** Nobody of a name that is nowhere in the trace did anything: that would read as an answer. */
async function expectTasks(
  connection: DuckDBConnection,
  catalog: string,
  traceId: number,
  { tids, comms }: Selection,
): Promise<void> {
  if (tids.length === 0 && comms.length === 0) return
  const from = `FROM "${catalog}".main.tasks WHERE trace_id = ${traceId}`
  for (const tid of tids) {
    const [task] = await readRows(connection, `SELECT tid ${from} AND tid = ${tid} LIMIT 1`)
    if (task === undefined)
      throw badValue(
        '--tid',
        `${tid}`,
        `a thread of the trace; \`pstrace query 'SELECT tid, comm FROM tasks'\` lists them`,
      )
  }
  for (const comm of comms) {
    const [task] = await readRows(
      connection,
      `SELECT comm ${from} AND comm GLOB ${quoteText(comm)} LIMIT 1`,
    )
    if (task !== undefined) continue
    const known = await readRows<{ comm: string }>(
      connection,
      `SELECT DISTINCT comm ${from} AND comm IS NOT NULL ORDER BY comm LIMIT 40`,
    )
    throw unknownName(
      'thread',
      comm,
      known.map((row) => row.comm),
    )
  }
}

/** The same of a time in which there is nothing: before its own start, or after the end of all that is looked at. */
function expectTime(
  { fromNs, toNs }: Selection,
  subjects: readonly Pick<Subject, 'firstNs' | 'lastNs'>[],
): void {
  if (fromNs !== undefined && toNs !== undefined && toNs <= fromNs)
    throw badValue('--to', sayTime(toNs), `a time after --from ${sayTime(fromNs)}`)
  let longest = 0n
  for (const { firstNs, lastNs } of subjects)
    if (lastNs - firstNs > longest) longest = lastNs - firstNs
  if (fromNs !== undefined && fromNs > longest)
    throw badValue(
      '--from',
      sayTime(fromNs),
      `a time before the end of what is looked at, which lasts ${Number((Number(longest) / NS_PER_S).toPrecision(6))}s`,
    )
}

/** To the nanosecond: what was given is repeated as it is. */
function sayTime(ns: bigint): string {
  const fraction = `${ns % BigInt(NS_PER_S)}`.padStart(9, '0').replace(/0+$/, '')
  return `${ns / BigInt(NS_PER_S)}${fraction === '' ? '' : '.'}${fraction}s`
}
