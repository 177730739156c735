import { COLD_SHARE, shareOfColdEntry, shareOfColdPass, Warmth } from '../model/warmth.ts'
import {
  type Disturbances,
  DisturbedSteps,
  disturbancesBetween,
  UNDISTURBED,
} from './disturbed-steps.ts'
import { Numbers } from './numbers.ts'
import {
  EVENT,
  entryOfWrite,
  isAnonWrite,
  LOST_TID,
  pagesOfEvent,
  type Recording,
} from './recording.ts'
import type { StoreSample } from './stores.ts'
import { type Thread, Threads } from './threads.ts'
import { DISPLACED, type Gap, QUEUED } from './unmap-costs.ts'

/** Where a store, or a page's way through the gate, began. */
interface Begun {
  readonly event: number
  readonly entry: number
  readonly cpu: number
  readonly flushes: number
  readonly switches: number
  readonly switchShares: number
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
  /** Where the step before the pass over the shrinkers under way ended; -1 = none is under way. */
  slabCpu = -1
  /** Share of a cold pass's time that the pass under way costs. */
  slabShare = 1
  directCpu = -1
  directSpent = 0
  /** Share of a cold entry's time that entry and exit of the call under way cost, and what disturbed them. */
  entryShare = 1
  entryDisturbances = 0
  reclaimMark = -1
  markDisturbances = 0
  faultCpu = -1
  /** What had come to the thread when its fault began, and how often time had been stolen from it. */
  faultBegan: Disturbances = UNDISTURBED
  faultStrikes = 0
  faultBeside: 'none' | 'kernel' | 'task' = 'none'
  faultReads = 0
  faultReclaims = 0
  /** CPU time of the page's store before that, QUEUED = another's task. */
  writtenAfter = QUEUED
  writtenDisturbances = 0
  writtenAt: Disturbances = UNDISTURBED
  writtenStrikes = 0
  /** Pages of its own unmapped elsewhere during that store. */
  writtenFlushes = 0
  batchEndDisturbances = 0
  /** Nothing was freed or written in the batch that ended there, and nothing came since. */
  batchWasVain = false
  isolateDisturbances = 0
  /** CPU time at the end of a scan of a kernel thread that reclaims for itself, -1 = something else has come since. */
  scanCpu = -1
  slabDisturbances = 0
  slabEndCpu = -1
  slabEndDisturbances = 0
  /** CPU time at the last step of reclaim, a batch or a list with nothing to take; -1 = none in the call under way. */
  stepCpu = -1
  stepDisturbances = 0
  isForMemcg = false
  /** A shrinker of the pass gave something back. */
  slabFreed = false
  /** Gaps of the batch under way. */
  readonly gaps: Omit<Gap, 'isFull'>[] = []
  batchSpent = 0
  batchDisturbances = 0
  /** The batch under way was isolated right after another. */
  batchFollows = false
}

/** Share of a batch's pages that must have been written for its gaps to say what unmapping costs. */
const WRITTEN_SHARE = 1

/** Pages passed over in one scan that tell what passing over one takes: half of what MGLRU looks for (MIN_LRU_BATCH). */
const LEAST_SKIPPED = 32

/** Pages of a batch without writes that tells what a page of it takes, and what isolating it. */
const LEAST_VAIN = 8

/** What each step of reclaim took, in CPU time of the thread that did it, as the recording is walked event by event. */
export class CostSamples {
  readonly gaps: Gap[] = []
  readonly scanKept = new Numbers()
  readonly freeClean = new Numbers()
  /** Of batches right after others: of those freed whole, and of any. */
  readonly batch = new Numbers()
  readonly batchAny = new Numbers()
  readonly isolate = new Numbers()
  readonly skip = new Numbers()
  /** Of cold passes over the shrinkers by owners of memory; and of any by users, or by others, as if they had been cold. */
  readonly slab = new Numbers()
  readonly slabAny = new Numbers()
  readonly slabOthers = new Numbers()
  /** Of cold calls by owners of memory whose entry and exit nothing disturbed; and of any by users, as if they had been cold. */
  readonly directEntry = new Numbers()
  readonly directEntryAny = new Numbers()
  readonly memcgEntry = new Numbers()
  readonly swapIn = new DisturbedSteps()
  /** Of these, those that began beside a kernel thread that unmaps, and beside nobody who does. */
  readonly swapInBeside = { kernel: new DisturbedSteps(), none: new DisturbedSteps() }
  readonly push = new Numbers()
  readonly wakeLatency = new Numbers()
  readonly stores: StoreSample[] = []
  readonly hasGate: boolean
  hasFaults = false
  readonly #recording: Recording
  readonly #threads: Threads
  readonly #positions = new Map<Thread, Position>()
  readonly #isQueued: Uint8Array
  readonly #wokenIdle = new Map<number, number>()
  /** Time was stolen from the step that the present event ends. */
  #stoodStill = false
  readonly #slabWarmth: Warmth
  readonly #entryWarmth: Warmth

  /** Only events before `untilEvent` give samples, and no step of which something is stolen: how long it would have been is not known. */
  constructor(
    recording: Recording,
    owners: ReadonlySet<number>,
    options: { readonly untilEvent: number; readonly stolenOfStep: Float64Array },
  ) {
    this.#recording = recording
    this.#threads = new Threads(recording, owners)
    this.#isQueued = findQueued(recording)
    this.#slabWarmth = new Warmth(shareOfColdPass, recording.cpus)
    this.#entryWarmth = new Warmth(shareOfColdEntry, recording.cpus)
    this.hasGate = recording.kind.includes(EVENT.gate)
    for (let i = 0; i < recording.length; i++) {
      const counts = i < options.untilEvent
      const kind = recording.kind[i]
      if (kind === EVENT.switch) this.#switched(i, counts)
      else if (kind === EVENT.waking) this.#wakes(i)
      this.#threads.step(i)
      if (kind === EVENT.switch || kind === EVENT.waking) continue
      if (recording.tid[i] === LOST_TID) {
        this.#addLost(i)
        continue
      }
      const thread = this.#threads.get(recording.tid[i] ?? 0)
      const stolenNs = options.stolenOfStep[i] ?? 0
      this.#stoodStill = stolenNs > 0
      if (this.#stoodStill) thread.strikes++
      thread.stolenNs += stolenNs
      this.#take(thread, thread.cpuAt(recording.ns[i] ?? 0) - thread.stolenNs, i, counts)
    }
  }

  #switched(i: number, counts: boolean): void {
    const { a, c, ns } = this.#recording
    const tid = c[i] ?? 0
    const wokenNs = this.#wokenIdle.get(tid)
    if (wokenNs === undefined) return
    if (a[i] === 0 && counts) this.wakeLatency.push((ns[i] ?? 0) - wokenNs)
    this.#wokenIdle.delete(tid)
  }

  #wakes(i: number): void {
    const { a, b, ns } = this.#recording
    if (this.#threads.running[b[i] ?? 0]?.tid === 0) this.#wokenIdle.set(a[i] ?? 0, ns[i] ?? 0)
  }

  /** An event of a thread, which had so much CPU time by then. */
  #take(thread: Thread, cpu: number, i: number, counts: boolean): void {
    switch (this.#recording.kind[i]) {
      case EVENT.directBegin:
        this.#directBegins(
          thread,
          cpu,
          this.#entryWarmth.shareAt(thread.cpu, this.#recording.ns[i] ?? 0),
        )
        break
      case EVENT.memcgBegin:
        this.#directBegins(thread, cpu, 1)
        this.#at(thread).isForMemcg = true
        break
      case EVENT.directEnd:
        this.#directEnds(thread, cpu, counts)
        this.#entryWarmth.ended(thread.cpu, this.#recording.ns[i] ?? 0)
        break
      case EVENT.memcgEnd:
        this.#memcgEnds(thread, cpu, counts)
        break
      case EVENT.isolate:
        this.#isolates(thread, cpu, i, counts)
        break
      case EVENT.gate:
        this.#gateEntered(thread, cpu, i)
        break
      case EVENT.store:
        this.#storeBegins(thread, cpu, i)
        break
      case EVENT.storeReturn:
        this.#storeReturns(thread, cpu, counts)
        break
      case EVENT.written:
        this.#written(thread, cpu, i, counts)
        break
      case EVENT.batchEnd:
        this.#batchEnds(thread, cpu, i, counts)
        break
      case EVENT.slabBegin:
        this.#slabBegins(thread, cpu, i)
        break
      case EVENT.slabEnd:
        this.#slabEnds(thread, cpu, i)
        break
      case EVENT.kswapdWake:
      case EVENT.kswapdSleep:
        this.#passEnds(this.#at(thread), thread, cpu, counts)
        this.#at(thread).stepCpu = -1
        break
      case EVENT.fault:
        this.#faultBegins(thread, cpu)
        break
      case EVENT.read:
        this.#reads(thread, i)
        break
      case EVENT.faultReturn:
        this.#faultReturns(thread, cpu, counts)
        break
      default:
    }
  }

  #at(thread: Thread): Position {
    let position = this.#positions.get(thread)
    if (position === undefined) {
      position = new Position()
      this.#positions.set(thread, position)
    }
    return position
  }

  #begin(event: number, { flushes, switches, switchShares }: Thread, cpu: number): Begun {
    return { event, entry: this.#recording.a[event] ?? 0, cpu, flushes, switches, switchShares }
  }

  /** A store that ends now; each page of a folio has its share. */
  #addStore(begun: Begun, thread: Thread, cpu: number): void {
    const folioPages = pagesOfEvent(this.#recording, begun.event)
    for (let part = 0; part < folioPages; part++)
      this.stores.push({
        event: begun.event,
        entry: begun.entry + part,
        cpuNs: (cpu - begun.cpu) / folioPages,
        isKernel: !thread.isUser,
        isBeyondGate: this.hasGate && this.#recording.kind[begun.event] === EVENT.store,
        flushes: thread.flushes - begun.flushes,
        switches: thread.switches - begun.switches,
        switchShare: thread.switchShares - begun.switchShares,
        stoodStill: this.#stoodStill,
      })
  }

  /** A store of which nothing is known but that it was. */
  #addLost(event: number): void {
    const { kind, a } = this.#recording
    if (kind[event] !== (this.hasGate ? EVENT.gate : EVENT.written)) return
    const entry = this.hasGate ? (a[event] ?? 0) : entryOfWrite(this.#recording, event)
    const undisturbed = { flushes: 0, switches: 0, switchShare: 0, stoodStill: false }
    const lost = { isKernel: true, isBeyondGate: false, cpuNs: Number.NaN }
    this.stores.push({ event, entry, ...lost, ...undisturbed })
  }

  #directBegins(thread: Thread, cpu: number, entryShare: number): void {
    const position = this.#at(thread)
    position.directCpu = cpu
    position.directSpent = 0
    position.entryShare = entryShare
    position.entryDisturbances = 0
    position.isForMemcg = false
    position.slabCpu = -1
    position.stepCpu = -1
    this.#mark(position, thread, cpu)
    position.batchEndCpu = -1
    position.scanCpu = -1
    position.batchWasVain = false
    position.faultReclaims++
  }

  /** What comes now is entry or exit of a direct reclaim, unless a batch or a pass over the shrinkers follows. */
  #mark(position: Position, thread: Thread, cpu: number): void {
    position.reclaimMark = cpu
    position.markDisturbances = thread.disturbances
  }

  /** What lies since the mark was entry or exit. */
  #addEntry(position: Position, thread: Thread, cpu: number): void {
    position.directSpent += cpu - position.reclaimMark
    position.entryDisturbances += thread.disturbances - position.markDisturbances
  }

  /** CPU time of entry and exit together; undefined = the begin was not seen. */
  #entryNs(position: Position, thread: Thread, cpu: number): number | undefined {
    const isSeen = position.directCpu >= 0
    if (isSeen && position.reclaimMark >= 0) this.#addEntry(position, thread, cpu)
    position.directCpu = -1
    position.reclaimMark = -1
    position.batchEndCpu = -1
    return isSeen ? position.directSpent : undefined
  }

  /** Of users only: a kernel thread that looks for memory may do neither I/O nor file systems, and has less to do. */
  #directEnds(thread: Thread, cpu: number, counts: boolean): void {
    const position = this.#at(thread)
    this.#passEnds(position, thread, cpu, counts)
    const ns = this.#entryNs(position, thread, cpu)
    if (ns === undefined || !counts || !thread.isUser) return
    const coldNs = ns / position.entryShare
    this.directEntryAny.push(coldNs)
    const isCold = position.entryShare >= COLD_SHARE
    if (thread.hasMemory && isCold && position.entryDisturbances === 0)
      this.directEntry.push(coldNs)
  }

  #memcgEnds(thread: Thread, cpu: number, counts: boolean): void {
    const ns = this.#entryNs(this.#at(thread), thread, cpu)
    if (ns !== undefined && counts && thread.isUser) this.memcgEntry.push(ns)
  }

  #isolates(thread: Thread, cpu: number, i: number, counts: boolean): void {
    const position = this.#at(thread)
    const { b, c } = this.#recording
    const taken = c[i] ?? 0
    // What MGLRU passes over on its way costs apart.
    const isStraight = (b[i] ?? 0) <= taken
    this.#passEnds(position, thread, cpu, counts)
    if (
      position.directCpu >= 0 &&
      position.directSpent === 0 &&
      position.batchEndCpu < 0 &&
      position.reclaimMark >= 0
    )
      this.#addEntry(position, thread, cpu)
    position.batchFollows = position.batchEndCpu >= 0
    position.batchSpent = position.batchEndCpu >= 0 ? cpu - position.batchEndCpu : 0
    position.batchDisturbances =
      position.batchEndCpu >= 0 ? thread.disturbances - position.batchEndDisturbances : 0
    // A list that has nothing to take is on the way to the one that has.
    if (taken > 0) {
      if (position.batchWasVain && isStraight && position.batchDisturbances === 0 && counts)
        this.isolate.push(position.batchSpent)
      position.batchWasVain = false
    }
    const looked = b[i] ?? 0
    // The event comes at the end of a scan, so what lies between two is the second.
    if (
      position.scanCpu >= 0 &&
      taken === 0 &&
      looked >= LEAST_SKIPPED &&
      thread.disturbances === position.isolateDisturbances &&
      counts
    )
      this.skip.push((cpu - position.scanCpu) / looked)
    position.scanCpu = position.directCpu >= 0 && !thread.isUser ? cpu : -1
    position.isolateCpu = cpu
    position.isolateDisturbances = thread.disturbances
    position.stepCpu = cpu
    position.stepDisturbances = thread.disturbances
    position.writtenCpu = -1
    position.gates = 0
    position.taken = taken
    position.gaps.length = 0
  }

  #gateEntered(thread: Thread, cpu: number, i: number): void {
    const position = this.#at(thread)
    const folioPages = pagesOfEvent(this.#recording, i)
    position.gates += folioPages
    const isHeld = this.#threads.isHeldElsewhere(thread.cpu)
    // What an interruption or a switch adds is counted apart; how long a step would have been from which time was stolen is not known.
    if (position.writtenCpu >= 0 && thread.strikes === position.writtenStrikes)
      position.gaps.push({
        disturbances: disturbancesBetween(position.writtenAt, thread),
        event: i,
        ns: (cpu - position.writtenCpu) / folioPages,
        isOwner: thread.hasMemory,
        isRemote: this.#threads.hasRemoteOwner(thread),
        isHeld,
        isSure: !isHeld || this.#threads.isSurelyHeldElsewhere(thread.cpu),
        flushes: position.writtenFlushes,
        after: position.writtenAfter,
      })
    position.gate = this.#begin(i, thread, cpu)
    position.storedInGate = false
  }

  #storeBegins(thread: Thread, cpu: number, i: number): void {
    const position = this.#at(thread)
    position.store = this.#begin(i, thread, cpu)
    position.storedInGate = true
  }

  #storeReturns(thread: Thread, cpu: number, counts: boolean): void {
    const position = this.#at(thread)
    if (position.store !== undefined && counts) this.#addStore(position.store, thread, cpu)
    position.store = undefined
  }

  #written(thread: Thread, cpu: number, i: number, counts: boolean): void {
    const position = this.#at(thread)
    const { gate } = position
    position.writtenAfter = position.storedInGate ? DISPLACED : QUEUED
    if (gate !== undefined) {
      const spent = cpu - gate.cpu
      if (this.#isQueued[gate.event] === 0) {
        position.writtenAfter = spent
        if (counts) this.#addStore(gate, thread, cpu)
      } else if (!position.storedInGate && counts && !thread.isUser) this.push.push(spent)
    }
    if (!this.hasGate && counts && isAnonWrite(this.#recording, i)) {
      // Without a probe on the gate the way from one write's end to the next is all there is: unmapping and store in one.
      const from = position.writtenCpu >= 0 ? position.writtenCpu : position.isolateCpu
      const begun = {
        ...this.#begin(i, thread, from >= 0 ? from : cpu),
        entry: entryOfWrite(this.#recording, i),
      }
      this.#addStore(begun, thread, cpu)
      position.gates++
    }
    position.writtenFlushes = gate === undefined ? 0 : thread.flushes - gate.flushes
    position.gate = undefined
    position.writtenCpu = cpu
    position.writtenDisturbances = thread.disturbances
    position.writtenAt = disturbancesBetween(UNDISTURBED, thread)
    position.writtenStrikes = thread.strikes
  }

  #batchEnds(thread: Thread, cpu: number, i: number, counts: boolean): void {
    const position = this.#at(thread)
    const scanned = this.#recording.a[i] ?? 0
    const reclaimed = this.#recording.b[i] ?? 0
    const isVain = position.gates === 0 && scanned >= LEAST_VAIN && reclaimed === 0
    position.batchWasVain = position.isolateCpu >= 0 && isVain
    if (position.isolateCpu >= 0 && counts) {
      const full = position.gates >= scanned * WRITTEN_SHARE && position.gates > 0
      const loose = position.gates * 2 >= scanned
      if (full || loose) for (const gap of position.gaps) this.gaps.push({ ...gap, isFull: full })
      if (
        position.gates === 0 &&
        scanned >= LEAST_VAIN &&
        thread.disturbances === position.isolateDisturbances
      ) {
        const each = (cpu - position.isolateCpu) / scanned
        if (reclaimed === 0) this.scanKept.push(each)
        else if (reclaimed === scanned) this.freeClean.push(each)
      }
      if (
        position.batchFollows &&
        position.writtenCpu >= 0 &&
        position.gates === scanned &&
        position.batchDisturbances === 0 &&
        thread.disturbances === position.writtenDisturbances
      ) {
        const ns = position.batchSpent + cpu - position.writtenCpu
        this.batchAny.push(ns)
        if (reclaimed === scanned) this.batch.push(ns)
      }
    }
    position.isolateCpu = -1
    position.scanCpu = -1
    position.writtenCpu = -1
    position.batchEndCpu = cpu
    position.batchEndDisturbances = thread.disturbances
    position.stepCpu = cpu
    position.stepDisturbances = thread.disturbances
    this.#mark(position, thread, cpu)
  }

  /**
   * Shrinkers that have no object make no event (do_shrink_slab), and which have some changes from pass to pass: a pass is all that lies between
   * the step of reclaim before it and the one after it.
   */
  #slabBegins(thread: Thread, cpu: number, i: number): void {
    const position = this.#at(thread)
    position.scanCpu = -1
    position.batchEndCpu = -1
    if (position.slabCpu >= 0) return
    const isFirst = position.stepCpu < 0
    position.slabCpu = isFirst ? cpu : position.stepCpu
    position.slabDisturbances = isFirst ? thread.disturbances : position.stepDisturbances
    position.slabShare = this.#slabWarmth.shareAt(thread.cpu, this.#recording.ns[i] ?? 0)
    position.slabFreed = false
    if (position.directCpu >= 0 && isFirst && position.reclaimMark >= 0)
      this.#addEntry(position, thread, cpu)
    position.reclaimMark = -1
  }

  #slabEnds(thread: Thread, cpu: number, i: number): void {
    const position = this.#at(thread)
    if ((this.#recording.a[i] ?? 0) > 0) position.slabFreed = true
    position.batchWasVain = false
    position.slabEndCpu = cpu
    position.slabEndDisturbances = thread.disturbances
    this.#slabWarmth.ended(thread.cpu, this.#recording.ns[i] ?? 0)
    // Reclaim for a memory cgroup is charged no pass: its way on is its own.
    if (position.isForMemcg) this.#mark(position, thread, cpu)
  }

  /**
   * A pass in which a shrinker scanned objects is no sample of what asking them costs: they are many only once, however often passes are made
   * (super_cache_scan, kfree_rcu), and what the pool's own gives back is charged by page. kswapd does more than that between two steps: ageing,
   * and all that comes before it sleeps.
   */
  #passEnds(position: Position, thread: Thread, cpu: number, counts: boolean): void {
    const { slabCpu, slabShare } = position
    position.slabCpu = -1
    if (slabCpu < 0 || position.isForMemcg) return
    const isDirect = position.directCpu >= 0
    const disturbances = isDirect ? thread.disturbances : position.slabEndDisturbances
    if (!counts || position.slabFreed || disturbances !== position.slabDisturbances) return
    const coldNs = ((isDirect ? cpu : position.slabEndCpu) - slabCpu) / slabShare
    if (!thread.isUser) {
      this.slabOthers.push(coldNs)
      return
    }
    this.slabAny.push(coldNs)
    if (slabShare >= COLD_SHARE && thread.hasMemory) this.slab.push(coldNs)
  }

  #faultBegins(thread: Thread, cpu: number): void {
    this.hasFaults = true
    const position = this.#at(thread)
    position.faultCpu = cpu
    position.faultBegan = disturbancesBetween(UNDISTURBED, thread)
    position.faultStrikes = thread.strikes
    position.faultBeside = this.#threads.unmapperBeside(thread)
    position.faultReads = 0
    position.faultReclaims = 0
  }

  #reads(thread: Thread, i: number): void {
    this.#at(thread).faultReads += pagesOfEvent(this.#recording, i)
  }

  #addSwapIn(thread: Thread, cpu: number): void {
    const { faultBegan, faultBeside, faultCpu } = this.#at(thread)
    const disturbances = disturbancesBetween(faultBegan, thread)
    this.swapIn.push(cpu - faultCpu, disturbances)
    if (faultBeside !== 'task') this.swapInBeside[faultBeside].push(cpu - faultCpu, disturbances)
  }

  #faultReturns(thread: Thread, cpu: number, counts: boolean): void {
    const position = this.#at(thread)
    if (
      position.faultCpu >= 0 &&
      position.faultReads > 0 &&
      position.faultReclaims === 0 &&
      thread.hasMemory
    ) {
      if (counts && thread.strikes === position.faultStrikes) this.#addSwapIn(thread, cpu)
    }
    position.faultCpu = -1
  }
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
