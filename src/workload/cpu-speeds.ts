import { Numbers } from './numbers.ts'
import { EVENT, isAnonWrite, type Recording } from './recording.ts'
import type { Based } from './types.ts'

/** By CPU, 1 = the fastest. */
export type CpuSpeeds = Based<readonly number[]>

/** Stores of a CPU whose median is believed. */
const LEAST_STORES = 50
/** CPUs of one kind differ by less: by 18 % at most in 17 recordings of equal CPUs. */
const LEAST_RATIO = 1.25

/**
 * How fast the recorded CPUs are, by the first of these that tells it of all of them: how long they take for a store, their capacity as the
 * kernel knows it, their mean frequency. CPUs whose stores take as long are equal, whatever their clocks say.
 */
export function findCpuSpeeds(recording: Recording): CpuSpeeds {
  const { cpus } = recording
  const { times, n } = storeTimes(recording)
  const told = [
    { rates: times.map((ns) => 1 / ns), basis: 'event', n, from: 'median store by CPU' },
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
    from: `stores on ${times.filter((ns) => ns > 0).length} of ${cpus} CPUs`,
  }
}

/** To the fastest, in hundredths; undefined where one is not known. */
function relative(rates: readonly number[], cpus: number): readonly number[] | undefined {
  const known = rates.slice(0, cpus)
  if (known.length < cpus || !known.every((rate) => rate > 0 && rate < Number.POSITIVE_INFINITY))
    return undefined
  const fastest = Math.max(...known)
  if (fastest < LEAST_RATIO * Math.min(...known)) return new Array<number>(cpus).fill(1)
  return known.map((rate) => Math.round((100 * rate) / fastest) / 100)
}

/** By CPU: the median time of a store without a switch in it, 0 = too few. */
function storeTimes(recording: Recording): { times: readonly number[]; n: number } {
  const byKernel = collectStores(recording, (tid) => !isUser(recording, tid))
  const byUsers = collectStores(recording, (tid) => isUser(recording, tid))
  // A task that reclaims for itself takes longer for a store than kswapd does on the same CPU.
  const ratios = new Numbers()
  for (const [cpu, stores] of byKernel.entries()) {
    const ratio = medianOf(byUsers[cpu] ?? new Numbers()) / medianOf(stores)
    if (ratio > 0 && ratio < Number.POSITIVE_INFINITY) ratios.push(ratio)
  }
  const dearer = ratios.length === 0 ? 1 : ratios.median()
  let n = 0
  const times = byKernel.map((stores, cpu) => {
    for (const ns of byUsers[cpu]?.copyValues() ?? []) stores.push(ns / dearer)
    n += stores.length
    return medianOf(stores)
  })
  return { times, n }
}

function isUser(recording: Recording, tid: number): boolean {
  return recording.tasks.get(tid)?.kind === 'user'
}

function medianOf(stores: Numbers): number {
  return stores.length < LEAST_STORES ? 0 : stores.median()
}

/** By CPU: how long stores of those tasks took there, ns. Where stores' own begins and ends are traced, a page that passes the gate without them was only queued. */
function collectStores(recording: Recording, isMeant: (tid: number) => boolean): Numbers[] {
  const { cpus } = recording
  const isTraced = recording.kind.includes(EVENT.storeReturn)
  const found = Array.from({ length: cpus }, () => new Numbers())
  const begun = new Float64Array(cpus).fill(-1)
  const by = new Int32Array(cpus)
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    const cpu = recording.cpu[i] ?? 0
    const tid = recording.tid[i] ?? 0
    if (kind === EVENT.store || (kind === EVENT.gate && !isTraced)) {
      begun[cpu] = recording.ns[i] ?? 0
      by[cpu] = tid
    } else if (kind === EVENT.storeReturn || isAnonWrite(recording, i)) {
      const since = begun[cpu] ?? -1
      if (since >= 0 && by[cpu] === tid && isMeant(tid))
        found[cpu]?.push((recording.ns[i] ?? 0) - since)
      begun[cpu] = -1
    } else if (kind === EVENT.switch) begun[cpu] = -1
  }
  return found
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
