import type { IssueLog } from '../issues.ts'
import type { BundleList } from './bundle-list.ts'
import { PACKET } from './packet-head.ts'
import type { SideRows } from './side-rows.ts'
import type { TrackEvents } from './track-events.ts'
import { BYTES, FieldWalker } from './wire.ts'

/** Of InternedData (interned_data/interned_data.proto). */
const INTERNED = { eventNames: 2, kernelSymbols: 26 } as const
const AMBIGUOUS = -1
const MAX_SEQUENCES = 1 << 16
const MAX_INTERNED = 1 << 20

/** The kernel's counters of lost events of one cpu at a recording's start and end. */
export interface CpuCounter {
  start: number | undefined
  end: number | undefined
}

/** What one writer of packets said before, on which its next packets rest. */
export interface Sequence {
  readonly id: number
  /** 0 = the trace's own. */
  clock: number
  track: number
  readonly names: Map<number, number>
  /** Sums of counters that are told by their steps, by track. */
  readonly sums: Map<number, number>
  /** All that its packets rest on was met: nothing was dropped since it began anew. */
  isWhole: boolean
  /** By cpu. */
  readonly bundles: Map<number, BundleList>
  readonly counters: Map<number, CpuCounter>
}

/** The sequences of packets, their interned names, and the kernel symbols that all of them name. */
export class Sequences {
  readonly #issues: IssueLog
  readonly #side: SideRows
  readonly #byId = new Map<number, Sequence>()
  /** Kernel functions by the number that stands in their place in events. */
  readonly #symbols = new Map<number, number>()
  readonly #walker = new FieldWalker()
  readonly #part = new FieldWalker()
  #interned = 0

  constructor(side: SideRows, issues: IssueLog) {
    this.#side = side
    this.#issues = issues
  }

  of(id: number): Sequence {
    let sequence = this.#byId.get(id)
    if (sequence === undefined) {
      sequence = {
        id,
        clock: 0,
        track: -1,
        names: new Map(),
        sums: new Map(),
        isWhole: false,
        bundles: new Map(),
        counters: new Map(),
      }
      if (this.#byId.size < MAX_SEQUENCES) this.#byId.set(id, sequence)
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

  /** The writer says again whatever its packets rest on from here. */
  restart(state: Sequence): void {
    this.#interned -= state.names.size
    state.names.clear()
    state.sums.clear()
    state.track = -1
    state.clock = 0
    state.isWhole = true
  }

  /** Packets of the sequence were dropped: each cpu it carries has a gap before its next bundle. */
  drop(state: Sequence, at: number): void {
    state.isWhole = false
    if (state.bundles.size === 0) return
    for (const list of state.bundles.values()) list.isGapNext = true
    this.#issues.add(
      'packets_dropped',
      'data_loss',
      at,
      `Packets of sequence ${state.id}, which carries ftrace events, were dropped while recording.`,
      state.id,
    )
  }

  /** TracePacketDefaults (trace_packet_defaults.proto). */
  parseDefaults(
    state: Sequence,
    tracks: TrackEvents,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const walker = this.#walker
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field === PACKET.clock) state.clock = walker.lo
      else if (walker.field === PACKET.trackEvent && walker.wire === BYTES)
        tracks.parseDefaults(state, bytes, walker.start, walker.end)
    }
  }

  parseInterned(state: Sequence, bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#walker
    const part = this.#part
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
          name = this.#side.intern(bytes, part.start, part.end)
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

  /** CpuReader puts a number from 1 in the place of each address (src/traced/probes/ftrace/cpu_reader.cc, ReadSymbolAddr). */
  symbolOf(hi: number, lo: number): string | undefined {
    const name = hi === 0 ? this.#symbols.get(lo) : undefined
    return name === undefined || name === AMBIGUOUS ? undefined : this.#side.nameOf(name)
  }
}
