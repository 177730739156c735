import type { ShapeKind } from './shapes.ts'

/** One event that Perfetto has a message for. */
export interface TypedEvent {
  /** Its field in FtraceEvent. */
  readonly id: number
  readonly system: string
  readonly name: string
  readonly fields: readonly {
    readonly number: number
    readonly name: string
    readonly kind: ShapeKind
  }[]
}

/**
 * Events of memory, scheduling, block devices and marks that have their own message: protos/perfetto/trace/ftrace/*.proto of
 * google/perfetto (v50). `field in FtraceEvent  system:event | name number type, ...`
 */
const EVENTS = `
3 ftrace:print | ip 1 u64, buf 2 text
4 sched:sched_switch | prev_comm 1 text, prev_pid 2 i32, prev_prio 3 i32, prev_state 4 i64, next_comm 5 text, next_pid 6 i32, next_prio 7 i32
17 sched:sched_wakeup | comm 1 text, pid 2 i32, prio 3 i32, success 4 i32, target_cpu 5 i32
18 sched:sched_blocked_reason | pid 1 i32, caller 2 u64, io_wait 3 u32
19 sched:sched_cpu_hotplug | affected_cpu 1 i32, error 2 i32, status 3 i32
20 sched:sched_waking | comm 1 text, pid 2 i32, prio 3 i32, success 4 i32, target_cpu 5 i32
35 lowmemorykiller:lowmemory_kill | comm 1 text, pid 2 i32, pagecache_size 3 i64, pagecache_limit 4 i64, free 5 i64
45 block:block_rq_issue | dev 1 u64, sector 2 u64, nr_sector 3 u32, bytes 4 u32, rwbs 5 text, comm 6 text, cmd 7 text
46 vmscan:mm_vmscan_direct_reclaim_begin | order 1 i32, may_writepage 2 i32, gfp_flags 3 u32
47 vmscan:mm_vmscan_direct_reclaim_end | nr_reclaimed 1 u64
48 vmscan:mm_vmscan_kswapd_wake | nid 1 i32, order 2 i32, zid 3 i32
49 vmscan:mm_vmscan_kswapd_sleep | nid 1 i32
56 workqueue:workqueue_activate_work | work 1 u64, function 2 u64
57 workqueue:workqueue_execute_end | work 1 u64, function 2 u64
58 workqueue:workqueue_execute_start | work 1 u64, function 2 u64
59 workqueue:workqueue_queue_work | work 1 u64, function 2 u64, req_cpu 4 i32, cpu 5 i32, workqueue 6 text
67 cgroup:cgroup_attach_task | dst_root 1 i32, dst_id 2 i32, pid 3 i32, comm 4 text, cname 5 text, dst_level 6 i32, dst_path 7 text
68 cgroup:cgroup_mkdir | root 1 i32, id 2 i32, cname 3 text, level 4 i32, path 5 text
69 cgroup:cgroup_remount | root 1 i32, ss_mask 2 u32, name 3 text
70 cgroup:cgroup_rmdir | root 1 i32, id 2 i32, cname 3 text, level 4 i32, path 5 text
71 cgroup:cgroup_transfer_tasks | dst_root 1 i32, dst_id 2 i32, pid 3 i32, comm 4 text, cname 5 text, dst_level 6 i32, dst_path 7 text
72 cgroup:cgroup_destroy_root | root 1 i32, ss_mask 2 u32, name 3 text
73 cgroup:cgroup_release | root 1 i32, id 2 i32, cname 3 text, level 4 i32, path 5 text
74 cgroup:cgroup_rename | root 1 i32, id 2 i32, cname 3 text, level 4 i32, path 5 text
75 cgroup:cgroup_setup_root | root 1 i32, ss_mask 2 u32, name 3 text
99 compaction:mm_compaction_begin | zone_start 1 u64, migrate_pfn 2 u64, free_pfn 3 u64, zone_end 4 u64, sync 5 u32
100 compaction:mm_compaction_defer_compaction | nid 1 i32, idx 2 u32, order 3 i32, considered 4 u32, defer_shift 5 u32, order_failed 6 i32
101 compaction:mm_compaction_deferred | nid 1 i32, idx 2 u32, order 3 i32, considered 4 u32, defer_shift 5 u32, order_failed 6 i32
102 compaction:mm_compaction_defer_reset | nid 1 i32, idx 2 u32, order 3 i32, considered 4 u32, defer_shift 5 u32, order_failed 6 i32
103 compaction:mm_compaction_end | zone_start 1 u64, migrate_pfn 2 u64, free_pfn 3 u64, zone_end 4 u64, sync 5 u32, status 6 i32
104 compaction:mm_compaction_finished | nid 1 i32, idx 2 u32, order 3 i32, ret 4 i32
105 compaction:mm_compaction_isolate_freepages | start_pfn 1 u64, end_pfn 2 u64, nr_scanned 3 u64, nr_taken 4 u64
106 compaction:mm_compaction_isolate_migratepages | start_pfn 1 u64, end_pfn 2 u64, nr_scanned 3 u64, nr_taken 4 u64
107 compaction:mm_compaction_kcompactd_sleep | nid 1 i32
108 compaction:mm_compaction_kcompactd_wake | nid 1 i32, order 2 i32, classzone_idx 3 u32, highest_zoneidx 4 u32
109 compaction:mm_compaction_migratepages | nr_migrated 1 u64, nr_failed 2 u64
110 compaction:mm_compaction_suitable | nid 1 i32, idx 2 u32, order 3 i32, ret 4 i32
111 compaction:mm_compaction_try_to_compact_pages | order 1 i32, gfp_mask 2 u32, mode 3 u32, prio 4 i32
112 compaction:mm_compaction_wakeup_kcompactd | nid 1 i32, order 2 i32, classzone_idx 3 u32, highest_zoneidx 4 u32
114 sched:sched_wakeup_new | comm 1 text, pid 2 i32, prio 3 i32, success 4 i32, target_cpu 5 i32
115 block:block_bio_backmerge | dev 1 u64, sector 2 u64, nr_sector 3 u32, rwbs 4 text, comm 5 text
116 block:block_bio_bounce | dev 1 u64, sector 2 u64, nr_sector 3 u32, rwbs 4 text, comm 5 text
117 block:block_bio_complete | dev 1 u64, sector 2 u64, nr_sector 3 u32, error 4 i32, rwbs 5 text
118 block:block_bio_frontmerge | dev 1 u64, sector 2 u64, nr_sector 3 u32, rwbs 4 text, comm 5 text
119 block:block_bio_queue | dev 1 u64, sector 2 u64, nr_sector 3 u32, rwbs 4 text, comm 5 text
120 block:block_bio_remap | dev 1 u64, sector 2 u64, nr_sector 3 u32, old_dev 4 u64, old_sector 5 u64, rwbs 6 text
121 block:block_dirty_buffer | dev 1 u64, sector 2 u64, size 3 u64
122 block:block_getrq | dev 1 u64, sector 2 u64, nr_sector 3 u32, rwbs 4 text, comm 5 text
123 block:block_plug | comm 1 text
124 block:block_rq_abort | dev 1 u64, sector 2 u64, nr_sector 3 u32, errors 4 i32, rwbs 5 text, cmd 6 text
125 block:block_rq_complete | dev 1 u64, sector 2 u64, nr_sector 3 u32, errors 4 i32, rwbs 5 text, cmd 6 text, error 7 i32
126 block:block_rq_insert | dev 1 u64, sector 2 u64, nr_sector 3 u32, bytes 4 u32, rwbs 5 text, comm 6 text, cmd 7 text
128 block:block_rq_remap | dev 1 u64, sector 2 u64, nr_sector 3 u32, old_dev 4 u64, old_sector 5 u64, nr_bios 6 u32, rwbs 7 text
129 block:block_rq_requeue | dev 1 u64, sector 2 u64, nr_sector 3 u32, errors 4 i32, rwbs 5 text, cmd 6 text
130 block:block_sleeprq | dev 1 u64, sector 2 u64, nr_sector 3 u32, rwbs 4 text, comm 5 text
131 block:block_split | dev 1 u64, sector 2 u64, new_sector 3 u64, rwbs 4 text, comm 5 text
132 block:block_touch_buffer | dev 1 u64, sector 2 u64, size 3 u64
133 block:block_unplug | nr_rq 1 i32, comm 2 text
235 task:task_newtask | pid 1 i32, comm 2 text, clone_flags 3 u64, oom_score_adj 4 i32
236 task:task_rename | pid 1 i32, oldcomm 2 text, newcomm 3 text, oom_score_adj 4 i32
237 sched:sched_process_exec | filename 1 text, pid 2 i32, old_pid 3 i32
238 sched:sched_process_exit | comm 1 text, pid 2 i32, tgid 3 i32, prio 4 i32
239 sched:sched_process_fork | parent_comm 1 text, parent_pid 2 i32, child_comm 3 text, child_pid 4 i32
240 sched:sched_process_free | comm 1 text, pid 2 i32, prio 3 i32
241 sched:sched_process_hang | comm 1 text, pid 2 i32
242 sched:sched_process_wait | comm 1 text, pid 2 i32, prio 3 i32
298 kmem:kfree | call_site 1 u64, ptr 2 u64
299 kmem:kmalloc | bytes_alloc 1 u64, bytes_req 2 u64, call_site 3 u64, gfp_flags 4 u32, ptr 5 u64
301 kmem:kmem_cache_alloc | bytes_alloc 1 u64, bytes_req 2 u64, call_site 3 u64, gfp_flags 4 u32, ptr 5 u64
303 kmem:kmem_cache_free | call_site 1 u64, ptr 2 u64
304 kmem:migrate_pages_end | mode 1 i32
305 kmem:migrate_pages_start | mode 1 i32
306 kmem:migrate_retry | tries 1 i32
307 kmem:mm_page_alloc | gfp_flags 1 u32, migratetype 2 i32, order 3 u32, page 4 u64, pfn 5 u64
308 kmem:mm_page_alloc_extfrag | alloc_migratetype 1 i32, alloc_order 2 i32, fallback_migratetype 3 i32, fallback_order 4 i32, page 5 u64, change_ownership 6 i32, pfn 7 u64
309 kmem:mm_page_alloc_zone_locked | migratetype 1 i32, order 2 u32, page 3 u64, pfn 4 u64
310 kmem:mm_page_free | order 1 u32, page 2 u64, pfn 3 u64
311 kmem:mm_page_free_batched | cold 1 i32, page 2 u64, pfn 3 u64
312 kmem:mm_page_pcpu_drain | migratetype 1 i32, order 2 u32, page 3 u64, pfn 4 u64
313 kmem:rss_stat | member 1 i32, size 2 i64, curr 3 u32, mm_id 4 u32
324 signal:signal_deliver | code 1 i32, sa_flags 2 u64, sig 3 i32
325 signal:signal_generate | code 1 i32, comm 2 text, group 3 i32, pid 4 i32, result 5 i32, sig 6 i32
326 oom:oom_score_adj_update | comm 1 text, oom_score_adj 2 i32, pid 3 i32
328 mm_event:mm_event_record | avg_lat 1 u32, count 2 u32, max_lat 3 u32, type 4 u32
334 oom:mark_victim | pid 1 i32
353 sched:sched_pi_setprio | comm 1 text, newprio 2 i32, oldprio 3 i32, pid 4 i32
359 perfetto:rss_stat_throttled | curr 1 u32, member 2 i32, mm_id 3 u32, size 4 i64
421 sched:sched_cpu_util_cfs | active 1 i32, capacity 2 u64, capacity_orig 3 u64, cpu 4 u32, cpu_importance 5 u64, cpu_util 6 u64, exit_lat 7 u32, group_capacity 8 u64, grp_overutilized 9 u32, idle_cpu 10 u32, nr_running 11 u32, spare_cap 12 i64, task_fits 13 u32, wake_group_util 14 u64, wake_util 15 u64
443 vmscan:mm_shrink_slab_start | cache_items 1 u64, delta 2 u64, gfp_flags 3 u32, lru_pgs 4 u64, nr_objects_to_shrink 5 i64, pgs_scanned 6 u64, shr 7 u64, shrink 8 u64, total_scan 9 u64, nid 10 i32, priority 11 i32
444 vmscan:mm_shrink_slab_end | new_scan 1 i64, retval 2 i32, shr 3 u64, shrink 4 u64, total_scan 5 i64, unused_scan 6 i64, nid 7 i32
491 sched:sched_migrate_task | comm 1 text, pid 2 i32, prio 3 i32, orig_cpu 4 i32, dest_cpu 5 i32, running 6 i32, load 7 u32
538 pixel_mm:pixel_mm_kswapd_wake |
539 pixel_mm:pixel_mm_kswapd_done | delta_nr_scanned 1 u64, delta_nr_reclaimed 2 u64, delta_nr_allocated 3 u64, duration_ns 4 u64
540 sched:sched_wakeup_task_attr | pid 1 i32, cpu_affinity 2 u64, task_util 3 u64, uclamp_min 4 u64, vruntime 5 u64
542 perfetto:kprobe_event | name 1 text, type 2 i32
546 block:block_io_start | dev 1 u64, sector 2 u64, nr_sector 3 u32, bytes 4 u32, ioprio 5 u32, rwbs 6 text, comm 7 text, cmd 8 text
547 block:block_io_done | dev 1 u64, sector 2 u64, nr_sector 3 u32, bytes 4 u32, ioprio 5 u32, rwbs 6 text, comm 7 text, cmd 8 text
579 kmem:dmabuf_rss_stat | rss 1 u64, rss_delta 2 i64, i_ino 3 u64
604 sched:sched_group_tracker | comm 1 text, pid 2 i32, group 3 text, group_num 4 i32
607 vmscan:mm_vmscan_memcg_reclaim_begin | order 1 i32, may_writepage 2 i32, gfp_flags 3 u64
608 vmscan:mm_vmscan_memcg_reclaim_end | nr_reclaimed 1 u64
`

const KINDS: Readonly<Record<string, ShapeKind>> = {
  i32: 'i32',
  u32: 'u32',
  i64: 'i64',
  u64: 'u64',
  text: 'string',
}

/** By field number in FtraceEvent. */
export const TYPED_EVENTS: ReadonlyMap<number, TypedEvent> = new Map(
  EVENTS.trim()
    .split('\n')
    .map((line) => {
      const [, id, system = '', name = '', fields = ''] =
        /^(\d+) (\w+):(\w+) \|(.*)$/.exec(line) ?? []
      return [
        Number(id),
        {
          id: Number(id),
          system,
          name,
          fields: fields
            .split(',')
            .filter((text) => text.trim() !== '')
            .map((text) => {
              const [field = '', number, kind = ''] = text.trim().split(' ')
              return { number: Number(number), name: field, kind: KINDS[kind] ?? 'u64' }
            }),
        },
      ]
    }),
)
