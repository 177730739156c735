import { type CostOptions, type MeasuredCosts, measureCosts } from '../../src/workload/costs.ts'
import type { Recording, RecordingBuilder } from '../../src/workload/recording.ts'

export const APP = 100
export const KSWAPD = 50

/** A recording of a small machine with zram, in which an application and kswapd did what the builder was told; `facts` replace what is so. */
export function madeRecording(
  builder: RecordingBuilder,
  facts: { readonly endNs: number } & Partial<Recording>,
): Recording {
  return {
    name: 'made',
    ...builder.finish(),
    cpus: 1,
    pageSize: 4096,
    tasks: new Map([
      [APP, { taskId: 1, tgid: -1, tid: APP, comm: 'app', kind: 'user' }],
      [KSWAPD, { taskId: 2, tgid: -1, tid: KSWAPD, comm: 'kswapd0', kind: 'kswapd' }],
    ]),
    zones: [],
    samples: new Map(),
    snapshot: {},
    swapKinds: ['zram'],
    events: new Set(),
    losses: 0,
    ...facts,
  }
}

/** Costs of a whole recording in which nothing was stolen and no page is zero; `owners`: who has memory, the application if not told. */
export function measureMade(
  recording: Recording,
  {
    owners = [APP],
    ...options
  }: Partial<CostOptions> & { readonly owners?: readonly number[] } = {},
): MeasuredCosts {
  return measureCosts(recording, new Set(owners), {
    sameShare: 0,
    zeroMap: false,
    untilEvent: recording.length,
    stolenOfStep: new Float64Array(recording.length),
    ...options,
  })
}
