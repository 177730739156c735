import type { BackendParameter } from './backend.ts'
import { DEVICE_PARAMETERS } from './device.ts'
import { VERIFY_PARAMETER } from './page-compressor.ts'

export const ZSWAP_PARAMETERS: readonly BackendParameter[] = [
  {
    name: 'form',
    fallback: '6.12',
    summary: 'kernel whose zswap is modelled: 6.1, 6.10, 6.12 or 2026',
  },
  VERIFY_PARAMETER,
  {
    name: 'zpool',
    fallback: '',
    summary: 'zsmalloc, zbud or z3fold; empty = zbud for 6.1, else zsmalloc',
  },
  { name: 'chain', fallback: 0, summary: 'zsmalloc chain length; 0 = 4 for 6.1, else 8' },
  { name: 'max_pool_percent', fallback: 20, summary: 'share of memory that the pool may hold' },
  {
    name: 'accept_threshold_percent',
    fallback: 90,
    summary: 'share of the maximum at which a full pool accepts again',
  },
  { name: 'shrinker_enabled', fallback: 0, summary: 'the dynamic shrinker (6.8 and later)' },
  {
    name: 'shrinker_patches',
    fallback: '',
    summary: 'of the global-shrinker series, 1..6, e.g. 1,2,3',
  },
  {
    name: 'other_memcgs',
    fallback: 0,
    summary: 'memory cgroups that the shrink worker visits before that of the tasks',
  },
  {
    name: 'offline_memcg',
    fallback: -1,
    summary: 'the one of them that is offline, from 0; -1 = none',
  },
  {
    name: 'prefill_pages',
    fallback: 0,
    summary:
      'pages of the last other cgroup that go to swap before the run begins, until the pool refuses them',
  },
  {
    name: 'memcg_max',
    fallback: -1,
    summary: 'memory.zswap.max of the memory cgroup that all tasks are in, bytes; -1 = no limit',
  },
  {
    name: 'memcg_writeback',
    fallback: 1,
    summary:
      'memory.zswap.writeback of that cgroup: with 0 a page that zswap refuses stays in memory',
  },
  ...DEVICE_PARAMETERS,
]

/** What differs between kernels. */
export interface ZswapForm {
  /** The pool chooses what to write back (6.1), or lists per memcg and node do. */
  readonly evictsByPool: boolean
  readonly sameFilled: boolean
  readonly exclusiveLoads: boolean
  readonly largeFolios: boolean
  /** Pages that do not shrink are kept with the length of a page. */
  readonly keepsIncompressible: boolean
  readonly secondChance: boolean
  /** Entries looked at per node in one visit of the shrink worker. */
  readonly batch: number
  readonly defaultPool: string
  readonly chain: number
  /** Patches of the series whose logic this kernel has anyway. */
  readonly patches: readonly number[]
}

/** mm/zswap.c of 6.1 and 6.12, of 6.10 (the base of the shrinker series), and of the development tree of 2026. */
export const ZSWAP_FORMS: Readonly<Record<'6.1' | '6.10' | '6.12' | '2026', ZswapForm>> = {
  '6.1': {
    evictsByPool: true,
    sameFilled: true,
    exclusiveLoads: false,
    largeFolios: false,
    keepsIncompressible: false,
    secondChance: false,
    batch: 1,
    defaultPool: 'zbud',
    chain: 4,
    patches: [],
  },
  '6.10': {
    evictsByPool: false,
    sameFilled: true,
    exclusiveLoads: true,
    largeFolios: false,
    keepsIncompressible: false,
    secondChance: false,
    batch: 1,
    defaultPool: 'zsmalloc',
    chain: 8,
    patches: [],
  },
  '6.12': {
    evictsByPool: false,
    sameFilled: false,
    exclusiveLoads: true,
    largeFolios: false,
    keepsIncompressible: false,
    secondChance: true,
    batch: 1,
    defaultPool: 'zsmalloc',
    chain: 8,
    patches: [1, 2],
  },
  '2026': {
    evictsByPool: false,
    sameFilled: false,
    exclusiveLoads: true,
    largeFolios: true,
    keepsIncompressible: true,
    secondChance: true,
    batch: 32,
    defaultPool: 'zsmalloc',
    chain: 8,
    patches: [1, 2],
  },
}
