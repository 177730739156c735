import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../../src/database/database.ts'
import { openFolder } from '../../../src/io/folder-source.ts'
import {
  DOMAIN_TABLES,
  type DomainRow,
  differences,
  domainRows,
  ingestBytes,
} from '../../generate/domain-rows.ts'
import { generated, generatedFolder, loadZstdFrames, scenarioNamed } from '../../generate/file.ts'

let database: Database
let folder = ''
beforeAll(async () => {
  await loadZstdFrames()
  database = await Database.open(':memory:', { mode: 'write' })
  folder = mkdtempSync(join(tmpdir(), 'pstrace-same-'))
})
afterAll(() => {
  database.close()
  rmSync(folder, { recursive: true, force: true })
})

const SCENARIOS = ['phone', 'server', 'late', 'stream', 'queue'] as const
const FORMATS = [
  'v6',
  'perf',
  'perf-pipe',
  'perf-z',
  'perfetto',
  'perfetto-dense',
  'perfetto-z',
  'folder',
  'text',
  'text-tgid',
] as const
type Format = (typeof FORMATS)[number]

/** Text has times in microseconds: so have both recordings then. */
const TEXT_TICK_NS = 1000
const isText = (format: Format): boolean => format.startsWith('text')
/** Text prints the gfp mask and the zone by name; what happened on two CPUs in one microsecond it has in the order of its lines. */
const UNLIKE_IN_TEXT: Readonly<Record<string, readonly string[]>> = {
  reclaim_spans: ['gfp_flags'],
  samples: ['name'],
  swapouts: ['swapout_id', 'page_id', 'submit_rank', 'start_rank', 'done_rank'],
  swapins: ['swapout_id', 'page_id', 'refault_distance'],
  pool_moves: ['page_id'],
}

/** Process trees tell the process of a thread and its name; samples of perf its process. */
const KNOWN_PROCESSES: Readonly<Record<string, readonly string[]>> = {
  tasks: ['tgid', 'process'],
}

/** Only trace.dat has the kernel's symbols: elsewhere a shrinker is an address. */
function unlike(format: Format, table: string): readonly string[] {
  if (format === 'v6') return []
  if (isText(format)) return [...(UNLIKE_IN_TEXT[table] ?? []), ...(KNOWN_PROCESSES[table] ?? [])]
  const ofTable = table === 'slab_shrinks' ? ['shrinker'] : []
  return format === 'folder' ? ofTable : [...ofTable, ...(KNOWN_PROCESSES[table] ?? [])]
}

/** Columns that hold a task's id: compared by thread. */
const TASK_COLUMNS = ['task_id', 'stored_by', 'waker_task_id']

/** Rows with threads instead of task ids; without the events' counts and the idle threads, which only some forms name. */
async function comparable(id: number, table: string, format: Format): Promise<DomainRow[]> {
  const tasks = await database.query('SELECT task_id, tid FROM tasks WHERE trace_id = ?', [id])
  const tids = new Map<unknown, unknown>(tasks.map((row) => [row['task_id'], row['tid']]))
  const rows = await domainRows(database, id, table)
  const named = rows
    .filter((row) => !String(row['name'] ?? '').startsWith('events.') && row['tid'] !== 0)
    .map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) =>
          TASK_COLUMNS.includes(name) && value !== null ? [name, tids.get(value)] : [name, value],
        ),
      ),
    )
  // Rows have no order of their own, and thread states are written when they end.
  const keys = [
    isText(format) ? 'tid' : 'swapout_id',
    'ts_ns',
    'start_ns',
    'end_ns',
    'span_id',
    'task_id',
    'part',
    'name',
  ]
  const compareBy = (a: DomainRow, b: DomainRow): number => {
    for (const key of keys) {
      const [left, right] = [a[key] ?? '', b[key] ?? '']
      if (left !== right) return left < right ? -1 : 1
    }
    return 0
  }
  return named.sort(compareBy)
}

/** Compact scheduling events leave open who ran before the first switch of a cpu. */
function withoutUnknownWakers(rows: readonly DomainRow[]): DomainRow[] {
  return rows.map((row) =>
    row['waker_task_id'] === null ? { ...row, waker_task_id: undefined } : row,
  )
}

async function compare(
  scenario: (typeof SCENARIOS)[number],
  format: Format,
  options: { kernel: string; loss: number },
): Promise<string[]> {
  const choice = {
    scenario: scenarioNamed(scenario),
    events: 3000,
    wantRows: false,
    clock: 'boot',
    ...options,
    ...(isText(format) && { tickNs: TEXT_TICK_NS }),
  } as const
  const trace = await ingestBytes(database, generated({ ...choice, format: 'v7' }).bytes)
  const root = join(folder, `${scenario}-${options.kernel}-${options.loss}`)
  if (format === 'folder') generatedFolder(choice, root)
  const other = format === 'folder' ? openFolder(root) : generated({ ...choice, format }).bytes
  const id = await ingestBytes(database, other)
  const found: string[] = []
  // ftrace's print is no tracepoint: perf has no user marks.
  const isPerf = format.startsWith('perf') && !format.startsWith('perfetto')
  for (const table of DOMAIN_TABLES.filter((name) => !isPerf || name !== 'markers'))
    found.push(
      ...differences(
        table,
        withoutUnknownWakers(await comparable(id, table, format)),
        await comparable(trace, table, format),
        { toleranceNs: 0, without: unlike(format, table) },
      ),
    )
  return found
}

describe('one recording in several forms', () => {
  for (const scenario of SCENARIOS)
    for (const format of FORMATS) {
      // Compact scheduling events do not name whom a CPU's first switch takes off it: a wait that began then has no begin. What they
      // can express of such a recording is compared with its truth.
      if (scenario === 'late' && format === 'perfetto-dense') continue
      it(`gives the same tables of ${scenario} from trace.dat and ${format}`, async () => {
        expect(await compare(scenario, format, { kernel: '6.12', loss: 0 })).toEqual([])
      })
    }
  for (const scenario of ['phone', 'queue'] as const)
    for (const format of ['v6', 'perf', 'perf-pipe', 'perf-z', 'folder'] as const)
      it(`gives the same tables of ${scenario} with losses from trace.dat and ${format}`, async () => {
        expect(await compare(scenario, format, { kernel: '6.12', loss: 0.1 })).toEqual([])
      })
  for (const kernel of ['4.9', '5.10', '7.1'])
    for (const format of ['perf', 'perfetto', 'perfetto-dense', 'perfetto-z', 'folder'] as const)
      it(`gives the same tables of kernel ${kernel} from trace.dat and ${format}`, async () => {
        expect(await compare('phone', format, { kernel, loss: 0 })).toEqual([])
      })
})
