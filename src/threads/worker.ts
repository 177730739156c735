import { parentPort, workerData } from 'node:worker_threads'
import type { Codec, CodecChoice } from '../memory/codecs/codec.ts'
import type { Policy } from '../policies/policy.ts'
import { type SharedState, ThreadExecutor } from './shared.ts'

/** What a worker thread is started with: modules by address, because neither policies nor codecs can be sent. */
export interface WorkerStart {
  readonly shared: SharedState
  readonly thread: number
  readonly worker: number
  readonly isPool: boolean
  /** Module with `findPolicy(name)`. */
  readonly policies: string
  readonly policy: string
  /** Module with `openCodec(name)`. */
  readonly codecs: string
  readonly codec: string
  readonly codecChoice: CodecChoice
}

const start: WorkerStart = workerData
const { findPolicy }: { findPolicy: (name: string) => Policy | undefined } = await import(
  start.policies
)
type OpenCodec = (name: string, options: CodecChoice) => Promise<Codec>
const { openCodec }: { openCodec: OpenCodec } = await import(start.codecs)
const policy = findPolicy(start.policy)
if (policy === undefined) throw new RangeError(`no policy ${start.policy}`)
const codec = await openCodec(start.codec, start.codecChoice)
const target = new Uint8Array(codec.bound(start.shared.pageSize))
const executor = new ThreadExecutor(start.shared, start.thread, (page) =>
  codec.compress(page, target),
)
parentPort?.postMessage('ready')
if (start.isPool) while (executor.awaitItem()) executor.run(policy.work(start.worker, executor))
else executor.run(policy.work(start.worker, executor))
