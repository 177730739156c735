import { availableParallelism } from 'node:os'
import type { Figure } from '../analysis/figure.ts'
import { rowKinds } from '../database/schema.ts'
import { beginRun, completeRun, removeRun } from '../database/states.ts'
import type { Codec, CodecChoice } from '../memory/codecs/codec.ts'
import { openCodec } from '../memory/codecs/index.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { PstraceError } from '../model/error.ts'
import { RowBuffer } from '../model/rows.ts'
import type { Policy } from '../policies/policy.ts'
import { openCosts } from '../replay/costs.ts'
import type { RunTask } from '../replay/kernel-threads.ts'
import { runThreads, type ThreadsOptions, type ThreadsResult } from '../threads/run.ts'
import { PAGE_KINDS, type Workload } from '../workload/types.ts'
import { runInterruptibly } from './interrupt.ts'
import { chooseRunCodec } from './run-codec.ts'
import { openContents } from './run-contents.ts'
import type { PlannedRun, RunConfig } from './run-plan.ts'
import {
  addMetrics,
  addThreads,
  completeConfig,
  describeRun,
  type FinishedRun,
  firstThreadId,
  type RunOptions,
  readRunFigures,
} from './run-policy.ts'
import { withSummary } from './run-summary.ts'

/** Pages are in memory at once, for all threads: 512 MiB of 4 KiB pages. */
const MOST_PAGE_BYTES = 512 * 1024 * 1024
/** Pages whose compression is timed before the run. */
const TIMED_PAGES = 256
/** Of a policy's ids, those from here on belong to threads of this host. */
const FIRST_ID = 500_000

const ANON = PAGE_KINDS.indexOf('anon')
const FILE = PAGE_KINDS.indexOf('file')

/** The page stream of a workload, with contents. */
interface Stream {
  readonly ids: Uint32Array
  readonly bytes: SharedArrayBuffer
  /** 1 = all bytes are 0. */
  readonly zero: Uint8Array
  readonly total: number
}

/**
 * Replays one policy on real threads of this host into the database: kswapd meets the stream's pages in their order, is busy unmapping
 * each as long as the recorded machine was (scaled by how much faster this host compresses), hands it to the policy, and workers compress.
 * There is no demand, no fault, no watermark and no pool: what runs for real is hand-over, queues, locks, wake-ups and compression.
 */
export async function runPolicyOnThreads(
  options: RunOptions,
  run: PlannedRun,
): Promise<FinishedRun> {
  const { database, traceId, plan } = options
  const { policy } = run
  const { workload } = plan
  const config = completeConfig(run, options.keep)
  const opened = await openHost(workload, config)
  const { stream, zeroMap } = opened
  const runId = await beginRun(
    database,
    traceId,
    describeRun(config, opened.codec, opened.contents),
  )
  try {
    const result = await runOnHost(policy, workload, config, opened)
    const first = firstThreadId(policy, workload) + FIRST_ID
    await database.prepareAppends()
    await addThreads(database, traceId, listTasks(result, first))
    for (const rows of [
      toSwapouts(result, stream, zeroMap, first),
      toThreadStates(result, first),
      toKswapdSpan(result, first),
    ])
      database.appendNow(rows, { traceId, runId })
    database.flush()
    await completeRun(database, runId)
    const summary = summarize(result, stream, opened.scale)
    const figures = knownOnThreads(
      withSummary(await readRunFigures({ database, traceId, runId }), summary),
    )
    await addMetrics(database, { traceId, runId }, figures, { summary }, config, undefined)
    const finished = {
      contents: opened.contents.description,
      exhausted: false,
      endNs: summary.workNs,
      progress: [],
      summary,
    }
    return { runId, policy: policy.name, config, result: finished, figures }
  } catch (error) {
    await removeRun(database, runId)
    throw error
  }
}

/** What this host compresses, with what, and how its speed compares to the recorded machine's. */
interface Host {
  readonly codec: Codec
  readonly codecChoice: CodecChoice
  readonly contents: PageContents
  readonly stream: Stream
  /** Zero pages never reach the policy: the machine marks them in its swap map. */
  readonly zeroMap: boolean
  /** Time of this host per time of the recorded machine. */
  readonly scale: number
}

async function openHost(workload: Workload, config: RunConfig): Promise<Host> {
  const { pageSize, zeroMap } = workload.machine
  const codecChoice = chooseRunCodec(config, pageSize)
  const codec = await openCodec(config.codec, codecChoice)
  const open = await openContents(config.contents, workload, config.seed)
  const { contents } = open
  const stream = readStream(workload, contents)
  open.close()
  const scale = hostScale(workload, stream, codec)
  return { codec, codecChoice, contents, stream, zeroMap: zeroMap.value, scale }
}

function runOnHost(
  policy: Policy,
  workload: Workload,
  config: RunConfig,
  { codec, codecChoice, stream, zeroMap, scale }: Host,
): Promise<ThreadsResult> {
  const { pages, machine } = workload
  const { tunables } = config
  const { unmap } = openCosts(workload, config.seed, config.costScale)
  const cpus = Math.max(...countNodeCpus(config))
  const gatesAll = policy.layout({ node: 0, cpus }, tunables).gate === 'swap'
  return runThreads({
    policy,
    tunables,
    pages: stream.bytes,
    pageSize: machine.pageSize,
    cpus,
    codec,
    codecChoice,
    admits: (folio) =>
      !(zeroMap && stream.zero[folio] === 1) &&
      (gatesAll || pages.kind[stream.ids[folio] as number] === ANON),
    unmapNs: () => Math.round(unmap.draw() * scale),
    run: runInterruptibly,
    modules: MODULES,
    execArgv: process.execArgv,
  })
}

/** The first lines of what is printed: what real threads can and cannot tell. */
export function describeThreads(runs: readonly FinishedRun[]): string[] {
  const [run] = runs
  if (run === undefined) return []
  const { config, result } = run
  const { summary } = result
  const used = 'streamShare' in summary && Number(summary.streamShare) < 1
  return [
    `contents: ${result.contents}; clock: threads of this host (${availableParallelism()} CPUs, Node ${process.versions.node}); ${config.codec}`,
    'order, times and shares differ from run to run, and with whatever else the host does: run it several times; only the compressed bytes are the same every time',
    "what runs: kswapd's hand-over in the stream's order, the policy's queues, locks and wake-ups, and the codec. There is no demand, fault, watermark, pool or reclaim by tasks: for those use the virtual clock",
    'a page takes kswapd as long as on the recorded machine in proportion to its compression; running time contains waits for a CPU of this host',
    ...(used ? [`only the first ${summary.swapOuts} pages of the stream fit into memory`] : []),
  ]
}

/** Without what only a machine in virtual time has. */
export function knownOnThreads(figures: readonly Figure[]): Figure[] {
  return figures.filter(({ metric, value }) => value !== null && metric !== 'cpu_ns')
}

/** What differs when sources run without a build: workers need the loader that this thread has. */
const MODULES: ThreadsOptions['modules'] = {
  policies: new URL(`../policies/index${extension()}`, import.meta.url).href,
  codecs: new URL(`../memory/codecs/index${extension()}`, import.meta.url).href,
  worker: new URL(`../threads/worker${extension()}`, import.meta.url),
}

function extension(): string {
  return import.meta.url.slice(import.meta.url.lastIndexOf('.'))
}

function readStream(workload: Workload, contents: PageContents): Stream {
  const { pages, machine, stream } = workload
  const swapped = stream.filter((page) => pages.kind[page] !== FILE)
  const ids = swapped.subarray(0, Math.floor(MOST_PAGE_BYTES / machine.pageSize))
  if (ids.length === 0)
    throw new PstraceError(
      'threads-no-stream',
      'the workload has no anonymous page that reclaim met: --clock threads has nothing to hand over',
      { exitStatus: 3 },
    )
  const bytes = new SharedArrayBuffer(ids.length * machine.pageSize)
  const zero = new Uint8Array(ids.length)
  const page = new Uint8Array(machine.pageSize)
  const all = new Uint8Array(bytes)
  ids.forEach((id, place) => {
    contents.fill(id, 0, pages.slot[id] as number, page)
    all.set(page, place * machine.pageSize)
    zero[place] = page.every((byte) => byte === 0) ? 1 : 0
  })
  return { ids, bytes, zero, total: swapped.length }
}

/** Time of this host per time of the recorded machine, by what both take to compress a page. */
function hostScale(workload: Workload, stream: Stream, codec: Codec): number {
  const { store } = workload.costs
  const recorded =
    store.samples.length > 0
      ? store.samples.reduce((sum, ns) => sum + ns, 0) / store.samples.length
      : store.fixedNs
  const { pageSize } = workload.machine
  const page = new Uint8Array(pageSize)
  const target = new Uint8Array(codec.bound(pageSize))
  const all = new Uint8Array(stream.bytes)
  const data = stream.ids.reduce<number[]>((places, _id, place) => {
    if (places.length < TIMED_PAGES && stream.zero[place] === 0) places.push(place)
    return places
  }, [])
  if (data.length === 0 || recorded === 0) return 1
  const taken: number[] = []
  // Once to warm up.
  for (let round = 0; round < 2; round++)
    for (const place of data) {
      page.set(all.subarray(place * pageSize, (place + 1) * pageSize))
      const start = process.hrtime()
      codec.compress(page, target)
      const [seconds, rest] = process.hrtime(start)
      if (round > 0) taken.push(seconds * 1e9 + rest)
    }
  taken.sort((a, b) => a - b)
  return (taken[Math.floor(taken.length / 2)] ?? recorded) / recorded
}

function countNodeCpus({ cpus }: RunConfig): number[] {
  return [...new Set(cpus.map(({ node }) => node))].map(
    (node) => cpus.filter((cpu) => cpu.node === node).length,
  )
}

function listTasks({ workers }: ThreadsResult, first: number): RunTask[] {
  return ['kswapd0', ...workers].map((comm, index) => ({
    taskId: first + index,
    tid: first + index,
    comm,
    kind: index === 0 ? 'kswapd' : comm.startsWith('kworker') ? 'kworker' : 'compressor',
    node: 0,
  }))
}

function toSwapouts(
  result: ThreadsResult,
  stream: Stream,
  zeroMap: boolean,
  first: number,
): RowBuffer {
  const rows = new RowBuffer('swapouts', rowKinds('swapouts'))
  result.ends.forEach((end, folio) => {
    const isZero = zeroMap && stream.zero[folio] === 1
    const isOutside = end === 'outside' || end === 'bypass'
    const row = rows.add()
    const number = (column: string, value: number | undefined) =>
      rows.number(row, column, value === undefined ? Number.NaN : value)
    const time = (column: string, times: Float64Array) =>
      number(column, Math.round(times[folio] as number))
    number('swapout_id', folio + 1)
    number('page_id', (stream.ids[folio] as number) + 1)
    time('ts_ns', result.handedAt)
    time('submit_ns', result.submittedAt)
    time('start_ns', result.startedAt)
    time('stored_ns', result.storedAt)
    number('task_id', first)
    number('tid', first)
    number('node', 0)
    number('folio_order', 0)
    rows.text(row, 'context', 'kswapd')
    const storedBy = result.storedBy[folio] as number
    const path = isOutside
      ? 'bypass'
      : end === 'inline'
        ? 'inline'
        : storedBy === 0
          ? 'displaced'
          : 'queued'
    rows.text(row, 'path', path)
    if (isOutside)
      rows.text(row, 'bypass_reason', isZero ? 'zero' : end === 'bypass' ? 'full' : 'file')
    number('stored_by', first + storedBy)
    if (isZero) rows.text(row, 'place', 'zero')
    number('compressed_bytes', isZero ? 0 : result.compressedBytes[folio])
    rows.text(row, 'lane', '0/kswapd')
    if (!isOutside) {
      number('submit_rank', result.lane.submit[folio])
      number('start_rank', result.lane.start[folio])
      number('done_rank', result.lane.done[folio])
    }
  })
  return rows
}

/** What kswapd and the workers did, by wall time; kswapd's waits for a lock come first in its submit, where both locking policies take it. */
function toThreadStates(result: ThreadsResult, first: number): RowBuffer {
  const rows = new RowBuffer('thread_states', rowKinds('thread_states'))
  const add = (thread: number, from: number, to: number, doing: string): void => {
    const start = Math.round(from)
    const end = Math.round(to)
    if (!(end > start)) return
    const row = rows.add()
    rows.number(row, 'task_id', first + thread)
    rows.number(row, 'start_ns', start)
    rows.number(row, 'end_ns', end)
    rows.text(row, 'state', 'running')
    rows.text(row, 'doing', doing)
  }
  const own: number[] = []
  result.storedBy.forEach((thread, folio) => {
    if (thread > 0)
      add(thread, result.startedAt[folio] as number, result.storedAt[folio] as number, 'store')
    else own.push(folio)
  })
  own.sort((a, b) => (result.startedAt[a] as number) - (result.startedAt[b] as number))
  let next = 0
  for (let folio = 0; folio < result.ends.length; folio++) {
    add(0, result.scannedAt[folio] as number, result.submittedAt[folio] as number, 'unmap')
    let at = result.submittedAt[folio] as number
    const end = result.handedAt[folio] as number
    for (; next < own.length; next++) {
      const stored = own[next] as number
      const started = result.startedAt[stored] as number
      if (started >= end) break
      add(0, at, started, 'none')
      at = result.storedAt[stored] as number
      add(0, started, at, 'store')
    }
    add(0, at, end, 'none')
  }
  return rows
}

function toKswapdSpan(result: ThreadsResult, first: number): RowBuffer {
  const rows = new RowBuffer('kswapd_spans', rowKinds('kswapd_spans'))
  const row = rows.add()
  rows.number(row, 'node', 0)
  rows.number(row, 'task_id', first)
  rows.number(row, 'tid', first)
  rows.number(row, 'start_ns', 0)
  rows.number(row, 'end_ns', Math.round(result.handedAt.at(-1) ?? 0))
  rows.number(row, 'alloc_order', 0)
  return rows
}

function summarize(result: ThreadsResult, stream: Stream, scale: number) {
  const workNs = result.storedAt.reduce((last, at) => Math.max(last, Number.isNaN(at) ? 0 : at), 0)
  const [kswapd, ...workers] = result.lockWaits
  return {
    swapOuts: result.ends.length,
    workNs: Math.round(workNs),
    workUsed: 1,
    streamShare: result.ends.length / stream.total,
    handedNs: Math.round(result.handedAt.at(-1) ?? 0),
    startInversions: result.startInversions,
    doneInversions: result.doneInversions,
    startDisplacement: result.startDisplacement,
    doneDisplacement: result.doneDisplacement,
    storedByKswapd: result.storedBy.reduce((count, thread) => count + (thread === 0 ? 1 : 0), 0),
    workers: result.workers.length,
    kswapdLockWaits: kswapd?.waits ?? 0,
    kswapdLockWaitNs: Math.round(kswapd?.ns ?? 0),
    workerLockWaits: workers.reduce((sum, { waits }) => sum + waits, 0),
    workerLockWaitNs: Math.round(workers.reduce((sum, { ns }) => sum + ns, 0)),
    hostCpus: availableParallelism(),
    hostTimeScale: scale,
  }
}
