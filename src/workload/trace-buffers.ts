import { quoteName } from '../database/quote.ts'
import { PstraceError } from '../model/error.ts'
import { percentile } from './numbers.ts'
import { BEGINS_RECLAIM, ENDS_RECLAIM, EVENT, type Recording, STATE } from './recording.ts'
import { floats, one, texts, type WorkloadTables } from './table-columns.ts'
import {
  type Based,
  TRACE_PAGE_BYTES,
  TRACED_STEPS,
  type TraceBuffers,
  type TracedStep,
  type Workload,
  type WorkloadTask,
} from './types.ts'

/** Reads one CPU's buffer for as long as it records (trace-cmd record). */
const READER = /^trace-cmd/
/** A reader starts and looks around before its buffer is full: it is woken for that once it has slept this long. */
const LEAST_SLEEP_NS = 500_000_000
/** Record header of the ring buffer, and what records are rounded up to (RB_EVNT_HDR_SIZE, RB_ALIGNMENT). */
const HEADER_BYTES = 4

/** What each step writes where all of it is recorded; slab passes write a pair for each shrinker that has objects. */
const EVENTS_OF_STEP: Readonly<Record<TracedStep, readonly string[]>> = {
  batch: ['mm_vmscan_lru_shrink_inactive'],
  direct: ['mm_vmscan_direct_reclaim_begin', 'mm_vmscan_direct_reclaim_end'],
  fault: ['do_swap_page', 'do_swap_page_ret', 'swap_read_folio', 'swap_readpage', 'zram_slot_free'],
  isolate: ['mm_vmscan_lru_isolate'],
  slab: ['mm_shrink_slab_start', 'mm_shrink_slab_end'],
  store: ['pst_write', 'pst_write_ret'],
  swapOut: ['mm_vmscan_write_folio', 'swap_writepage', 'swap_writepage_ret'],
  switch: ['sched_switch'],
  wake: ['sched_waking', 'sched_wakeup'],
}

/** Bytes of a trace's records by its raw tables. */
export class TraceBytes {
  readonly #tables: WorkloadTables
  readonly #traceId: number
  readonly #startNs: string
  /** By raw table. */
  readonly #sizes: ReadonlyMap<string, number>

  private constructor(
    tables: WorkloadTables,
    of: { readonly traceId: number; readonly startNs: string },
    sizes: ReadonlyMap<string, number>,
  ) {
    this.#tables = tables
    this.#traceId = of.traceId
    this.#startNs = of.startNs
    this.#sizes = sizes
  }

  static async open(tables: WorkloadTables, traceId: number): Promise<TraceBytes> {
    const trace = await one(
      tables,
      `SELECT start_ns::VARCHAR AS start_ns FROM traces WHERE trace_id = ${traceId}`,
    )
    if (trace === undefined)
      throw new PstraceError('no_trace', `trace ${traceId}: no trace of that id in the database`)
    const rows = await tables.queryColumns(
      `SELECT f.system || ':' || f.event AS name, max(f.byte_offset + f.size)::DOUBLE AS bytes
       FROM raw_fields f JOIN information_schema.tables t
         ON t.table_schema = 'raw' AND t.table_name = f.system || ':' || f.event
       WHERE f.trace_id = ${traceId} AND f.byte_offset IS NOT NULL GROUP BY ALL`,
    )
    const names = texts(rows, 'name')
    const sizes = new Map(
      Array.from(floats(rows, 'bytes'), (bytes, row): [string, number] => [
        names[row] ?? '',
        HEADER_BYTES * (1 + Math.ceil(bytes / HEADER_BYTES)),
      ]),
    )
    return new TraceBytes(tables, { traceId, startNs: trace.text('start_ns') ?? '0' }, sizes)
  }

  /** By CPU: bytes of records up to `ns` after the trace's start. */
  async until(ns: number): Promise<number[]> {
    const found: number[] = []
    for (const [table, bytes] of this.#sizes) {
      const rows = await this.#tables.queryColumns(
        `SELECT cpu::DOUBLE AS cpu, count(*)::DOUBLE AS n FROM raw.${quoteName(table)}
         WHERE trace_id = ${this.#traceId} AND ts_ns - ${this.#startNs} <= ${Math.round(ns)} GROUP BY cpu`,
      )
      const counts = floats(rows, 'n')
      floats(rows, 'cpu').forEach((cpu, row) => {
        found[cpu] = (found[cpu] ?? 0) + bytes * (counts[row] ?? 0)
      })
    }
    return Array.from(found, (bytes) => bytes ?? 0)
  }

  /** Of one record of each of the events. */
  sizeOf(events: readonly string[]): number {
    let sum = 0
    for (const [table, bytes] of this.#sizes)
      if (events.includes(table.slice(table.indexOf(':') + 1))) sum += bytes
    return sum
  }
}

/** What the extraction of a trace of the database knows of it. */
export interface Traced {
  readonly traceId: number
  readonly recording: Recording
  readonly workload: Workload
  readonly startNs: number
}

/**
 * A, with workloads for machines that are recorded too: the recorder is no part of either policy, but takes CPU time and memory where a policy's
 * events wake its readers. A's own tell of it, or else B's; what A's ran is no load then, for under a policy that writes less they sleep on.
 */
export async function recordedLike<Of extends Traced>(
  tables: WorkloadTables,
  a: readonly Of[],
  b: readonly Traced[],
): Promise<readonly Of[]> {
  const read = async (traced: readonly Traced[]) => {
    const found: TraceBuffers[] = []
    for (const { traceId, recording } of traced) {
      const buffers = await readTraceBuffers(tables, traceId, recording)
      if (buffers !== undefined) found.push(buffers)
    }
    return joinBuffers(found)
  }
  const common = (await read(a)) ?? (await read(b))
  if (common === undefined) return a
  const found: Of[] = []
  for (const one of a) {
    const { traceId, startNs, workload, recording } = one
    const unreadAtStart = await (await TraceBytes.open(tables, traceId)).until(startNs)
    const machine = { ...workload.machine, traceBuffers: { ...common, unreadAtStart } }
    const readers = new Set(findReaders(recording).map(({ tid }) => tid))
    const tasks = workload.tasks.filter((task) => !isLoadOf(task, readers))
    found.push({ ...one, workload: { ...workload, machine, tasks } })
  }
  return found
}

function isLoadOf({ kind, tid }: WorkloadTask, tids: ReadonlySet<number>): boolean {
  return kind === 'background' && tids.has(tid)
}

/** Medians over recordings; undefined = of none. */
function joinBuffers(all: readonly TraceBuffers[]): TraceBuffers | undefined {
  const [first] = all
  if (first === undefined) return undefined
  const join = (of: (buffers: TraceBuffers) => number): number =>
    percentile(Float64Array.from(all, of).sort(), 50)
  const based = (of: (buffers: TraceBuffers) => Based<number>): Based<number> => ({
    ...of(first),
    value: join((buffers) => of(buffers).value),
    n: all.reduce((sum, buffers) => sum + (of(buffers).n ?? 0), 0),
  })
  return {
    wakesAtBytes: based(({ wakesAtBytes }) => wakesAtBytes),
    pageNs: based(({ pageNs }) => pageNs),
    waitNs: based(({ waitNs }) => waitNs),
    unreadAtStart: [],
    bytes: toBytes((step) => join(({ bytes }) => bytes[step])),
  }
}

function toBytes(of: (step: TracedStep) => number): TraceBuffers['bytes'] {
  const found = TRACED_STEPS.map((step): [TracedStep, number] => [step, of(step)])
  return Object.fromEntries(found) as Record<TracedStep, number>
}

interface Reader {
  readonly tid: number
  readonly cpu: number
  /** When it was first woken for its buffer. */
  readonly wokenNs: number
  /** CPU time from then on, without its reclaim. */
  readonly cpuNs: number
  /** Waits for what it writes, from then on. */
  readonly waits: number
  readonly waitNs: number
}

/**
 * The buffers of a recording whose readers were woken: at how many bytes, and what a page cost them. Undefined: none was, or nobody tells wake-ups.
 */
export async function readTraceBuffers(
  tables: WorkloadTables,
  traceId: number,
  recording: Recording,
): Promise<TraceBuffers | undefined> {
  const readers = findReaders(recording)
  if (readers.length === 0) return undefined
  const bytes = await TraceBytes.open(tables, traceId)
  const total = await bytes.until(recording.endNs)
  const marks: number[] = []
  let readBytes = 0
  let cpuNs = 0
  let waits = 0
  let waitNs = 0
  for (const reader of readers) {
    const mark = (await bytes.until(reader.wokenNs))[reader.cpu] ?? 0
    marks.push(mark)
    readBytes += Math.max(0, (total[reader.cpu] ?? 0) - mark)
    cpuNs += reader.cpuNs
    waits += reader.waits
    waitNs += reader.waitNs
  }
  // Formats without sizes: text.
  const wakesAtBytes = Math.min(...marks)
  if (wakesAtBytes <= 0) return undefined
  const slabCalls = countSlabCalls(recording)
  return {
    wakesAtBytes: {
      value: wakesAtBytes,
      basis: 'event',
      n: marks.length,
      from: 'first wake-ups of the recorder',
    },
    pageNs: {
      value: Math.round(cpuNs / Math.max(1, readBytes / TRACE_PAGE_BYTES)),
      basis: 'event',
      n: Math.round(readBytes / TRACE_PAGE_BYTES),
      from: 'CPU time of the recorder outside reclaim',
    },
    waitNs: {
      value: Math.round(waitNs / Math.max(1, waits)),
      basis: 'event',
      n: waits,
      from: 'uninterruptible sleeps of the recorder',
    },
    unreadAtStart: [],
    bytes: toBytes((step) =>
      Math.round(bytes.sizeOf(EVENTS_OF_STEP[step]) * (step === 'slab' ? slabCalls : 1)),
    ),
  }
}

/** Shrinkers that a pass calls, on average: calls of one task with nothing of its own between are one pass. */
function countSlabCalls({ kind, length, tid }: Recording): number {
  const inPass = new Set<number>()
  let calls = 0
  let passes = 0
  for (let i = 0; i < length; i++) {
    const task = tid[i] ?? 0
    if (kind[i] === EVENT.slabBegin) {
      calls++
      if (!inPass.has(task)) passes++
      inPass.add(task)
    } else if (kind[i] === EVENT.isolate || kind[i] === EVENT.directBegin) inPass.delete(task)
  }
  return calls / Math.max(1, passes)
}

interface Seen {
  readonly tid: number
  sleepsSince: number
  blockedSince: number
  inReclaim: boolean
  cpu: number
  wokenNs: number
  cpuNs: number
  waits: number
  waitNs: number
}

/** Readers that were woken by whoever filled their buffer: on its CPU. */
function findReaders(recording: Recording): Reader[] {
  const { a, b, cpu, kind, length, ns, tid, tasks } = recording
  const seen = new Map<number, Seen>()
  for (const [id, { comm }] of tasks)
    if (READER.test(comm))
      seen.set(id, {
        tid: id,
        sleepsSince: Number.POSITIVE_INFINITY,
        blockedSince: Number.POSITIVE_INFINITY,
        inReclaim: false,
        cpu: -1,
        wokenNs: -1,
        cpuNs: 0,
        waits: 0,
        waitNs: 0,
      })
  const since = new Float64Array(recording.cpus)
  const book = (reader: Seen | undefined, on: number, now: number): void => {
    if (reader !== undefined && reader.wokenNs >= 0 && !reader.inReclaim)
      reader.cpuNs += now - Math.max(since[on] ?? 0, reader.wokenNs)
    since[on] = now
  }
  for (let i = 0; i < length; i++) {
    const now = ns[i] ?? 0
    const on = cpu[i] ?? 0
    const what = kind[i] ?? -1
    if (what === EVENT.switch) {
      const from = seen.get(a[i] ?? 0)
      book(from, on, now)
      if (from !== undefined) {
        from.sleepsSince = b[i] === STATE.sleeping ? now : Number.POSITIVE_INFINITY
        from.blockedSince = b[i] === STATE.blocked ? now : Number.POSITIVE_INFINITY
      }
      since[on] = now
    } else if (what === EVENT.waking) {
      const woken = seen.get(a[i] ?? 0)
      if (woken !== undefined) wakes(woken, on, now)
    } else if (BEGINS_RECLAIM.has(what) || ENDS_RECLAIM.has(what)) {
      const reader = seen.get(tid[i] ?? 0)
      book(reader, on, now)
      if (reader !== undefined) reader.inReclaim = BEGINS_RECLAIM.has(what)
    }
  }
  return [...seen.values()].filter(({ wokenNs }) => wokenNs >= 0)
}

/** From its first wake-up after a long sleep on, it reads: what it waits for then, outside reclaim, is its file. */
function wakes(reader: Seen, on: number, now: number): void {
  if (reader.wokenNs < 0 && now - reader.sleepsSince >= LEAST_SLEEP_NS) {
    reader.wokenNs = now
    reader.cpu = on
  }
  if (reader.wokenNs >= 0 && !reader.inReclaim && now > reader.blockedSince) {
    reader.waits++
    reader.waitNs += now - reader.blockedSince
  }
  reader.blockedSince = Number.POSITIVE_INFINITY
}
