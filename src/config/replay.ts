import { PstraceError } from '../model/error.ts'
import { LOSSES, type Losses } from '../model/losses.ts'
import { badValue, unknownName } from '../model/names.ts'
import { parseCpus } from './cpus.ts'
import { parseAssignments, parseCount } from './settings.ts'
import { parseTime } from './time.ts'

/** Options of `pstrace replay` as commander hands them over. */
export interface ReplayOptions {
  readonly policy?: readonly string[]
  readonly set?: readonly string[]
  readonly change?: readonly string[]
  readonly backend?: string
  readonly codec?: string
  readonly codecImpl?: string
  readonly contents?: string
  readonly slots?: string
  readonly cpus?: string
  readonly background?: string
  readonly demand?: string
  readonly losses?: string
  readonly clock?: string
  readonly log?: string
  readonly seed?: string
}

export const POLICIES_BY_DEFAULT = ['kswapd', 'kcompressd', 'parallel'] as const
export const DEMANDS = ['closed', 'open'] as const
export const CLOCKS = ['virtual', 'threads'] as const
export const CODEC_IMPLEMENTATIONS = ['portable', 'native'] as const

/** Load of tasks outside the demand: as recorded, none, or a share of every CPU from 0 to 1. */
export type Background = 'recorded' | 'none' | number

/** What was asked for, checked as far as that needs nothing loaded; names of policies and the like are looked up later. */
export interface ReplayRequest {
  readonly policies: readonly string[]
  /** Tunables of policies, the engine and the backend, by name. */
  readonly settings: ReadonlyMap<string, string>
  /** Tunables of policies that change while the run goes on. */
  readonly changes: readonly TunableChange[]
  /** `undefined`: as on the recorded machine. */
  readonly backend: string | undefined
  readonly codec: string | undefined
  readonly codecImplementation: (typeof CODEC_IMPLEMENTATIONS)[number]
  readonly contents: ContentsRequest
  readonly slots: string | undefined
  /** Speed of each CPU; `undefined`: the recorded CPUs. */
  readonly cpus: readonly number[] | undefined
  readonly background: Background
  readonly demand: (typeof DEMANDS)[number]
  /** What gaps in the recording are taken to hide. */
  readonly losses: Losses
  readonly clock: (typeof CLOCKS)[number]
  readonly seed: number
}

const CONTENT_SOURCES = ['generator', 'corpus', 'swap-image'] as const

export interface ContentsRequest {
  readonly source: (typeof CONTENT_SOURCES)[number]
  /** File of the corpus or image. */
  readonly path: string | undefined
}

/** What only virtual time has: real threads run kswapd's hand-over, the policy's queues and locks, and the codec. */
const VIRTUAL_ONLY = ['change', 'backend', 'slots', 'background', 'demand', 'log'] as const

/** The request that the options make; throws a usage error for what is wrong whatever the trace is. */
export function resolveReplay(options: ReplayOptions): ReplayRequest {
  const clock = choose('--clock', options.clock, CLOCKS)
  if (clock === 'threads') refuseVirtualOnly(options)
  const policies = (options.policy ?? []).flatMap((value) => value.split(','))
  return {
    policies: policies.length === 0 ? POLICIES_BY_DEFAULT : [...new Set(policies)],
    settings: parseAssignments('--set', options.set ?? []),
    changes: (options.change ?? []).map(parseChange),
    backend: options.backend,
    codec: options.codec,
    codecImplementation: choose('--codec-impl', options.codecImpl, CODEC_IMPLEMENTATIONS),
    contents: parseContents(options.contents ?? 'generator'),
    slots: options.slots,
    cpus: options.cpus === undefined ? undefined : parseCpus(options.cpus),
    background: parseBackground(options.background ?? 'recorded'),
    demand: choose('--demand', options.demand, DEMANDS),
    losses: choose('--losses', options.losses, LOSSES),
    clock,
    seed: parseCount('--seed', options.seed ?? '1'),
  }
}

interface TunableChange {
  readonly ns: number
  readonly name: string
  readonly value: number
}

/** `name=value@time`: as a sysctl that is written so long after the run's start. */
function parseChange(text: string): TunableChange {
  const [, name = '', value = '', time = ''] = /^([^=@]+)=(-?\d+)@(.+)$/.exec(text) ?? []
  if (name === '')
    throw badValue('--change', text, 'name=value@time, such as vm.parallel_swap=4@2s')
  return { ns: Number(parseTime('--change', time)), name: name.trim(), value: Number(value) }
}

function refuseVirtualOnly(options: ReplayOptions): void {
  const settings = (options.set ?? []).filter(
    (text) =>
      /^pstrace\.(demand|watermarks|cost\.)/.test(text) && !text.startsWith('pstrace.cost.unmap='),
  )
  const given = [
    ...VIRTUAL_ONLY.filter((name) => options[name] !== undefined).map((name) => `--${name}`),
    ...settings.map((text) => `--set ${text}`),
  ]
  if (given.length === 0) return
  throw new PstraceError(
    'bad-value',
    `${given.join(', ')}: only virtual time has that. --clock threads runs kswapd's hand-over, the policy's queues and locks and the codec, and no demand, faults, watermarks or pool`,
    { exitStatus: 2 },
  )
}

function choose<Choice extends string>(
  option: string,
  given: string | undefined,
  known: readonly [Choice, ...Choice[]],
): Choice {
  if (given === undefined) return known[0]
  const found = known.find((choice) => choice === given)
  if (found === undefined) throw unknownName(option, given, known)
  return found
}

/** `generator`, `corpus` (that of the package), `corpus:FILE` or `swap-image:FILE`. */
function parseContents(text: string): ContentsRequest {
  const split = text.indexOf(':')
  const name = split < 0 ? text : text.slice(0, split)
  const path = split < 0 ? undefined : text.slice(split + 1)
  const source = CONTENT_SOURCES.find((known) => known === name)
  if (source === undefined) throw unknownName('content source', name, CONTENT_SOURCES)
  const wrong =
    source === 'generator'
      ? path !== undefined
      : path === '' || (source === 'swap-image' && path === undefined)
  if (wrong) throw badValue('--contents', text, 'generator, corpus, corpus:FILE or swap-image:FILE')
  return { source, path }
}

function parseBackground(text: string): Background {
  if (text === 'recorded' || text === 'none') return text
  const share = Number(text)
  if (text.trim() === '' || !(share >= 0 && share <= 1))
    throw badValue('--background', text, 'recorded, none, or a share of every CPU from 0 to 1')
  return share
}
