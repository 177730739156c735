import { snapshotText } from './machine.ts'
import type { Touch } from './page-events.ts'
import type { Recording } from './recording.ts'
import type { WorkloadMemcg, WorkloadTask } from './types.ts'

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
} as const
type Settings = { readonly [K in (typeof SETTINGS)[keyof typeof SETTINGS]]?: number }

const SETTING = /^\/sys\/fs\/cgroup(\/.*)\/(memory\.[a-z.]+):(\d+)$/gm

/** `FILE:BYTES` lines of the unified hierarchy, as grep prints them. */
function readSettings(recording: Recording): ReadonlyMap<string, Settings> {
  const settings = new Map<string, Settings>()
  const text = snapshotText(recording, 'memcgs') ?? ''
  for (const [, path = '', file, bytes] of text.matchAll(SETTING))
    if (isSetting(file))
      settings.set(path, {
        ...settings.get(path),
        [SETTINGS[file]]: Math.floor(Number(bytes) / recording.pageSize),
      })
  return settings
}

function isSetting(file: string | undefined): file is keyof typeof SETTINGS {
  return file !== undefined && Object.hasOwn(SETTINGS, file)
}

/** A limit of it or of one above it makes its tasks reclaim for themselves. */
export function isLimited({ list }: MemcgsOfTasks, place: number): boolean {
  for (let memcg = list[place]; memcg !== undefined; memcg = list[memcg.parent ?? -1])
    if (memcg.maxPages !== undefined || memcg.highPages !== undefined) return true
  return false
}

/** Pages that nobody was seen to allocate are taken to be charged to the cgroup of the task that used them first; -1 = nobody did. */
export function memcgOfPages(
  owner: Int32Array,
  tasks: readonly Pick<WorkloadTask, 'memcg'>[],
  used: { readonly touches: readonly Pick<Touch, 'task'>[]; readonly ofTouch: Int32Array },
): Int32Array {
  const memcg = new Int32Array(owner.length).fill(-1)
  const isKnown = new Uint8Array(owner.length)
  used.touches.forEach(({ task }, touch) => {
    const page = used.ofTouch[touch] ?? -1
    if (page < 0 || (owner[page] ?? 0) >= 0 || isKnown[page] === 1) return
    isKnown[page] = 1
    memcg[page] = tasks[task]?.memcg ?? -1
  })
  return memcg
}
