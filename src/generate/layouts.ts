import { blockLayouts } from './block-layouts.ts'
import type { EventKind } from './event-kinds.ts'
import {
  comm,
  type EventLayout,
  field,
  inSystem,
  int,
  type LayoutField,
  long,
  pointer,
  probeFunc,
  probeIp,
  probeRetIp,
  uint,
  ulong,
  zero,
} from './layout-fields.ts'

export type KernelVersion = readonly [major: number, minor: number]

/** The kernels whose layouts differ from their neighbours'. */
export const KERNELS = [
  '4.9',
  '4.14',
  '4.19',
  '5.4',
  '5.10',
  '5.15',
  '6.1',
  '6.6',
  '6.12',
  '6.18',
  '7.1',
] as const

/** The last minor of each major version that there is between the first and the last of KERNELS. */
const LAST_MINOR: Readonly<Record<number, number>> = { 4: 20, 5: 19, 6: 19, 7: 1 }

/** `major.minor` of a kernel from 4.9 to 7.1; undefined = there is none of that name, or its layouts are not known. */
export function parseKernel(text: string): KernelVersion | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(text) ?? []
  const version: KernelVersion = [Number(major), Number(minor)]
  const isKnown = atLeast(version, [4, 9]) && version[1] <= (LAST_MINOR[version[0]] ?? -1)
  return isKnown ? version : undefined
}

function atLeast([major, minor]: KernelVersion, [wantMajor, wantMinor]: KernelVersion): boolean {
  return major > wantMajor || (major === wantMajor && minor >= wantMinor)
}

/** Whether a kernel has what came with a release. */
type Since = (major: number, minor: number) => boolean

interface LayoutOptions {
  /** The probe at the gate fetches the order of its folio too. */
  readonly folioOrders: boolean
}

/**
 * Every event's layout in a kernel. Source: include/trace/events/{vmscan,oom,compaction,sched,block}.h of the versions named; the release in
 * which each form changed is the first of the two neighbours that has the new one.
 */
export function layoutsOf(
  kernel: KernelVersion,
  options: LayoutOptions = { folioOrders: false },
): EventLayout[] {
  const since: Since = (major, minor) => atLeast(kernel, [major, minor])
  const spans = new SpanLayouts(since)
  return [
    ...kswapdLayouts(since),
    ...spans.all(),
    slabStart(since(4, 16), gfpOf(since), since(5, 4)),
    slabEnd(since(5, 4)),
    isolateLayout(kernel),
    writeLayout(since),
    shrinkInactiveLayout(kernel),
    RETRY_ZONE,
    MARK_VICTIM,
    compaction('compactionBegin', 'mm_compaction_begin', false),
    compaction('compactionEnd', 'mm_compaction_end', true),
    switchLayout(since),
    wakingLayout(since),
    PRINT,
    ...probes(kernel, options),
    ...blockLayouts({
      hasPriority: since(6, 11),
      hasLongFlags: since(6, 18),
      error: since(4, 12) ? 'error' : 'errors',
    }),
    ...(since(5, 2) ? spans.ofNode() : []),
    ...(since(5, 16) ? [THROTTLED] : []),
  ]
}

const vmscan = inSystem('vmscan')

/** gfp_t became unsigned long about 5.19. */
function gfpOf(since: Since): LayoutField {
  return since(5, 19)
    ? ulong('gfp_flags', 'gfp')
    : field('gfp_flags', 'gfp_t', 4, false, { arg: 'gfp' })
}

function kswapdLayouts(since: Since): EventLayout[] {
  const zid = since(5, 2) ? '' : ' zid={zid}'
  const tellsGfp = since(4, 17)
  return [
    vmscan('kswapdSleep', 'mm_vmscan_kswapd_sleep', [int('nid')], 'nid={nid}'),
    vmscan(
      'kswapdWake',
      'mm_vmscan_kswapd_wake',
      [int('nid'), int('zid'), int('order')],
      `nid={nid}${zid} order={order}`,
    ),
    vmscan(
      'wakeupKswapd',
      'mm_vmscan_wakeup_kswapd',
      [int('nid'), int('zid'), int('order'), ...(tellsGfp ? [gfpOf(since)] : [])],
      `nid={nid}${zid} order={order}${tellsGfp ? ' gfp_flags={gfp_flags:gfp}' : ''}`,
    ),
  ]
}

/** Begin and end of reclaim by whoever needs memory. */
class SpanLayouts {
  readonly #since: Since
  readonly #gfp: LayoutField
  readonly #memcg: readonly LayoutField[]
  readonly #memcgText: string

  constructor(since: Since) {
    this.#since = since
    this.#gfp = gfpOf(since)
    this.#memcg = since(7, 1) ? [field('memcg_id', 'u64', 8, false, { arg: 'memcg' })] : []
    this.#memcgText = since(7, 1) ? ' memcg_id={memcg_id}' : ''
  }

  all(): EventLayout[] {
    return [
      this.#begin('directBegin', 'mm_vmscan_direct_reclaim_begin'),
      this.#end('directEnd', 'mm_vmscan_direct_reclaim_end'),
      this.#begin('memcgBegin', 'mm_vmscan_memcg_reclaim_begin'),
      this.#end('memcgEnd', 'mm_vmscan_memcg_reclaim_end'),
      this.#begin('softlimitBegin', 'mm_vmscan_memcg_softlimit_reclaim_begin'),
      this.#end('softlimitEnd', 'mm_vmscan_memcg_softlimit_reclaim_end'),
    ]
  }

  ofNode(): EventLayout[] {
    return [
      vmscan(
        'nodeBegin',
        'mm_vmscan_node_reclaim_begin',
        [int('nid'), int('order'), this.#gfp],
        'nid={nid} order={order} gfp_flags={gfp_flags:gfp}',
      ),
      this.#end('nodeEnd', 'mm_vmscan_node_reclaim_end'),
    ]
  }

  #begin(kind: EventKind, name: string): EventLayout {
    const since = this.#since
    if (since(5, 2))
      return vmscan(
        kind,
        name,
        [int('order'), this.#gfp, ...this.#memcg],
        `order={order} gfp_flags={gfp_flags:gfp}${this.#memcgText}`,
      )
    const tellsZone = since(4, 8)
    const fields = [
      int('order'),
      field('may_writepage', 'int', 4, true, { constant: 1 }),
      this.#gfp,
      ...(tellsZone ? [field('classzone_idx', 'int', 4, true, { constant: 3 })] : []),
    ]
    return vmscan(
      kind,
      name,
      fields,
      `order={order} may_writepage={may_writepage} gfp_flags={gfp_flags:gfp}${tellsZone ? ' classzone_idx={classzone_idx}' : ''}`,
    )
  }

  #end(kind: EventKind, name: string): EventLayout {
    return vmscan(
      kind,
      name,
      [ulong('nr_reclaimed', 'reclaimed'), ...this.#memcg],
      `nr_reclaimed={nr_reclaimed}${this.#memcgText}`,
    )
  }
}

function slabEnd(symbol: boolean): EventLayout {
  return vmscan(
    'slabEnd',
    'mm_shrink_slab_end',
    [
      pointer('shr', 'struct shrinker *', 'shrinker'),
      int('nid'),
      pointer('shrink', 'void *', 'shrinker'),
      long('unused_scan', 'unused'),
      long('new_scan', 'scanned'),
      int('retval', 'freed'),
      long('total_scan', 'totalScan'),
    ],
    `{shrink:${symbol ? 'symbol' : 'symbolF'}} {shr:ptr}: nid: {nid} unused scan count {unused_scan} new scan count {new_scan} total_scan {total_scan} last shrinker return val {retval}`,
  )
}

function writeLayout(since: Since): EventLayout {
  return vmscan(
    'write',
    since(5, 18) ? 'mm_vmscan_write_folio' : 'mm_vmscan_writepage',
    [ulong('pfn', 'pfn'), int('reclaim_flags', 'flags')],
    `page={pfn:page} pfn={pfn${since(5, 14) ? ':x' : ''}} flags={reclaim_flags:wb}`,
  )
}

const RETRY_ZONE: EventLayout = {
  kind: 'retryZone',
  system: 'oom',
  name: 'reclaim_retry_zone',
  fields: [
    int('node', 'nid'),
    int('zone_idx', 'zid'),
    int('order'),
    ulong('reclaimable', 'reclaimable'),
    ulong('available', 'available'),
    ulong('min_wmark', 'min'),
    int('no_progress_loops', 'loops'),
    field('wmark_check', 'bool', 1, false, { arg: 'check' }),
  ],
  text: 'node={node} zone={zone_idx:zone} order={order} reclaimable={reclaimable} available={available} min_wmark={min_wmark} no_progress_loops={no_progress_loops} wmark_check={wmark_check}',
}

const MARK_VICTIM: EventLayout = {
  kind: 'markVictim',
  system: 'oom',
  name: 'mark_victim',
  fields: [int('pid', 'tid')],
  text: 'pid={pid}',
}

const THROTTLED: EventLayout = vmscan(
  'throttled',
  'mm_vmscan_throttled',
  [int('nid'), int('usec_timeout', 'timeoutUs'), int('usec_delayed', 'delayedUs'), int('reason')],
  'nid={nid} usec_timeout={usec_timeout} usect_delayed={usec_delayed} reason={reason:throttle}',
)

function switchLayout(since: Since): EventLayout {
  return {
    kind: 'switch',
    system: 'sched',
    name: 'sched_switch',
    fields: [
      comm('prev_comm', 'prevComm'),
      field('prev_pid', 'pid_t', 4, true, { arg: 'prevTid' }),
      int('prev_prio', 'prevPrio'),
      // The bits above the reported states moved in 4.14.
      field('prev_state', 'long', 'long', true, {
        state: 'prevState',
        preempted: since(4, 14) ? 0x100 : 0x1000,
      }),
      comm('next_comm', 'nextComm'),
      field('next_pid', 'pid_t', 4, true, { arg: 'nextTid' }),
      int('next_prio', 'nextPrio'),
    ],
    text: 'prev_comm={prev_comm:s} prev_pid={prev_pid} prev_prio={prev_prio} prev_state={prev_state:state} ==> next_comm={next_comm:s} next_pid={next_pid} next_prio={next_prio}',
  }
}

function wakingLayout(since: Since): EventLayout {
  return {
    kind: 'waking',
    system: 'sched',
    name: 'sched_waking',
    fields: [
      comm('comm', 'comm'),
      field('pid', 'pid_t', 4, true, { arg: 'tid' }),
      int('prio'),
      ...(since(6, 2) ? [] : [field('success', 'int', 4, true, { constant: 1 })]),
      int('target_cpu', 'cpu'),
    ],
    text: 'comm={comm:s} pid={pid} prio={prio} target_cpu={target_cpu:03d}',
  }
}

const PRINT: EventLayout = {
  kind: 'print',
  system: 'ftrace',
  name: 'print',
  fields: [
    pointer('ip', 'unsigned long', ''),
    field('buf', 'char', 0, false, { tail: 'text' }, '[]'),
  ],
  text: '{buf:s}',
}

function slabStart(priority: boolean, gfp: LayoutField, symbol: boolean): EventLayout {
  const head = [
    pointer('shr', 'struct shrinker *', 'shrinker'),
    pointer('shrink', 'void *', 'shrinker'),
    int('nid'),
    long('nr_objects_to_shrink', 'objects'),
    gfp,
  ]
  const text = `{shrink:${symbol ? 'symbol' : 'symbolF'}} {shr:ptr}: nid: {nid} objects to shrink {nr_objects_to_shrink} gfp_flags {gfp_flags:gfp}`
  const scan = [
    ulong('cache_items', 'cacheItems'),
    field('delta', 'unsigned long long', 8, false, { constant: 0 }),
    ulong('total_scan', 'totalScan'),
  ]
  const scanText = ' cache items {cache_items} delta {delta} total_scan {total_scan}'
  return priority
    ? {
        kind: 'slabStart',
        system: 'vmscan',
        name: 'mm_shrink_slab_start',
        fields: [...head, ...scan, int('priority')],
        text: `${text}${scanText} priority {priority}`,
      }
    : {
        kind: 'slabStart',
        system: 'vmscan',
        name: 'mm_shrink_slab_start',
        fields: [
          ...head,
          zero('pgs_scanned', 'unsigned long', 'long'),
          zero('lru_pgs', 'unsigned long', 'long'),
          ...scan,
        ],
        text: `${text} pgs_scanned {pgs_scanned} lru_pgs {lru_pgs}${scanText}`,
      }
}

function isolateLayout(kernel: KernelVersion): EventLayout {
  const withMode = !atLeast(kernel, [6, 7])
  const withLru = atLeast(kernel, [4, 11])
  const zone = atLeast(kernel, [5, 8]) ? 'highest_zoneidx' : 'classzone_idx'
  const mode = withMode
    ? [
        field(
          'isolate_mode',
          atLeast(kernel, [5, 4]) ? 'unsigned int' : 'isolate_mode_t',
          4,
          false,
          { constant: 0 },
        ),
      ]
    : []
  return {
    kind: 'isolate',
    system: 'vmscan',
    name: 'mm_vmscan_lru_isolate',
    fields: [
      int(zone, 'zid'),
      int('order'),
      ulong('nr_requested', 'requested'),
      ulong('nr_scanned', 'scanned'),
      ulong('nr_skipped', 'skipped'),
      ulong('nr_taken', 'taken'),
      ...mode,
      withLru ? int('lru') : int('file', 'lru'),
    ],
    text: `${withMode ? 'isolate_mode={isolate_mode} ' : ''}classzone={${zone}} order={order} nr_requested={nr_requested} nr_scanned={nr_scanned} nr_skipped={nr_skipped} nr_taken={nr_taken} ${withLru ? 'lru={lru:lru}' : 'file={file}'}`,
  }
}

function shrinkInactiveLayout(kernel: KernelVersion): EventLayout {
  const split = atLeast(kernel, [5, 2])
  const rich = atLeast(kernel, [4, 11])
  const fields: LayoutField[] = [
    int('nid'),
    ulong('nr_scanned', 'scanned'),
    ulong('nr_reclaimed', 'reclaimed'),
  ]
  let text = 'nid={nid} nr_scanned={nr_scanned} nr_reclaimed={nr_reclaimed}'
  if (rich) {
    fields.push(
      ulong('nr_dirty', 'dirty'),
      ulong('nr_writeback', 'writeback'),
      zero('nr_congested', 'unsigned long', 'long'),
      zero('nr_immediate', 'unsigned long', 'long'),
    )
    text +=
      ' nr_dirty={nr_dirty} nr_writeback={nr_writeback} nr_congested={nr_congested} nr_immediate={nr_immediate}'
    if (split) {
      fields.push(uint('nr_activate0', 'activateAnon'), uint('nr_activate1', 'activateFile'))
      text += ' nr_activate_anon={nr_activate0} nr_activate_file={nr_activate1}'
    } else {
      fields.push(ulong('nr_activate', 'activateAnon'))
      text += ' nr_activate={nr_activate}'
    }
    fields.push(ulong('nr_ref_keep', 'refKeep'), zero('nr_unmap_fail', 'unsigned long', 'long'))
    text += ' nr_ref_keep={nr_ref_keep} nr_unmap_fail={nr_unmap_fail}'
  }
  fields.push(int('priority'), int('reclaim_flags', 'flags'))
  return {
    kind: 'shrinkInactive',
    system: 'vmscan',
    name: 'mm_vmscan_lru_shrink_inactive',
    fields,
    text: `${text} priority={priority} flags={reclaim_flags:wb}`,
  }
}

function compaction(kind: EventKind, name: string, withStatus: boolean): EventLayout {
  return {
    kind,
    system: 'compaction',
    name,
    fields: [
      ulong('zone_start', 'zoneStart'),
      ulong('migrate_pfn', 'migratePfn'),
      ulong('free_pfn', 'freePfn'),
      ulong('zone_end', 'zoneEnd'),
      field('sync', 'bool', 1, false, { arg: 'sync' }),
      ...(withStatus ? [int('status')] : []),
    ],
    text: `zone_start={zone_start:x} migrate_pfn={migrate_pfn:x} free_pfn={free_pfn:x} zone_end={zone_end:x}, mode={sync:sync}${withStatus ? ' status={status:compaction}' : ''}`,
  }
}

/** The probes of the recording recipes; the kernel's function names change, the fetched values do not. */
function probes(kernel: KernelVersion, options: LayoutOptions): EventLayout[] {
  const entry: LayoutField = field('entry', 'u64', 8, false, {
    entry: ['entryType', 'entryOffset'],
  })
  const writeName = atLeast(kernel, [6, 16]) ? 'swap_writeout' : 'swap_writepage'
  const readName = atLeast(kernel, [6, 2]) ? 'swap_read_folio' : 'swap_readpage'
  const probe = inSystem('pstrace')
  return [
    options.folioOrders
      ? probe(
          'swapWrite',
          writeName,
          [probeIp, entry, field('order', 'u8', 1, false, { arg: 'order' })],
          `({__probe_ip:ip:${writeName}}) entry={entry} order={order}`,
        )
      : probe(
          'swapWrite',
          writeName,
          [probeIp, entry],
          `({__probe_ip:ip:${writeName}}) entry={entry}`,
        ),
    probe(
      'swapWriteReturn',
      `${writeName}_ret`,
      [probeFunc, probeRetIp, field('ret', 's32', 4, true, { arg: 'ret' })],
      `({__probe_ret_ip:ip:pageout} <- {__probe_func:fn:${writeName}}) ret={ret}`,
    ),
    probe('store', 'pst_write', [probeIp, entry], '({__probe_ip:ip:swap_writepage}) entry={entry}'),
    probe(
      'storeReturn',
      'pst_write_ret',
      [probeFunc, probeRetIp, field('ret', 's32', 4, true, { arg: 'ret' })],
      `({__probe_ret_ip:ip:pageout} <- {__probe_func:fn:${writeName}}) ret={ret}`,
    ),
    probe('swapRead', readName, [probeIp, entry], `({__probe_ip:ip:${readName}}) entry={entry}`),
    probe(
      'fault',
      'do_swap_page',
      [probeIp, field('addr', 'u64', 8, false, { arg: 'address' })],
      '({__probe_ip:ip:do_swap_page}) addr={addr}',
    ),
    probe(
      'faultReturn',
      'do_swap_page_ret',
      [probeFunc, probeRetIp, field('ret', 'u32', 4, false, { arg: 'ret' })],
      '({__probe_ret_ip:ip:handle_mm_fault} <- {__probe_func:fn:do_swap_page}) ret={ret}',
    ),
    probe(
      'slotFree',
      'zram_slot_free',
      [probeIp, field('index', 'u64', 8, false, { arg: 'index' })],
      '({__probe_ip:ip:zram_slot_free_notify}) index={index}',
    ),
  ]
}
