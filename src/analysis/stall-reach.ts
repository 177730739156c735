import { partitionPoint } from '../model/partition-point.ts'
import type { Gap, Hidden } from './hidden.ts'

export type Stalled = 'application' | 'worker' | 'other'

/** A span, or a stall. */
export interface SpanRow {
  readonly kind: string
  /** Kinds of spans in a stall. */
  readonly kinds: string | null
  readonly stalled: Stalled | null
  readonly tid: number
  readonly cpu: number
  readonly ns: number
  /** Time of the first event that tells of it. */
  readonly told_ns: number
  readonly start_ns: number
  readonly end_ns: number
  readonly censored: 'start' | 'end' | 'both' | null
}

/** That end of the stall was not seen. */
export function isCut({ censored }: SpanRow, where: 'start' | 'end'): boolean {
  return censored === where || censored === 'both'
}

/** As quantile_disc does it. */
export function quantileOf(values: number[], share: number): number {
  values.sort((a, b) => a - b)
  return values[Math.max(1, Math.ceil(share * values.length)) - 1] ?? 0
}

/** What a gap may hide of single stalls: of one that goes on after it, of one that was under way before it, of one within it. */
export interface Reach {
  readonly before: number
  readonly after: number
  readonly whole: number
  /** Some stretch like it lies within one stall; else pieces before and after are two. */
  readonly isWithinOne: boolean
}

/** The most that any stretch like each gap would hide, if it were one. */
export function reachOf(rows: readonly SpanRow[], hidden: Hidden): Map<Gap, Reach> {
  const byCpu = new Map<number, SpanRow[]>()
  for (const row of rows) {
    if (row.censored !== null) continue
    const own = byCpu.get(row.cpu)
    if (own === undefined) byCpu.set(row.cpu, [row])
    else own.push(row)
  }
  for (const own of byCpu.values()) own.sort((a, b) => a.end_ns - b.end_ns)
  const longest = rows.reduce((ns, row) => Math.max(ns, row.ns), 0)
  const reach = new Map<Gap, Reach>()
  for (const gap of hidden.gaps) {
    let before = 0
    let after = 0
    let whole = 0
    let isWithinOne = false
    for (const { cpu, startNs, endNs } of gap.between) {
      const own = byCpu.get(cpu) ?? []
      for (let i = firstEndingAfter(own, startNs); i < own.length; i++) {
        const row = own[i]
        if (row === undefined || row.end_ns - longest >= endNs) break
        const isTold = row.told_ns >= startNs
        if (row.told_ns >= endNs) continue
        if (row.end_ns < endNs) {
          if (isTold) whole = Math.max(whole, row.ns)
          else after = Math.max(after, row.end_ns - startNs)
        } else if (isTold) before = Math.max(before, endNs - row.start_ns)
        else {
          isWithinOne = true
          before = Math.max(before, endNs - startNs)
          after = Math.max(after, endNs - startNs)
        }
      }
    }
    const more = 1 + 1 / gap.apart
    reach.set(gap, { before: before * more, after: after * more, whole: whole * more, isWithinOne })
  }
  return reach
}

/** Rows sorted by their end: the first that ends after `ns`. */
function firstEndingAfter(rows: readonly SpanRow[], ns: number): number {
  return partitionPoint(rows.length, (row) => (rows[row]?.end_ns ?? 0) <= ns)
}

/** Of a task's longest stall, how rarely one that is hidden in part may exceed the bound. */
const RARELY = 0.005
const LEAST_STALLS = 10

/**
 * By task and kind: what a stall of which a gap hides a part does not exceed, if stalls that gaps hit are as long as others. The
 * longest of all is among those hit as often as their share of all; it exceeds the longest seen by more the rarer, as
 * lengths above the median do (exponential excess).
 */
export function tailsOf(rows: readonly SpanRow[], whole: number): Tails {
  const tails = new Map<number, Map<string, number>>()
  const tasks = new Map<number, SpanRow[]>()
  for (const row of rows) {
    const own = tasks.get(row.tid)
    if (own === undefined) tasks.set(row.tid, [row])
    else own.push(row)
  }
  for (const [tid, own] of tasks) {
    const cut = own.filter(({ censored }) => censored !== null).length
    const hidden = cut + (whole * own.length) / rows.length
    const byKinds = new Map<string, number[]>()
    for (const { censored, kinds, ns } of own) {
      if (censored !== null) continue
      const lengths = byKinds.get(kinds ?? '')
      if (lengths === undefined) byKinds.set(kinds ?? '', [ns])
      else lengths.push(ns)
    }
    const bounds = new Map<string, number>()
    for (const [kinds, seen] of byKinds) {
      if (seen.length < LEAST_STALLS) continue
      const longest = quantileOf(seen, 1)
      const scale = (longest - quantileOf(seen, 0.5)) / Math.log(0.5 * seen.length)
      const odds = hidden / (hidden + seen.length)
      bounds.set(kinds, longest + Math.max(0, scale * Math.log(odds / RARELY)))
    }
    tails.set(tid, bounds)
  }
  return tails
}

/** By task and kinds of spans. */
export type Tails = ReadonlyMap<number, ReadonlyMap<string, number>>

/** The most that stalls of the piece's task reach that have one of its kinds of spans. */
export function tailOf(tails: Tails, { tid, kinds }: SpanRow): number | undefined {
  const own = kinds?.split('+') ?? []
  let most: number | undefined
  for (const [whole, ns] of tails.get(tid) ?? [])
    if (own.some((kind) => whole.split('+').includes(kind))) most = Math.max(most ?? 0, ns)
  return most
}

/** Time between gaps of a CPU that lie closer than a stall may be long, where no stall shows: one of them may hide its begin, the other its end. */
export function unseenBetween(rows: readonly SpanRow[], gaps: readonly Gap[]): number {
  const longest = rows.reduce((ns, row) => Math.max(ns, row.ns), 0)
  let total = 0
  for (const [i, gap] of gaps.entries()) {
    const next = gaps[i + 1]
    if (next === undefined || next.cpu !== gap.cpu) continue
    const ns = next.startNs - gap.endNs
    if (ns >= longest) continue
    const shows = rows.some(
      (row) => row.cpu === gap.cpu && row.start_ns < next.startNs && row.end_ns > gap.endNs,
    )
    if (!shows) total += ns
  }
  return total
}
