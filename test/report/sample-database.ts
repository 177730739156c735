import { resolveSubjects } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { resolveSelection } from '../../src/config/selection.ts'
import { Database } from '../../src/database/database.ts'
import { insertStatements } from '../../src/database/packed.ts'
import { tableOf } from '../../src/database/schema.ts'
import { seeded } from '../charts/rows.ts'

/** Truth that tests ask for; everything else in the database is seeded noise. */
export const TRUTH = {
  /** Longest stall of an application in the recording: throttle and direct reclaim that touch are one stall. */
  longestStallMs: 84.25,
  /** Pages of the run under kcompressd that a later page overtook, by brute force over the rows below. */
  overtaken: 0,
  swapouts: 1200,
  seconds: 6,
}

const SECOND = 1_000_000_000
const PAGES = TRUTH.swapouts
const BASE = 5_000 * SECOND
const WORK_NS = TRUTH.seconds * SECOND

type Row = (string | number | null)[]

/** One recording of six seconds and three runs, all complete; in memory unless a path is given. */
export async function openSample(
  options: { losses?: boolean; path?: string } = {},
): Promise<Database> {
  const database = await Database.open(options.path ?? ':memory:', { mode: 'write' })
  const insert = async (table: string, columns: string, rows: readonly Row[]): Promise<void> => {
    for (let i = 0; i < rows.length; i += 500) {
      const values = rows
        .slice(i, i + 500)
        .map(
          (row) =>
            `(${row.map((cell) => (typeof cell === 'string' ? `'${cell.replaceAll("'", "''")}'` : (cell ?? 'NULL'))).join(', ')})`,
        )
      const statements = insertStatements(tableOf(table), {
        columns: columns.split(', '),
        sql: `SELECT * FROM (VALUES ${values.join(', ')}) AS row(${columns})`,
      })
      await database.run(statements.join(';\n'))
    }
  }
  await insert(
    'traces',
    'trace_id, name, format, kernel_release, arch, cpus, nodes, page_size, clock, start_ns, end_ns, events, lost_events, lost_gaps, state, schema_version',
    [
      [
        1,
        "busy <'phone'> & co",
        'trace.dat v6',
        '6.1.0-25-amd64',
        'x86_64',
        4,
        1,
        4096,
        'mono',
        BASE,
        BASE + WORK_NS,
        182_311,
        options.losses ? 57 : 0,
        options.losses ? 2 : 0,
        'complete',
        1,
      ],
    ],
  )
  await insert('tasks', 'trace_id, task_id, tid, comm, kind', [
    [1, 1, 61, 'kswapd0', 'kswapd'],
    [1, 2, 812, 'memhog', 'user'],
    [1, 3, 813, 'memhog', 'user'],
    [1, 4, 44, 'kworker/u8:1', 'kworker'],
    [1, 5, 62, 'kcompressd0', 'compressor'],
  ])
  await insert('zones', 'trace_id, node, zone, managed, wmark_min, wmark_low, wmark_high, basis', [
    [1, 0, 'DMA32', 100_000, 512, 640, 768, 'snapshot'],
    [1, 0, 'Normal', 30_000, 128, 160, 192, 'snapshot'],
  ])
  await insert(
    'runs',
    'trace_id, run_id, policy, backend, codec, codec_version, content_source, clock, demand, cpus, seed, config, state',
    ['kswapd', 'kcompressd', 'parallel'].map((policy, i) => [
      1,
      i + 1,
      policy,
      'zram',
      'lz4',
      'lz4 1.9.4',
      'swap-image',
      'virtual',
      'closed',
      '4',
      1,
      '{"startOffsetNs": 500000000}',
      'complete',
    ]),
  )
  if (options.losses === true)
    await insert('losses', 'trace_id, cpu, start_ns, end_ns, events', [
      [1, 0, BASE + SECOND, BASE + SECOND + 3_000_000, 57],
      [1, 2, BASE + 2 * SECOND, BASE + 2 * SECOND + 1_000_000, null],
    ])
  await insert('import_issues', 'trace_id, code, severity, count, first_position, message', [
    [
      1,
      'unknown_event',
      'info',
      12,
      'byte 4182',
      'An event whose meaning is not known was kept as it is.',
    ],
  ])
  for (const [run, policy] of [
    [null, 'kswapd'],
    [1, 'kswapd'],
    [2, 'kcompressd'],
    [3, 'parallel'],
  ] as const)
    await insertColumn(insert, run, policy)
  return database
}

async function insertColumn(
  insert: (table: string, columns: string, rows: readonly Row[]) => Promise<void>,
  run: number | null,
  policy: string,
): Promise<void> {
  const random = seeded((run ?? 0) + 7)
  const base = run === null ? BASE + SECOND / 2 : 0
  const asynchronous = policy !== 'kswapd'
  const length = (WORK_NS - SECOND / 2) * (asynchronous ? 0.8 : 1)
  const reach = policy === 'kcompressd' ? 200 : policy === 'parallel' ? 3 : 0
  const outs = Array.from({ length: PAGES }, (_, i) => {
    const submit = Math.floor((i / PAGES) * length * 0.98)
    const bypass = i % 10 === 0
    const queued = asynchronous && !bypass
    const wait = queued ? Math.floor(random() * reach * 40_000) : 0
    const start = submit + wait
    return {
      i,
      submit,
      start,
      done: start + 30_000 + Math.floor(random() * 20_000),
      bypass,
      queued,
    }
  })
  const lane = outs.filter(({ bypass }) => !bypass)
  const rank = (key: 'submit' | 'start' | 'done'): Map<number, number> =>
    new Map([...lane].sort((a, b) => a[key] - b[key] || a.i - b.i).map(({ i }, at) => [i, at + 1]))
  const ranks = { submit: rank('submit'), start: rank('start'), done: rank('done') }
  if (policy === 'kcompressd') {
    TRUTH.overtaken = 0
    for (const page of lane)
      if (
        lane.some(
          (later) =>
            (ranks.submit.get(later.i) ?? 0) > (ranks.submit.get(page.i) ?? 0) &&
            (ranks.done.get(later.i) ?? 0) < (ranks.done.get(page.i) ?? 0),
        )
      )
        TRUTH.overtaken++
  }
  await insert(
    'swapouts',
    'trace_id, run_id, swapout_id, page_id, ts_ns, submit_ns, start_ns, stored_ns, task_id, tid, cpu, node, swap_type, swap_offset, folio_order, context, path, bypass_reason, place, compressed_bytes, lane, submit_rank, start_rank, done_rank',
    outs.map((page) => [
      1,
      run,
      page.i + 1,
      page.i + 1,
      base + page.done,
      base + page.submit,
      base + page.start,
      base + page.done,
      1,
      61,
      0,
      0,
      0,
      page.i,
      0,
      page.bypass ? 'direct' : 'kswapd',
      page.bypass ? 'bypass' : page.queued ? 'queued' : 'inline',
      page.bypass ? 'context' : null,
      page.i % 11 === 0 ? 'same' : 'zram',
      page.i % 11 === 0 ? null : page.i % 17 === 0 ? 4096 : 700 + Math.floor(random() * 1900),
      page.bypass ? '0/direct' : '0/kswapd',
      page.bypass ? null : (ranks.submit.get(page.i) ?? null),
      page.bypass ? null : (ranks.start.get(page.i) ?? null),
      page.bypass ? null : (ranks.done.get(page.i) ?? null),
    ]),
  )
  await insert(
    'swapins',
    'trace_id, run_id, page_id, swapout_id, ts_ns, end_ns, task_id, tid, met, wait_ns',
    outs
      .filter(({ i }) => i % 4 === 1)
      .map((page) => [
        1,
        run,
        page.i + 1,
        page.i + 1,
        base + page.done + 50_000_000,
        base + page.done + 50_060_000,
        2,
        812,
        'pool',
        40_000 + Math.floor(random() * 60_000),
      ]),
  )
  const spans: Row[] = []
  const parts: Row[] = []
  let id = 0
  const addStall = (task: number, tid: number, start: number, ns: number): void => {
    id++
    spans.push([
      1,
      run,
      id,
      null,
      'direct',
      task,
      tid,
      1,
      0,
      base + start,
      base + start + ns,
      null,
      0,
      32,
    ])
    const store = Math.floor(ns * (asynchronous ? 0.2 : 0.55))
    const scan = Math.floor(ns * 0.2)
    parts.push(
      [1, run, id, 'store', null, store],
      [1, run, id, 'scan', null, scan],
      [1, run, id, 'unknown', null, ns - store - scan],
    )
  }
  const stalls = asynchronous ? 25 : 60
  for (let i = 0; i < stalls; i++)
    addStall(
      2 + (i % 2),
      812 + (i % 2),
      Math.floor((0.2 + (0.7 * i) / stalls) * length),
      Math.floor(400_000 + random() ** 6 * 20_000_000),
    )
  if (asynchronous) addStall(5, 62, Math.floor(0.5 * length), 2_500_000)
  if (run === null) {
    // A throttle that ends where direct reclaim begins: one stall of the sum.
    const at = Math.floor(0.95 * length)
    const [throttle, direct] = [20_250_000, 64_000_000]
    id++
    spans.push([
      1,
      run,
      id,
      null,
      'throttle',
      2,
      812,
      1,
      0,
      base + at,
      base + at + throttle,
      null,
      0,
      0,
    ])
    parts.push([1, run, id, 'throttle', 'writeback', throttle])
    addStall(2, 812, at + throttle, direct)
  }
  await insert(
    'reclaim_spans',
    'trace_id, run_id, span_id, parent_span_id, kind, task_id, tid, cpu, node, start_ns, end_ns, censored, alloc_order, nr_reclaimed',
    spans,
  )
  await insert('stall_parts', 'trace_id, run_id, span_id, part, detail, ns', parts)
  const awake: Row[] = []
  const states: Row[] = []
  for (let i = 0; i < 40; i++) {
    const start = Math.floor((0.05 + (0.94 * i) / 40) * length)
    const end = start + Math.floor((length / 40) * (asynchronous ? 0.4 : 0.8))
    awake.push([1, run, 0, 1, 61, base + start, base + end, null, 0])
    const cut = start + Math.floor((end - start) * 0.35)
    const stored = asynchronous ? cut : start + Math.floor((end - start) * 0.85)
    states.push([1, run, 1, 0, base + start, base + cut, 'running', 'scan'])
    if (stored > cut) states.push([1, run, 1, 0, base + cut, base + stored, 'running', 'store'])
    states.push([1, run, 1, 0, base + stored, base + end, 'running', 'none'])
    if (asynchronous)
      states.push([
        1,
        run,
        5,
        1,
        base + start,
        base + start + Math.floor((end - start) * 1.25),
        'running',
        'store',
      ])
  }
  await insert(
    'kswapd_spans',
    'trace_id, run_id, node, task_id, tid, start_ns, end_ns, censored, alloc_order',
    awake,
  )
  await insert(
    'thread_states',
    'trace_id, run_id, task_id, cpu, start_ns, end_ns, state, doing',
    states,
  )
  const samples: Row[] = []
  if (run !== null)
    for (let i = 0; i < 2000; i++)
      samples.push([
        1,
        run,
        base + Math.floor((i / 2000) * length),
        0,
        'free_pages',
        700 + Math.floor(400 * Math.sin(i / 60) ** 2 + random() * 90 + 4000 * Math.exp(-i / 60)),
      ])
  if (samples.length > 0)
    await insert('samples', 'trace_id, run_id, ts_ns, node, name, value', samples)
  if (asynchronous)
    await insert('metrics', 'trace_id, run_id, metric, node, value, unit, basis', [
      [1, run, 'queue_depth', 0, policy === 'kcompressd' ? 256 : 6, 'pages', 'default'],
      [1, run, 'queue_capacity', 0, 256, 'pages', 'default'],
    ])
}

/** Views for everything in the sample, as the command line makes them. */
export async function selectSample(
  database: Database,
  runs: readonly string[] = [],
): Promise<void> {
  const selection = await resolveSubjects(
    database.connection,
    resolveSelection(runs.length === 0 ? {} : { run: [...runs] }),
  )
  await createViews(database.connection, selection)
}
