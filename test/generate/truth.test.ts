import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import type { ProbeSet } from '../../src/generate/event-kinds.ts'
import type { GeneratedTruth } from '../../src/generate/generate.ts'
import { KERNELS, layoutsOf, parseKernel } from '../../src/generate/layouts.ts'
import { differences, ingestBytes } from './domain-rows.ts'
import { generated, scenarioNamed } from './file.ts'

let database: Database
beforeAll(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterAll(() => database.close())

const SCENARIOS = ['phone', 'server', 'late'] as const
const PROBES: readonly ProbeSet[] = ['full', 'stock', 'none']
/** Times in text are rounded to microseconds. */
const FORMATS = [
  ['v6', 0],
  ['v7', 0],
  ['perf', 0],
  ['perf-pipe', 0],
  ['text', 500],
  ['text-tgid', 500],
] as const
/** A throttled task's sleep begins a moment before the scheduler switches it out. */
const THROTTLE_NS = 1000
const EVENTS = 1000

type Row = Readonly<Record<string, unknown>>
type Format = (typeof FORMATS)[number][0]

/** Every kernel with scenarios and probe sets in turn, so that each format meets each of them. */
const CASES = KERNELS.map(
  (kernel, i) =>
    ({
      kernel,
      scenario: SCENARIOS[i % 3] ?? 'phone',
      probes: PROBES[Math.floor(i / 3 + i) % 3] ?? 'full',
    }) as const,
)

function byTask(rows: readonly Row[], ...times: readonly string[]): Row[] {
  const compare = (a: Row, b: Row, column: string) => Number(a[column]) - Number(b[column])
  return [...rows].sort((a, b) => {
    const tid = compare(a, b, 'tid')
    if (tid !== 0) return tid
    // Nested spans may begin in one microsecond.
    if (a['kind'] !== b['kind']) return String(a['kind']) < String(b['kind']) ? -1 : 1
    for (const column of times) {
      const order = compare(a, b, column)
      if (order !== 0) return order
    }
    return 0
  })
}

/** The truth's rows in the database's words; the columns that the recording can know. */
class Expected {
  readonly #truth: GeneratedTruth
  readonly #format: Format
  readonly #probes: ProbeSet

  constructor(truth: GeneratedTruth, format: Format) {
    this.#truth = truth
    this.#format = format
    this.#probes = truth.probes
  }

  /** Events that the truth's kernel does not have leave no rows. */
  #isRecorded(event: string): boolean {
    const names = layoutsOf(parseKernel(this.#truth.kernel) ?? [6, 12]).map(({ name }) => name)
    return names.includes(event)
  }

  get #isText(): boolean {
    return this.#format.startsWith('text')
  }

  table(name: string): readonly Row[] {
    return this.#truth.tables?.[name] ?? []
  }

  swapouts(): Row[] {
    const spans = this.table('reclaim_spans')
    const nodeSpans = this.#isRecorded('mm_vmscan_node_reclaim_begin')
    const rows = this.table('swapouts').map((row) => {
      const inNode = row['context'] === 'node'
      const isSeen = !inNode || nodeSpans
      const span = spans[Number(row['span'] ?? -1)]
      const isOpenAtStart = row['span'] === -1
      // Of a store that began before the recording, its end tells no more than the page's.
      const isWhole = this.#probes === 'full' && row['start_ns'] !== null
      return {
        tid: row['tid'],
        cpu: row['cpu'],
        ts_ns: row['write_ns'],
        pfn: row['pfn'],
        // Whose reclaim it was is not known where its begin is not recorded.
        context: isOpenAtStart
          ? undefined
          : !isSeen
            ? 'proactive'
            : inNode
              ? 'direct'
              : row['context'],
        span_ns: isSeen ? this.#startOf(span) : null,
        start_ns: isWhole ? row['start_ns'] : undefined,
        stored_ns: isWhole ? row['stored_ns'] : undefined,
        swap_type: isWhole ? row['swap_type'] : undefined,
        swap_offset: isWhole ? row['swap_offset'] : undefined,
      }
    })
    return byTask(rows, 'ts_ns')
  }

  /** A span that began before the recording has no start to compare. */
  #startOf(span: Row | undefined): unknown {
    if (span === undefined) return null
    return span['start_ns'] ?? undefined
  }

  swapins(): Row[] {
    if (this.#probes !== 'full') return []
    const rows = this.table('swapins').map((row) => ({
      tid: row['tid'],
      cpu: row['cpu'],
      ts_ns: row['fault_ns'],
      end_ns: row['end_ns'],
      swap_type: row['swap_type'],
      swap_offset: row['swap_offset'],
    }))
    return byTask(rows, 'ts_ns')
  }

  spans(): Row[] {
    const rows = this.table('reclaim_spans')
      .filter(
        ({ kind }) =>
          kind !== 'throttle' &&
          (kind !== 'node' || this.#isRecorded('mm_vmscan_node_reclaim_begin')),
      )
      .map((row) => ({
        tid: row['tid'],
        kind: row['kind'],
        start_ns: row['censored'] === 'start' ? null : row['start_ns'],
        end_ns: row['end_ns'],
        censored: row['censored'],
        nr_reclaimed: row['nr_reclaimed'],
        alloc_order: row['alloc_order'],
        ...(!this.#isText && { gfp_flags: row['gfp_flags'] }),
      }))
    return byTask(rows, 'start_ns', 'end_ns')
  }

  throttles(): Row[] {
    const rows = this.table('reclaim_spans')
      .filter(({ kind }) => kind === 'throttle' && this.#isRecorded('mm_vmscan_throttled'))
      .map((row) => ({ tid: row['tid'], start_ns: row['start_ns'], end_ns: row['end_ns'] }))
    return byTask(rows, 'end_ns')
  }

  kswapdSpans(): Row[] {
    const columns = ['tid', 'node', 'end_ns', 'alloc_order', 'censored']
    return byTask(
      this.table('kswapd_spans').map((row) => ({
        ...pick(row, columns),
        start_ns: this.#startOf(row),
      })),
      'end_ns',
    )
  }

  batches(): Row[] {
    const columns = ['tid', 'ts_ns', 'node', 'nr_scanned', 'nr_reclaimed', 'priority']
    const seen = new Set()
    const rows = this.table('shrink_batches').map((row) => {
      // A recording that begins late lacks the isolation of a task's first batch.
      const isKnown = this.#truth.scenario !== 'late' || seen.has(row['tid'])
      seen.add(row['tid'])
      return { ...pick(row, columns), nr_taken: isKnown ? row['nr_taken'] : undefined }
    })
    return byTask(rows, 'ts_ns')
  }

  slabs(): Row[] {
    const columns = ['tid', 'start_ns', 'end_ns', 'node', 'nr_freed']
    return byTask(
      this.table('slab_shrinks').map((row) => pick(row, [...columns, ...this.#symbol])),
      'end_ns',
    )
  }

  /** Text names the function, binary formats give its address. */
  get #symbol(): string[] {
    return this.#isText ? ['shrinker'] : []
  }

  markers(): Row[] {
    if (this.#format.startsWith('perf')) return []
    return byTask(this.table('markers'), 'ts_ns')
  }

  wakeups(): Row[] {
    if (this.#probes === 'none') return []
    const rows = this.table('wakeups').map((row) => ({
      tid: row['tid'],
      waker_tid: row['waker_tid'],
      ts_ns: row['ts_ns'],
    }))
    return byTask(rows, 'ts_ns')
  }

  /** Tasks of which the recording has an event: one that only ran has none without the scheduler's. */
  tasks(seen: readonly Row[]): Row[] {
    const tids = new Set(seen.map(({ tid }) => tid))
    expect(this.#probes === 'none' || tids.size === this.table('tasks').length).toBe(true)
    return byTask(
      this.table('tasks')
        .filter(({ tid }) => tids.has(tid))
        .map((row) => pick(row, ['tid', 'comm', 'kind', 'node'])),
      'tid',
    )
  }
}

function pick(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((column) => [column, row[column]]))
}

async function query(traceId: number, sql: string): Promise<Row[]> {
  return await database.query(sql.replaceAll('$trace', `trace_id = ${traceId}`))
}

async function expectTruth(
  traceId: number,
  expected: Expected,
  toleranceNs: number,
): Promise<void> {
  const compare = async (name: string, truth: readonly Row[], sql: string, ...times: string[]) => {
    const columns = Object.keys(truth[0] ?? {})
    const rows = byTask(await query(traceId, sql), ...times)
    const found = truth.length === 0 ? rows : rows.map((row) => pick(row, columns))
    expect(differences(name, truth, found, { toleranceNs })).toEqual([])
  }
  await compare(
    'swapouts',
    expected.swapouts(),
    `SELECT s.*, r.start_ns AS span_ns FROM swapouts s
     LEFT JOIN reclaim_spans r ON r.trace_id = s.trace_id AND r.span_id = s.span_id WHERE s.$trace`,
    'ts_ns',
  )
  await compare(
    'swapins',
    expected.swapins(),
    `SELECT s.*, o.start_ns AS swapout_ns FROM swapins s
     LEFT JOIN swapouts o ON o.trace_id = s.trace_id AND o.swapout_id = s.swapout_id WHERE s.$trace`,
    'ts_ns',
  )
  await compare(
    'reclaim_spans',
    expected.spans(),
    `SELECT * REPLACE (CASE WHEN censored = 'start' THEN NULL ELSE start_ns END AS start_ns)
     FROM reclaim_spans WHERE kind <> 'throttle' AND $trace`,
    'start_ns',
    'end_ns',
  )
  await compare(
    'kswapd_spans',
    expected.kswapdSpans(),
    'SELECT * FROM kswapd_spans WHERE $trace',
    'end_ns',
  )
  const withTid = (table: string) =>
    `SELECT x.*, t.tid FROM ${table} x JOIN tasks t USING (trace_id, task_id) WHERE x.$trace`
  await compare('shrink_batches', expected.batches(), withTid('shrink_batches'), 'ts_ns')
  await compare('slab_shrinks', expected.slabs(), withTid('slab_shrinks'), 'end_ns')
  // Kills are marked too; the truth has the marks that programs wrote.
  const marks = `${withTid('markers')} AND x.name <> 'oom kill'`
  await compare('markers', expected.markers(), marks, 'ts_ns')
  await compare(
    'wakeups',
    expected.wakeups(),
    `SELECT x.ts_ns, t.tid, w.tid AS waker_tid FROM wakeups x JOIN tasks t USING (trace_id, task_id)
     JOIN tasks w ON w.trace_id = x.trace_id AND w.task_id = x.waker_task_id
     WHERE reason = 'sched' AND x.$trace`,
    'ts_ns',
  )
  const tasks = 'SELECT * FROM tasks WHERE tid <> 0 AND $trace'
  await compare('tasks', expected.tasks(await query(traceId, tasks)), tasks, 'tid')
}

describe.each(FORMATS)('a generated trace as %s', (format, toleranceNs) => {
  it.each(CASES)(
    'is read as what happened: $scenario, kernel $kernel, probes $probes',
    async (choice) => {
      const scenario = scenarioNamed(choice.scenario)
      const { bytes, truth } = generated({ ...choice, scenario, format, events: EVENTS })
      const traceId = await ingestBytes(database, bytes)
      await expectTruth(traceId, new Expected(truth, format), toleranceNs)
      const throttles = byTask(
        await query(
          traceId,
          "SELECT tid, start_ns, end_ns FROM reclaim_spans WHERE kind = 'throttle' AND $trace",
        ),
        'end_ns',
      )
      const expected = new Expected(truth, format).throttles()
      if (choice.probes !== 'none')
        expect(
          differences('throttle', expected, throttles, { toleranceNs: THROTTLE_NS + toleranceNs }),
        ).toEqual([])
      const [counted] = await query(traceId, 'SELECT events, lost_events FROM traces WHERE $trace')
      expect(counted).toEqual({ events: truth.total, lost_events: 0 })
    },
  )
})
