import type { Cursor } from '../cursor.ts'
import type { TimeShift, TimeShiftSample, TscScale } from './time.ts'

/** Events that the kernel counted as lost on one cpu. */
export interface CpuCounters {
  readonly instance: string
  readonly cpu: number
  readonly lost: number
  /** Events still in the buffer when it was asked, and those that had been taken out of it. */
  readonly unread: number
  readonly read: number
}

const NS_CLOCKS = new Set([
  'local',
  'global',
  'perf',
  'mono',
  'mono_raw',
  'boot',
  'tai',
  'tsc2nsec',
])
const INTERPOLATE = 1
const MAX_FACT_CHARS = 1 << 20

/** True for the kernel's clocks that count nanoseconds (trace_clocks[] in kernel/trace/trace.c, 6.12). */
export function isNanosecondClock(clock: string): boolean {
  return NS_CLOCKS.has(clock)
}

/** The current clock in the text of trace_clock: all names, that one in brackets. */
export function toClock(text: string): string | undefined {
  return /\[\s*([\w.-]{1,64})\s*\]/.exec(text)?.[1]
}

/** What the options of a trace.dat say. */
export class TimeOptions {
  cpuCount: number | undefined
  clock: string | undefined
  hasClock = false
  offsetNs = 0n
  tsc: TscScale | undefined
  timeShift: TimeShift | undefined
  readonly counters: CpuCounters[] = []
  readonly facts = new Map<string, string>()
  #statInstance = ''

  setFact(name: string, text: string): void {
    const known = this.facts.get(name)
    const value = text.trim().slice(0, MAX_FACT_CHARS)
    if (known === undefined) this.facts.set(name, value)
    else if (known.length < MAX_FACT_CHARS) this.facts.set(name, `${known}\n${value}`)
  }

  /** DATE (microseconds) and OFFSET (nanoseconds) are decimal or 0x hexadecimal, as strtoll takes them. */
  addOffset(text: string, unitNs: bigint): void {
    const [, sign, digits] = /^\s*([+-]?)(0[xX][0-9a-fA-F]{1,16}|\d{1,19})/.exec(text) ?? []
    if (digits === undefined) return
    this.offsetNs += (sign === '-' ? -BigInt(digits) : BigInt(digits)) * unitNs
  }

  setClock(text: string): void {
    this.hasClock = true
    this.clock = toClock(text) ?? this.clock
  }

  /** The text of per_cpu/cpuN/stats; an instance's are preceded by its name (trace-record.c of trace-cmd 3.4). */
  addCpuStat(text: string): void {
    this.setFact('cpustat', text)
    const instance = /^\s*Buffer:\s*(\S+)/m.exec(text)?.[1]
    if (instance !== undefined) this.#statInstance = instance
    const number = (name: string) =>
      Number(new RegExp(`^${name}:\\s*(\\d{1,15})`, 'm').exec(text)?.[1] ?? 0)
    const cpu = /^CPU:\s*(\d{1,6})/m.exec(text)?.[1]
    if (cpu === undefined) return
    const lost = number('overrun') + number('commit overrun') + number('dropped events')
    this.counters.push({
      instance: this.#statInstance,
      cpu: Number(cpu),
      lost,
      unread: number('entries'),
      read: number('read events'),
    })
  }

  setTsc(data: Cursor): void {
    const mult = data.u32()
    const shift = data.u32()
    if (mult === 0) return
    if (shift > 32)
      throw data.error('bad_tsc_scale', `TSC2NSEC has a shift of ${shift}; at most 32 was expected`)
    this.tsc = { mult, shift }
  }

  setTimeShift(data: Cursor, maxCpus: number): void {
    data.bigU64()
    const flags = data.u32()
    const cpus = data.u32()
    if (cpus > maxCpus)
      throw data.error(
        'too_many_cpus',
        `TIME_SHIFT of ${cpus} cpus; at most ${maxCpus} were expected`,
      )
    const all: { time: bigint; offset: bigint; scaling: bigint; fraction: bigint }[][] = []
    for (let cpu = 0; cpu < cpus; cpu++) {
      const count = data.u32()
      if (count * 24 > data.remaining)
        throw data.error('truncated', `TIME_SHIFT claims ${count} samples`)
      const samples = Array.from({ length: count }, () => ({
        time: data.bigU64(),
        offset: 0n,
        scaling: 1n,
        fraction: 0n,
      }))
      for (const sample of samples) sample.offset = data.i64()
      for (const sample of samples) sample.scaling = data.bigU64()
      all.push(samples)
    }
    if (data.remaining > 0)
      for (const samples of all)
        for (const sample of samples) sample.fraction = BigInt(Number(data.bigU64() & 63n))
    this.timeShift = {
      interpolate: (flags & INTERPOLATE) !== 0,
      cpus: all.map(withoutRepeats),
    }
  }
}

function withoutRepeats(samples: TimeShiftSample[]): TimeShiftSample[] {
  samples.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
  return samples.filter((sample, index) => index === 0 || sample.time !== samples[index - 1]?.time)
}
