import type { IssueLog } from '../issues.ts'
import type { DeviceData } from './device-data.ts'
import { textOf } from './event-decoder.ts'
import type { Sequence } from './sequences.ts'
import { type SideRows, SLICE } from './side-rows.ts'
import { BYTES, FieldWalker, TWO_32 } from './wire.ts'

/** TrackEvent (track_event/track_event.proto): fields, and its types. */
const TRACK = {
  legacy: 6,
  type: 9,
  nameIid: 10,
  track: 11,
  extraValues: 12,
  name: 23,
  counter: 30,
  doubleCounter: 44,
  extraDoubles: 46,
} as const
/** Char codes of B, E, I, C by type. */
const SLICE_PHASES: readonly number[] = [0, 66, 69, 73, 67]
const COUNTER = 67
const LEGACY = { nameIid: 1, phase: 2, durationUs: 3 } as const
/** TrackDescriptor (track_event/track_descriptor.proto), of which name, static_name and atrace_name are one. */
const DESCRIPTOR = { uuid: 1, thread: 4, parent: 5, counter: 8 } as const
const TRACK_NAMES: readonly number[] = [2, 10, 13]
/** CounterDescriptor. */
const UNIT_MULTIPLIER = 4
const IS_INCREMENTAL = 5
const MAX_TRACKS = 1 << 20
/** Threads' tracks have tracks below them, and these again. */
const MAX_DEPTH = 32

export interface Track {
  readonly uuid: string
  tid: number
  name: number
  /** Index of the track above; -1 = none. */
  parent: number
  /** What a counter's value is multiplied with; 0 = it is no counter that says so. */
  multiplier: number
  /** A counter's value is added to those before. */
  isIncremental: boolean
}

/** One TrackEvent; `track` is an index, `name` a code of SideRows, -1 = none. */
interface TrackEvent {
  type: number
  name: number
  track: number
  hi: number
  lo: number
  legacyPhase: number
  durationNs: number
}

/** Slices and counters of tracks (track_event/track_event.proto). */
export class TrackEvents {
  readonly #tracks: Track[] = []
  readonly #side: SideRows
  readonly #device: DeviceData
  readonly #issues: IssueLog
  readonly #trackByUuid = new Map<string, number>()
  readonly #a = new FieldWalker()
  readonly #b = new FieldWalker()

  constructor(side: SideRows, device: DeviceData, issues: IssueLog) {
    this.#side = side
    this.#device = device
    this.#issues = issues
  }

  /** Number of the track with this uuid; -1 when there are too many. */
  trackOf(hi: number, lo: number): number {
    const uuid = `${hi.toString(16)}:${lo.toString(16)}`
    let track = this.#trackByUuid.get(uuid)
    if (track === undefined) {
      if (this.#tracks.length >= MAX_TRACKS) return -1
      track =
        this.#tracks.push({
          uuid,
          tid: -1,
          name: -1,
          parent: -1,
          multiplier: 0,
          isIncremental: false,
        }) - 1
      this.#trackByUuid.set(uuid, track)
    }
    return track
  }

  /** What a sequence's events are where they do not say. */
  parseDefaults(state: Sequence, bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#a
    walker.begin(bytes, start, end)
    while (walker.next())
      if (walker.field === TRACK.track) state.track = this.trackOf(walker.hi, walker.lo)
  }

  /** `ns` is NaN where the packet has no time. */
  parseEvent(
    state: Sequence,
    bytes: Uint8Array,
    start: number,
    end: number,
    ns: number,
    at: number,
  ): void {
    const event = this.#parse(state, bytes, start, end, at)
    if (Number.isNaN(ns)) {
      this.#issues.add('slice_without_time', 'data_loss', at, 'Track events have no time.')
      return
    }
    let phase = SLICE_PHASES[event.type] ?? 0
    if (phase === 0) phase = event.legacyPhase === 105 ? 73 : event.legacyPhase
    let { name } = event
    const track = this.#tracks[event.track]
    if (phase === COUNTER) {
      if (name < 0) name = track?.name ?? -1
      if (track !== undefined) settleCounter(state, track, event)
    }
    const row = {
      kind: SLICE,
      name: name < 0 ? this.#side.internText('') : name,
      track: event.track,
      hi: event.hi,
      lo: event.lo,
    }
    if (phase === 88) {
      // Complete events of the older form: begin and length in one.
      this.#side.add({ ...row, ts: ns, phase: 66 })
      this.#side.add({ ...row, ts: ns + event.durationNs, phase: 69 })
    } else if (SLICE_PHASES.includes(phase) && phase !== 0)
      this.#side.add({ ...row, ts: ns, phase })
  }

  #parse(state: Sequence, bytes: Uint8Array, start: number, end: number, at: number): TrackEvent {
    const walker = this.#a
    const event: TrackEvent = {
      type: 0,
      name: -1,
      track: state.track,
      hi: 0,
      lo: 0,
      legacyPhase: 0,
      durationNs: 0,
    }
    walker.begin(bytes, start, end)
    while (walker.next()) {
      switch (walker.field) {
        case TRACK.type:
          event.type = walker.lo
          break
        case TRACK.nameIid:
          event.name = state.names.get(walker.value) ?? -1
          break
        case TRACK.name:
          if (walker.wire === BYTES) event.name = this.#side.intern(bytes, walker.start, walker.end)
          break
        case TRACK.track:
          event.track = this.trackOf(walker.hi, walker.lo)
          break
        case TRACK.counter:
          event.hi = walker.hi
          event.lo = walker.lo
          break
        case TRACK.doubleCounter:
          this.#setDouble(event, walker, at)
          break
        case TRACK.extraValues:
        case TRACK.extraDoubles:
          this.#issues.add(
            'extra_counters',
            'info',
            at,
            'Slices carry values of counters beside them (extra_counter_values), which were not read.',
          )
          break
        case TRACK.legacy:
          if (walker.wire === BYTES) this.#parseLegacy(event, state, walker)
          break
      }
    }
    return event
  }

  /** Samples are whole numbers. */
  #setDouble(event: TrackEvent, walker: FieldWalker, at: number): void {
    const value = doubleOf(walker.hi, walker.lo)
    if (!Number.isInteger(value))
      this.#issues.add(
        'counter_rounded',
        'info',
        at,
        'Counters that are no whole numbers were rounded.',
      )
    setNumber(event, Number.isFinite(value) ? Math.round(value) : 0)
  }

  #parseLegacy(event: TrackEvent, state: Sequence, walker: FieldWalker): void {
    const part = this.#b
    part.begin(walker.bytes, walker.start, walker.end)
    while (part.next()) {
      if (part.field === LEGACY.phase) event.legacyPhase = part.lo
      else if (part.field === LEGACY.durationUs) event.durationNs = part.signedValue * 1000
      else if (part.field === LEGACY.nameIid && event.name < 0)
        event.name = state.names.get(part.value) ?? -1
    }
  }

  /** TrackDescriptor: threads' and counters' tracks, and what lies below them. */
  parseDescriptor(bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#a
    const found: Partial<Track> = {}
    let track = -1
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field === DESCRIPTOR.uuid) track = this.trackOf(walker.hi, walker.lo)
      else if (walker.field === DESCRIPTOR.parent) found.parent = this.trackOf(walker.hi, walker.lo)
      else if (walker.wire !== BYTES) continue
      else if (TRACK_NAMES.includes(walker.field))
        found.name = this.#side.intern(bytes, walker.start, walker.end)
      else if (walker.field === DESCRIPTOR.counter) this.#parseCounter(found, walker)
      else if (walker.field === DESCRIPTOR.thread) this.#parseThread(found, walker)
    }
    const known = this.#tracks[track]
    if (known !== undefined) Object.assign(known, found)
  }

  #parseCounter(found: Partial<Track>, walker: FieldWalker): void {
    const part = this.#b
    part.begin(walker.bytes, walker.start, walker.end)
    while (part.next()) {
      if (part.field === UNIT_MULTIPLIER) found.multiplier = part.signedValue
      else if (part.field === IS_INCREMENTAL) found.isIncremental = part.lo !== 0
    }
  }

  /** ThreadDescriptor: pid 1 (the process), tid 2, thread_name 5. */
  #parseThread(found: Partial<Track>, walker: FieldWalker): void {
    const part = this.#b
    let tid = -1
    let tgid = -1
    let comm = ''
    part.begin(walker.bytes, walker.start, walker.end)
    while (part.next()) {
      if (part.field === 1) tgid = part.lo
      else if (part.field === 2) tid = part.lo
      else if (part.field === 5 && part.wire === BYTES) comm = textOf(part)
    }
    if (tid < 0) return
    found.tid = tid | 0
    if (!this.#device.tgids.has(tid)) this.#device.setTask(tid, tgid, '')
    if (!this.#device.comms.has(tid)) this.#device.setTask(tid, -1, comm)
  }

  /** All tracks by index; one below a thread's is that thread's. */
  withThreads(): readonly Track[] {
    for (const track of this.#tracks) {
      let above: Track | undefined = track
      for (let depth = 0; depth < MAX_DEPTH && above !== undefined && above.tid < 0; depth++)
        above = this.#tracks[above.parent]
      if (above !== undefined) track.tid = above.tid
    }
    return this.#tracks
  }
}

/** Puts a counter's value into its unit, and steps together. */
function settleCounter(state: Sequence, track: Track, event: TrackEvent): void {
  if (track.multiplier === 0 && !track.isIncremental) return
  let value = ((event.hi | 0) * TWO_32 + event.lo) * (track.multiplier || 1)
  if (track.isIncremental) {
    value += state.sums.get(event.track) ?? 0
    state.sums.set(event.track, value)
  }
  setNumber(event, value)
}

function setNumber(event: TrackEvent, value: number): void {
  event.hi = Math.floor(value / TWO_32) >>> 0
  event.lo = (value - Math.floor(value / TWO_32) * TWO_32) >>> 0
}

const double = new DataView(new ArrayBuffer(8))

function doubleOf(hi: number, lo: number): number {
  double.setUint32(0, hi)
  double.setUint32(4, lo)
  return double.getFloat64(0)
}
