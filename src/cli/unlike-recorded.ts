import type { Workload } from '../workload/types.ts'
import type { RunConfig } from './run-plan.ts'

/** What a run has otherwise than the recorded machine, in words: its distance from the recording is no error of the model. */
export function listUnlike(
  config: Omit<RunConfig, 'given' | 'unlikeRecorded'>,
  { machine }: Pick<Workload, 'machine'>,
  settings: { readonly backend: Readonly<Record<string, string>> },
): string[] {
  const { backend, background, codec, costScale, cpus, demand, demandScale, watermarkScale } =
    config
  const hasCpus =
    cpus.length === machine.cpus.length &&
    machine.cpus.every(
      ({ node, speed }, id) => cpus[id]?.node === node && cpus[id]?.speed === speed,
    )
  const differs: readonly (readonly [string, boolean])[] = [
    ['CPUs', !hasCpus],
    ['background', background !== 'recorded'],
    ['backend', backend !== machine.backend.value],
    [`settings of ${backend}`, Object.keys(settings.backend).length > 0],
    ['codec', codec !== machine.codec.value],
    ['demand', demand !== 'closed' || demandScale !== 1],
    ['watermarks', watermarkScale !== 1],
    ['costs', Object.values(costScale).some((scale) => scale !== 1)],
    ['readahead', config.pageCluster !== null || config.readaheadBy !== 'slot'],
    ['tunables changed on the way', config.tunableChanges.length > 0],
  ]
  return differs.flatMap(([name, isOther]) => (isOther ? [name] : []))
}
