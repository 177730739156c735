import { BYTES, FieldWalker } from './wire.ts'

/** TracePacket (protos/perfetto/trace/trace_packet.proto). */
export const PACKET = {
  ftraceEvents: 1,
  processTree: 2,
  clockSnapshot: 6,
  sysStats: 7,
  timestamp: 8,
  processStats: 9,
  sequence: 10,
  trackEvent: 11,
  internedData: 12,
  sequenceFlags: 13,
  traceConfig: 33,
  ftraceStats: 34,
  traceStats: 35,
  stateCleared: 41,
  previousDropped: 42,
  systemInfo: 45,
  packagesList: 47,
  compressed: 50,
  clock: 58,
  defaults: 59,
  trackDescriptor: 60,
  machine: 98,
  zstd: 133,
} as const
/** Of sequence_flags. */
const STATE_CLEARED = 1
const NEEDS_STATE = 2
/** Data of which a packet holds one. */
const DATA: ReadonlySet<number> = new Set([
  PACKET.processTree,
  PACKET.clockSnapshot,
  PACKET.sysStats,
  PACKET.processStats,
  PACKET.trackEvent,
  PACKET.traceConfig,
  PACKET.ftraceStats,
  PACKET.traceStats,
  PACKET.systemInfo,
  PACKET.packagesList,
  PACKET.compressed,
  PACKET.trackDescriptor,
  PACKET.zstd,
])

/** Where a length-delimited field lies. */
class Span {
  start = -1
  end = -1

  get isThere(): boolean {
    return this.start >= 0
  }

  clear(): void {
    this.start = -1
    this.end = -1
  }

  set(walker: FieldWalker): void {
    this.start = walker.start
    this.end = walker.end
  }
}

/** What a packet says of itself, and where its parts lie; overwritten by the next `read`. */
export class PacketHead {
  sequence = 0
  /** 0 = the machine that recorded. */
  machine = 0
  /** The packet's time on its clock. */
  hi = 0
  lo = 0
  isTimed = false
  /** 0 = the sequence's. */
  clock = 0
  clearsState = false
  needsState = false
  /** Packets of its sequence are missing before it. */
  followsDrop = false
  readonly bundle = new Span()
  readonly interned = new Span()
  readonly defaults = new Span()
  /** Field number of the packet's other data; 0 = none. */
  kind = 0
  readonly data = new Span()
  readonly #walker = new FieldWalker()

  /** False when the packet is damaged. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.#clear()
    const walker = this.#walker
    walker.begin(bytes, start, end)
    while (walker.next())
      if (walker.wire === BYTES) this.#readPart(walker)
      else this.#readNumber(walker)
    return !walker.bad
  }

  #clear(): void {
    this.sequence = 0
    this.machine = 0
    this.isTimed = false
    this.clock = 0
    this.clearsState = false
    this.needsState = false
    this.followsDrop = false
    this.kind = 0
    this.bundle.clear()
    this.interned.clear()
    this.defaults.clear()
    this.data.clear()
  }

  #readNumber(walker: FieldWalker): void {
    switch (walker.field) {
      case PACKET.sequence:
        this.sequence = walker.lo
        break
      case PACKET.timestamp:
        this.hi = walker.hi
        this.lo = walker.lo
        this.isTimed = true
        break
      case PACKET.clock:
        this.clock = walker.lo
        break
      case PACKET.sequenceFlags:
        this.clearsState ||= (walker.lo & STATE_CLEARED) !== 0
        this.needsState = (walker.lo & NEEDS_STATE) !== 0
        break
      case PACKET.stateCleared:
        this.clearsState ||= walker.lo !== 0
        break
      case PACKET.previousDropped:
        this.followsDrop = walker.lo !== 0
        break
      case PACKET.machine:
        this.machine = walker.lo
        break
    }
  }

  #readPart(walker: FieldWalker): void {
    if (walker.field === PACKET.ftraceEvents) this.bundle.set(walker)
    else if (walker.field === PACKET.internedData) this.interned.set(walker)
    else if (walker.field === PACKET.defaults) this.defaults.set(walker)
    else if (DATA.has(walker.field)) {
      this.kind = walker.field
      this.data.set(walker)
    }
  }
}
