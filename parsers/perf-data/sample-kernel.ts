import type { Global, RecordMemory } from '../record-memory.ts'
import { samplesWasm } from '../wasm/samples.wasm.ts'

/** What assembly/samples.ts exports. */
export interface SampleKernel {
  readonly CPU_BYTES: Global
  readonly SLACK_BYTES: Global
  readonly layouts: Global
  readonly events: Global
  readonly eventCount: Global
  readonly idAt: Global
  readonly cpus: Global
  readonly mostCpu: Global
  readonly threads: Global
  readonly groups: Global
  readonly threadMask: Global
  readonly data: Global
  readonly used: Global
  readonly room: Global
  readonly waiting: Global
  readonly mostPassed: Global
  readonly latest: Global
  readonly roundLatest: Global
  readonly base: Global
  readonly taken: Global
  readonly lastTime: Global
  readonly rounds: Global
  readonly isRoundClosed: Global
  readonly lastAt: Global
  readonly at: Global
  readonly cpu: Global
  readonly tid: Global
  readonly tgid: Global
  take(
    bytes: number,
    from: number,
    to: number,
    most: number,
    position: number,
    step: number,
  ): number
  settle(cpu: number, count: number): void
  move(to: number, from: number, bytes: number): void
}

/** The kernel works on the memory it is given: what it reads and writes lies there until the memory is used for other samples. */
export function sampleKernelIn(memory: RecordMemory): SampleKernel {
  return memory.instantiate(samplesWasm) as SampleKernel
}
