import { lookUpPolicy } from '../policies/index.ts'
import type { TunableValues } from '../policies/policy.ts'
import { completeTunables } from '../replay/tunables.ts'
import type { Workload } from '../workload/types.ts'
import type { RunConfig } from './run-plan.ts'

/** What a run has otherwise than the recorded machine, in words: its distance from the recording is no error of the model. */
export function listUnlike(
  config: Omit<RunConfig, 'given' | 'unlikeRecorded'>,
  workload: Pick<Workload, 'machine' | 'recordedPolicy' | 'recordedTunables'>,
  settings: { readonly backend: Readonly<Record<string, string>> },
): string[] {
  const { backend, background, codec, costScale, cpus, demand, demandScale, watermarkScale } =
    config
  const { machine } = workload
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
    ['tunables', listOtherTunables(config, workload).length > 0],
    ['tunables changed on the way', config.tunableChanges.length > 0],
  ]
  return differs.flatMap(([name, isOther]) => (isOther ? [name] : []))
}

/** Of a run of the recorded policy: tunables that were others in the recording, as far as that shows them. */
export function listOtherTunables(
  { policy: name, tunables }: { readonly policy: string; readonly tunables: TunableValues },
  { recordedPolicy, recordedTunables = {} }: Pick<Workload, 'recordedPolicy' | 'recordedTunables'>,
): string[] {
  if (name !== recordedPolicy.value) return []
  const policy = lookUpPolicy(name)
  // -1 leaves a thing to the policy: what it is then, only the layout tells.
  const layoutWith = (other: TunableValues): string =>
    JSON.stringify(
      policy.layout({ node: 0, cpus: 2 }, completeTunables(policy, { ...tunables, ...other })),
    )
  const given = layoutWith({})
  return Object.entries(recordedTunables).flatMap(([tunable, { value }]) =>
    layoutWith({ [tunable]: value }) === given ? [] : [`${tunable}=${value}`],
  )
}
