import { resolveReplay } from '../config/replay.ts'
import { openSlots } from '../memory/slots/index.ts'
import { findPolicy } from '../policies/index.ts'
import { replay } from '../replay/replay.ts'
import {
  type Configuration,
  type MachineAssumptions,
  machineSettings,
  type Scenario,
  type ScenarioFigures,
} from '../scenarios/zswap-shrinker.ts'
import type { Workload } from '../workload/types.ts'
import { openResources, planRuns } from './run-plan.ts'

/** Slots per page of the workload: those of pages that come back are not free at once. */
const SLOTS_PER_PAGE = 2
/** User time lost to cold caches and interrupts, a share of the time that the task waited: fitted, so that the order of `user` proves nothing. */
const COLD_SHARE = 0.006

/** One configuration of a published test on the replay engine, without a database; slots as 6.10 gives them. */
export async function runScenario(
  scenario: Scenario,
  configuration: Configuration,
  machine: MachineAssumptions,
  given: Workload,
  requestsPerMb: number = scenario.requestsPerMb,
): Promise<ScenarioFigures> {
  const { settings, background } = machineSettings(machine, requestsPerMb)
  const request = resolveReplay({
    policy: ['kswapd'],
    backend: configuration.backend,
    background: String(background),
    set: Object.entries({ ...settings, ...configuration.settings }).map(
      ([name, value]) => `${name}=${value}`,
    ),
  })
  const plan = planRuns(request, given)
  const [run] = plan.runs
  const policy = findPolicy('kswapd')
  if (run === undefined || policy === undefined) throw new Error('there is no policy kswapd')
  const { backend, contents } = await openResources(plan.workload, run.config)
  const before = backend.counters()
  const poolStart = backend.poolPages
  const { summary } = replay(plan.workload, {
    policy,
    backend,
    contents: contents.contents,
    cpus: plan.cpus,
    slots: openSlots('swap-map', {
      size: SLOTS_PER_PAGE * given.pages.length + 1,
      cpus: plan.cpus.length,
    }),
  })
  const after = backend.counters()
  const delta = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0)
  const waitedNs = summary.workNs - summary.appUserNs - summary.appSysNs
  return {
    elapsed: summary.workNs / 1e9,
    user: (summary.appUserNs + COLD_SHARE * waitedNs) / 1e9,
    sys: summary.appSysNs / 1e9,
    pswpin: delta('pswpin'),
    pswpout: delta('pswpout'),
    zswpin: delta('zswpin'),
    zswpout: delta('zswpout'),
    zswpwb: delta('zswpwb'),
    poolStart,
    poolEnd: backend.poolPages,
  }
}
