import { LRU_LISTS, RECLAIM_WB_ANON } from '../../model/lru.ts'
import { FIELDS } from '../aliases.ts'
import {
  ISOLATE_EVENT,
  SHRINK_ACTIVE_EVENT,
  SHRINK_INACTIVE_EVENT,
  SLAB_BEGIN_EVENT,
  SLAB_END_EVENT,
} from '../assembly/_layout.ts'
import type { IngestContext } from '../context.ts'
import { KernelEvent } from '../kernel-event.ts'

/** Bits of reclaim_flags that a printed name tells. */
export function flagsOfText(text: string): number {
  return text.includes('ANON') ? RECLAIM_WB_ANON : 0
}

function lruOfText(text: string): number {
  return (LRU_LISTS as readonly string[]).indexOf(text)
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_isolate, at the end of the isolation. */
export function isolate({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, ISOLATE_EVENT, [
    { names: ['nr_scanned'] },
    { names: ['nr_taken'] },
    { names: ['lru'], numberOf: lruOfText },
    { names: ['file'] },
  ])
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_shrink_inactive, at the end of the batch. */
export function shrinkInactive({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, SHRINK_INACTIVE_EVENT, [
    { names: FIELDS.nid },
    { names: ['nr_scanned'] },
    { names: ['nr_reclaimed'] },
    { names: ['nr_dirty'] },
    { names: ['nr_writeback'] },
    { names: FIELDS.activate0 },
    { names: FIELDS.activate1 },
    { names: FIELDS.priority },
    { names: FIELDS.flags, numberOf: flagsOfText },
  ])
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_shrink_active, at the end of the batch. */
export function shrinkActive({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, SHRINK_ACTIVE_EVENT, [
    { names: FIELDS.nid },
    { names: ['nr_taken'] },
    { names: ['nr_active'] },
    { names: FIELDS.priority },
  ])
}

/** include/trace/events/vmscan.h: mm_shrink_slab_start. */
export function slabBegin({ following, tables }: IngestContext): KernelEvent {
  const { slab_shrinks: rows } = tables.buffers
  return new KernelEvent(following, SLAB_BEGIN_EVENT, [
    { names: ['total_scan'] },
    {
      names: ['shrink', 'shrinker'],
      isPrinted: true,
      // Text has the function's symbol with its place, which is 0 unless the printer's symbol table is wrong.
      numberOf: (text) => rows.code('shrinker', text.replace(/\+0x0(\/0x[0-9a-f]+)?$/, '')),
    },
  ])
}

/** include/trace/events/vmscan.h: mm_shrink_slab_end; retval = objects freed. */
export function slabEnd({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, SLAB_END_EVENT, [
    { names: FIELDS.nid },
    { names: ['retval'] },
    { names: ['total_scan'] },
    { names: ['shrink'], isWide: true },
  ])
}

/** A kernel function of which only the address is known. */
export function toHex(lo: number, hi: number): string {
  const low = lo.toString(16)
  return hi === 0 ? `0x${low}` : `0x${hi.toString(16)}${low.padStart(8, '0')}`
}
