import { fixed, measured } from './cost-shapes.ts'
import { Numbers } from './numbers.ts'
import { EVENT, type Recording } from './recording.ts'
import { type ClassifiedStores, classifyStores, type StoreSample, storeCosts } from './stores.ts'
import { type Thread, Threads } from './threads.ts'
import type { Cost, CostName } from './types.ts'
import { DISPLACED, type Gap, QUEUED, unmapCosts } from './unmap-costs.ts'

export interface MeasuredCosts extends ClassifiedStores {
  readonly costs: Readonly<Record<CostName, Cost>>
}

export interface CostOptions {
  /** Share of zero and same-filled pages among the stores, from counters; undefined = from the distribution's shape. */
  readonly sameShare: number | undefined
  /** Only events before this one give samples. */
  readonly untilEvent: number
  /** By event: CPU time of the step that ends there which the machine did not have. */
  readonly stolenOfStep: Float64Array
}

/** Where a store, or a page's way through the gate, began. */
interface Begun {
  readonly event: number
  readonly entry: number
  readonly cpu: number
  readonly flushes: number
  readonly switches: number
}

/** Where a thread stands inside reclaim; CPU times are its own, and `...Disturbances` what had disturbed it up to then. */
class Position {
  gate: Begun | undefined
  store: Begun | undefined
  storedInGate = false
  writtenCpu = -1
  isolateCpu = -1
  batchEndCpu = -1
  gates = 0
  taken = 0
  slabCpu = -1
  slabEndCpu = -1
  directCpu = -1
  directSpent = 0
  reclaimMark = -1
  faultCpu = -1
  faultDisturbances = 0
  faultReads = 0
  faultReclaims = 0
  /** CPU time of the page's store before that, QUEUED = another's task. */
  writtenAfter = QUEUED
  writtenDisturbances = 0
  batchEndDisturbances = 0
  isolateDisturbances = 0
  slabDisturbances = 0
  directDisturbances = 0
  /** Gaps of the batch under way. */
  readonly gaps: Omit<Gap, 'isFull'>[] = []
  batchSpent = 0
  batchDisturbances = 0
}

/** Share of a batch's pages that must have been written for its gaps to say what unmapping costs. */
const WRITTEN_SHARE = 1

/** RECLAIM_WB_ANON of include/trace/events/vmscan.h. */
const RECLAIM_ANON = 0x1

/** Walks the recording once and measures what each step of reclaim costs, in CPU time of the thread that does it. */
export function measureCosts(
  recording: Recording,
  owners: ReadonlySet<number>,
  options: CostOptions,
): MeasuredCosts {
  const threads = new Threads(recording, owners)
  const positions = new Map<Thread, Position>()
  const at = (thread: Thread): Position => {
    let position = positions.get(thread)
    if (position === undefined) {
      position = new Position()
      positions.set(thread, position)
    }
    return position
  }
  const isQueued = findQueued(recording)
  const hasGate = recording.kind.includes(EVENT.gate)
  let hasFaults = false
  const gaps: Gap[] = []
  const scanKept = new Numbers()
  const freeClean = new Numbers()
  const batch = new Numbers()
  const slab = new Numbers()
  const directEntry = new Numbers()
  const swapIn = new Numbers()
  const swapInAny = new Numbers()
  const push = new Numbers()
  const wakeLatency = new Numbers()
  const wokenIdle = new Map<number, number>()
  const stores: StoreSample[] = []

  const begin = (event: number, { flushes, switches }: Thread, cpu: number): Begun => ({
    event,
    entry: recording.a[event] ?? 0,
    cpu,
    flushes,
    switches,
  })

  /** A store that ends now. */
  const addStore = (begun: Begun, thread: Thread, cpu: number): void => {
    stores.push({
      event: begun.event,
      entry: begun.entry,
      cpuNs: cpu - begun.cpu,
      isKernel: !thread.isUser,
      flushes: thread.flushes - begun.flushes,
      switches: thread.switches - begun.switches,
    })
  }

  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    const ns = recording.ns[i] ?? 0
    const counts = i < options.untilEvent
    if (kind === EVENT.switch) {
      const tid = recording.c[i] ?? 0
      const wokenNs = wokenIdle.get(tid)
      if (wokenNs !== undefined) {
        if (recording.a[i] === 0 && counts) wakeLatency.push(ns - wokenNs)
        wokenIdle.delete(tid)
      }
      threads.step(i)
      continue
    }
    if (kind === EVENT.waking) {
      const target = recording.b[i] ?? 0
      if (threads.running[target]?.tid === 0) wokenIdle.set(recording.a[i] ?? 0, ns)
      threads.step(i)
      continue
    }
    threads.step(i)
    const thread = threads.get(recording.tid[i] ?? 0)
    thread.stolenNs += options.stolenOfStep[i] ?? 0
    const cpu = thread.cpuAt(ns) - thread.stolenNs
    switch (kind) {
      case EVENT.directBegin: {
        const position = at(thread)
        position.directCpu = cpu
        position.directSpent = 0
        position.reclaimMark = cpu
        position.batchEndCpu = -1
        position.slabEndCpu = -1
        position.faultReclaims++
        break
      }
      case EVENT.directEnd: {
        const position = at(thread)
        if (position.directCpu >= 0) {
          if (position.reclaimMark >= 0) position.directSpent += cpu - position.reclaimMark
          if (counts) directEntry.push(position.directSpent)
        }
        position.directCpu = -1
        position.reclaimMark = -1
        position.batchEndCpu = -1
        break
      }
      case EVENT.isolate: {
        const position = at(thread)
        if (position.directCpu >= 0 && position.directSpent === 0 && position.batchEndCpu < 0)
          position.directSpent += cpu - position.reclaimMark
        position.batchSpent = position.batchEndCpu >= 0 ? cpu - position.batchEndCpu : 0
        position.batchDisturbances =
          position.batchEndCpu >= 0 ? thread.disturbances - position.batchEndDisturbances : 0
        position.isolateCpu = cpu
        position.isolateDisturbances = thread.disturbances
        position.writtenCpu = -1
        position.gates = 0
        position.taken = recording.c[i] ?? 0
        position.gaps.length = 0
        break
      }
      case EVENT.gate: {
        const position = at(thread)
        position.gates++
        // What an interruption or a switch adds is counted apart.
        if (position.writtenCpu >= 0 && thread.disturbances === position.writtenDisturbances)
          position.gaps.push({
            ns: cpu - position.writtenCpu,
            isOwner: thread.hasMemory,
            isRemote: threads.hasRemoteOwner(thread),
            after: position.writtenAfter,
          })
        position.gate = begin(i, thread, cpu)
        position.storedInGate = false
        break
      }
      case EVENT.store: {
        const position = at(thread)
        position.store = begin(i, thread, cpu)
        position.storedInGate = true
        break
      }
      case EVENT.storeReturn: {
        const position = at(thread)
        if (position.store !== undefined && counts) addStore(position.store, thread, cpu)
        position.store = undefined
        break
      }
      case EVENT.written: {
        const position = at(thread)
        const { gate } = position
        position.writtenAfter = position.storedInGate ? DISPLACED : QUEUED
        if (gate !== undefined) {
          const spent = cpu - gate.cpu
          if (isQueued[gate.event] === 0) {
            position.writtenAfter = spent
            if (counts) addStore(gate, thread, cpu)
          } else if (!position.storedInGate && counts && !thread.isUser) push.push(spent)
        }
        if (!hasGate && counts && ((recording.b[i] ?? 0) & RECLAIM_ANON) !== 0) {
          // Without a probe on the gate the way from one write's end to the next is all there is: unmapping and store in one.
          const from = position.writtenCpu >= 0 ? position.writtenCpu : position.isolateCpu
          const begun = { ...begin(i, thread, from >= 0 ? from : cpu), entry: -1 - i }
          addStore(begun, thread, cpu)
          position.gates++
        }
        position.gate = undefined
        position.writtenCpu = cpu
        position.writtenDisturbances = thread.disturbances
        break
      }
      case EVENT.batchEnd: {
        const position = at(thread)
        const scanned = recording.a[i] ?? 0
        const reclaimed = recording.b[i] ?? 0
        if (position.isolateCpu >= 0 && counts) {
          const full = position.gates >= scanned * WRITTEN_SHARE && position.gates > 0
          const loose = position.gates * 2 >= scanned
          if (full || loose) for (const gap of position.gaps) gaps.push({ ...gap, isFull: full })
          if (
            position.gates === 0 &&
            scanned >= 8 &&
            thread.disturbances === position.isolateDisturbances
          ) {
            const each = (cpu - position.isolateCpu) / scanned
            if (reclaimed === 0) scanKept.push(each)
            else if (reclaimed === scanned) freeClean.push(each)
          }
          if (
            position.writtenCpu >= 0 &&
            position.gates === scanned &&
            position.batchDisturbances === 0 &&
            thread.disturbances === position.writtenDisturbances
          )
            batch.push(position.batchSpent + cpu - position.writtenCpu)
        }
        position.isolateCpu = -1
        position.writtenCpu = -1
        position.batchEndCpu = cpu
        position.batchEndDisturbances = thread.disturbances
        position.reclaimMark = cpu
        break
      }
      case EVENT.slabBegin: {
        const position = at(thread)
        if (position.slabCpu < 0) {
          position.slabCpu = cpu
          position.slabDisturbances = thread.disturbances
          if (position.directCpu >= 0 && position.batchEndCpu < 0)
            position.directSpent += cpu - position.reclaimMark
        }
        break
      }
      case EVENT.slabEnd: {
        const position = at(thread)
        position.slabEndCpu = cpu
        position.reclaimMark = cpu
        position.batchEndCpu = cpu
        position.batchEndDisturbances = thread.disturbances
        const next = nextKindOfThread(recording, i)
        if (next !== EVENT.slabBegin && position.slabCpu >= 0) {
          if (counts && thread.disturbances === position.slabDisturbances)
            slab.push(cpu - position.slabCpu)
          position.slabCpu = -1
        }
        break
      }
      case EVENT.fault: {
        hasFaults = true
        const position = at(thread)
        position.faultCpu = cpu
        position.faultDisturbances = thread.disturbances
        position.faultReads = 0
        position.faultReclaims = 0
        break
      }
      case EVENT.read:
        at(thread).faultReads++
        break
      case EVENT.faultReturn: {
        const position = at(thread)
        if (
          position.faultCpu >= 0 &&
          position.faultReads > 0 &&
          position.faultReclaims === 0 &&
          thread.hasMemory
        ) {
          if (counts) {
            swapInAny.push(cpu - position.faultCpu)
            if (thread.disturbances === position.faultDisturbances)
              swapIn.push(cpu - position.faultCpu)
          }
        }
        position.faultCpu = -1
        break
      }
      default:
    }
  }

  const classified = classifyStores(stores, options.sameShare)
  const { storeSame, ...ofStores } = storeCosts(classified.stores, !hasGate)
  const { removalNs, ...unmapping } = unmapCosts(gaps, classified.sameBelowNs)
  const kept = measured(scanKept, 'batches of which every page was kept', 0)
  const costs: Record<CostName, Cost> = {
    ...ofStores,
    ...unmapping,
    storeSame,
    scanKept: kept,
    freeClean: measured(freeClean, 'batches freed without a write', kept.fixedNs + removalNs),
    batch: measured(batch, 'from the last write of a batch to the next isolation', 0),
    slab: measured(slab, 'one pass over the shrinkers', 0),
    directEntry: measured(directEntry, 'direct reclaim outside batches and shrinkers', 0),
    swapIn: swapInCost(swapIn, swapInAny, hasFaults, ofStores.store),
    fault: fixed(0, 'inferred', "contained in the task's own clock"),
    push:
      push.length >= 50
        ? measured(push, 'gate to return without a store', 0)
        : shortStep(PUSH, storeSame, kept),
    wake: shortStep(WAKE, storeSame, kept),
    wakeLatency: measured(wakeLatency, 'waking to running on an idle CPU', 0),
    switch:
      ofStores.switch ??
      fixed(ofStores.store.fixedNs * SWITCH_IN_STORE, 'default', `${SWITCH_IN_STORE} x a store`),
  }
  return { costs, ...classified }
}

/** A switch over a store, where no store was switched away from: 1.2 to 1.6 in recordings with zstd. */
const SWITCH_IN_STORE = 1.4

/** A swap-in over a store, by mean: 0.55 to 0.96 in recordings of zram with zstd that have both, 0.75 in their middle. */
const SWAPIN_IN_STORE = 0.75
/** Fewer swap-ins are mostly those of a quiet process meeting a disturbed system, and say little of the rest. */
const MIN_SWAPINS = 200

function swapInCost(undisturbed: Numbers, any: Numbers, hasFaults: boolean, store: Cost): Cost {
  if (!hasFaults) return fixed(0, 'inferred', "contained in the task's own clock")
  if (undisturbed.length >= MIN_SWAPINS)
    return measured(undisturbed, 'swap-in faults without reclaim or interruption', 0)
  if (any.length >= MIN_SWAPINS) return measured(any, 'swap-in faults without reclaim', 0)
  return fixed(store.fixedNs * SWAPIN_IN_STORE, 'default', `${SWAPIN_IN_STORE} x a store`)
}

/**
 * Costs that a synchronous trace does not show, as multiples of one that it does: the store of a zero page, or else a page examined
 * and kept. All are short walks through kernel lists, so they scale with the machine. The push was 0.7 to 0.9 zero-page stores in
 * recordings that have both.
 */
interface ShortStep {
  readonly ofSame: number
  readonly ofKept: number
}
const MIN_SAME = 50
const PUSH: ShortStep = { ofSame: 0.75, ofKept: 5 }
const WAKE: ShortStep = { ofSame: 1, ofKept: 6 }

function shortStep(step: ShortStep, storeSame: Cost, kept: Cost): Cost {
  if (storeSame.n < MIN_SAME)
    return fixed(kept.fixedNs * step.ofKept, 'default', `${step.ofKept} x a kept page`)
  const sorted = storeSame.samples.slice().sort()
  return fixed(
    (sorted[sorted.length >> 1] ?? 0) * step.ofSame,
    'default',
    `${step.ofSame} x the store of a zero page`,
  )
}

/** 1 at the gate events whose page is stored between a begin and an end of its own: it went through a queue. */
function findQueued(recording: Recording): Uint8Array {
  const queued = new Uint8Array(recording.length)
  const gates = new Map<number, number>()
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    if (kind === EVENT.gate) gates.set(recording.a[i] ?? 0, i)
    else if (kind === EVENT.store) {
      const gate = gates.get(recording.a[i] ?? 0)
      if (gate !== undefined) queued[gate] = 1
    }
  }
  return queued
}

function nextKindOfThread(recording: Recording, i: number): number {
  const tid = recording.tid[i]
  const end = Math.min(recording.length, i + 400)
  for (let k = i + 1; k < end; k++) {
    const kind = recording.kind[k] ?? 0
    if (recording.tid[k] !== tid || kind <= EVENT.wakeup) continue
    return kind
  }
  return -1
}
