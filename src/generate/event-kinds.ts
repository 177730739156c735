/**
 * The events that a scenario can emit, apart from any kernel's layout of them: name and arguments in a fixed order. An argument is a
 * number; `entry` is a swap entry (its type, and after it its offset), `text` an index into the scenario's strings (as `comm` and `rwbs` are).
 */
export const EVENT_KINDS = {
  kswapdSleep: ['nid'],
  kswapdWake: ['nid', 'zid', 'order'],
  wakeupKswapd: ['nid', 'zid', 'order', 'gfp'],
  directBegin: ['order', 'gfp', 'memcg'],
  directEnd: ['reclaimed', 'memcg'],
  memcgBegin: ['order', 'gfp', 'memcg'],
  memcgEnd: ['reclaimed', 'memcg'],
  softlimitBegin: ['order', 'gfp', 'memcg'],
  softlimitEnd: ['reclaimed', 'memcg'],
  nodeBegin: ['nid', 'order', 'gfp'],
  nodeEnd: ['reclaimed'],
  slabStart: ['shrinker', 'nid', 'objects', 'gfp', 'cacheItems', 'totalScan', 'priority'],
  slabEnd: ['shrinker', 'nid', 'unused', 'scanned', 'freed', 'totalScan'],
  isolate: ['zid', 'order', 'requested', 'scanned', 'skipped', 'taken', 'lru'],
  write: ['pfn', 'flags'],
  shrinkInactive: [
    'nid',
    'scanned',
    'reclaimed',
    'dirty',
    'writeback',
    'activateAnon',
    'activateFile',
    'refKeep',
    'priority',
    'flags',
  ],
  throttled: ['nid', 'timeoutUs', 'delayedUs', 'reason'],
  retryZone: ['nid', 'zid', 'order', 'reclaimable', 'available', 'min', 'loops', 'check'],
  markVictim: ['tid'],
  compactionBegin: ['zoneStart', 'migratePfn', 'freePfn', 'zoneEnd', 'sync'],
  compactionEnd: ['zoneStart', 'migratePfn', 'freePfn', 'zoneEnd', 'sync', 'status'],
  switch: ['prevComm', 'prevTid', 'prevPrio', 'prevState', 'nextComm', 'nextTid', 'nextPrio'],
  waking: ['comm', 'tid', 'prio', 'cpu'],
  print: ['text'],
  swapWrite: ['entryType', 'entryOffset', 'order'],
  swapWriteReturn: ['ret'],
  store: ['entryType', 'entryOffset'],
  storeReturn: ['ret'],
  swapRead: ['entryType', 'entryOffset'],
  fault: ['address'],
  faultReturn: ['ret'],
  slotFree: ['index'],
  blockIssue: ['dev', 'sector', 'sectors', 'bytes', 'rwbs', 'comm'],
  blockComplete: ['dev', 'sector', 'sectors', 'error', 'rwbs'],
} as const

export type EventKind = keyof typeof EVENT_KINDS
export const KINDS = Object.keys(EVENT_KINDS) as readonly EventKind[]

/** Most arguments any kind has. */
export const MAX_ARGS = 10

/** Receives events in the order of time. `args` is borrowed: copy what must outlive the call. */
export interface EventSink {
  event(kind: EventKind, tsNs: number, cpu: number, tid: number, args: Float64Array): void
}

/** Which events a recording has switched on. */
export type ProbeSet = 'none' | 'stock' | 'full'

const PROBES = new Set<EventKind>([
  'swapWrite',
  'swapWriteReturn',
  'store',
  'storeReturn',
  'swapRead',
  'fault',
  'faultReturn',
  'slotFree',
])
const SCHED = new Set<EventKind>(['switch', 'waking'])
const BLOCK = new Set<EventKind>(['blockIssue', 'blockComplete'])

/** `none`: vmscan, oom, compaction and marks only; `stock`: scheduler and block events too; `full`: probes too. */
export function isRecorded(kind: EventKind, probes: ProbeSet): boolean {
  if (PROBES.has(kind)) return probes === 'full'
  if (SCHED.has(kind) || BLOCK.has(kind)) return probes !== 'none'
  return true
}
