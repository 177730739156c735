import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Codec } from '../memory/codecs/codec.ts'
import { PstraceError } from '../model/error.ts'
import type { Policy, TunableValues } from '../policies/policy.ts'
import { Lane } from '../replay/ranks.ts'
import { type FolioRecords, openShared, readFolios, ThreadExecutor } from './shared.ts'
import type { WorkerStart } from './worker.ts'

export interface ThreadsOptions {
  readonly policy: Policy
  /** Complete: defaults filled in. */
  readonly tunables: TunableValues
  /** Pages one after the other, in the order of submission. */
  readonly pages: SharedArrayBuffer
  readonly pageSize: number
  /** CPUs that the policy is told of. */
  readonly cpus: number
  readonly codec: Codec
  /** Addresses of the modules from which a worker gets its own policy (`findPolicy`) and codec (`openCodec`). */
  readonly modules: { readonly policies: string; readonly codecs: string; readonly worker?: URL }
  /** For Node to load the worker's module, e.g. a loader for TypeScript. */
  readonly execArgv?: readonly string[]
}

export interface ThreadsResult extends FolioRecords {
  readonly workers: number
  readonly startInversions: number
  readonly startDisplacement: number
  readonly doneInversions: number
  readonly doneDisplacement: number
  readonly compressedBytes: Int32Array
}

const PATIENCE_MS = 10_000

/**
 * The policy on real threads, with real compression: this thread is kswapd, each worker a worker_threads thread. Order differs from run to
 * run, sizes do not. Blocks this thread while it stores and waits.
 */
export async function runThreads(options: ThreadsOptions): Promise<ThreadsResult> {
  const { policy, tunables, pages, pageSize, cpus, codec } = options
  const layout = policy.layout({ node: 0, cpus }, tunables)
  const folioCount = Math.floor(pages.byteLength / pageSize)
  const shared = openShared(layout, { folioCount, pageSize, pages, tunables, cpus })
  const workers: Worker[] = []
  const ends: Promise<unknown>[] = []
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
    }
    const thread = new Worker(options.modules.worker ?? new URL('./worker.js', import.meta.url), {
      workerData: start,
      ...(options.execArgv === undefined ? {} : { execArgv: [...options.execArgv] }),
    })
    workers.push(thread)
    const ready = once(thread, 'message')
    // From the start: a thread that is quick ends before anybody looks.
    const end = once(thread, 'exit')
    end.catch(() => {})
    ends.push(end)
    await ready
  }
  try {
    for (const [worker, { start }] of layout.workers.entries())
      if (start === 'item')
        for (let thread = 0; thread < layout.items; thread++) await open(worker, true)
      else await open(worker, false)
    const target = new Uint8Array(codec.bound(pageSize))
    const executor = new ThreadExecutor(shared, 0, (page) => codec.compress(page, target))
    const isSynchronous = layout.workers.length === 0
    for (let folio = 0; folio < folioCount; folio++) {
      const end = isSynchronous ? 'inline' : executor.run(policy.submit(folio))
      if (end === 'queued') continue
      executor.begin(folio)
      executor.store(folio)
    }
    const isComplete = executor.awaitStores(PATIENCE_MS)
    executor.stop()
    if (!isComplete)
      throw new PstraceError(
        'threads-stuck',
        `policy ${policy.name} on threads: no folio was stored for ${PATIENCE_MS / 1000} s with some still queued`,
      )
    await Promise.all(ends)
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  const folios = readFolios(shared)
  return { ...folios, workers: workers.length, ...measureOrder(folios) }
}

function measureOrder(
  folios: FolioRecords,
): Pick<
  ThreadsResult,
  'startInversions' | 'startDisplacement' | 'doneInversions' | 'doneDisplacement'
> {
  const lane = new Lane()
  const count = folios.startRank.length
  for (let folio = 0; folio < count; folio++) lane.submit()
  const byRank = (ranks: Int32Array): number[] =>
    Array.from({ length: count }, (_, folio) => folio).sort(
      (a, b) => (ranks[a] as number) - (ranks[b] as number),
    )
  for (const folio of byRank(folios.startRank)) lane.start(folio + 1)
  for (const folio of byRank(folios.doneRank)) lane.finish(folio + 1)
  const { startInversions, startDisplacement, doneInversions, doneDisplacement } = lane
  return { startInversions, startDisplacement, doneInversions, doneDisplacement }
}
