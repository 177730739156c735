import { Numbers } from './numbers.ts'
import { EVENT, LOST_TID, pagesOfEvent, type Recording } from './recording.ts'
import { Threads } from './threads.ts'
import type { StolenTime } from './types.ts'
import { eventAt, type WorkTimes } from './work-share.ts'

/** What a recording shows of CPU time that the machine did not have. */
export interface Stolen {
  /** By event: what of the step that ends there is stolen, ns of its thread's CPU time. */
  readonly ofStep: Float64Array
  /** Of kernel threads, and of tasks that reclaim for themselves: unmapping their own memory waits for fewer other CPUs. */
  readonly kernel: Strikes
  readonly direct: Strikes
  /** Of both, what ends between two moments of the recording, ns. */
  between(fromNs: number, toNs: number): number
}

/**
 * Steps of reclaim on one folio, page by page: none of them sleeps, and while one is under way no other task runs (CPU time of the thread is counted), so
 * nothing in the machine makes one last many times its usual time.
 */
const STEPS: readonly (readonly [begin: number, end: number])[] = [
  [EVENT.gate, EVENT.written],
  [EVENT.store, EVENT.storeReturn],
  [EVENT.written, EVENT.gate],
  [EVENT.isolate, EVENT.gate],
]
/** Without a probe on the gate: unmapping and store in one. */
const STEPS_WITHOUT_GATE: typeof STEPS = [
  [EVENT.written, EVENT.written],
  [EVENT.isolate, EVENT.written],
]
const KINDS = Math.max(...Object.values(EVENT)) + 1

/**
 * A step longer than so many of its kind's medians is one during which the CPU itself stood still, or waited for another one that did: a
 * hypervisor ran something else. On machines that share their host such steps form a mode of their own, at the host's time slices, with next
 * to nothing between 10 and 20 medians; on others there are none.
 */
const STOLEN_MEDIANS = 16
/** Fewer steps of a kind say nothing of its median. */
const MIN_STEPS = 100

/** Steps of reclaim between the two times; `owners` are the tasks whose memory is unmapped. */
export function findStolen(
  recording: Recording,
  owners: ReadonlySet<number>,
  startNs: number,
  endNs: number,
): Stolen {
  const hasGate = recording.kind.includes(EVENT.gate)
  const given = hasGate ? EVENT.gate : EVENT.written
  const threads = new Threads(recording, owners)
  const steps = measureSteps(recording, threads, hasGate ? STEPS : STEPS_WITHOUT_GATE)
  const ofStep = new Float64Array(recording.length)
  const kernel = new Strikes()
  const direct = new Strikes()
  for (let i = 0; i < recording.length; i++) {
    const ns = recording.ns[i] ?? 0
    const isInside = ns >= startNs && ns <= endNs
    const strikes = threads.get(recording.tid[i] ?? 0).isUser ? direct : kernel
    if (isInside && recording.kind[i] === given) strikes.pages += pagesOfEvent(recording, i)
    const usual = steps.usual[i] ?? Number.POSITIVE_INFINITY
    const long = steps.spent[i] ?? 0
    if (!(long > usual * STOLEN_MEDIANS)) continue
    ofStep[i] = long - usual
    if (isInside) strikes.add(ns, Math.round(long - usual))
  }
  const between = (fromNs: number, toNs: number): number => {
    let sum = 0
    const end = eventAt(recording, toNs)
    for (let i = eventAt(recording, fromNs); i < end; i++) sum += ofStep[i] ?? 0
    return sum
  }
  return { ofStep, kernel, direct, between }
}

/** CPU time of the steps that events end, ns, by event. */
interface MeasuredSteps {
  readonly spent: Float64Array
  /** What such a step of so many pages usually takes; Infinity where that is not known, or no step ends. */
  readonly usual: Float64Array
}

function measureSteps(recording: Recording, threads: Threads, kinds: typeof STEPS): MeasuredSteps {
  const spent = new Float64Array(recording.length)
  const kindOf = new Int16Array(recording.length).fill(-1)
  const pagesOfStep = new Uint16Array(recording.length).fill(1)
  const samples = kinds.map(() => new Numbers())
  const stepOf = new Int16Array(KINDS * KINDS).fill(-1)
  kinds.forEach(([begin, end], step) => {
    stepOf[begin * KINDS + end] = step
  })
  const last = new Map<number, { kind: number; cpu: number; pages: number }>()
  for (let i = 0; i < recording.length; i++) {
    threads.step(i)
    const kind = recording.kind[i] ?? 0
    const tid = recording.tid[i] ?? 0
    if (kind <= EVENT.wakeup || tid === LOST_TID) continue
    const cpu = threads.get(tid).cpuAt(recording.ns[i] ?? 0)
    const pages = pagesOfEvent(recording, i)
    const before = last.get(tid)
    if (before === undefined) {
      last.set(tid, { kind, cpu, pages })
      continue
    }
    const step = stepOf[before.kind * KINDS + kind] ?? -1
    if (step >= 0) {
      kindOf[i] = step
      spent[i] = cpu - before.cpu
      pagesOfStep[i] = Math.max(pages, before.pages)
      samples[step]?.push((cpu - before.cpu) / Math.max(pages, before.pages))
    }
    before.kind = kind
    before.cpu = cpu
    before.pages = pages
  }
  const medians = samples.map(medianOf)
  const usual = Float64Array.from(
    kindOf,
    (step, i) => (medians[step] ?? Number.POSITIVE_INFINITY) * (pagesOfStep[i] ?? 1),
  )
  return { spent, usual }
}

function medianOf(samples: Numbers): number {
  const sorted = samples.copyValues().sort()
  return sorted.length < MIN_STEPS ? Number.POSITIVE_INFINITY : (sorted[sorted.length >> 1] ?? 0)
}

/** What struck the threads of one kind, and when. */
export class Strikes {
  /** Given to the gate since the last of them. */
  pages = 0
  readonly #atNs = new Numbers()
  readonly #pages = new Numbers()
  readonly #ns = new Numbers()

  add(atNs: number, ns: number): void {
    this.#atNs.push(atNs)
    this.#pages.push(this.pages)
    this.#ns.push(ns)
    this.pages = 0
  }

  byWork(work: WorkTimes): StolenTime {
    return {
      atWork: work.sharesAt(this.#atNs.copyValues()),
      pages: this.#pages.copyValues(),
      ns: this.#ns.copyValues(),
    }
  }
}
