import { eachIdling, type Idling, MOST_IDLE_NS } from './idle-cpus.ts'
import { snapshotText } from './machine.ts'
import { EVENT, type Recording, STATE } from './recording.ts'
import {
  type Based,
  DEFAULT_TICK_NS,
  FRESH_NEWIDLE,
  NEWIDLE_SCALE,
  type SchedulerInputs,
} from './types.ts'

/** CONFIG_HZ of kernels: 1000, 250, 100; the longest first, since times on its ticks are on those of the others too. */
const TICKS_NS = [10_000_000, 4_000_000, 1_000_000]
/** Rayleigh's statistic of as many phases: chance gives this once in 10^13 recordings. */
const LEAST_RAYLEIGH = 30
/** A wake-up that takes a CPU from its thread does so within this. */
const WAKE_UP_NS = 300_000
/** Fewer say nothing. */
const LEAST_PREEMPTIONS = 50
const LEAST_LOOKS = 8
/** Chance parts a few hundred looks that well by some time or other once in a hundred recordings. */
const LEAST_GAIN = 6
/** Less than this part of what the dice would let look. */
const SELDOM = 0.5

/** What CPUs learn by looking comes from before `untilNs`; the tick, with which the kernel was built, from all of the recording. */
export function readScheduler(recording: Recording, untilNs: number): SchedulerInputs {
  const looks = Array.from({ length: recording.cpus }, (): Idling[] => [])
  for (const idling of eachIdling(recording, untilNs)) looks[idling.cpu]?.push(idling)
  const all = looks.flat()
  return {
    tickNs: findTick(recording),
    newidle: looks.map((own) => describeNewidle(countCold(own) < LEAST_LOOKS ? all : own)),
  }
}

/** As the kernel was built, where its configuration is beside the trace; else threads lose their CPU on ticks, where none was woken a moment before. */
function findTick(recording: Recording): Based<number> {
  const hz = Number(/^CONFIG_HZ=(\d+)$/m.exec(snapshotText(recording, 'config') ?? '')?.[1] ?? 0)
  if (hz > 0) return { value: Math.round(1e9 / hz), basis: 'snapshot', from: 'CONFIG_HZ' }
  const { a, b, kind, ns } = recording
  const times: number[] = []
  let wokenNs = Number.NEGATIVE_INFINITY
  for (let i = 0; i < recording.length; i++) {
    const now = ns[i] ?? 0
    if (kind[i] === EVENT.waking || kind[i] === EVENT.wakeup) wokenNs = now
    else if (kind[i] === EVENT.switch && a[i] !== 0 && b[i] === STATE.runnable)
      if (now - wokenNs > WAKE_UP_NS) times.push(now)
  }
  if (times.length >= LEAST_PREEMPTIONS)
    for (const tickNs of TICKS_NS)
      if (times.length * phaseOf(times, tickNs) ** 2 >= LEAST_RAYLEIGH)
        return { value: tickNs, basis: 'event', n: times.length, from: 'phase of preemptions' }
  return { value: DEFAULT_TICK_NS, basis: 'default', from: 'preemptions have no phase' }
}

/** Length of the mean of the phases' unit vectors. */
function phaseOf(times: readonly number[], periodNs: number): number {
  let x = 0
  let y = 0
  for (const ns of times) {
    const angle = ((ns % periodNs) / periodNs) * 2 * Math.PI
    x += Math.cos(angle)
    y += Math.sin(angle)
  }
  return Math.hypot(x, y) / times.length
}

/**
 * No CPU looks that is idle for less than a look cost at most: below that average idle time few took a thread (where wake-ups are told before a
 * CPU is chosen for them, some that were woken elsewhere seem to be taken), from it on as many as the dice let look.
 */
function describeNewidle(idlings: readonly Idling[]): SchedulerInputs['newidle'][number] {
  const looks = idlings.filter(({ isCold }) => isCold)
  if (looks.length < LEAST_LOOKS)
    return { value: FRESH_NEWIDLE, basis: 'default', from: 'a freshly booted kernel' }
  const costNs = findGate(looks)
  const calls = idlings.filter(({ avgIdleNs }) => avgIdleNs >= costNs)
  const worthIt = calls.filter(({ isCold }) => isCold)
  const share = countPulls(worthIt) / Math.max(1, worthIt.length)
  // The dice let as many look as find a thread: where so few do, it is not the dice that stop them.
  const isClosed = share < SELDOM * (worthIt.length / Math.max(1, calls.length))
  return {
    value: isClosed
      ? { ratio: FRESH_NEWIDLE.ratio, costNs: MOST_IDLE_NS }
      : { ratio: Math.round(NEWIDLE_SCALE * share), costNs },
    basis: 'event',
    n: looks.length,
    from: 'CPUs that became idle while a thread waited elsewhere',
  }
}

/** The average idle time that parts the looks best by whether they took a thread; else the least with which one did. */
function findGate(looks: readonly Idling[]): number {
  const ordered = [...looks].sort((a, b) => a.avgIdleNs - b.avgIdleNs)
  const pulls = countPulls(ordered)
  const together = likelihood(pulls, ordered.length)
  let best = LEAST_GAIN
  let costNs: number | undefined
  let below = 0
  ordered.forEach(({ avgIdleNs, isPulled }, count) => {
    const above = pulls - below
    const left = ordered.length - count
    const gain = likelihood(below, count) + likelihood(above, left) - together
    if (gain > best && above * count > below * left) {
      best = gain
      costNs = avgIdleNs
    }
    if (isPulled) below++
  })
  if (costNs !== undefined) return costNs
  return ordered.find(({ isPulled }) => isPulled)?.avgIdleNs ?? 0
}

function countCold(idlings: readonly Idling[]): number {
  return idlings.reduce((cold, { isCold }) => cold + (isCold ? 1 : 0), 0)
}

function countPulls(looks: readonly Idling[]): number {
  return looks.reduce((pulls, { isPulled }) => pulls + (isPulled ? 1 : 0), 0)
}

/** Of so many hits in so many tries at their own rate, as a logarithm. */
function likelihood(hits: number, tries: number): number {
  const misses = tries - hits
  const ofHits = hits === 0 ? 0 : hits * Math.log(hits / tries)
  return ofHits + (misses === 0 ? 0 : misses * Math.log(misses / tries))
}
