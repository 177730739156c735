import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Codec, CodecChoice } from '../memory/codecs/codec.ts'
import { PstraceError } from '../model/error.ts'
import type { Policy, SubmitEnd, TunableValues } from '../policies/policy.ts'
import { Lane } from '../replay/ranks.ts'
import { type FolioRecords, openShared, readFolios, ThreadExecutor } from './shared.ts'
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
  const { policy, tunables, pages, pageSize, cpus, codec } = options
  const layout = policy.layout({ node: 0, cpus }, tunables)
  const folioCount = Math.floor(pages.byteLength / pageSize)
  const starts = layout.workers.flatMap(({ start, name }, worker) =>
    Array.from({ length: start === 'item' ? layout.items : 1 }, () => ({
      worker,
      name,
      isPool: start === 'item',
    })),
  )
  const shared = openShared(layout, {
    folioCount,
    pageSize,
    pages,
    tunables,
    cpus,
    threads: starts.length + 1,
  })
  const workers: Worker[] = []
  const exits: Promise<unknown>[] = []
  const open = async (worker: number, isPool: boolean): Promise<void> => {
    const start: WorkerStart = {
      shared,
      thread: workers.length + 1,
      worker,
      isPool,
      policies: options.modules.policies,
      policy: policy.name,
      codecs: options.modules.codecs,
      codec: codec.name,
      codecChoice: options.codecChoice,
    }
    const thread = new Worker(options.modules.worker ?? new URL('./worker.js', import.meta.url), {
      workerData: start,
      ...(options.execArgv === undefined ? {} : { execArgv: [...options.execArgv] }),
    })
    workers.push(thread)
    const ready = once(thread, 'message')
    // From the start: a thread that is quick ends before anybody looks.
    const exit = once(thread, 'exit')
    exit.catch(() => {})
    exits.push(exit)
    await ready
  }
  const ends: FolioEnd[] = []
  try {
    for (const { worker, isPool } of starts) await open(worker, isPool)
    const target = new Uint8Array(codec.bound(pageSize))
    const executor = new ThreadExecutor(shared, 0, (page) => codec.compress(page, target))
    const isSynchronous = layout.workers.length === 0
    const admits = options.admits ?? (() => true)
    const work = (): void => {
      for (let folio = 0; folio < folioCount; folio++) {
        executor.scan(folio, options.unmapNs?.(folio) ?? 0)
        let end: FolioEnd = 'outside'
        if (admits(folio))
          end = isSynchronous
            ? 'inline'
            : (executor.run(policy.submit(folio, executor)) ?? 'inline')
        ends.push(end)
        if (end === 'activate') {
          executor.giveBack(folio)
          continue
        }
        if (end !== 'queued') {
          executor.start(folio)
          executor.store(folio)
        }
        executor.handed(folio)
      }
      if (!executor.awaitStores(PATIENCE_MS))
        throw new PstraceError(
          'threads-stuck',
          `policy ${policy.name} on threads: no folio was stored for ${PATIENCE_MS / 1000} s with some still queued`,
        )
    }
    if (options.run === undefined) work()
    else options.run(work)
    executor.stop()
    await Promise.all(exits)
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  const folios = readFolios(shared)
  return {
    ...folios,
    workers: starts.map(({ name }) => name),
    ends,
    ...measureOrder(folios, ends),
  }
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
