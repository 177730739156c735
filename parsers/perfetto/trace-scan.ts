import { TraceParseError } from '../error.ts'
import type { IssueLog } from '../issues.ts'
import { UnpackBudget } from '../trace-dat/cpu-stream.ts'
import { BUNDLE, BundleList, COMPACT } from './bundle-list.ts'
import { Clocks, MONOTONIC_RAW } from './clocks.ts'
import { DeviceData } from './device-data.ts'
import type { EventDecoder } from './event-decoder.ts'
import { DEFLATE, type PacketStore, ZSTD } from './packet-store.ts'
import { SideRows } from './side-rows.ts'
import { type Sequence, type Track, TrackEvents } from './track-events.ts'
import { BYTES, FieldWalker, halvesDifference, readHead } from './wire.ts'

/** TracePacket (protos/perfetto/trace/trace_packet.proto). */
const PACKET = {
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
  stateCleared: 41,
  previousDropped: 42,
  systemInfo: 45,
  packagesList: 47,
  compressed: 50,
  clock: 58,
  defaults: 59,
  trackDescriptor: 60,
  zstd: 133,
} as const
const INCREMENTAL_STATE_CLEARED = 1
/** Of InternedData. */
const INTERNED = { eventNames: 2, kernelSymbols: 26 } as const
const AMBIGUOUS = -1
const MAX_PACKET_BYTES = 1 << 24
const MAX_CPUS = 4096
const MAX_SEQUENCES = 1 << 16
const MAX_INTERNED = 1 << 20
/** Each is remembered with 17 bytes; as they have kilobytes, this is some 100 GB. */
const MAX_BUNDLES = 1 << 24
const MAX_CHUNKS = 1 << 20
const PIECE_BYTES = 1 << 20
const SAFE_NS = 2 ** 52

/**
 * The first pass over a trace: finds each cpu's bundles, the events' kinds, clocks, names, counters and slices. Packets come in any
 * order but that of their sequence; a second pass reads the bundles cpu by cpu.
 */
export class TraceScan {
  readonly bundles = new Map<number, BundleList>()
  readonly clocks = new Clocks()
  readonly side = new SideRows()
  readonly device: DeviceData
  /** Least time of an ftrace event, ns since the clocks' base; undefined when there is none. */
  firstNs: number | undefined
  /** Last known boot minus ftrace time, for clocks other than boot. */
  ftraceOffset = 0
  ftraceClock = 0
  readonly #store: PacketStore
  readonly #decoder: EventDecoder
  readonly #issues: IssueLog
  readonly #budget = new UnpackBudget()
  readonly #trackEvents: TrackEvents
  readonly #sequences = new Map<number, Sequence>()
  readonly #gapOf = new Map<number, Set<number>>()
  /** Kernel functions by the number that stands in their place in events. */
  readonly #symbols = new Map<number, number>()
  #bundleCount = 0
  #chunks = 0
  readonly #packet = new FieldWalker()
  readonly #a = new FieldWalker()
  readonly #b = new FieldWalker()
  readonly #c = new FieldWalker()
  readonly #nested = new FieldWalker()
  readonly #loadZstd: () => Promise<void>
  #interned = 0

  constructor(
    store: PacketStore,
    decoder: EventDecoder,
    issues: IssueLog,
    loadZstd: () => Promise<void>,
  ) {
    this.#store = store
    this.#decoder = decoder
    this.#issues = issues
    this.#loadZstd = loadZstd
    this.device = new DeviceData(this.side, decoder, issues)
    this.#trackEvents = new TrackEvents(this.side, this.device, issues)
  }

  get tracks(): readonly Track[] {
    return this.#trackEvents.tracks
  }

  /** CpuReader puts a number from 1 in the place of each address (src/traced/probes/ftrace/cpu_reader.cc, ReadSymbolAddr). */
  symbolOf(hi: number, lo: number): string | undefined {
    const name = hi === 0 ? this.#symbols.get(lo) : undefined
    return name === undefined || name === AMBIGUOUS ? undefined : this.side.nameOf(name)
  }

  async run(): Promise<void> {
    const { source } = this.#store
    const { size } = source
    let piece = new Uint8Array(0)
    let pieceAt = 0
    const walker = this.#packet
    /** Bytes from `at` on; at least `wanted` unless the file ends. */
    const need = (at: number, wanted: number): void => {
      if (at >= pieceAt && at + wanted <= pieceAt + piece.length) return
      pieceAt = at
      piece = this.#store.borrowRaw(at, Math.min(Math.max(PIECE_BYTES, wanted), size - at)).slice()
    }
    for (let at = 0; at < size; ) {
      need(at, Math.min(16, size - at))
      const head = readHead(piece, at - pieceAt)
      if (head === undefined) {
        if (size - at < 16) this.#reportCut(at)
        else this.#reportBadPacket(at)
        return
      }
      const { tag, headBytes, length } = head
      const bodyAt = at + headBytes
      if (length > size - bodyAt) {
        this.#reportCut(at)
        return
      }
      at = bodyAt + length
      // Trace.packet is field 1; others are none of this version.
      if (tag !== 10) {
        this.#issues.add(
          'unknown_field',
          'info',
          bodyAt,
          'The trace has fields that are not packets.',
        )
        continue
      }
      if (length > MAX_PACKET_BYTES) {
        this.#issues.add(
          'packet_too_large',
          'data_loss',
          bodyAt,
          `A packet has ${length} bytes; at most ${MAX_PACKET_BYTES} are read.`,
        )
        continue
      }
      need(bodyAt, length)
      const start = bodyAt - pieceAt
      await this.#packetAt(walker, piece, start, start + length, -1, bodyAt - start)
    }
  }

  /** `shift` + index = place in the file, or in the chunk. */
  async #packetAt(
    walker: FieldWalker,
    bytes: Uint8Array,
    start: number,
    end: number,
    chunk: number,
    shift: number,
  ): Promise<void> {
    walker.begin(bytes, start, end)
    let sequence = 0
    let hi = 0
    let lo = 0
    let timed = false
    let clock = 0
    let cleared = false
    let dropped = false
    let bundle = -1
    let bundleEnd = 0
    let interned = -1
    let internedEnd = 0
    let defaults = -1
    let defaultsEnd = 0
    let data = 0
    let dataStart = 0
    let dataEnd = 0
    const at = this.#store.position(chunk, start + shift)
    while (walker.next()) {
      switch (walker.field) {
        case PACKET.sequence:
          sequence = walker.lo
          break
        case PACKET.timestamp:
          hi = walker.hi
          lo = walker.lo
          timed = true
          break
        case PACKET.clock:
          clock = walker.lo
          break
        case PACKET.sequenceFlags:
          cleared ||= (walker.lo & INCREMENTAL_STATE_CLEARED) !== 0
          break
        case PACKET.stateCleared:
          cleared ||= walker.lo !== 0
          break
        case PACKET.previousDropped:
          dropped = walker.lo !== 0
          break
        default:
          if (walker.wire !== BYTES) break
          if (walker.field === PACKET.ftraceEvents) {
            bundle = walker.start
            bundleEnd = walker.end
          } else if (walker.field === PACKET.internedData) {
            interned = walker.start
            internedEnd = walker.end
          } else if (walker.field === PACKET.defaults) {
            defaults = walker.start
            defaultsEnd = walker.end
          } else if (READ_DATA.has(walker.field)) {
            data = walker.field
            dataStart = walker.start
            dataEnd = walker.end
          }
      }
    }
    if (walker.bad) {
      this.#issues.add('corrupt_packet', 'data_loss', at, 'A packet is damaged and was skipped.')
      return
    }
    const state = this.#sequenceOf(sequence)
    if (cleared) {
      this.#interned -= state.names.size
      state.names.clear()
      state.track = -1
      state.clock = 0
    }
    if (defaults >= 0) this.#parseDefaults(state, bytes, defaults, defaultsEnd)
    if (interned >= 0) this.#parseInterned(state, bytes, interned, internedEnd)
    if (dropped) this.#drop(sequence, at)
    if (bundle >= 0) this.#scanBundle(bytes, bundle, bundleEnd, chunk, shift, sequence, at)
    if (data === 0) return
    if (data === PACKET.compressed || data === PACKET.zstd) {
      if (chunk < 0) await this.#unpack(data, dataStart + shift, dataEnd - dataStart)
      else
        this.#issues.add(
          'nested_chunk',
          'data_loss',
          at,
          'Compressed packets hold compressed packets.',
        )
      return
    }
    const clockId = clock !== 0 ? clock : state.clock
    const ns = timed
      ? this.clocks.toBoot(clockId === 0 ? 6 : clockId, sequence, hi, lo)
      : Number.NaN
    if (timed && Number.isNaN(ns) && data !== PACKET.clockSnapshot)
      this.#issues.add(
        'clock_unknown',
        'data_loss',
        at,
        `Packets use clock ${clockId}, which no clock snapshot before them has; their data has no time.`,
        clockId,
      )
    this.#parseData(data, state, bytes, dataStart, dataEnd, ns, at)
  }

  #parseData(
    data: number,
    state: Sequence,
    bytes: Uint8Array,
    start: number,
    end: number,
    ns: number,
    at: number,
  ): void {
    switch (data) {
      case PACKET.clockSnapshot:
        this.clocks.snapshot(bytes, start, end, state.id, ns)
        break
      case PACKET.processTree:
        this.device.parseProcessTree(bytes, start, end)
        break
      case PACKET.processStats:
        this.device.parseProcessStats(bytes, start, end, ns)
        break
      case PACKET.sysStats:
        this.device.parseSysStats(bytes, start, end, ns)
        break
      case PACKET.trackEvent:
        this.#trackEvents.parseEvent(state, bytes, start, end, ns, at)
        break
      case PACKET.trackDescriptor:
        this.#trackEvents.parseDescriptor(bytes, start, end)
        break
      case PACKET.ftraceStats:
        this.device.parseFtraceStats(bytes, start, end, at)
        break
      case PACKET.systemInfo:
        this.device.parseSystemInfo(bytes, start, end)
        break
      case PACKET.traceConfig:
        this.device.parseConfig(bytes, start, end)
        break
      case PACKET.packagesList:
        this.device.parsePackages(bytes, start, end)
        break
    }
  }

  async #unpack(field: number, at: number, packedBytes: number): Promise<void> {
    const method = field === PACKET.zstd ? ZSTD : DEFLATE
    if (method === ZSTD) await this.#loadZstd()
    if (this.#chunks++ >= MAX_CHUNKS) {
      this.#reportTooMany('compressed chunks', MAX_CHUNKS, at)
      return
    }
    const chunk = this.#store.addChunk(at, packedBytes, method)
    const bytes = this.#store.borrowChunk(chunk)
    if (!this.#budget.allows(packedBytes, bytes.length))
      throw new TraceParseError(
        'compression_bomb',
        this.#store.source.name,
        { unit: 'byte', at },
        `compressed packets of ${packedBytes} bytes hold ${bytes.length} bytes, as others before`,
      )
    for (let from = 0; from < bytes.length; ) {
      const head = readHead(bytes, from)
      const start = from + (head?.headBytes ?? 0)
      if (head === undefined || head.length > bytes.length - start) {
        this.#issues.add(
          'corrupt_packet',
          'data_loss',
          at,
          'Compressed packets hold a damaged packet; what follows it there was skipped.',
        )
        return
      }
      from = start + head.length
      if (head.tag === 10) await this.#packetAt(this.#nested, bytes, start, from, chunk, 0)
    }
  }

  #sequenceOf(id: number): Sequence {
    let sequence = this.#sequences.get(id)
    if (sequence === undefined) {
      sequence = { id, clock: 0, track: -1, names: new Map() }
      if (this.#sequences.size < MAX_SEQUENCES) this.#sequences.set(id, sequence)
      else
        this.#issues.add(
          'too_many_sequences',
          'data_loss',
          undefined,
          `The trace has more than ${MAX_SEQUENCES} packet sequences; names and clocks of the rest are not kept.`,
        )
    }
    return sequence
  }

  /** Packets of a sequence were dropped: each cpu it carries has a gap before its next bundle. */
  #drop(sequence: number, at: number): void {
    const cpus = this.#gapOf.get(sequence)
    if (cpus === undefined) return
    for (const [cpu, list] of this.bundles) if (list.length > 0) cpus.add(cpu)
    this.#issues.add(
      'packets_dropped',
      'data_loss',
      at,
      `Packets of sequence ${sequence}, which carries ftrace events, were dropped while recording.`,
      sequence,
    )
  }

  #scanBundle(
    bytes: Uint8Array,
    start: number,
    end: number,
    chunk: number,
    shift: number,
    sequence: number,
    at: number,
  ): void {
    const walker = this.#a
    const decoder = this.#decoder
    let cpu = 0
    let clock = 0
    let ftraceHi = 0
    let ftraceLo = 0
    let bootHi = 0
    let bootLo = 0
    let first = Number.POSITIVE_INFINITY
    walker.begin(bytes, start, end)
    while (walker.next()) {
      switch (walker.field) {
        case BUNDLE.cpu:
          cpu = walker.lo
          break
        case BUNDLE.event:
          if (walker.wire === BYTES && decoder.head(bytes, walker.start, walker.end)) {
            decoder.note(bytes)
            const ns = this.clocks.fromBoot(decoder.tsHi, decoder.tsLo)
            if (ns < first) first = ns
          }
          break
        case BUNDLE.compactSched:
          if (walker.wire === BYTES)
            first = Math.min(first, this.#noteCompact(bytes, walker.start, walker.end))
          break
        case BUNDLE.clock:
          clock = walker.lo
          break
        case BUNDLE.ftraceTimestamp:
          ftraceHi = walker.hi
          ftraceLo = walker.lo
          break
        case BUNDLE.bootTimestamp:
          bootHi = walker.hi
          bootLo = walker.lo
          break
        case BUNDLE.error:
          this.#issues.add(
            'ftrace_error',
            'data_loss',
            at,
            `Perfetto could not read part of the kernel's buffer of cpu ${cpu}.`,
            cpu,
          )
          break
        case BUNDLE.descriptor:
          if (walker.wire === BYTES) decoder.describe(bytes, walker.start, walker.end, at)
          break
      }
    }
    if (walker.bad)
      this.#issues.add(
        'corrupt_bundle',
        'data_loss',
        at,
        `A bundle of cpu ${cpu} is damaged; what follows the damage was skipped.`,
        cpu,
      )
    if (clock !== 0) {
      this.ftraceClock = clock
      this.#setFtraceOffset(clock, { ftraceHi, ftraceLo, bootHi, bootLo })
      first += this.ftraceOffset
    }
    if (Math.abs(first) < SAFE_NS && (this.firstNs === undefined || first < this.firstNs))
      this.firstNs = first
    let list = this.bundles.get(cpu)
    if (list === undefined) {
      if (this.bundles.size >= MAX_CPUS) {
        this.#issues.add(
          'too_many_cpus',
          'data_loss',
          at,
          `The trace has bundles of more than ${MAX_CPUS} cpus; the rest was not read.`,
        )
        return
      }
      list = new BundleList()
      this.bundles.set(cpu, list)
    }
    let gaps = this.#gapOf.get(sequence)
    if (gaps === undefined && this.#gapOf.size < MAX_SEQUENCES) {
      gaps = new Set()
      this.#gapOf.set(sequence, gaps)
    }
    if (this.#bundleCount++ >= MAX_BUNDLES) this.#reportTooMany('bundles', MAX_BUNDLES, at)
    else list.add(chunk, start + shift, end - start, gaps?.delete(cpu) === true)
  }

  #reportTooMany(what: string, most: number, at: number): void {
    this.#issues.add(
      'too_many_packets',
      'data_loss',
      at,
      `The trace has more than ${most} ${what}; the rest was not read.`,
      what,
    )
  }

  #setFtraceOffset(
    clock: number,
    at: { ftraceHi: number; ftraceLo: number; bootHi: number; bootLo: number },
  ): void {
    const { ftraceHi, ftraceLo, bootHi, bootLo } = at
    if (ftraceHi !== 0 || ftraceLo !== 0) {
      this.ftraceOffset = halvesDifference(bootHi, bootLo, ftraceHi, ftraceLo)
      return
    }
    const raw = this.clocks.toBoot(MONOTONIC_RAW, 0, this.clocks.hi, this.clocks.lo)
    if (clock === 4 && !Number.isNaN(raw)) this.ftraceOffset = raw
    else
      this.#issues.add(
        'ftrace_clock',
        'error',
        undefined,
        'The ftrace clock is not the boot clock, and nothing tells their distance; times of ftrace events and of other data may not agree.',
      )
  }

  /** The first time of compact scheduling events; infinite when there are none. */
  #noteCompact(bytes: Uint8Array, start: number, end: number): number {
    const walker = this.#b
    const packed = this.#c
    let first = Number.POSITIVE_INFINITY
    walker.begin(bytes, start, end)
    while (walker.next()) {
      const isSwitch = walker.field === COMPACT.switchTimestamp
      if (!isSwitch && walker.field !== COMPACT.wakingTimestamp) continue
      if (walker.wire === BYTES) {
        packed.begin(bytes, walker.start, walker.end)
        if (!packed.nextPacked()) continue
        first = Math.min(first, this.clocks.fromBoot(packed.hi, packed.lo))
      }
      this.#decoder.noteSched(isSwitch)
    }
    return first
  }

  #parseDefaults(state: Sequence, bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#a
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field === PACKET.clock) state.clock = walker.lo
      else if (walker.field === PACKET.trackEvent && walker.wire === BYTES)
        this.#trackEvents.parseDefaults(state, bytes, walker.start, walker.end)
    }
  }

  #parseInterned(state: Sequence, bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#a
    const part = this.#b
    walker.begin(bytes, start, end)
    while (walker.next()) {
      const isSymbol = walker.field === INTERNED.kernelSymbols
      if ((!isSymbol && walker.field !== INTERNED.eventNames) || walker.wire !== BYTES) continue
      let iid = 0
      let name = -1
      part.begin(bytes, walker.start, walker.end)
      while (part.next()) {
        if (part.field === 1) iid = part.value
        else if (part.field === 2 && part.wire === BYTES)
          name = this.side.intern(bytes, part.start, part.end)
      }
      if (name < 0 || this.#interned >= MAX_INTERNED) continue
      if (isSymbol) this.#addSymbol(iid, name)
      else if (!state.names.has(iid)) {
        this.#interned++
        state.names.set(iid, name)
      }
    }
  }

  /** Two data sources may count symbols on their own: a number that means two names is none. */
  #addSymbol(iid: number, name: number): void {
    const known = this.#symbols.get(iid)
    if (known === undefined) this.#interned++
    this.#symbols.set(iid, known === undefined || known === name ? name : AMBIGUOUS)
  }

  #reportCut(at: number): void {
    this.#issues.add(
      'data_truncated',
      'data_loss',
      at,
      `The trace is cut off inside a packet: the file has ${this.#store.source.size} bytes.`,
    )
  }

  #reportBadPacket(at: number): void {
    this.#issues.add(
      'corrupt_packet',
      'data_loss',
      at,
      'What should be a packet is none; nothing after it was read.',
      'end',
    )
  }
}

const READ_DATA: ReadonlySet<number> = new Set([
  PACKET.processTree,
  PACKET.clockSnapshot,
  PACKET.sysStats,
  PACKET.processStats,
  PACKET.trackEvent,
  PACKET.traceConfig,
  PACKET.ftraceStats,
  PACKET.systemInfo,
  PACKET.packagesList,
  PACKET.compressed,
  PACKET.trackDescriptor,
  PACKET.zstd,
])
