import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { FolderSource } from '../../parsers/reader.ts'
import type { Database } from '../../src/database/database.ts'
import { snapshotFiles } from '../../src/generate/snapshot.ts'
import { openFolder } from '../../src/io/folder-source.ts'
import { differences, ingestBytes } from './domain-rows.ts'
import { byTask, Expected, pick, type Recorded, type Row, toleranceOf } from './expected.ts'
import { type Choice, generated, generatedFolder } from './file.ts'

type Truth = ReturnType<typeof generated>['truth']

/** A throttled task's sleep begins a moment before the scheduler switches it out; without the scheduler it is told in microseconds. */
const THROTTLE_NS = 1000
/** Rounded times of the many events of a span add up. */
const TEXT_PART_NS = 60_000

/**
 * Generates, reads back and compares every table that the recording can express; gives what was read, and the truth. The files beside
 * the trace are read with it unless `snapshots` is false.
 */
export async function expectTruth(
  database: Database,
  choice: Choice & { readonly format: Recorded['format'] },
  { snapshots = true }: { readonly snapshots?: boolean } = {},
): Promise<{ traceId: number; truth: Truth }> {
  const boot = choice.format.startsWith('perfetto') ? ({ clock: 'boot' } as const) : {}
  const { input, truth, remove } = written({ ...choice, ...boot })
  try {
    const traceId = await ingestBytes(database, input, {
      ...(snapshots && { snapshots: snapshotFiles(choice.scenario, truth) }),
    })
    const recorded = { format: choice.format, snapshots }
    await compareAll(database, traceId, new Expected(truth, recorded), recorded)
    const [counted] = await database.query(
      'SELECT events, lost_events, lost_gaps, start_ns, end_ns FROM traces WHERE trace_id = ?',
      [traceId],
    )
    const tolerance = toleranceOf(choice.format)
    expect(
      differences('traces', [facts(truth)], [counted ?? {}], { toleranceNs: tolerance }),
    ).toEqual([])
    return { traceId, truth }
  } finally {
    remove()
  }
}

function facts(truth: Truth): Row {
  return {
    events: truth.total,
    lost_events: 0,
    lost_gaps: 0,
    start_ns: truth.startNs,
    end_ns: truth.endNs,
  }
}

/** A generated trace to read; `remove` deletes what is on disk of it. */
export function written(choice: Choice): {
  input: Uint8Array | FolderSource
  truth: Truth
  remove: () => void
} {
  if (choice.format !== 'folder') {
    const { bytes, truth } = generated(choice)
    return { input: bytes, truth, remove: () => undefined }
  }
  const root = mkdtempSync(join(tmpdir(), 'pstrace-truth-'))
  const truth = generatedFolder(choice, root)
  return {
    input: openFolder(root),
    truth,
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}

async function compareAll(
  database: Database,
  traceId: number,
  expected: Expected,
  recorded: Recorded,
): Promise<void> {
  const toleranceNs = toleranceOf(recorded.format)
  const query = async (sql: string): Promise<Row[]> =>
    await database.query(sql.replaceAll('$trace', `trace_id = ${traceId}`))
  const equal = (name: string, truth: readonly Row[], rows: readonly Row[], tolerance: number) => {
    const columns = Object.keys(truth[0] ?? {})
    const found = truth.length === 0 ? rows : rows.map((row) => pick(row, columns))
    expect(differences(name, truth, found, { toleranceNs: tolerance })).toEqual([])
  }
  const compare = async (name: string, truth: readonly Row[], sql: string, ...times: string[]) =>
    equal(name, truth, byTask(await query(sql), ...times), toleranceNs)
  const withTid = (table: string) =>
    `SELECT x.*, t.tid FROM ${table} x JOIN tasks t USING (trace_id, task_id) WHERE x.$trace`

  await compare(
    'swapouts',
    expected.swapouts(),
    `SELECT s.*, r.start_ns AS span_ns, b.tid AS stored_tid FROM swapouts s
     LEFT JOIN tasks b ON b.trace_id = s.trace_id AND b.task_id = s.stored_by
     LEFT JOIN reclaim_spans r ON r.trace_id = s.trace_id AND r.span_id = s.span_id WHERE s.$trace`,
    'ts_ns',
  )
  await compare(
    'swapins',
    expected.swapins(),
    `SELECT s.*, o.ts_ns AS swapout_ns FROM swapins s
     LEFT JOIN swapouts o ON o.trace_id = s.trace_id AND o.swapout_id = s.swapout_id WHERE s.$trace`,
    'ts_ns',
  )
  await compare(
    'reclaim_spans',
    expected.spans(),
    `SELECT r.* REPLACE (CASE WHEN r.censored = 'start' THEN NULL ELSE r.start_ns END AS start_ns), p.start_ns AS parent_ns
     FROM reclaim_spans r LEFT JOIN reclaim_spans p ON p.trace_id = r.trace_id AND p.span_id = r.parent_span_id
     WHERE r.kind <> 'throttle' AND r.$trace`,
    'start_ns',
    'end_ns',
  )
  await compare(
    'kswapd_spans',
    expected.kswapdSpans(),
    'SELECT * FROM kswapd_spans WHERE $trace',
    'end_ns',
  )
  await compare('shrink_batches', expected.batches(), withTid('shrink_batches'), 'ts_ns')
  await compare('slab_shrinks', expected.slabs(), withTid('slab_shrinks'), 'end_ns')
  await compare('markers', expected.markers(), withTid('markers'), 'ts_ns')
  await compare('block_ios', expected.blockIos(), withTid('block_ios'), 'issue_ns', 'sector')
  equal(
    'samples',
    expected.samples(),
    await query(
      `SELECT ts_ns, node, name, value FROM samples WHERE $trace AND name SIMILAR TO '(free_pages|wmark_min)\\..*'`,
    ),
    toleranceNs,
  )
  equal(
    'pool_moves',
    expected.poolMoves(),
    await query(
      `SELECT m.ts_ns, m.from_place, m.reason, o.ts_ns AS swapout_ns FROM pool_moves m
       ASOF LEFT JOIN swapouts o ON o.trace_id = m.trace_id AND o.page_id = m.page_id AND o.ts_ns <= m.ts_ns
       WHERE m.$trace ORDER BY m.ts_ns`,
    ),
    toleranceNs,
  )
  await compare(
    'wakeups',
    expected.wakeups(),
    `SELECT x.ts_ns, x.reason AS kind, t.tid, w.tid AS waker_tid FROM wakeups x
     LEFT JOIN tasks t USING (trace_id, task_id)
     LEFT JOIN tasks w ON w.trace_id = x.trace_id AND w.task_id = x.waker_task_id WHERE x.$trace`,
    'ts_ns',
  )
  const tasks = 'SELECT * FROM tasks WHERE tid <> 0 AND $trace'
  await compare('tasks', expected.tasks(await query(tasks)), tasks, 'tid')
  await compareStates(expected, byTask(await query(withTid('thread_states')), 'start_ns'), {
    equal: (truth, rows) => equal('thread_states', truth, rows, toleranceNs),
  })
  await compareParts(expected, query, toleranceNs > 0 ? TEXT_PART_NS : 0)
  if (expected.isScheduled && expected.knowsWaits)
    equal(
      'throttle',
      expected.throttles(),
      byTask(
        await query(
          "SELECT tid, start_ns, end_ns FROM reclaim_spans WHERE kind = 'throttle' AND $trace",
        ),
        'end_ns',
      ),
      THROTTLE_NS + toleranceNs,
    )
  if (recorded.snapshots)
    for (const table of ['zones', 'swap_devices'])
      equal(table, expected.table(table), await query(`SELECT * FROM ${table} WHERE $trace`), 0)
  const issues = await query(
    "SELECT code, message FROM import_issues WHERE severity <> 'info' AND $trace",
  )
  expect(issues).toEqual([])
}

async function compareStates(
  expected: Expected,
  rows: readonly Row[],
  check: { equal: (truth: readonly Row[], rows: readonly Row[]) => void },
): Promise<void> {
  const known = new Map<unknown, number>()
  for (const row of rows) if (!known.has(row['tid'])) known.set(row['tid'], Number(row['start_ns']))
  if (expected.isScheduled)
    for (const [tid, first] of expected.firstRuns())
      expect(known.get(tid) ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(first + 500)
  // Pieces of running that differ only in what they were for are one where that is not known.
  const merged: Record<string, unknown>[] = []
  for (const row of rows) {
    const last = merged.at(-1)
    const isSame =
      last !== undefined &&
      !expected.knowsDoing &&
      last['tid'] === row['tid'] &&
      last['state'] === row['state'] &&
      last['cpu'] === row['cpu'] &&
      last['end_ns'] === row['start_ns']
    if (isSame) last['end_ns'] = row['end_ns']
    else merged.push({ ...row })
  }
  check.equal(expected.threadStates(known), merged)
}

async function compareParts(
  expected: Expected,
  query: (sql: string) => Promise<Row[]>,
  toleranceNs: number,
): Promise<void> {
  const unbalanced = await query(
    `SELECT r.kind, r.start_ns, r.end_ns - r.start_ns - coalesce(sum(p.ns), 0) AS rest FROM reclaim_spans r
     LEFT JOIN stall_parts p ON p.trace_id = r.trace_id AND p.span_id = r.span_id
     WHERE r.$trace GROUP BY r.span_id, r.kind, r.start_ns, r.end_ns HAVING rest <> 0`,
  )
  expect(unbalanced).toEqual([])
  if (!expected.isScheduled) return
  const rows = await query(
    `SELECT r.tid, r.kind, r.start_ns, p.part || '/' || coalesce(p.detail, '') AS part, CAST(sum(p.ns) AS BIGINT) AS ns
     FROM stall_parts p JOIN reclaim_spans r ON r.trace_id = p.trace_id AND r.span_id = p.span_id
     WHERE r.$trace AND r.censored IS NULL GROUP BY ALL`,
  )
  const truth = byPlace(expected.parts())
  const found = byPlace(rows)
  const wrong: string[] = []
  for (const place of new Set([...truth.keys(), ...found.keys()])) {
    if (!expected.knowsWaits && place.includes(' throttle ')) continue
    const difference = (found.get(place) ?? 0) - (truth.get(place) ?? 0)
    if (Math.abs(difference) > toleranceNs) wrong.push(`${place}: ${difference}`)
  }
  expect(wrong).toEqual([])
}

/** Time by task, kind of span, the span's number among those, and part. */
function byPlace(parts: readonly Row[]): Map<string, number> {
  const numbers = new Map<string, unknown[]>()
  const placed = new Map<string, number>()
  for (const row of byTask(parts, 'start_ns')) {
    const whose = `${row['tid']} ${row['kind']}`
    const starts = numbers.get(whose) ?? []
    if (!starts.includes(row['start_ns'])) numbers.set(whose, [...starts, row['start_ns']])
    const number = numbers.get(whose)?.indexOf(row['start_ns'])
    placed.set(`${whose} ${number} ${row['part']}`, Number(row['ns']))
  }
  return placed
}
