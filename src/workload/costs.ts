import { EVENT, type Recording } from './recording.ts'
import { type Thread, Threads } from './threads.ts'
import type { Basis, Cost, CostName } from './types.ts'

/** The recorded stores, in the order in which they began. */
export interface Stores {
  readonly length: number
  /** Event that began it. */
  readonly event: Uint32Array
  readonly entry: Float64Array
  /** CPU time of the thread, ns. */
  readonly cpuNs: Float64Array
  readonly isKernel: Uint8Array
  /** Pages of the storing thread's address space unmapped elsewhere meanwhile. */
  readonly flushes: Uint8Array
  /** 1 = taken for a zero or same-filled page. */
  readonly isSame: Uint8Array
}

export interface MeasuredCosts {
  readonly costs: Readonly<Record<CostName, Cost>>
  readonly stores: Stores
  /** CPU time below which a store is taken for one of a zero or same-filled page; 0 = none found. */
  readonly sameBelowNs: number
  readonly sameBasis: Basis
}

export interface CostOptions {
  /** Share of zero and same-filled pages among the stores, from counters; undefined = from the distribution's shape. */
  readonly sameShare: number | undefined
  /** Only events before this one give samples. */
  readonly untilEvent: number
  /** By event: CPU time of the step that ends there which the machine did not have. */
  readonly stolenOfStep: Float64Array
}

/** Samples of one kind, growing. */
class Samples {
  #values = new Float64Array(1024)
  length = 0

  add(value: number): void {
    if (this.length === this.#values.length) {
      const grown = new Float64Array(this.length * 2)
      grown.set(this.#values)
      this.#values = grown
    }
    this.#values[this.length++] = value
  }

  copyValues(): Float64Array {
    return this.#values.slice(0, this.length)
  }

  mean(): number {
    let sum = 0
    for (let i = 0; i < this.length; i++) sum += this.#values[i] ?? 0
    return this.length === 0 ? 0 : sum / this.length
  }
}

/** Where a thread stands inside reclaim; CPU times are its own. */
class Position {
  gateCpu = -1
  gateEntry = 0
  gateEvent = 0
  gateFlushes = 0
  storeCpu = -1
  storeEntry = 0
  storeEvent = 0
  storeFlushes = 0
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
  faultFlushes = 0
  faultReads = 0
  faultReclaims = 0
  writtenFlushes = 0
  batchEndFlushes = 0
  isolateFlushes = 0
  slabFlushes = 0
  directFlushes = 0
  /** Gaps of the batch under way. */
  readonly gaps: number[] = []
  readonly gapsRemote: boolean[] = []
  batchSpent = 0
  batchFlushes = 0
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
  const unmap = new Samples()
  const unmapRemote = new Samples()
  const looseUnmap = new Samples()
  const looseRemote = new Samples()
  const scanKept = new Samples()
  const freeClean = new Samples()
  const batch = new Samples()
  const slab = new Samples()
  const directEntry = new Samples()
  const swapIn = new Samples()
  const swapInAny = new Samples()
  const push = new Samples()
  const wakeLatency = new Samples()
  const wokenIdle = new Map<number, number>()
  const storeEvent: number[] = []
  const storeEntry: number[] = []
  const storeCpu: number[] = []
  const storeKernel: number[] = []
  const storeFlushes: number[] = []

  const addStore = (
    event: number,
    entry: number,
    cpu: number,
    thread: Thread,
    flushes: number,
  ): void => {
    storeEvent.push(event)
    storeEntry.push(entry)
    storeCpu.push(cpu)
    storeKernel.push(thread.isUser ? 0 : 1)
    storeFlushes.push(Math.min(255, flushes))
  }

  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    const ns = recording.ns[i] ?? 0
    const counts = i < options.untilEvent
    if (kind === EVENT.switch) {
      const tid = recording.c[i] ?? 0
      const wokenNs = wokenIdle.get(tid)
      if (wokenNs !== undefined) {
        if (recording.a[i] === 0 && counts) wakeLatency.add(ns - wokenNs)
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
          if (counts) directEntry.add(position.directSpent)
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
        position.batchFlushes =
          position.batchEndCpu >= 0 ? thread.flushes - position.batchEndFlushes : 0
        position.isolateCpu = cpu
        position.isolateFlushes = thread.flushes
        position.writtenCpu = -1
        position.gates = 0
        position.taken = recording.c[i] ?? 0
        position.gaps.length = 0
        position.gapsRemote.length = 0
        break
      }
      case EVENT.gate: {
        const position = at(thread)
        position.gates++
        // What an interruption adds is counted apart, as flushReceived.
        if (position.writtenCpu >= 0 && thread.flushes === position.writtenFlushes) {
          position.gaps.push(cpu - position.writtenCpu)
          position.gapsRemote.push(threads.hasRemoteOwner(thread))
        }
        position.gateCpu = cpu
        position.gateEntry = recording.a[i] ?? 0
        position.gateEvent = i
        position.gateFlushes = thread.flushes
        position.storedInGate = false
        break
      }
      case EVENT.store: {
        const position = at(thread)
        position.storeCpu = cpu
        position.storeEntry = recording.a[i] ?? 0
        position.storeEvent = i
        position.storeFlushes = thread.flushes
        position.storedInGate = true
        break
      }
      case EVENT.storeReturn: {
        const position = at(thread)
        if (position.storeCpu >= 0 && counts)
          addStore(
            position.storeEvent,
            position.storeEntry,
            cpu - position.storeCpu,
            thread,
            thread.flushes - position.storeFlushes,
          )
        position.storeCpu = -1
        break
      }
      case EVENT.written: {
        const position = at(thread)
        if (position.gateCpu >= 0) {
          const spent = cpu - position.gateCpu
          if (isQueued[position.gateEvent] === 0) {
            if (counts)
              addStore(
                position.gateEvent,
                position.gateEntry,
                spent,
                thread,
                thread.flushes - position.gateFlushes,
              )
          } else if (!position.storedInGate && counts && !thread.isUser) push.add(spent)
        }
        if (!hasGate && counts && ((recording.b[i] ?? 0) & RECLAIM_ANON) !== 0) {
          // Without a probe on the gate the way from one write's end to the next is all there is: unmapping and store in one.
          const from = position.writtenCpu >= 0 ? position.writtenCpu : position.isolateCpu
          addStore(i, -1 - i, from >= 0 ? cpu - from : 0, thread, 0)
          position.gates++
        }
        position.gateCpu = -1
        position.writtenCpu = cpu
        position.writtenFlushes = thread.flushes
        break
      }
      case EVENT.batchEnd: {
        const position = at(thread)
        const scanned = recording.a[i] ?? 0
        const reclaimed = recording.b[i] ?? 0
        if (position.isolateCpu >= 0 && counts) {
          const full = position.gates >= scanned * WRITTEN_SHARE && position.gates > 0
          const loose = position.gates * 2 >= scanned
          if (full || loose)
            for (let k = 0; k < position.gaps.length; k++) {
              const gap = position.gaps[k] ?? 0
              if (position.gapsRemote[k] === true) (full ? unmapRemote : looseRemote).add(gap)
              else (full ? unmap : looseUnmap).add(gap)
            }
          if (position.gates === 0 && scanned >= 8 && thread.flushes === position.isolateFlushes) {
            const each = (cpu - position.isolateCpu) / scanned
            if (reclaimed === 0) scanKept.add(each)
            else if (reclaimed === scanned) freeClean.add(each)
          }
          if (
            position.writtenCpu >= 0 &&
            position.gates === scanned &&
            position.batchFlushes === 0 &&
            thread.flushes === position.writtenFlushes
          )
            batch.add(position.batchSpent + cpu - position.writtenCpu)
        }
        position.isolateCpu = -1
        position.writtenCpu = -1
        position.batchEndCpu = cpu
        position.batchEndFlushes = thread.flushes
        position.reclaimMark = cpu
        break
      }
      case EVENT.slabBegin: {
        const position = at(thread)
        if (position.slabCpu < 0) {
          position.slabCpu = cpu
          position.slabFlushes = thread.flushes
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
        position.batchEndFlushes = thread.flushes
        const next = nextKindOfThread(recording, i)
        if (next !== EVENT.slabBegin && position.slabCpu >= 0) {
          if (counts && thread.flushes === position.slabFlushes) slab.add(cpu - position.slabCpu)
          position.slabCpu = -1
        }
        break
      }
      case EVENT.fault: {
        hasFaults = true
        const position = at(thread)
        position.faultCpu = cpu
        position.faultFlushes = thread.flushes
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
            swapInAny.add(cpu - position.faultCpu)
            if (thread.flushes === position.faultFlushes) swapIn.add(cpu - position.faultCpu)
          }
        }
        position.faultCpu = -1
        break
      }
      default:
    }
  }

  const stores = classifyStores({
    event: storeEvent,
    entry: storeEntry,
    cpuNs: storeCpu,
    isKernel: storeKernel,
    flushes: storeFlushes,
    sameShare: options.sameShare,
  })
  const store = new Samples()
  const storeSame = new Samples()
  const userStore = new Samples()
  const userAlone = new Samples()
  const anyStore = new Samples()
  let userFlushes = 0
  for (let k = 0; k < stores.stores.length; k++) {
    const spent = stores.stores.cpuNs[k] ?? 0
    if (stores.stores.isSame[k] === 1) storeSame.add(spent)
    else {
      anyStore.add(spent)
      if (stores.stores.isKernel[k] === 1) store.add(spent)
      else {
        const flushes = stores.stores.flushes[k] ?? 0
        userStore.add(spent)
        userFlushes += flushes
        if (flushes === 0) userAlone.add(spent)
      }
    }
  }
  const enoughKernel = store.length >= 100
  const meanFlushes = userStore.length === 0 ? 0 : userFlushes / userStore.length
  const canTellFlush = enoughKernel && userStore.length >= 50 && meanFlushes > 0.02
  const tellsAlone = enoughKernel && userAlone.length >= 100
  const alone = tellsAlone ? userAlone : store
  const flush = canTellFlush ? Math.max(0, (userStore.mean() - alone.mean()) / meanFlushes) : 0

  const local = unmap.length >= 50 ? unmap : looseUnmap.length > 0 ? looseUnmap : unmap
  const remote = unmapRemote.length >= 50 ? unmapRemote : looseRemote
  const kept = measured(scanKept, 'batches of which every page was kept', 0)
  const costs: Record<CostName, Cost> = {
    store: measured(
      enoughKernel ? store : anyStore,
      `${hasGate ? '' : 'end of one write to the next, unmapping included: '}${enoughKernel ? 'stores by kernel threads' : 'stores by any thread'}`,
      0,
    ),
    storeDirect: tellsAlone
      ? measured(userAlone, 'stores by direct reclaimers that nothing interrupted', 0)
      : fixed(0, 'inferred', 'as a store by a kernel thread'),
    storeSame: measured(storeSame, 'lowest mode of the stores', 0),
    unmap: measured(
      local.length > 0 ? local : remote,
      'end of one write to the next, no owner of memory running elsewhere',
      0,
    ),
    unmapRemote: measured(
      remote.length > 0 ? remote : local,
      'end of one write to the next while an owner of memory runs elsewhere',
      0,
    ),
    flushReceived: {
      samples: new Float64Array(0),
      fixedNs: flush,
      basis: canTellFlush ? 'event' : 'default',
      n: userStore.length,
      from: canTellFlush
        ? 'mean store of direct reclaimers less that of undisturbed ones, per page unmapped meanwhile'
        : 'too few stores by direct reclaimers',
    },
    scanKept: kept,
    freeClean: measured(freeClean, 'batches freed without a write', mean(kept)),
    batch: measured(batch, 'from the last write of a batch to the next isolation', 0),
    slab: measured(slab, 'one pass over the shrinkers', 0),
    directEntry: measured(directEntry, 'direct reclaim outside batches and shrinkers', 0),
    swapIn: swapInCost(swapIn, swapInAny, hasFaults, {
      samples: enoughKernel ? store : anyStore,
    }),
    fault: fixed(0, 'inferred', "contained in the task's own clock"),
    push:
      push.length >= 50
        ? measured(push, 'gate to return without a store', 0)
        : shortStep(PUSH, storeSame, kept),
    wake: shortStep(WAKE, storeSame, kept),
    wakeLatency: measured(wakeLatency, 'waking to running on an idle CPU', 0),
    switch: shortStep(SWITCH, storeSame, kept),
  }
  return { costs, ...stores }
}

/** A swap-in over a store, by mean: 0.55 to 0.96 in recordings of zram with zstd that have both, 0.75 in their middle. */
const SWAPIN_IN_STORE = 0.75
/** Fewer swap-ins are mostly those of a quiet process meeting a disturbed system, and say little of the rest. */
const MIN_SWAPINS = 200

function swapInCost(
  undisturbed: Samples,
  any: Samples,
  hasFaults: boolean,
  store: { readonly samples: Samples },
): Cost {
  if (!hasFaults) return fixed(0, 'inferred', "contained in the task's own clock")
  if (undisturbed.length >= MIN_SWAPINS)
    return measured(undisturbed, 'swap-in faults without reclaim or interruption', 0)
  if (any.length >= MIN_SWAPINS) return measured(any, 'swap-in faults without reclaim', 0)
  return fixed(store.samples.mean() * SWAPIN_IN_STORE, 'default', `${SWAPIN_IN_STORE} x a store`)
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
const PUSH: ShortStep = { ofSame: 0.75, ofKept: 5 }
const WAKE: ShortStep = { ofSame: 1, ofKept: 6 }
const SWITCH: ShortStep = { ofSame: 0.5, ofKept: 3 }

function shortStep(step: ShortStep, storeSame: Samples, kept: Cost): Cost {
  if (storeSame.length < 50)
    return fixed(mean(kept) * step.ofKept, 'default', `${step.ofKept} x a kept page`)
  const sorted = storeSame.copyValues().sort()
  return fixed(
    (sorted[sorted.length >> 1] ?? 0) * step.ofSame,
    'default',
    `${step.ofSame} x the store of a zero page`,
  )
}

function measured(samples: Samples, from: string, otherwiseNs: number): Cost {
  if (samples.length === 0)
    return {
      samples: new Float64Array(0),
      fixedNs: otherwiseNs,
      basis: 'default',
      n: 0,
      from: `no sample: ${from}`,
    }
  return {
    samples: samples.copyValues(),
    fixedNs: samples.mean(),
    basis: 'event',
    n: samples.length,
    from,
  }
}

function fixed(ns: number, basis: Basis, from: string): Cost {
  return { samples: new Float64Array(0), fixedNs: ns, basis, n: 0, from }
}

function mean(cost: Cost): number {
  return cost.fixedNs
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

interface StoreLists {
  readonly event: readonly number[]
  readonly entry: readonly number[]
  readonly cpuNs: readonly number[]
  readonly isKernel: readonly number[]
  readonly flushes: readonly number[]
  readonly sameShare: number | undefined
}

function classifyStores(
  lists: StoreLists,
): Pick<MeasuredCosts, 'stores' | 'sameBelowNs' | 'sameBasis'> {
  const order = Uint32Array.from(lists.event, (_, row) => row)
  order.sort((x, y) => (lists.event[x] ?? 0) - (lists.event[y] ?? 0))
  const cpuNs = Float64Array.from(order, (row) => lists.cpuNs[row] ?? 0)
  const { below, basis } = findSameThreshold(cpuNs, lists.sameShare)
  return {
    sameBelowNs: below,
    sameBasis: basis,
    stores: {
      length: cpuNs.length,
      event: Uint32Array.from(order, (row) => lists.event[row] ?? 0),
      entry: Float64Array.from(order, (row) => lists.entry[row] ?? 0),
      cpuNs,
      isKernel: Uint8Array.from(order, (row) => lists.isKernel[row] ?? 0),
      flushes: Uint8Array.from(order, (row) => lists.flushes[row] ?? 0),
      isSame: Uint8Array.from(cpuNs, (spent) => (spent < below ? 1 : 0)),
    },
  }
}

/** A zero page's store ends before compression begins, so it costs a fraction of any other. */
export function findSameThreshold(
  cpuNs: Float64Array,
  share: number | undefined,
): { readonly below: number; readonly basis: Basis } {
  if (cpuNs.length < 20) return { below: 0, basis: 'default' }
  const sorted = Float64Array.from(cpuNs).sort()
  if (share !== undefined) {
    const index = Math.min(sorted.length - 1, Math.round(share * sorted.length))
    return { below: index === 0 ? 0 : (sorted[index] ?? 0), basis: 'snapshot' }
  }
  // The valley between two modes of the logarithm, looked for below the median.
  const median = sorted[sorted.length >> 1] ?? 0
  const bins = new Float64Array(32)
  for (const spent of sorted) {
    if (spent >= median || spent <= 0) continue
    const bin = Math.floor(Math.log2(median / spent) * 4)
    if (bin < bins.length) bins[bin] = (bins[bin] ?? 0) + 1
  }
  let best = -1
  let lowest = Number.POSITIVE_INFINITY
  let above = bins[0] ?? 0
  for (let bin = 1; bin < bins.length - 1; bin++) {
    let beyond = 0
    for (let k = bin + 1; k < bins.length; k++) beyond = Math.max(beyond, bins[k] ?? 0)
    above = Math.max(above, bins[bin - 1] ?? 0)
    const depth = bins[bin] ?? 0
    if (depth * 3 < Math.min(above, beyond) && depth < lowest) {
      lowest = depth
      best = bin
    }
  }
  return best < 0
    ? { below: 0, basis: 'inferred' }
    : { below: median / 2 ** ((best + 0.5) / 4), basis: 'inferred' }
}
