import { TraceParseError } from '../error.ts'
import type { IssueLog } from '../issues.ts'
import { UnpackBudget } from '../trace-dat/cpu-stream.ts'
import { BundleScan } from './bundle-scan.ts'
import { Clocks } from './clocks.ts'
import { DeviceData } from './device-data.ts'
import type { EventDecoder } from './event-decoder.ts'
import { PACKET, PacketHead } from './packet-head.ts'
import { DEFLATE, type PacketStore, ZSTD } from './packet-store.ts'
import { type Sequence, Sequences } from './sequences.ts'
import { SideRows } from './side-rows.ts'
import { TrackEvents } from './track-events.ts'
import { readHead } from './wire.ts'

const MAX_PACKET_BYTES = 1 << 24
const MAX_CHUNKS = 1 << 20
const PIECE_BYTES = 1 << 20

/**
 * The first pass over a trace: finds each cpu's bundles, the events' kinds, clocks, names, counters and slices. Packets come in any
 * order but that of their sequence; a second pass reads the bundles cpu by cpu.
 */
export class TraceScan {
  readonly clocks = new Clocks()
  readonly side = new SideRows()
  readonly bundles: BundleScan
  readonly device: DeviceData
  readonly sequences: Sequences
  readonly tracks: TrackEvents
  readonly #store: PacketStore
  readonly #issues: IssueLog
  readonly #budget = new UnpackBudget()
  #chunks = 0
  /** A packet of the file, and one of a chunk that it holds. */
  readonly #packet = new PacketHead()
  readonly #nested = new PacketHead()
  readonly #loadZstd: () => Promise<void>

  constructor(
    store: PacketStore,
    decoder: EventDecoder,
    issues: IssueLog,
    loadZstd: () => Promise<void>,
  ) {
    this.#store = store
    this.#issues = issues
    this.#loadZstd = loadZstd
    this.bundles = new BundleScan(this.clocks, decoder, issues)
    this.device = new DeviceData(this.side, decoder, issues)
    this.sequences = new Sequences(this.side, issues)
    this.tracks = new TrackEvents(this.side, this.device, issues)
  }

  async run(): Promise<void> {
    const { source } = this.#store
    const { size } = source
    let piece = new Uint8Array(0)
    let pieceAt = 0
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
      await this.#packetAt(this.#packet, piece, start, start + length, -1, bodyAt - start)
    }
  }

  /** `shift` + index = place in the file, or in the chunk. */
  async #packetAt(
    head: PacketHead,
    bytes: Uint8Array,
    start: number,
    end: number,
    chunk: number,
    shift: number,
  ): Promise<void> {
    const at = this.#store.position(chunk, start + shift)
    if (!head.read(bytes, start, end)) {
      this.#issues.add('corrupt_packet', 'data_loss', at, 'A packet is damaged and was skipped.')
      return
    }
    if (head.machine !== 0) {
      this.#issues.add(
        'other_machine',
        'data_loss',
        at,
        `Packets are of machine ${head.machine}, not of the one that recorded, and were not read.`,
        head.machine,
      )
      return
    }
    const state = this.#followSequence(head, bytes, at)
    const { bundle } = head
    if (bundle.isThere) {
      const place = { chunk, at: bundle.start + shift, size: bundle.end - bundle.start }
      this.bundles.add(state, bytes, bundle, place, at)
    }
    if (head.kind === PACKET.compressed || head.kind === PACKET.zstd) {
      const { data, kind } = head
      if (chunk < 0) await this.#unpack(kind, data.start + shift, data.end - data.start)
      else
        this.#issues.add(
          'nested_chunk',
          'data_loss',
          at,
          'Compressed packets hold compressed packets.',
        )
    } else if (head.kind !== 0) this.#parseData(head, state, bytes, at)
  }

  /** What the packet changes of the state that later ones of its sequence rest on. */
  #followSequence(head: PacketHead, bytes: Uint8Array, at: number): Sequence {
    const { sequences } = this
    const state = sequences.of(head.sequence)
    if (head.followsDrop) sequences.drop(state, at)
    if (head.clearsState) sequences.restart(state)
    const { defaults, interned } = head
    if (defaults.isThere)
      sequences.parseDefaults(state, this.tracks, bytes, defaults.start, defaults.end)
    if (interned.isThere) sequences.parseInterned(state, bytes, interned.start, interned.end)
    return state
  }

  #parseData(head: PacketHead, state: Sequence, bytes: Uint8Array, at: number): void {
    if (head.needsState && !state.isWhole && head.kind !== PACKET.clockSnapshot) {
      this.#issues.add(
        'sequence_incomplete',
        'data_loss',
        at,
        `Packets of sequence ${state.id} rest on packets that were dropped, and were not read.`,
        state.id,
      )
      return
    }
    const { data, kind } = head
    const ns = this.#timeOf(head, state, at)
    switch (kind) {
      case PACKET.clockSnapshot:
        this.clocks.snapshot(bytes, data.start, data.end, state.id, ns)
        break
      case PACKET.processTree:
        this.device.parseProcessTree(bytes, data.start, data.end)
        break
      case PACKET.processStats:
        this.device.parseProcessStats(bytes, data.start, data.end, ns)
        break
      case PACKET.sysStats:
        this.device.parseSysStats(bytes, data.start, data.end, ns)
        break
      case PACKET.trackEvent:
        this.tracks.parseEvent(state, bytes, data.start, data.end, ns, at)
        break
      case PACKET.trackDescriptor:
        this.tracks.parseDescriptor(bytes, data.start, data.end)
        break
      case PACKET.ftraceStats:
        this.device.parseFtraceStats(state, bytes, data.start, data.end, at)
        break
      case PACKET.traceStats:
        this.device.parseTraceStats(bytes, data.start, data.end, at)
        break
      case PACKET.systemInfo:
        this.device.parseSystemInfo(bytes, data.start, data.end)
        break
      case PACKET.traceConfig:
        this.device.parseConfig(bytes, data.start, data.end)
        break
      case PACKET.packagesList:
        this.device.parsePackages(bytes, data.start, data.end)
        break
    }
  }

  /** NaN when the packet has no time, or one of a clock that no snapshot has. */
  #timeOf(head: PacketHead, state: Sequence, at: number): number {
    if (!head.isTimed) return Number.NaN
    const clock = head.clock || state.clock || this.clocks.main
    const ns = this.clocks.toBoot(clock, state.id, head.hi, head.lo)
    if (Number.isNaN(ns) && head.kind !== PACKET.clockSnapshot)
      this.#issues.add(
        'clock_unknown',
        'data_loss',
        at,
        `Packets use clock ${clock}, which no clock snapshot before them has; their data has no time.`,
        clock,
      )
    return ns
  }

  async #unpack(field: number, at: number, packedBytes: number): Promise<void> {
    const method = field === PACKET.zstd ? ZSTD : DEFLATE
    if (method === ZSTD) await this.#loadZstd()
    if (this.#chunks++ >= MAX_CHUNKS) {
      this.#issues.add(
        'too_many_packets',
        'data_loss',
        at,
        `The trace has more than ${MAX_CHUNKS} compressed chunks; the rest was not read.`,
      )
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
