import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Codec, CodecChoice } from '../memory/codecs/codec.ts'
import { PstraceError } from '../model/error.ts'
import type { Policy, PolicyLayout, SubmitEnd, TunableValues } from '../policies/policy.ts'
import { Lane } from '../replay/ranks.ts'
import {
  type FolioRecords,
  openShared,
  readFolios,
  type SharedState,
  ThreadExecutor,
} from './shared.ts'
import type { WorkerStart } from './worker.ts'

export interface ThreadsOptions {
  readonly policy: Policy
  /** Complete: defaults filled in. */
  readonly tunables: TunableValues
  /** Pages one after the other, in the order in which reclaim meets them. */
  readonly pages: SharedArrayBuffer
  readonly pageSize: number
  /** CPUs that the policy is told of. */
  readonly cpus: number
  readonly codec: Codec
  /** What opens such a codec in a worker. */
  readonly codecChoice: CodecChoice
  /** Does the folio go to the policy? The others are stored by kswapd at once. Default: all do. */
  readonly admits?: (folio: number) => boolean
  /** How long kswapd's CPU is busy unmapping the folio before it submits it; default: no time. */
  readonly unmapNs?: (folio: number) => number
  /** Calls the part that blocks this thread; whoever wants to end it early does so there. */
  readonly run?: (work: () => void) => void
  /** Addresses of the modules from which a worker gets its own policy (`findPolicy`) and codec (`openCodec`). */
  readonly modules: { readonly policies: string; readonly codecs: string; readonly worker?: URL }
  /** For Node to load the worker's module, e.g. a loader for TypeScript. */
  readonly execArgv?: readonly string[]
}

/** What became of a folio: `outside` = the policy was not asked. */
export type FolioEnd = SubmitEnd | 'outside'

export interface ThreadsResult extends FolioRecords {
  /** Names of the workers, by thread from 1. */
  readonly workers: readonly string[]
  readonly ends: readonly FolioEnd[]
  /** Places among the folios of kswapd's lane, from 1; 0 = not of the lane. */
  readonly lane: LaneRanks
  readonly startInversions: number
  readonly startDisplacement: number
  readonly doneInversions: number
  readonly doneDisplacement: number
}

export interface LaneRanks {
  readonly submit: Int32Array
  readonly start: Int32Array
  readonly done: Int32Array
}

/** Without a store for so long the policy is stuck: a loaded machine may keep a thread waiting for seconds. */
const PATIENCE_MS = 60_000

/**
 * The policy on real threads, with real compression: this thread is kswapd, each worker a worker_threads thread. Order and times differ from
 * run to run, sizes do not. Blocks this thread while it stores and waits.
 */
export async function runThreads(options: ThreadsOptions): Promise<ThreadsResult> {
  const { policy, tunables, pages, pageSize, cpus } = options
  const layout = policy.layout({ node: 0, cpus }, tunables)
  const roles = rolesOf(layout)
  const shared = openShared(layout, {
    folioCount: Math.floor(pages.byteLength / pageSize),
    pageSize,
    pages,
    tunables,
    cpus,
    threads: roles.length + 1,
  })
  const workers = new WorkerThreads(shared, options)
  let ends: readonly FolioEnd[] = []
  try {
    for (const role of roles) await workers.open(role)
    const kswapd = openKswapd(shared, options)
    const work = (): void => {
      ends = submitAll(kswapd, shared.folioCount, layout, options)
      awaitStores(kswapd, policy)
    }
    if (options.run === undefined) work()
    else options.run(work)
    kswapd.stop()
    await workers.exited()
  } finally {
    await workers.terminate()
  }
  const folios = readFolios(shared)
  return {
    ...folios,
    workers: roles.map(({ name }) => name),
    ends,
    ...measureOrder(folios, ends),
  }
}

/** What one thread is: a worker of the policy's layout, or one of several that share a worker's work items. */
interface Role {
  readonly name: string
  readonly worker: number
  readonly isPool: boolean
}

function rolesOf({ workers, items }: PolicyLayout): Role[] {
  return workers.flatMap(({ start, name }, worker) =>
    Array.from({ length: start === 'item' ? items : 1 }, () => ({
      name,
      worker,
      isPool: start === 'item',
    })),
  )
}

/** The workers' threads, numbered from 1; thread 0 is kswapd. */
class WorkerThreads {
  readonly #shared: SharedState
  readonly #options: ThreadsOptions
  readonly #threads: Worker[] = []
  readonly #exits: Promise<unknown>[] = []

  constructor(shared: SharedState, options: ThreadsOptions) {
    this.#shared = shared
    this.#options = options
  }

  /** Resolves when the thread has opened its policy and codec. */
  async open({ worker, isPool }: Role): Promise<void> {
    const { policy, codec, codecChoice, modules, execArgv } = this.#options
    const start: WorkerStart = {
      shared: this.#shared,
      thread: this.#threads.length + 1,
      worker,
      isPool,
      policies: modules.policies,
      policy: policy.name,
      codecs: modules.codecs,
      codec: codec.name,
      codecChoice,
    }
    const thread = new Worker(modules.worker ?? new URL('./worker.js', import.meta.url), {
      workerData: start,
      ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
    })
    this.#threads.push(thread)
    const ready = once(thread, 'message')
    // From the start: a thread that is quick ends before anybody looks.
    const exit = once(thread, 'exit')
    exit.catch(() => {})
    this.#exits.push(exit)
    await ready
  }

  /** Rejects where a thread failed. */
  async exited(): Promise<void> {
    await Promise.all(this.#exits)
  }

  async terminate(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()))
  }
}

function openKswapd(shared: SharedState, { codec, pageSize }: ThreadsOptions): ThreadExecutor {
  const target = new Uint8Array(codec.bound(pageSize))
  return new ThreadExecutor(shared, 0, (page) => codec.compress(page, target))
}

/** kswapd's part: hands each folio to the policy and stores itself what the policy left to it. */
function submitAll(
  kswapd: ThreadExecutor,
  folioCount: number,
  { workers }: PolicyLayout,
  { policy, admits, unmapNs }: ThreadsOptions,
): FolioEnd[] {
  const isSynchronous = workers.length === 0
  const ends: FolioEnd[] = []
  for (let folio = 0; folio < folioCount; folio++) {
    kswapd.scan(folio, unmapNs?.(folio) ?? 0)
    let end: FolioEnd = 'outside'
    if (admits === undefined || admits(folio))
      end = isSynchronous ? 'inline' : (kswapd.run(policy.submit(folio, kswapd)) ?? 'inline')
    ends.push(end)
    if (end === 'activate') {
      kswapd.giveBack(folio)
      continue
    }
    if (end !== 'queued') {
      kswapd.start(folio)
      kswapd.store(folio)
    }
    kswapd.handed(folio)
  }
  return ends
}

function awaitStores(kswapd: ThreadExecutor, policy: Policy): void {
  if (kswapd.awaitStores(PATIENCE_MS)) return
  throw new PstraceError(
    'threads-stuck',
    `policy ${policy.name} on threads: no folio was stored for ${PATIENCE_MS / 1000} s with some still queued`,
  )
}

function measureOrder(
  folios: FolioRecords,
  ends: readonly FolioEnd[],
): Pick<
  ThreadsResult,
  'lane' | 'startInversions' | 'startDisplacement' | 'doneInversions' | 'doneDisplacement'
> {
  const lane = new Lane()
  const count = ends.length
  const ranks: LaneRanks = {
    submit: new Int32Array(count),
    start: new Int32Array(count),
    done: new Int32Array(count),
  }
  const members: number[] = []
  ends.forEach((end, folio) => {
    if (end !== 'queued' && end !== 'inline') return
    members.push(folio)
    ranks.submit[folio] = lane.submit()
  })
  const inOrder = (of: Int32Array): number[] =>
    members.slice().sort((a, b) => (of[a] as number) - (of[b] as number))
  for (const folio of inOrder(folios.startRank))
    ranks.start[folio] = lane.start(ranks.submit[folio] as number)
  for (const folio of inOrder(folios.doneRank))
    ranks.done[folio] = lane.finish(ranks.submit[folio] as number)
  const { startInversions, startDisplacement, doneInversions, doneDisplacement } = lane
  return { lane: ranks, startInversions, startDisplacement, doneInversions, doneDisplacement }
}
