import type { Background, CLOCKS, ReplayRequest } from '../config/replay.ts'
import type { SwapBackend } from '../memory/backends/backend.ts'
import { BlockDevice } from '../memory/backends/device.ts'
import { BACKENDS, openBackend } from '../memory/backends/index.ts'
import type { Codec } from '../memory/codecs/codec.ts'
import { codecProviders, openCodec } from '../memory/codecs/index.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { openPool } from '../memory/pools/index.ts'
import { openSlots, SLOT_ALLOCATORS } from '../memory/slots/index.ts'
import { PstraceError } from '../model/error.ts'
import { DEFAULT_LOSSES } from '../model/losses.ts'
import { unknownName } from '../model/names.ts'
import { lookUpPolicy } from '../policies/index.ts'
import type { Policy } from '../policies/policy.ts'
import type { ReadaheadBy } from '../replay/readahead.ts'
import type { SwapSlots } from '../replay/slots.ts'
import { completeTunables } from '../replay/tunables.ts'
import { COSTS, type CostName, type Workload, type WorkloadCpu } from '../workload/types.ts'
import { withBackground } from './background.ts'
import { chooseRunCodec, openRecompressors } from './run-codec.ts'
import { type OpenContents, openContents } from './run-contents.ts'
import { listUnlike } from './unlike-recorded.ts'

/** pstrace's own scales; 1 changes nothing. */
const SCALES: Readonly<Record<string, string>> = {
  'pstrace.demand': 'amount of memory asked for',
  'pstrace.watermarks': 'gaps between the watermarks min, low and high',
}

const PAGE_CLUSTER = 'vm.page-cluster'
/** /sys/kernel/mm/swap/vma_ra_enabled. */
const VMA_READAHEAD = 'vma_ra_enabled'

/** Everything that decides a run, complete: stored with the run, which can be repeated from it. */
export interface RunConfig {
  readonly policy: string
  readonly tunables: Readonly<Record<string, number>>
  /** Values that tunables get while the run goes on. */
  readonly tunableChanges: ReplayRequest['changes']
  readonly backend: string
  readonly backendParameters: Readonly<Record<string, string | number>>
  readonly codec: string
  readonly codecImplementation: 'portable' | 'native'
  readonly contents: string
  readonly slots: string
  readonly cpus: readonly { readonly node: number; readonly speed: number }[]
  readonly background: Background
  readonly demand: 'closed' | 'open'
  /** What gaps in the recording were taken to hide. */
  readonly losses: string
  readonly demandScale: number
  readonly watermarkScale: number
  readonly costScale: Readonly<Partial<Record<CostName, number>>>
  /** vm.page-cluster: a swap-in may read 2^this pages; null = as recorded. */
  readonly pageCluster: number | null
  /** Neighbours of the slot or of the address (vma_ra_enabled). */
  readonly readaheadBy: ReadaheadBy
  readonly clock: (typeof CLOCKS)[number]
  readonly seed: number
  /** Where the workload begins in the recording, ns after its start, and how long the recorded machine took for it. */
  readonly startOffsetNs: number
  readonly recordedWorkNs: number | null
  /** Share of the demand that all runs of the command do; below 1 where a run exhausted the page stream. */
  readonly workUsed: number
  /** The policy of that run, and how many rows of each task's demand are done, by task id. */
  readonly exhaustedUnder: string | null
  readonly demandRows: Readonly<Record<string, number>> | null
  /** `metrics`: only the figures of the run are in the database. */
  readonly keep: 'folios' | 'metrics'
  /** Policy under which the recording was made, as recognised: its replay shows what the model gets wrong. */
  readonly recordedPolicy: string
  /** What the run has otherwise than the recorded machine; empty = only the policy may differ. */
  readonly unlikeRecorded: readonly string[]
  /** Settings that the command gave the run, as `name=value`: what else would tell it from another run of its policy. */
  readonly given: readonly string[]
}

/** The workload and machine that all runs of one command share, and the runs. */
export interface RunPlan {
  readonly workload: Workload
  readonly cpus: readonly WorkloadCpu[]
  readonly runs: readonly PlannedRun[]
}

export interface PlannedRun {
  readonly policy: Policy
  readonly config: RunConfig
}

/** Refuses what is wrong whatever the workload is, before anybody waits for one. */
export function checkRequest(request: ReplayRequest): void {
  const chosen = request.policies.map(lookUpPolicy)
  if (request.backend !== undefined) lookUpBackend(request.backend)
  if (request.codec !== undefined) chooseCodec(request, request.codec)
  chooseSlots(request.slots)
  for (const policy of chosen) changesOf(policy, request, chosen)
  sortSettings(request, chosen, request.backend)
}

/** Looks up every name of a request; all mistakes are found before the first run begins. */
export function planRuns(request: ReplayRequest, recorded: Workload): RunPlan {
  const workload = withBackground(recorded, request.background)
  const { machine } = workload
  const cpus = request.cpus === undefined ? machine.cpus : placeCpus(request.cpus, machine.cpus)
  const chosen = request.policies.map(lookUpPolicy)
  const backend = request.backend ?? machine.backend.value
  lookUpBackend(backend)
  const codec = chooseCodec(request, machine.codec.value)
  const settings = sortSettings(request, chosen, backend)
  const runs = chosen.map((policy) => {
    const config = {
      policy: policy.name,
      tunables: settings.tunables.get(policy) ?? {},
      tunableChanges: changesOf(policy, request, chosen),
      backend,
      backendParameters: { ...plainParameters(workload, backend), ...settings.backend },
      codec,
      codecImplementation: request.codecImplementation,
      contents:
        request.contents.path === undefined
          ? request.contents.source
          : `${request.contents.source}:${request.contents.path}`,
      slots: chooseSlots(request.slots),
      cpus: cpus.map(({ node, speed }) => ({ node, speed })),
      background: request.background,
      demand: request.demand,
      losses: workload.source['losses'] ?? DEFAULT_LOSSES,
      demandScale: settings.scales.get('pstrace.demand') ?? 1,
      watermarkScale: settings.scales.get('pstrace.watermarks') ?? 1,
      costScale: settings.costs,
      pageCluster: settings.pageCluster,
      readaheadBy: settings.readaheadBy,
      clock: request.clock,
      seed: request.seed,
      startOffsetNs: workload.startOffsetNs?.value ?? 0,
      recordedWorkNs: null,
      workUsed: 1,
      exhaustedUnder: null,
      demandRows: null,
      keep: 'folios' as const,
      recordedPolicy: workload.recordedPolicy.value,
    }
    const unlikeRecorded = listUnlike(config, workload, settings)
    const given = settingsOf(policy, request, chosen)
    if (config.losses !== DEFAULT_LOSSES) given.push(`losses ${config.losses}`)
    return { policy, config: { ...config, unlikeRecorded, given } }
  })
  return { workload, cpus, runs }
}

function hasTunable({ tunables }: Policy, wanted: string): boolean {
  return tunables.some(({ name }) => name === wanted)
}

/** A change goes to each policy that has such a tunable; to none is an error. */
function changesOf(
  policy: Policy,
  { changes }: ReplayRequest,
  chosen: readonly Policy[],
): ReplayRequest['changes'] {
  for (const { name } of changes)
    if (!chosen.some((other) => hasTunable(other, name)))
      throw unknownName('tunable', name, [
        ...new Set(chosen.flatMap(({ tunables }) => tunables.map((tunable) => tunable.name))),
      ])
  const own = changes.filter(({ name }) => hasTunable(policy, name))
  for (const { name, value } of own) completeTunables(policy, { [name]: value })
  return own
}

/** As on the command line; tunables of other policies are none of the run's. */
function settingsOf(policy: Policy, request: ReplayRequest, chosen: readonly Policy[]): string[] {
  const own = [...request.settings].filter(
    ([name]) => hasTunable(policy, name) || !chosen.some((other) => hasTunable(other, name)),
  )
  return [
    ...own.map(([name, value]) => `${name}=${value}`),
    ...changesOf(policy, request, chosen).map(
      ({ name, value, ns }) => `${name}=${value}@${ns / 1e9}s`,
    ),
    ...(request.background === 'recorded' ? [] : [`background ${request.background}`]),
  ]
}

function lookUpBackend(name: string): void {
  const known = BACKENDS.map((backend) => backend.name)
  if (!known.some((candidate) => candidate === name)) throw unknownName('backend', name, known)
}

/** CPUs beyond the recorded ones go round the nodes. */
function placeCpus(speeds: readonly number[], recorded: readonly WorkloadCpu[]): WorkloadCpu[] {
  const nodes = [...new Set(recorded.map(({ node }) => node))]
  return speeds.map((speed, id) => ({
    id,
    node: recorded[id]?.node ?? nodes[id % Math.max(nodes.length, 1)] ?? 0,
    speed,
  }))
}

function chooseCodec(request: ReplayRequest, recorded: string): string {
  const known = codecProviders
    .filter(({ implementation }) => implementation === request.codecImplementation)
    .map(({ name }) => name)
  const codec = request.codec ?? recorded
  if (known.includes(codec)) return codec
  if (request.codec !== undefined) throw unknownName('codec', codec, known)
  throw new PstraceError(
    'codec-unknown',
    `the recording's codec '${recorded}' is not among ours; choose one with --codec: ${known.join(', ')}`,
    { exitStatus: 2 },
  )
}

function chooseSlots(wanted: string | undefined): string {
  const known = [PLAIN_SLOTS, ...SLOT_ALLOCATORS.map(({ name }) => name)]
  if (wanted === undefined) return PLAIN_SLOTS
  if (!known.includes(wanted)) throw unknownName('slot allocator', wanted, known)
  return wanted
}

/** A backend's parameters as recorded, as far as they are its own. */
function plainParameters(workload: Workload, backend: string): Record<string, string | number> {
  const known = BACKENDS.find(({ name }) => name === backend)?.parameters ?? []
  const { machine } = workload
  const parameters: Record<string, string | number> = {}
  for (const { name } of known) {
    const recorded = machine.backendParameters[name]
    // The device below stays when the backend is another one.
    const applies = machine.backend.value === backend || name.startsWith('disk_')
    if (recorded !== undefined && applies) parameters[name] = recorded.value
  }
  return parameters
}

interface SortedSettings {
  readonly tunables: ReadonlyMap<Policy, Record<string, number>>
  readonly backend: Readonly<Record<string, string>>
  readonly scales: ReadonlyMap<string, number>
  readonly costs: Partial<Record<CostName, number>>
  readonly pageCluster: number | null
  readonly readaheadBy: ReadaheadBy
}

/** A key of --set belongs to each policy that has such a tunable, to the backend (to any while it is not known), or to pstrace's scales; to none is an error. */
function sortSettings(
  request: ReplayRequest,
  chosen: readonly Policy[],
  backend: string | undefined,
): SortedSettings {
  const parameters = BACKENDS.filter(({ name }) => name === (backend ?? name)).flatMap(
    ({ name, parameters }) =>
      parameters.map((parameter) => ({ name: parameter.name, full: `${name}.${parameter.name}` })),
  )
  const tunables = new Map<Policy, Record<string, number>>(chosen.map((policy) => [policy, {}]))
  const ofBackend: Record<string, string> = {}
  const scales = new Map<string, number>()
  const costs: Partial<Record<CostName, number>> = {}
  let pageCluster: number | null = null
  let readaheadBy: ReadaheadBy = 'slot'
  for (const [key, value] of request.settings) {
    const cost = COSTS.find((name) => key === `pstrace.cost.${name}`)
    const owners = chosen.filter((policy) => hasTunable(policy, key))
    if (cost !== undefined) costs[cost] = parseScale(key, value)
    else if (key === PAGE_CLUSTER) pageCluster = parsePageCluster(value)
    else if (key === VMA_READAHEAD) readaheadBy = parseSwitch(key, value) ? 'address' : 'slot'
    else if (key in SCALES) scales.set(key, parseScale(key, value))
    else if (parameters.some(({ name, full }) => name === key || full === key))
      ofBackend[key.slice(key.indexOf('.') + 1)] = value
    else if (owners.length > 0) {
      for (const owner of owners) (tunables.get(owner) ?? {})[key] = parseTunable(key, value)
    } else
      throw unknownName('setting', key, [
        ...new Set(chosen.flatMap((policy) => policy.tunables.map(({ name }) => name))),
        ...parameters.map(({ full }) => full),
        ...Object.keys(SCALES),
        PAGE_CLUSTER,
        VMA_READAHEAD,
        ...COSTS.map((name) => `pstrace.cost.${name}`),
      ])
  }
  for (const [policy, values] of tunables) completeTunables(policy, values)
  return { tunables, backend: ofBackend, scales, costs, pageCluster, readaheadBy }
}

/** sysctl_page_cluster is clamped to the largest order (mm/swap.c). */
function parsePageCluster(text: string): number {
  const value = parseTunable(PAGE_CLUSTER, text)
  if (value >= 0 && value <= 10) return value
  throw new PstraceError('bad-value', `--set ${PAGE_CLUSTER}=${text}: expected 0 to 10`, {
    exitStatus: 2,
  })
}

function parseSwitch(key: string, text: string): boolean {
  if (text === '0' || text === '1') return text === '1'
  throw new PstraceError('bad-value', `--set ${key}=${text}: expected 0 or 1`, { exitStatus: 2 })
}

function parseScale(key: string, text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0 && value <= 1000))
    throw new PstraceError('bad-value', `--set ${key}=${text}: expected a factor above 0`, {
      exitStatus: 2,
    })
  return value
}

function parseTunable(key: string, text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value))
    throw new PstraceError('bad-value', `--set ${key}=${text}: expected a whole number`, {
      exitStatus: 2,
    })
  return value
}

/** The engine's own allocator: the slot freed last, else the next one. */
const PLAIN_SLOTS = 'plain'
/** The device never fills up: how full it was is not what a replay asks. */
const SPARE_SLOTS = 2

/** Slots of the run itself lie below. */
const PREFILL_SLOTS = 1 << 22

/** Pages of others go to swap until the backend refuses them; its shrinker has all the time it wants. */
function prefill(
  backend: SwapBackend,
  contents: PageContents,
  pages: number,
  memcg: number,
  pageSize: number,
): void {
  const bytes = new Uint8Array(pageSize)
  for (let page = 0; page < pages; page++) {
    const key = contents.fill(page, 0, -1, bytes)
    const slot = PREFILL_SLOTS + page
    const { place } = backend.store({ slot, page: -1, bytes, key, memcg })
    if (place === 'disk' && backend.pendingShrink !== true) return
    while (backend.pendingShrink === true && backend.shrinkStep?.(0).done === false);
  }
}

/** What a run consumes: made anew for each, since a backend holds the pool of its run. */
export interface RunResources {
  readonly codec: Codec
  readonly backend: SwapBackend
  readonly contents: OpenContents
  /** undefined = the engine's own. */
  readonly slots: SwapSlots | undefined
}

/** Service times come from the trace's block events, unless latency or bandwidth are given. */
function usesRecordedDevice({ backend, backendParameters }: RunConfig): boolean {
  return (
    backend !== 'zram' &&
    backendParameters['disk_latency_us'] === undefined &&
    backendParameters['disk_bandwidth_mb'] === undefined
  )
}

/** Codec, backend, contents and slots of one run; the caller closes the contents. */
export async function openResources(workload: Workload, config: RunConfig): Promise<RunResources> {
  const { machine, pages } = workload
  const { pageSize } = machine
  const codec = await openCodec(config.codec, chooseRunCodec(config, pageSize))
  const recompressors = await openRecompressors(config, pageSize)
  const options = {
    codec,
    openPool,
    pageSize,
    totalPages: machine.nodes.reduce((sum, { totalPages }) => sum + totalPages, 0),
    nodes: machine.nodes.length,
    parameters: config.backendParameters,
    memcgs: machine.memcgs ?? [],
  }
  const requests = usesRecordedDevice(config) ? workload.deviceRequests : undefined
  const backend = openBackend(config.backend, {
    ...options,
    ...(requests === undefined ? {} : { device: new BlockDevice(options, requests) }),
    // A recompression starts from the page, so the pool's bytes are needed.
    ...(recompressors.length > 0 ? { recompressors, keepBytes: true } : {}),
  })
  const contents = await openContents(config.contents, workload, config.seed)
  const before = Number(config.backendParameters['prefill_pages'] ?? 0)
  const others = Number(config.backendParameters['other_memcgs'] ?? 0)
  const last = (machine.memcgs?.length ?? 0) + others - 1
  if (before > 0) prefill(backend, contents.contents, before, last, pageSize)
  const slots =
    config.slots === PLAIN_SLOTS
      ? undefined
      : openSlots(config.slots, { size: SPARE_SLOTS * pages.length + 1, cpus: config.cpus.length })
  return { codec, backend, contents, slots }
}
