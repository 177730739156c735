import type { IssueLog } from '../issues.ts'
import type { DeviceData } from './device-data.ts'
import { textOf } from './event-decoder.ts'
import { type SideRows, SLICE } from './side-rows.ts'
import { BYTES, FieldWalker } from './wire.ts'

/** TrackEvent: fields, and its types. */
const TRACK = { legacy: 6, type: 9, nameIid: 10, track: 11, name: 23, counter: 30 } as const
const SLICE_PHASES: readonly number[] = [0, 66, 69, 73, 67]
const LEGACY = { nameIid: 1, phase: 2, durationUs: 3 } as const
const MAX_TRACKS = 1 << 20

/** State of a sequence of packets. */
export interface Sequence {
  readonly id: number
  clock: number
  track: number
  readonly names: Map<number, number>
}

export interface Track {
  readonly uuid: string
  tid: number
  name: number
}

/** Slices and counters of tracks (track_event/track_event.proto). */
export class TrackEvents {
  readonly tracks: Track[] = []
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
      if (this.tracks.length >= MAX_TRACKS) return -1
      track = this.tracks.push({ uuid, tid: -1, name: -1 }) - 1
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
    const walker = this.#a
    let type = 0
    let name = -1
    let { track } = state
    let hi = 0
    let lo = 0
    let legacy = 0
    let durationNs = 0
    walker.begin(bytes, start, end)
    while (walker.next()) {
      switch (walker.field) {
        case TRACK.type:
          type = walker.lo
          break
        case TRACK.nameIid:
          name = state.names.get(walker.value) ?? -1
          break
        case TRACK.name:
          if (walker.wire === BYTES) name = this.#side.intern(bytes, walker.start, walker.end)
          break
        case TRACK.track:
          track = this.trackOf(walker.hi, walker.lo)
          break
        case TRACK.counter:
          hi = walker.hi
          lo = walker.lo
          break
        case TRACK.legacy:
          if (walker.wire !== BYTES) break
          this.#b.begin(bytes, walker.start, walker.end)
          while (this.#b.next()) {
            if (this.#b.field === LEGACY.phase) legacy = this.#b.lo
            else if (this.#b.field === LEGACY.durationUs) durationNs = this.#b.signedValue * 1000
            else if (this.#b.field === LEGACY.nameIid && name < 0)
              name = state.names.get(this.#b.value) ?? -1
          }
          break
      }
    }
    if (Number.isNaN(ns)) {
      this.#issues.add('slice_without_time', 'data_loss', at, 'Track events have no time.')
      return
    }
    let phase = SLICE_PHASES[type] ?? 0
    if (phase === 0) phase = legacy === 105 ? 73 : legacy
    if (phase === 67 && name < 0) name = this.tracks[track]?.name ?? -1
    const row = { kind: SLICE, name: name < 0 ? this.#side.internText('') : name, track, hi, lo }
    if (phase === 88) {
      // Complete events of the older form: begin and length in one.
      this.#side.add({ ...row, ts: ns, phase: 66 })
      this.#side.add({ ...row, ts: ns + durationNs, phase: 69 })
    } else if (SLICE_PHASES.includes(phase) && phase !== 0)
      this.#side.add({ ...row, ts: ns, phase })
  }

  /** TrackDescriptor (track_event/track_descriptor.proto): threads' and counters' tracks. */
  parseDescriptor(bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#a
    const part = this.#b
    let track = -1
    let name = -1
    let tid = -1
    let tgid = -1
    let comm = ''
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field === 1) track = this.trackOf(walker.hi, walker.lo)
      else if (walker.wire !== BYTES) continue
      else if (walker.field === 2 || walker.field === 10 || walker.field === 13)
        name = this.#side.intern(bytes, walker.start, walker.end)
      else if (walker.field === 4) {
        part.begin(bytes, walker.start, walker.end)
        while (part.next()) {
          if (part.field === 1) tgid = part.lo
          else if (part.field === 2) tid = part.lo
          else if (part.field === 5 && part.wire === BYTES) comm = textOf(part)
        }
      }
    }
    const found = this.tracks[track]
    if (found === undefined) return
    if (name >= 0) found.name = name
    if (tid < 0) return
    found.tid = tid | 0
    if (!this.#device.tgids.has(tid)) this.#device.setTask(tid, tgid, '')
    if (!this.#device.comms.has(tid)) this.#device.setTask(tid, -1, comm)
  }
}
