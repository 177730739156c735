/**
 * Names that changed between kernels, or that recordings choose freely (probes), joined to one role each. The only place
 * that knows more than one spelling.
 */

export type EventRole =
  | 'direct_begin'
  | 'direct_end'
  | 'memcg_begin'
  | 'memcg_end'
  | 'softlimit_begin'
  | 'softlimit_end'
  | 'node_begin'
  | 'node_end'
  | 'throttled'
  | 'compaction_begin'
  | 'compaction_end'
  | 'kswapd_wake'
  | 'kswapd_sleep'
  | 'wakeup_kswapd'
  | 'isolate'
  | 'shrink_inactive'
  | 'shrink_active'
  | 'slab_begin'
  | 'slab_end'
  | 'write_folio'
  | 'gate'
  | 'gate_end'
  | 'store'
  | 'store_end'
  | 'zswap_store_end'
  | 'zswap_load_end'
  | 'zswap_writeback'
  | 'swap_read'
  | 'fault'
  | 'fault_end'
  | 'slot_free'
  | 'page_free'
  | 'sched_switch'
  | 'waking'
  | 'wakeup'
  | 'fork'
  | 'new_task'
  | 'blocked_reason'
  | 'retry_zone'
  | 'block_issue'
  | 'block_complete'
  | 'print'
  | 'sample'
  | 'slice'
  | 'oom_kill'
  | 'lmk_kill'
  | 'signal'
  | 'oom_score'
  | 'cgroup_attach'
  | 'kprobe'

const ROLES: Readonly<Record<EventRole, readonly string[]>> = {
  direct_begin: ['mm_vmscan_direct_reclaim_begin'],
  direct_end: ['mm_vmscan_direct_reclaim_end'],
  memcg_begin: ['mm_vmscan_memcg_reclaim_begin'],
  memcg_end: ['mm_vmscan_memcg_reclaim_end'],
  softlimit_begin: ['mm_vmscan_memcg_softlimit_reclaim_begin'],
  softlimit_end: ['mm_vmscan_memcg_softlimit_reclaim_end'],
  node_begin: ['mm_vmscan_node_reclaim_begin'],
  node_end: ['mm_vmscan_node_reclaim_end'],
  throttled: ['mm_vmscan_throttled'],
  compaction_begin: ['mm_compaction_begin'],
  compaction_end: ['mm_compaction_end'],
  kswapd_wake: ['mm_vmscan_kswapd_wake'],
  kswapd_sleep: ['mm_vmscan_kswapd_sleep'],
  wakeup_kswapd: ['mm_vmscan_wakeup_kswapd'],
  isolate: ['mm_vmscan_lru_isolate'],
  shrink_inactive: ['mm_vmscan_lru_shrink_inactive', 'mm_vmscan_reclaim_pages'],
  shrink_active: ['mm_vmscan_lru_shrink_active'],
  slab_begin: ['mm_shrink_slab_start'],
  slab_end: ['mm_shrink_slab_end'],
  // Renamed in Linux 5.18.
  write_folio: ['mm_vmscan_write_folio', 'mm_vmscan_writepage'],
  // Function renamed in 6.16; `swout` is the name in pstrace's recording recipes.
  gate: ['swap_writepage', 'swap_writeout', 'swout'],
  gate_end: ['swap_writepage_ret', 'swap_writeout_ret', 'swout_r', 'swout_ret'],
  store: ['pst_write'],
  store_end: ['pst_write_ret'],
  zswap_store_end: ['zswap_store_ret', 'zswap_frontswap_store_ret', 'zs', 'zs_ret'],
  zswap_load_end: ['zswap_load_ret', 'zswap_frontswap_load_ret', 'zl_ret'],
  zswap_writeback: ['zswap_writeback_entry', 'zwb'],
  // swap_readpage became swap_read_folio after 6.1.
  swap_read: ['swap_readpage', 'swap_read_folio', 'swin'],
  fault: ['do_swap_page', 'flt'],
  fault_end: ['do_swap_page_ret', 'flt_r', 'flt_ret'],
  slot_free: ['zram_slot_free', 'zram_slot_free_notify', 'zfree'],
  page_free: ['mm_page_free', 'mm_page_free_batched'],
  sched_switch: ['sched_switch'],
  waking: ['sched_waking'],
  wakeup: ['sched_wakeup', 'sched_wakeup_new'],
  fork: ['sched_process_fork'],
  new_task: ['task_newtask'],
  blocked_reason: ['sched_blocked_reason'],
  retry_zone: ['reclaim_retry_zone'],
  block_issue: ['block_rq_issue', 'block_bio_queue'],
  block_complete: ['block_rq_complete', 'block_bio_complete'],
  print: ['print', 'tracing_mark_write'],
  // What a Perfetto trace holds beside ftrace events.
  sample: ['sample'],
  slice: ['slice'],
  oom_kill: ['mark_victim'],
  // Android's killer in the kernel, before 4.12.
  lmk_kill: ['lowmemory_kill'],
  signal: ['signal_generate'],
  oom_score: ['oom_score_adj_update'],
  cgroup_attach: ['cgroup_attach_task', 'cgroup_transfer_tasks'],
  kprobe: ['kprobe_event'],
}

const KERNEL_SYSTEMS = new Set([
  'vmscan',
  'sched',
  'oom',
  'kmem',
  'compaction',
  'block',
  'ftrace',
  '',
])
const STOCK = /^(mm_|sched_|reclaim_retry_zone$|block_|print$|tracing_mark_write$)/

const BY_NAME = new Map<string, EventRole>()
for (const [role, names] of Object.entries(ROLES))
  for (const name of names) BY_NAME.set(name, role as EventRole)

/** Role of an event; `undefined` = kept as raw rows only. */
export function roleOf(system: string, name: string): EventRole | undefined {
  const role = BY_NAME.get(name)
  if (role === 'sample' || role === 'slice') return system === 'pstrace' ? role : undefined
  if (role === 'kprobe') return system === 'perfetto' ? role : undefined
  // A stock name in another group (a vendor's, or a probe of the user's) means something else.
  return role !== undefined && STOCK.test(name) && !KERNEL_SYSTEMS.has(system) ? undefined : role
}

/** Spellings of one field in order of preference. */
export const FIELDS = {
  entry: ['entry', 'ent', 'swap_entry', 'val'],
  order: ['order', 'alloc_order'],
  folioOrder: ['order', 'ord'],
  gfp: ['gfp_flags'],
  nid: ['nid', 'node'],
  pfn: ['pfn'],
  flags: ['reclaim_flags', 'flags'],
  delayed: ['usec_delayed', 'usect_delayed'],
  ret: ['ret', 'ok', 'rc'],
  // nr_activate was split in two in 5.2; printed as _anon and _file.
  activate0: ['nr_activate0', 'nr_activate_anon', 'nr_activate'],
  activate1: ['nr_activate1', 'nr_activate_file'],
  slotIndex: ['index', 'idx'],
  address: ['addr', 'address'],
  priority: ['priority'],
} as const satisfies Readonly<Record<string, readonly string[]>>
