import type { IssueLog } from '../issues.ts'
import { BundleFrame } from './bundle-frame.ts'
import { BUNDLE, BundleList, COMPACT } from './bundle-list.ts'
import { type Clocks, MONOTONIC_RAW } from './clocks.ts'
import type { EventDecoder } from './event-decoder.ts'
import type { Sequence } from './sequences.ts'
import { BYTES, FieldWalker, halvesDifference } from './wire.ts'

/** Buffers of cpus: a recording of several tracefs instances has some of each cpu. */
const MAX_LISTS = 4096
/** Each is remembered with 17 bytes; as they have kilobytes, this is some 100 GB. */
const MAX_BUNDLES = 1 << 24
const SAFE_NS = 2 ** 52
/** FtraceClock. */
const MONO_RAW = 4

/** Where a bundle lies: in the file (chunk -1, `at` a byte of it) or in an unpacked chunk. */
export interface BundlePlace {
  readonly chunk: number
  readonly at: number
  readonly size: number
}

/** Finds each cpu's bundles and the kinds of their events, without decoding them. */
export class BundleScan {
  /** One for each cpu of each sequence that has bundles. */
  readonly lists: BundleList[] = []
  /** Least time of an ftrace event, ns since the clocks' base; undefined when there is none. */
  firstNs: number | undefined
  /** Last known boot minus ftrace time, for clocks other than boot. */
  ftraceOffset = 0
  readonly #clocks: Clocks
  readonly #decoder: EventDecoder
  readonly #issues: IssueLog
  readonly #walker = new FieldWalker()
  readonly #part = new FieldWalker()
  readonly #packed = new FieldWalker()
  #count = 0
  /** Of the bundle at hand. */
  #cpu = 0
  readonly #frame = new BundleFrame()

  constructor(clocks: Clocks, decoder: EventDecoder, issues: IssueLog) {
    this.#clocks = clocks
    this.#decoder = decoder
    this.#issues = issues
  }

  /** `position` is the byte of the file that errors name. */
  add(
    state: Sequence,
    bytes: Uint8Array,
    span: { readonly start: number; readonly end: number },
    place: BundlePlace,
    position: number,
  ): void {
    let first = this.#note(bytes, span, position)
    if (this.#frame.clock !== 0) {
      this.#setFtraceOffset()
      first += this.ftraceOffset
    }
    if (Math.abs(first) < SAFE_NS && (this.firstNs === undefined || first < this.firstNs))
      this.firstNs = first
    const list = state.bundles.get(this.#cpu) ?? this.#newList(state, position)
    if (list === undefined) return
    if (this.#count++ < MAX_BUNDLES) list.add(place.chunk, place.at, place.size)
    else
      this.#issues.add(
        'too_many_packets',
        'data_loss',
        position,
        `The trace has more than ${MAX_BUNDLES} bundles; the rest was not read.`,
        'bundles',
      )
  }

  #newList(state: Sequence, position: number): BundleList | undefined {
    if (this.lists.length >= MAX_LISTS) {
      this.#issues.add(
        'too_many_cpus',
        'data_loss',
        position,
        `The trace has bundles of more than ${MAX_LISTS} cpus; the rest was not read.`,
      )
      return undefined
    }
    const list = new BundleList(this.#cpu, state)
    this.lists.push(list)
    state.bundles.set(this.#cpu, list)
    return list
  }

  /** Notes what a bundle tells of itself and its kinds of events; its first time, infinite when it has none. */
  #note(
    bytes: Uint8Array,
    { start, end }: { readonly start: number; readonly end: number },
    position: number,
  ): number {
    const walker = this.#walker
    const decoder = this.#decoder
    let first = Number.POSITIVE_INFINITY
    this.#cpu = 0
    this.#frame.clear()
    walker.begin(bytes, start, end)
    while (walker.next())
      if (walker.wire !== BYTES)
        if (walker.field === BUNDLE.cpu) this.#cpu = walker.lo
        else this.#frame.note(walker)
      else if (walker.field === BUNDLE.event) {
        if (!decoder.head(bytes, walker.start, walker.end)) continue
        decoder.note(bytes)
        const ns = this.#clocks.fromBoot(decoder.tsHi, decoder.tsLo)
        if (ns < first) first = ns
      } else if (walker.field === BUNDLE.compactSched)
        first = Math.min(first, this.#noteCompact(bytes, walker.start, walker.end))
      else if (walker.field === BUNDLE.descriptor)
        decoder.describe(bytes, walker.start, walker.end, position)
      else if (walker.field === BUNDLE.error)
        this.#issues.add(
          'ftrace_error',
          'data_loss',
          position,
          `Perfetto could not read part of the kernel's buffer of cpu ${this.#cpu}.`,
          this.#cpu,
        )
    if (walker.bad)
      this.#issues.add(
        'corrupt_bundle',
        'data_loss',
        position,
        `A bundle of cpu ${this.#cpu} is damaged; what follows the damage was skipped.`,
        this.#cpu,
      )
    return first
  }

  #setFtraceOffset(): void {
    const { clock, ftraceHi, ftraceLo, bootHi, bootLo } = this.#frame
    if (ftraceHi !== 0 || ftraceLo !== 0) {
      this.ftraceOffset = halvesDifference(bootHi, bootLo, ftraceHi, ftraceLo)
      return
    }
    const { hi, lo } = this.#clocks
    const raw = this.#clocks.toBoot(MONOTONIC_RAW, 0, hi, lo)
    if (clock === MONO_RAW && !Number.isNaN(raw)) this.ftraceOffset = raw
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
    const walker = this.#part
    const packed = this.#packed
    let first = Number.POSITIVE_INFINITY
    walker.begin(bytes, start, end)
    while (walker.next()) {
      const isSwitch = walker.field === COMPACT.switchTimestamp
      if (!isSwitch && walker.field !== COMPACT.wakingTimestamp) continue
      if (walker.wire === BYTES) {
        packed.begin(bytes, walker.start, walker.end)
        if (!packed.nextPacked()) continue
        first = Math.min(first, this.#clocks.fromBoot(packed.hi, packed.lo))
      }
      this.#decoder.noteSched(isSwitch)
    }
    return first
  }
}
