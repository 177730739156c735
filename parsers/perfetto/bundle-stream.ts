import type { IssueLog } from '../issues.ts'
import type { RecordStream } from '../window.ts'
import { BundleFrame } from './bundle-frame.ts'
import { BUNDLE, type BundleList } from './bundle-list.ts'
import { CompactSched, type NumberList } from './compact-sched.ts'
import type { EventDecoder } from './event-decoder.ts'
import type { PacketStore } from './packet-store.ts'
import { bitOf, RecordWriter } from './shapes.ts'
import { BYTES, FieldWalker, halvesDifference } from './wire.ts'

/** Records of one load: what all cpus hold together stays small. */
const BLOCK_RECORDS = 4096
const BLOCK_BYTES = 1 << 20
const SAFE_NS = 2 ** 52
const UNKNOWN_TID = -1
/** Fields of compact events in the shapes of sched_switch and sched_waking. */
const SWITCH = {
  prevComm: 0,
  prevPid: 1,
  prevPrio: 2,
  prevState: 3,
  nextComm: 4,
  nextPid: 5,
  nextPrio: 6,
} as const
const WAKING = { comm: 0, pid: 1, prio: 2, targetCpu: 4 } as const
const SWITCH_NEXT =
  bitOf(SWITCH.prevState) | bitOf(SWITCH.nextComm) | bitOf(SWITCH.nextPid) | bitOf(SWITCH.nextPrio)
const SWITCH_FULL =
  SWITCH_NEXT | bitOf(SWITCH.prevComm) | bitOf(SWITCH.prevPid) | bitOf(SWITCH.prevPrio)
const WAKING_FIELDS =
  bitOf(WAKING.comm) | bitOf(WAKING.pid) | bitOf(WAKING.prio) | bitOf(WAKING.targetCpu)

/** What all cpus' streams share: nothing in it outlives one `load`. */
export interface BundleContext {
  readonly store: PacketStore
  readonly decoder: EventDecoder
  readonly issues: IssueLog
  /** The base of all times: boot clock. */
  readonly baseHi: number
  readonly baseLo: number
  /** Boot minus ftrace time before the first bundle that tells. */
  readonly ftraceOffset: number
  readonly compact: CompactSched
  readonly frame: BundleFrame
  readonly walker: FieldWalker
}

/** The readers of a bundle keep state between its packets: one context per trace, never shared by two streams. */
export function newBundleContext(
  options: Omit<BundleContext, 'compact' | 'frame' | 'walker'>,
): BundleContext {
  return {
    ...options,
    compact: new CompactSched(),
    frame: new BundleFrame(),
    walker: new FieldWalker(),
  }
}

/** One cpu's bundles, in their order, with compact and other events of a bundle joined by time. */
export class BundleStream implements RecordStream {
  readonly cpu: number
  readonly instance = 0
  ts = new Float64Array(1024)
  start = new Uint32Array(1024)
  size = new Uint32Array(1024)
  count = 0
  next = 0
  bytesRead = 0
  readonly losses: { cpu: number; startNs: number; endNs: number; events: number | undefined }[] =
    []
  countedLost = 0
  firstTs: number | undefined
  lastTs: number | undefined
  readonly #context: BundleContext
  readonly list: BundleList
  readonly #out = new RecordWriter()
  #bundle = 0
  /** How much of the bundle is done: byte of the next event, and events of the compact lists. */
  #eventAt = 0
  #switchesDone = 0
  #wakingsDone = 0
  #switchTime = 0
  #wakingTime = 0
  #offset: number
  #position = 0
  /** The next event that is no compact one: its byte in the bundle, and its time. */
  #isPending = false
  #pendingAt = 0
  #pendingTs = 0
  /** The running thread, and what the last compact switch told of it. */
  #tid = UNKNOWN_TID
  #prio = 0
  #commKnown = false
  #comm = new Uint8Array(64)
  #commBytes = 0
  /** The ftrace clock at the last event, as two halves. */
  #rawHi = 0
  #rawLo = 0
  #held = false

  constructor(list: BundleList, context: BundleContext) {
    this.cpu = list.cpu
    this.list = list
    this.#context = context
    this.#offset = context.ftraceOffset
  }

  get bytes(): Uint8Array {
    return this.#out.bytes
  }

  get words(): Uint32Array {
    return this.#out.words
  }

  position(): number {
    return this.#position
  }

  load(): boolean {
    this.count = 0
    this.next = 0
    this.#out.clear()
    const { list } = this
    while (this.count === 0 && this.#bundle < list.length) {
      const index = this.#bundle
      const chunk = list.chunk[index] as number
      const at = list.at[index] as number
      const length = list.size[index] as number
      const { store } = this.#context
      this.#position = store.position(chunk, at)
      const from = chunk < 0 ? 0 : at
      const bytes = chunk < 0 ? store.borrowRaw(at, length) : store.borrowChunk(chunk)
      const end = Math.min(from + length, bytes.length)
      if (this.#decode(bytes, from, end, list.gap[index] === 1)) {
        this.#bundle++
        this.#eventAt = 0
        this.bytesRead += length
      }
    }
    if (this.count === 0) return false
    this.firstTs ??= this.ts[0] as number
    return true
  }

  /** Decodes on from where it stopped; true at the bundle's end. */
  #decode(bytes: Uint8Array, start: number, end: number, gap: boolean): boolean {
    const { walker, compact } = this.#context
    const isNew = this.#eventAt === 0
    compact.clear()
    this.#readFrame(bytes, start, end)
    if (isNew) this.#beginBundle(gap)
    walker.begin(bytes, start + this.#eventAt, end)
    this.#nextEvent(walker)
    for (;;) {
      if (this.count >= BLOCK_RECORDS || this.#out.used >= BLOCK_BYTES) {
        // The event whose head was read is read again.
        this.#eventAt = Math.max(1, this.#pendingAt - start)
        return false
      }
      const moreSwitches = this.#switchesDone < compact.switches
      const moreWakings = this.#wakingsDone < compact.wakings
      const switchTs = moreSwitches
        ? this.#switchTime + this.#compactTime(compact.switchTs, this.#switchesDone)
        : Number.POSITIVE_INFINITY
      const wakingTs = moreWakings
        ? this.#wakingTime + this.#compactTime(compact.wakingTs, this.#wakingsDone)
        : Number.POSITIVE_INFINITY
      if (this.#isPending && this.#pendingTs <= wakingTs && this.#eventIsFirst(switchTs)) {
        this.#takeEvent(bytes, this.#pendingTs)
        this.#nextEvent(walker)
      } else if (moreWakings && wakingTs <= switchTs) this.#takeWaking(bytes, wakingTs)
      else if (moreSwitches) this.#takeSwitch(bytes, switchTs)
      else return true
    }
  }

  /** Ties between an event and a switch: the event is of the thread before or after it. */
  #eventIsFirst(switchTs: number): boolean {
    if (this.#pendingTs !== switchTs) return this.#pendingTs < switchTs
    const { compact, decoder } = this.#context
    const nextTid = (compact.switchPid.lo[this.#switchesDone] as number) | 0
    return decoder.tid !== nextTid || decoder.tid === this.#tid
  }

  /** What the bundle says about itself, wherever in it that stands, and its compact events. */
  #readFrame(bytes: Uint8Array, start: number, end: number): void {
    const { walker, compact, decoder, frame } = this.#context
    frame.clear()
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.wire !== BYTES) frame.note(walker)
      else if (walker.field === BUNDLE.compactSched) {
        if (!compact.read(bytes, walker.start, walker.end)) frame.isDamaged = true
      } else if (walker.field === BUNDLE.event && !frame.isTimed && this.#eventAt === 0)
        if (decoder.head(bytes, walker.start, walker.end)) {
          frame.isTimed = true
          frame.firstHi = decoder.tsHi
          frame.firstLo = decoder.tsLo
          frame.firstTid = decoder.tid
        }
    }
  }

  /** Takes over what the frame says: clock, losses, and who runs. */
  #beginBundle(dropped: boolean): void {
    const { compact, issues, frame } = this.#context
    this.#switchesDone = 0
    this.#wakingsDone = 0
    this.#switchTime = 0
    this.#wakingTime = 0
    if (frame.clock !== 0 && (frame.ftraceHi !== 0 || frame.ftraceLo !== 0))
      this.#offset = halvesDifference(frame.bootHi, frame.bootLo, frame.ftraceHi, frame.ftraceLo)
    if (frame.isDamaged)
      issues.add(
        'corrupt_bundle',
        'data_loss',
        this.#position,
        `Compact scheduling events of cpu ${this.cpu} are damaged; some are missing.`,
        this.cpu,
      )
    const none = Number.POSITIVE_INFINITY
    const event = frame.isTimed ? this.#toNs(frame.firstHi, frame.firstLo) : none
    const firstSwitch = compact.switches > 0 ? this.#compactTime(compact.switchTs, 0) : none
    const waking = compact.wakings > 0 ? this.#compactTime(compact.wakingTs, 0) : none
    if (frame.hasLost || dropped || this.#isSkipped())
      this.#addLoss(Math.min(event, firstSwitch, waking))
    // Nothing switched before the first event, so its thread was running since the bundle's start.
    if (this.#tid === UNKNOWN_TID && event < firstSwitch) this.#tid = frame.firstTid
  }

  /** Bundles that a ring buffer of the tracing service dropped: the last event before this one is not the last one read. */
  #isSkipped(): boolean {
    const { previousHi, previousLo } = this.#context.frame
    return (
      this.#held &&
      (previousHi !== 0 || previousLo !== 0) &&
      halvesDifference(previousHi, previousLo, this.#rawHi, this.#rawLo) > 0
    )
  }

  #addLoss(firstEvent: number): void {
    const endNs = firstEvent < SAFE_NS ? firstEvent : (this.lastTs ?? 0)
    this.losses.push({
      cpu: this.cpu,
      startNs: Math.min(this.lastTs ?? endNs, endNs),
      endNs,
      events: undefined,
    })
    this.#tid = UNKNOWN_TID
    this.#commKnown = false
  }

  /** Steps to the next event with a time, if there is one; its head lies in the decoder. */
  #nextEvent(walker: FieldWalker): void {
    const { decoder, issues } = this.#context
    for (;;) {
      this.#pendingAt = walker.at
      this.#isPending = walker.next()
      if (!this.#isPending) return
      if (walker.field !== BUNDLE.event || walker.wire !== BYTES) continue
      if (decoder.head(walker.bytes, walker.start, walker.end)) {
        this.#pendingTs = this.#toNs(decoder.tsHi, decoder.tsLo)
        return
      }
      issues.add(
        'bad_event',
        'data_loss',
        this.#position,
        `An ftrace event of cpu ${this.cpu} is damaged or has no time.`,
        `head ${this.cpu}`,
      )
    }
  }

  #takeEvent(bytes: Uint8Array, ts: number): void {
    const { decoder } = this.#context
    const start = this.#out.used
    this.#rawHi = decoder.tsHi
    this.#rawLo = decoder.tsLo
    this.#held = true
    const known = decoder.body(bytes, this.#out, this.#position)
    if (decoder.tid !== UNKNOWN_TID && decoder.tid !== this.#tid) {
      this.#tid = decoder.tid
      this.#commKnown = false
    }
    if (known) this.#add(ts, start, decoder.size)
    if (decoder.isSwitch && decoder.nextTid >= 0) {
      this.#tid = decoder.nextTid
      this.#commKnown = false
    }
  }

  #takeSwitch(bytes: Uint8Array, ts: number): void {
    const { compact, decoder } = this.#context
    const index = this.#switchesDone++
    this.#switchTime = ts
    this.#noteRaw(ts)
    const shape = decoder.schedSwitch
    const { offsets } = shape
    const out = this.#out
    const comm = compact.switchComm.lo[index] as number
    const commStart = comm < compact.commStart.length ? (compact.commStart.lo[comm] as number) : 0
    const commEnd = comm < compact.commEnd.length ? (compact.commEnd.lo[comm] as number) : 0
    const nextTid = (compact.switchPid.lo[index] as number) | 0
    const nextPrio = compact.switchPrio.lo[index] as number
    const start = out.used
    out.begin(shape, commEnd - commStart + this.#commBytes)
    let mask = SWITCH_NEXT
    if (this.#tid !== UNKNOWN_TID) {
      out.number(offsets[SWITCH.prevPid] as number, this.#tid)
      mask |= bitOf(SWITCH.prevPid)
      if (this.#commKnown) {
        out.text(offsets[SWITCH.prevComm] as number, this.#comm, 0, this.#commBytes)
        out.number(offsets[SWITCH.prevPrio] as number, this.#prio)
        mask = SWITCH_FULL
      }
    }
    out.wide(
      offsets[SWITCH.prevState] as number,
      compact.switchState.hi[index] as number,
      compact.switchState.lo[index] as number,
    )
    out.text(offsets[SWITCH.nextComm] as number, bytes, commStart, commEnd)
    out.number(offsets[SWITCH.nextPid] as number, nextTid)
    out.number(offsets[SWITCH.nextPrio] as number, nextPrio)
    const type = shape.typeOf(mask)
    if (type >= 0) this.#add(ts, start, out.finish(type, 0, this.#tid))
    this.#tid = nextTid
    this.#prio = nextPrio
    this.#keepComm(bytes, commStart, commEnd)
  }

  #takeWaking(bytes: Uint8Array, ts: number): void {
    const { compact, decoder } = this.#context
    const index = this.#wakingsDone++
    this.#wakingTime = ts
    this.#noteRaw(ts)
    const shape = decoder.schedWaking
    const { offsets } = shape
    const out = this.#out
    const comm = compact.wakingComm.lo[index] as number
    const commStart = comm < compact.commStart.length ? (compact.commStart.lo[comm] as number) : 0
    const commEnd = comm < compact.commEnd.length ? (compact.commEnd.lo[comm] as number) : 0
    const start = out.used
    out.begin(shape, commEnd - commStart)
    out.text(offsets[WAKING.comm] as number, bytes, commStart, commEnd)
    out.number(offsets[WAKING.pid] as number, compact.wakingPid.lo[index] as number)
    out.number(offsets[WAKING.prio] as number, compact.wakingPrio.lo[index] as number)
    out.number(offsets[WAKING.targetCpu] as number, compact.wakingCpu.lo[index] as number)
    const type = shape.typeOf(WAKING_FIELDS)
    const flags = index < compact.wakingFlags.length ? (compact.wakingFlags.lo[index] as number) : 0
    // The waker is what runs on this cpu: common_pid is not kept.
    if (type >= 0) this.#add(ts, start, out.finish(type, flags, this.#tid))
  }

  #keepComm(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > this.#comm.length) this.#comm = new Uint8Array(length)
    for (let i = 0; i < length; i++) this.#comm[i] = bytes[start + i] as number
    this.#commBytes = length
    this.#commKnown = true
  }

  /** Keeps the ftrace clock's reading at an event whose time came as a difference. */
  #noteRaw(ts: number): void {
    const { baseHi, baseLo } = this.#context
    const low = baseLo + ts - this.#offset
    this.#rawHi = baseHi + Math.floor(low / 4_294_967_296)
    this.#rawLo = low - Math.floor(low / 4_294_967_296) * 4_294_967_296
    this.#held = true
  }

  #add(ts: number, start: number, size: number): void {
    if (!(Math.abs(ts) < SAFE_NS)) {
      this.#out.used = start
      this.#context.issues.add(
        'bad_timestamp',
        'data_loss',
        this.#position,
        `An event of cpu ${this.cpu} is more than 50 days from the others.`,
        this.cpu,
      )
      return
    }
    if (this.count === this.ts.length) this.#grow()
    this.ts[this.count] = ts
    this.start[this.count] = start
    this.size[this.count] = size
    this.count++
    this.lastTs = ts
  }

  #grow(): void {
    const { ts, start, size } = this
    this.ts = new Float64Array(this.count * 2)
    this.start = new Uint32Array(this.count * 2)
    this.size = new Uint32Array(this.count * 2)
    this.ts.set(ts)
    this.start.set(start)
    this.size.set(size)
  }

  #toNs(hi: number, lo: number): number {
    const { baseHi, baseLo } = this.#context
    return halvesDifference(hi, lo, baseHi, baseLo) + this.#offset
  }

  /** Of times coded as differences, of which the first is absolute. */
  #compactTime(list: NumberList, index: number): number {
    const hi = list.hi[index] as number
    const lo = list.lo[index] as number
    return index === 0 ? this.#toNs(hi, lo) : hi * 4_294_967_296 + lo
  }
}
