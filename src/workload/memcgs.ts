import { snapshotText } from './machine.ts'
import type { Touch } from './page-events.ts'
import type { StoredPage } from './pages.ts'
import type { Recording } from './recording.ts'
import { TASK_OPS, type WorkloadMemcg, type WorkloadTask } from './types.ts'

const RECLAIM = TASK_OPS.indexOf('reclaim')

/** The memory cgroups that tasks of the workload are in, with those above them, by their paths. */
export interface MemcgsOfTasks {
  readonly list: readonly WorkloadMemcg[]
  /** By tid: the place in `list`; none = the root, or not known. */
  readonly ofTask: ReadonlyMap<number, number>
}

/** Each task's cgroup is the one it was in last; settings are those that were found beside the trace. */
export function findMemcgs(recording: Recording, tids: readonly number[]): MemcgsOfTasks {
  const settings = readSettings(recording)
  const places = new Map<string, number>()
  const list: WorkloadMemcg[] = []
  const placeOf = (path: string): number | undefined => {
    if (path === '') return undefined
    const known = places.get(path)
    if (known !== undefined) return known
    const parent = placeOf(path.slice(0, path.lastIndexOf('/')))
    const place = list.length
    list.push({
      name: path,
      ...(parent === undefined ? {} : { parent }),
      ...settings.get(path),
      basis: 'event',
    })
    places.set(path, place)
    return place
  }
  const ofTask = new Map<number, number>()
  for (const tid of tids) {
    const path = recording.tasks.get(tid)?.cgroup ?? ''
    const place = path.startsWith('/') ? placeOf(path.replace(/\/+$/, '')) : undefined
    if (place !== undefined) ofTask.set(tid, place)
  }
  return { list, ofTask }
}

/** Files of the unified hierarchy and what they set. */
const SETTINGS = {
  'memory.min': 'minPages',
  'memory.low': 'lowPages',
  'memory.high': 'highPages',
  'memory.max': 'maxPages',
  'memory.swap.high': 'swapHighPages',
  'memory.swap.max': 'swapMaxPages',
  'memory.zswap.max': 'zswapMaxPages',
} as const
/** Not an amount: 0 = what zswap refuses stays in memory. */
const WRITEBACK = 'memory.zswap.writeback'
type Settings = { readonly [K in (typeof SETTINGS)[keyof typeof SETTINGS]]?: number } & Pick<
  WorkloadMemcg,
  'writeback'
>

const SETTING = /^\/sys\/fs\/cgroup(\/.*)\/(memory\.[a-z.]+):(\d+)$/gm

/** `FILE:BYTES` lines (of a switch, `FILE:0`) of the unified hierarchy, as grep prints them. */
function readSettings(recording: Recording): ReadonlyMap<string, Settings> {
  const settings = new Map<string, Settings>()
  const text = snapshotText(recording, 'memcgs') ?? ''
  for (const [, path = '', file, bytes] of text.matchAll(SETTING))
    if (isSetting(file))
      settings.set(path, {
        ...settings.get(path),
        [SETTINGS[file]]: Math.floor(Number(bytes) / recording.pageSize),
      })
    else if (file === WRITEBACK)
      settings.set(path, { ...settings.get(path), writeback: bytes !== '0' })
  return settings
}

function isSetting(file: string | undefined): file is keyof typeof SETTINGS {
  return file !== undefined && Object.hasOwn(SETTINGS, file)
}

/**
 * Without the limits that recorded reclaim kept: it is repeated as it was, and the limit would bring it once more.
 * Those that brought none stay.
 */
export function withoutKeptLimits(
  list: readonly WorkloadMemcg[],
  tasks: readonly Pick<WorkloadTask, 'memcg' | 'op'>[],
): readonly WorkloadMemcg[] {
  const kept = new Set<number>()
  for (const { memcg, op } of tasks)
    if (op.includes(RECLAIM))
      for (let at = memcg; at !== undefined; at = list[at]?.parent) kept.add(at)
  return list.map((memcg, place) => {
    if (!kept.has(place)) return memcg
    const { highPages, maxPages, ...others } = memcg
    return others
  })
}

/** Pages that nobody was seen to allocate are charged to the cgroup that they were reclaimed for first, or of the task that used them first; -1 = there is none. */
export function memcgOfPages(
  owner: Int32Array,
  tasks: readonly Pick<WorkloadTask, 'memcg'>[],
  seen: {
    readonly stores: readonly Pick<StoredPage, 'forMemcgOf'>[]
    readonly ofStore: Int32Array
    readonly ofTask: MemcgsOfTasks['ofTask']
    readonly touches: readonly Pick<Touch, 'task'>[]
    readonly ofTouch: Int32Array
  },
): Int32Array {
  const memcg = new Int32Array(owner.length).fill(-1)
  const isKnown = new Uint8Array(owner.length)
  const tell = (page: number, place: number): void => {
    if (page < 0 || (owner[page] ?? 0) >= 0 || isKnown[page] === 1) return
    isKnown[page] = 1
    memcg[page] = place
  }
  seen.stores.forEach(({ forMemcgOf }, store) => {
    const place = forMemcgOf === undefined ? undefined : seen.ofTask.get(forMemcgOf)
    if (place !== undefined) tell(seen.ofStore[store] ?? -1, place)
  })
  seen.touches.forEach(({ task }, touch) => {
    tell(seen.ofTouch[touch] ?? -1, tasks[task]?.memcg ?? -1)
  })
  return memcg
}
