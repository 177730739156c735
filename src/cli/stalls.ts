import type { Command } from 'commander'
import type { Stalled } from '../analysis/intervals.ts'
import type { Result } from '../analysis/result.ts'
import { parseCount } from '../config/settings.ts'
import { unknownName } from '../model/names.ts'
import { addDatabase, addExamples, addOutput, addSelectors } from './options.ts'
import { toFormat } from './output.ts'
import {
  printSections,
  type Reading,
  type ReadingOptions,
  readSection,
  type Section,
  withColumns,
  withReading,
} from './reading.ts'

const ASPECTS = ['summary', 'task', 'cgroup', 'cause', 'length', 'stall', 'kill'] as const
type Aspect = (typeof ASPECTS)[number]

interface StallsOptions extends ReadingOptions {
  readonly by?: string
  readonly limit?: string
}

export function register(command: Command): void {
  command
    .description(
      "Who stalled, how long and on what. A stall is the union of a task's outermost reclaim spans (direct, memcg, node " +
        'reclaim, compaction) and of throttling; nested spans are not counted twice. Applications and workers that reclaim ' +
        'for themselves are told apart. Stalls whose begin or end was not seen are listed as censored: at least that long. ' +
        'rounds is the number of direct reclaims; the kernel counts allocstall per attempt, retries included. ' +
        'With --from, --to or --window a stall belongs to the part it touches and is not cut.',
    )
    .option(
      '--by <aspect>',
      `one table: ${ASPECTS.join(', ')} (default: an overview; stall in machine formats)`,
    )
    .option('--limit <n>', 'longest stalls and tasks in the overview', '10')
  addOutput(addSelectors(addDatabase(command)))
  addExamples(
    command,
    `
pstrace stalls
pstrace stalls --by task --comm 'app-*'
pstrace stalls --by cgroup
pstrace stalls --by cause --run recording --run parallel
pstrace stalls --from 2s --to 2.5s --format json`,
  )
  command.action(async (options: StallsOptions) => {
    const aspect = toAspect(options)
    const limit = parseCount('--limit', options.limit ?? '10', 1)
    await withReading(options, async (reading) => {
      const sections =
        aspect === undefined
          ? [
              await readSummary(reading),
              await readCauses(reading),
              await readTasks(reading, limit),
              await readStalls(reading, limit),
              ...(await anyKills(reading)),
            ]
          : [await READERS[aspect](reading)]
      await printSections(sections, options, reading)
    })
  })
}

function toAspect(options: StallsOptions): Aspect | undefined {
  if (options.by === undefined)
    return toFormat(options) === 'table' && options.output === undefined ? undefined : 'stall'
  const aspect = ASPECTS.find((known) => known === options.by)
  if (aspect === undefined) throw unknownName('aspect', options.by, ASPECTS)
  return aspect
}

const READERS: Readonly<Record<Aspect, (reading: Reading) => Promise<Section>>> = {
  summary: readSummary,
  task: (reading) => readTasks(reading),
  cgroup: readCgroups,
  cause: readCauses,
  length: (reading) =>
    readSection(reading, 'Stalls by length', 'SELECT * FROM stall_histogram', 'no stalls'),
  stall: (reading) => readStalls(reading),
  kill: (reading) => readKills(reading),
}

async function readSummary(reading: Reading): Promise<Section> {
  const section = await readSection(
    reading,
    'Stalls',
    'SELECT * FROM stall_summary',
    'no stalls: no task reclaimed for itself',
  )
  return { ...section, result: await widenStalls(reading, section.result) }
}

/** What the gaps of the recording may hide of its stalls. */
async function widenStalls(reading: Reading, result: Result): Promise<Result> {
  const traceId = reading.selection.subjects[0]?.traceId
  if (traceId === undefined) return result
  const { readLosses } = await import('../analysis/losses.ts')
  const { readIntervals } = await import('../analysis/intervals.ts')
  const losses = await readLosses(reading.connection, traceId)
  const open = await readIntervals(reading.connection, traceId, losses)
  if (open === undefined) return result
  const { formatNs } = await import('./format.ts')
  const columns = [
    { name: 'stalls_hi', type: 'text' },
    { name: 'total_hi', type: 'text' },
  ] as const
  const isStalled = (name: unknown): name is Stalled =>
    name === 'application' || name === 'worker' || name === 'other'
  return withColumns(result, columns, (row) => {
    const { stalled, stalls, total_ns: totalNs, run_id: runId } = row
    if (runId !== null || !isStalled(stalled)) return [String(stalls), formatNs(Number(totalNs))]
    const { hi } = open.spans(stalled, Number(stalls))
    const { hi: totalHi } = open.stallTime(stalled, Number(totalNs))
    return [hi === null ? 'unknown' : String(hi), totalHi === null ? 'unknown' : formatNs(totalHi)]
  })
}

function readCauses(reading: Reading): Promise<Section> {
  return readSection(reading, 'Spent on', 'SELECT * FROM stall_cause_summary', 'no stalls')
}

function readTasks(reading: Reading, limit?: number): Promise<Section> {
  const sql =
    limit === undefined
      ? 'SELECT * FROM stall_tasks'
      : `SELECT * FROM stall_tasks
         QUALIFY row_number() OVER (PARTITION BY trace_id, run_id ORDER BY total_ns DESC, tid) <= ${limit}
         ORDER BY trace_id, run_id NULLS FIRST, total_ns DESC, tid`
  return readSection(
    reading,
    limit === undefined ? 'Tasks' : `Tasks (first ${limit})`,
    sql,
    'none stalled',
  )
}

async function readCgroups(reading: Reading): Promise<Section> {
  const title = 'Stalls by control group of the stalled task'
  const section = await readSection(reading, title, 'SELECT * FROM stall_cgroups', 'no stalls')
  const { columns, rows } = section.result
  const cgroup = columns.findIndex(({ name }) => name === 'cgroup')
  if (rows.length === 0 || rows.some((row) => row[cgroup] !== null)) return section
  // Tables leave out a column that holds nothing.
  return {
    ...section,
    title: `${title} (not known: told by processes.before, cgroup_attach_task or Perfetto)`,
  }
}

function readStalls(reading: Reading, limit?: number): Promise<Section> {
  const columns = `s.trace_id, s.run_id, s.label, st.stall_id, st.start_ns - s.first_ns AS at_ns, st.ns, st.censored,
    st.comm, st.package, st.tid, st.task_id, st.task_kind, st.stalled, o.oom_score_adj, st.cgroup, st.kinds, st.cpu, st.node, st.rounds, st.alloc_order, st.gfp_flags,
    st.nr_reclaimed, c.spent_on, st.start_ns, st.end_ns`
  const from = `FROM stalls st
    JOIN subjects s ON s.trace_id = st.trace_id AND s.run_id IS NOT DISTINCT FROM st.run_id
    ASOF LEFT JOIN oom_scores o ON o.trace_id = st.trace_id AND o.pid = coalesce(st.tgid, st.tid) AND st.start_ns >= o.ts_ns
      AND st.run_id IS NULL
    LEFT JOIN (
      SELECT trace_id, run_id, stall_id,
        string_agg(part || ' ' || round(100.0 * ns / nullif(total, 0))::INTEGER || ' %', ', ' ORDER BY ns DESC, part) AS spent_on
      FROM (
        SELECT trace_id, run_id, stall_id, part, sum(ns) AS ns, sum(sum(ns)) OVER (PARTITION BY trace_id, run_id, stall_id) AS total
        FROM stall_causes GROUP BY trace_id, run_id, stall_id, part
      ) GROUP BY trace_id, run_id, stall_id
    ) c ON c.trace_id = st.trace_id AND c.run_id IS NOT DISTINCT FROM st.run_id AND c.stall_id = st.stall_id`
  if (limit === undefined)
    return readSection(
      reading,
      'Stalls',
      `SELECT ${columns} ${from} ORDER BY s.trace_id, s.run_id NULLS FIRST, st.start_ns, st.stall_id`,
      'no stalls',
    )
  return readSection(
    reading,
    `Longest stalls (first ${limit})`,
    `SELECT * EXCLUDE (start_ns, end_ns) FROM (SELECT ${columns} ${from})
     QUALIFY row_number() OVER (PARTITION BY trace_id, run_id ORDER BY ns DESC, stall_id) <= ${limit}
     ORDER BY trace_id, run_id NULLS FIRST, ns DESC, stall_id`,
    'no stalls',
  )
}

function readKills(reading: Reading, columns = '*'): Promise<Section> {
  return readSection(
    reading,
    'Processes killed to free memory',
    `SELECT ${columns} FROM kills`,
    'no kill was recorded',
  )
}

/** In the overview only where there is one. */
async function anyKills(reading: Reading): Promise<Section[]> {
  const kills = await readKills(reading, '* EXCLUDE (ts_ns)')
  return kills.result.rows.length === 0 ? [] : [kills]
}
