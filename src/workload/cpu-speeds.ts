import { percentile } from './numbers.ts'
import { EVENT, type Recording } from './recording.ts'
import { findSameThreshold } from './stores.ts'
import type { Based } from './types.ts'

/** By CPU, 1 = the fastest. */
export type CpuSpeeds = Based<readonly number[]>

/** Stores of a CPU whose quartiles are believed. */
const LEAST_STORES = 50
/** CPUs of one kind differ by less: by 18 % at most in 17 recordings of equal CPUs. */
const LEAST_RATIO = 1.25

/**
 * How fast the recorded CPUs are, by the first of these that tells it of all of them: how long they take for a store, their capacity as the
 * kernel knows it, their mean frequency. CPUs whose stores take as long are equal, whatever their clocks say.
 */
export function findCpuSpeeds(recording: Recording): CpuSpeeds {
  const { cpus } = recording
  const stores = collectStores(recording)
  const slower = compareStores(storesByCpu(stores, cpus))
  if (slower !== undefined)
    return { value: slower, basis: 'event', n: stores.length, from: 'median store by CPU' }
  const told = [
    { rates: capacities(recording), basis: 'snapshot', from: 'cpu_capacity' },
    { rates: recording.frequencies ?? [], basis: 'event', from: 'cpu_frequency, mean by CPU' },
  ] as const
  for (const { rates, ...ground } of told) {
    const speeds = relative(rates, cpus)
    if (speeds !== undefined) return { value: speeds, ...ground }
  }
  return {
    value: new Array<number>(cpus).fill(1),
    basis: 'default',
    from: 'no stores with begin and end, capacities or frequencies of every CPU',
  }
}

/** To the fastest, in hundredths; undefined where one is not known. */
function relative(rates: readonly number[], cpus: number): readonly number[] | undefined {
  const known = rates.slice(0, cpus)
  if (known.length < cpus || !known.every((rate) => rate > 0)) return undefined
  const fastest = Math.max(...known)
  if (fastest < LEAST_RATIO * Math.min(...known)) return new Array<number>(cpus).fill(1)
  return known.map((rate) => inHundredths(rate, fastest))
}

/** One at least: a CPU of speed 0 would never be done. */
function inHundredths(part: number, whole: number): number {
  return Math.max(1, Math.round((100 * part) / whole)) / 100
}

interface Store {
  readonly cpu: number
  readonly isUser: boolean
  readonly ns: number
}

/** Those with a begin and an end of their own and no switch between: without these a page that passes the gate may only have been queued. */
function collectStores(recording: Recording): Store[] {
  const found: Store[] = []
  const begun = new Float64Array(recording.cpus).fill(-1)
  const by = new Int32Array(recording.cpus)
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    if (kind !== EVENT.store && kind !== EVENT.storeReturn && kind !== EVENT.switch) continue
    const cpu = recording.cpu[i] ?? 0
    const tid = recording.tid[i] ?? 0
    const ns = recording.ns[i] ?? 0
    const since = begun[cpu] ?? -1
    if (kind === EVENT.storeReturn && since >= 0 && by[cpu] === tid)
      found.push({ cpu, isUser: recording.tasks.get(tid)?.kind === 'user', ns: ns - since })
    begun[cpu] = kind === EVENT.store ? ns : -1
    by[cpu] = tid
  }
  // A zero page is none to compare by: a CPU may have met many.
  const { below } = findSameThreshold(
    Float64Array.from(found, ({ ns }) => ns),
    undefined,
  )
  return found.filter(({ ns }) => ns >= below)
}

/** Times of one CPU's stores, ns. */
interface CpuStores {
  readonly kernel: number[]
  readonly user: number[]
}

function storesByCpu(stores: readonly Store[], cpus: number): readonly CpuStores[] {
  const found: readonly CpuStores[] = Array.from({ length: cpus }, () => ({ kernel: [], user: [] }))
  for (const { cpu, isUser, ns } of stores) found[cpu]?.[isUser ? 'user' : 'kernel'].push(ns)
  return found
}

/** Speeds to the CPU that stores fastest; slower is one whose quicker stores take longer than the other's slower ones do. Undefined where a CPU stored too little. */
function compareStores(stores: readonly CpuStores[]): readonly number[] | undefined {
  const dearer = userFactor(stores)
  const quartiles = stores.map(({ kernel, user }) =>
    quartilesOf([...kernel, ...user.map((ns) => ns / dearer)]),
  )
  let fastest: Quartiles | undefined
  for (const of of quartiles) {
    if (of === undefined) return undefined
    if (fastest === undefined || of.median < fastest.median) fastest = of
  }
  return quartiles.map((of) => {
    if (of === undefined || fastest === undefined) return 1
    const isSlower = of.median >= LEAST_RATIO * fastest.median && of.first > fastest.third
    return isSlower ? inHundredths(fastest.median, of.median) : 1
  })
}

/** A task that reclaims for itself takes longer for a store than kswapd does on the same CPU. */
function userFactor(stores: readonly CpuStores[]): number {
  const ratios: number[] = []
  for (const of of stores) {
    const kernel = quartilesOf(of.kernel)
    const user = quartilesOf(of.user)
    if (kernel !== undefined && user !== undefined) ratios.push(user.median / kernel.median)
  }
  return ratios.sort((x, y) => x - y)[ratios.length >> 1] ?? 1
}

interface Quartiles {
  readonly first: number
  readonly median: number
  readonly third: number
}

/** Undefined: of too few. */
function quartilesOf(values: readonly number[]): Quartiles | undefined {
  if (values.length < LEAST_STORES) return undefined
  const sorted = Float64Array.from(values).sort()
  const at = (percent: number): number => percentile(sorted, percent)
  return { first: at(25), median: at(50), third: at(75) }
}

/** `/sys/devices/system/cpu/cpuN/cpu_capacity:CAPACITY`, as grep prints them. */
function capacities(recording: Recording): readonly number[] {
  const text = recording.snapshot['cpu_capacity']
  const found: number[] = []
  if (typeof text !== 'string') return found
  for (const [, cpu, capacity] of text.matchAll(/cpu(\d+)\/cpu_capacity:(\d+)$/gm))
    found[Number(cpu)] = Number(capacity)
  return Array.from({ length: recording.cpus }, (_, cpu) => found[cpu] ?? 0)
}
