import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { gunzipSync } from 'node:zlib'
import type { Codec } from '../../../src/memory/codecs/codec.ts'
import type { ZsmallocPool } from '../../../src/memory/pools/zsmalloc.ts'

/** Size in the pool of a slot's page: 0 = same-filled. Slots that are not live hold -1. */
export type SlotSizes = Int32Array

/** Compresses every live page of a swap image. */
export async function readImageSizes(folder: string, codec: Codec): Promise<SlotSizes> {
  const live = readLiveSlots(folder)
  const sizes: number[] = []
  const page = new Uint8Array(4096)
  const target = new Uint8Array(2 * 4096)
  let filled = 0
  const unpack = spawn('zstd', ['-d', '--long=30', '--stdout', '-q', join(folder, 'swap.img.zst')])
  for await (const chunk of unpack.stdout as AsyncIterable<Uint8Array>) {
    let at = 0
    while (at < chunk.length) {
      const n = Math.min(4096 - filled, chunk.length - at)
      page.set(chunk.subarray(at, at + n), filled)
      filled += n
      at += n
      if (filled < 4096) continue
      filled = 0
      const slot = sizes.length
      sizes.push(!live.has(slot) ? -1 : repeats(page) ? 0 : codec.compress(page, target))
    }
  }
  return Int32Array.from(sizes)
}

/** zram's own list of what it holds. */
function readLiveSlots(folder: string): Set<number> {
  const text = gunzipSync(readFileSync(join(folder, 'block_state.gz'))).toString()
  return new Set(
    text
      .trim()
      .split('\n')
      .map((line) => Number.parseInt(line, 10)),
  )
}

function repeats(page: Uint8Array): boolean {
  for (let i = 8; i < page.length; i++) if (page[i] !== page[i - 8]) return false
  return true
}

export interface PoolEvent {
  readonly ns: number
  /** Pages `compactable` at a shrinker's visit, and pages it freed. */
  readonly what: 'store' | 'free' | 'compactable' | 'compacted'
  readonly value: number
}

/** The trace as its reference reader prints it. */
export async function readPoolEvents(folder: string): Promise<readonly PoolEvent[]> {
  const report = spawn('trace-cmd', ['report', '-t', join(folder, 'trace.dat')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const events: PoolEvent[] = []
  for await (const line of createInterface({ input: report.stdout })) {
    const event = toPoolEvent(line)
    if (event !== undefined) events.push(event)
  }
  return events
}

function toPoolEvent(line: string): PoolEvent | undefined {
  const match = /\] +(\d+)\.(\d{9}): (\w+): +(.*)/.exec(line)
  if (match === null) return undefined
  const [, seconds, nanos, name, rest = ''] = match
  const ns = Number(seconds) * 1e9 + Number(nanos)
  if (name === 'swap_writepage')
    return { ns, what: 'store', value: Number(/entry=(\d+)/.exec(rest)?.[1]) }
  if (name === 'zram_slot_free')
    return { ns, what: 'free', value: Number(/index=(\d+)/.exec(rest)?.[1]) }
  if (!rest.startsWith('zs_shrinker_scan')) return undefined
  if (name === 'mm_shrink_slab_start')
    return { ns, what: 'compactable', value: Number(/cache items (\d+)/.exec(rest)?.[1]) }
  const freed = Number(/return val (\d+)/.exec(rest)?.[1])
  return freed > 0 ? { ns, what: 'compacted', value: freed } : undefined
}

export interface MmStat {
  readonly ns: number
  readonly orig: number
  readonly compressed: number
  readonly used: number
}

export function readSamples(folder: string): readonly MmStat[] {
  const [, ...lines] = readFileSync(join(folder, 'samples.tsv'), 'utf8').trim().split('\n')
  return lines.map((line) => {
    const [ns = 0, , orig = 0, compressed = 0, used = 0] = line.trim().split(/\s+/).map(Number)
    return { ns, orig, compressed, used }
  })
}

/** The zero map keeps zero pages away from zram (6.12 and later). */
export function hasZeroMap(folder: string): boolean {
  return /^swpout_zero /m.test(readFileSync(join(folder, 'vmstat.after'), 'utf8'))
}

export interface Replayed {
  readonly pool: ZsmallocPool
  /** Pool and recording at each sample where as many pages are stored in both. */
  readonly along: readonly {
    readonly recorded: MmStat
    readonly used: number
    readonly bytes: number
  }[]
  readonly storedPages: number
  readonly compacted: { readonly recorded: number; readonly replayed: number }
}

/** Known stores that an unknown size is drawn from. */
const DRAW_FROM = 1024

/** Which pages the zero map kept away is drawn too, so the number of stored pages is near, not equal. */
const SAME_AMOUNT = 0.005

/** A sample's counters are read up to this long after its time stamp: the sampler runs under the same memory pressure. */
const SAMPLE_SLACK_NS = 250e6

/**
 * Stores and frees of a recording through a pool. Sizes come from the image; those of slots that were freed before the image was
 * taken are drawn from it, so until they are gone the pool is right on average only.
 */
export function replayPool(
  pool: ZsmallocPool,
  events: readonly PoolEvent[],
  sizes: SlotSizes,
  samples: readonly MmStat[],
  zeroMap: boolean,
): Replayed {
  const lastStore = new Map<number, number>()
  events.forEach(({ what, value }, index) => {
    if (what === 'store') lastStore.set(value, index)
    else if (what === 'free') lastStore.delete(value)
  })
  const known = (slot: number) => zeroMap || (sizes[slot] ?? -1) >= 0
  // Pages written at about the same time are pages of the same kind, so a draw is from the known stores nearest in time.
  const pot: number[] = []
  const potAt = new Int32Array(events.length)
  events.forEach(({ what, value }, index) => {
    potAt[index] = pot.length
    if (what === 'store' && lastStore.get(value) === index && known(value))
      pot.push(sizes[value] ?? -1)
  })
  let seed = 12345
  const draw = (index: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    const first = Math.max(0, Math.min((potAt[index] ?? 0) - DRAW_FROM / 2, pot.length - DRAW_FROM))
    return pot[first + ((seed >>> 8) % Math.min(DRAW_FROM, pot.length))] ?? -1
  }
  const handles = new Map<number, number>()
  const put = (slot: number, size: number) => {
    const old = handles.get(slot) ?? -1
    if (size < 0) handles.delete(slot)
    else
      handles.set(
        slot,
        size === 0 ? -1 : pool.alloc(size >= pool.hugeClassSize ? pool.pageSize : size),
      )
    if (old >= 0) pool.free(old)
  }
  // mkswap wrote the header before the recording.
  put(0, sizes[0] ?? 0)
  const along: { recorded: MmStat; used: number; bytes: number }[] = []
  let next = 0
  let recordedCompaction = 0
  events.forEach(({ ns, what, value }, index) => {
    for (
      let sample = samples[next];
      sample !== undefined && sample.ns <= ns;
      sample = samples[next]
    ) {
      const stored = handles.size * pool.pageSize
      const aligned = Math.abs(stored - sample.orig) <= sample.orig * SAME_AMOUNT
      if (!aligned && ns < sample.ns + SAMPLE_SLACK_NS) break
      if (aligned)
        along.push({ recorded: sample, used: pool.pages * pool.pageSize, bytes: pool.bytes })
      next++
    }
    if (what === 'store')
      put(
        value,
        lastStore.get(value) === index && known(value) ? (sizes[value] ?? -1) : draw(index),
      )
    else if (what === 'free') put(value, -1)
    else if (what === 'compacted') {
      recordedCompaction += value
      pool.compact()
    }
  })
  return {
    pool,
    along,
    storedPages: handles.size,
    compacted: { recorded: recordedCompaction, replayed: pool.pagesCompacted },
  }
}

export function readMmStat(path: string): {
  readonly used: number
  readonly compressed: number
  readonly orig: number
  readonly huge: number
} {
  const [orig = 0, compressed = 0, used = 0, , , , , huge = 0] = readFileSync(path, 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number)
  return { orig, compressed, used, huge }
}
