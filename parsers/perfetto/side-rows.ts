import { ByteDictionary } from '../string-dictionary.ts'

/** Most rows kept: 37 bytes each. */
const MAX_ROWS = 1 << 22
const MAX_NAME_BYTES = 1 << 25

export const SAMPLE = 0
export const SLICE = 1

const encoder = new TextEncoder()

/** What the trace holds beside ftrace events, in the file's order: samples, and the ends of slices. */
export class SideRows {
  length = 0
  /** Rows or names that found no place. */
  dropped = 0
  /** Ns since the provisional base. */
  ts = new Float64Array(1024)
  kind = new Uint8Array(1024)
  /** Char code of B, E, I or C. */
  phase = new Uint8Array(1024)
  name = new Uint32Array(1024)
  /** Index of the track; -1 = none. */
  track = new Int32Array(1024)
  hi = new Uint32Array(1024)
  lo = new Uint32Array(1024)
  readonly #names = new ByteDictionary()
  /** The names' bytes, by code. */
  readonly nameBytes: Uint8Array[] = []

  /** Code of a name; -1 when there are too many. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    if (this.#names.bytesUsed + (end - start) > MAX_NAME_BYTES) return -1
    const code = this.#names.intern(bytes, start, end)
    if (code === this.nameBytes.length) this.nameBytes.push(encoder.encode(this.#names.get(code)))
    return code
  }

  /** The name that `intern` gave this code. */
  nameOf(code: number): string {
    return this.#names.get(code)
  }

  internText(text: string): number {
    const bytes = encoder.encode(text)
    return this.intern(bytes, 0, bytes.length)
  }

  add(row: {
    ts: number
    kind: number
    phase: number
    name: number
    track: number
    hi: number
    lo: number
  }): void {
    if (Number.isNaN(row.ts)) return
    if (this.length >= MAX_ROWS || row.name < 0) {
      this.dropped++
      return
    }
    if (this.length === this.ts.length) this.#grow()
    const at = this.length++
    this.ts[at] = row.ts
    this.kind[at] = row.kind
    this.phase[at] = row.phase
    this.name[at] = row.name
    this.track[at] = row.track
    this.hi[at] = row.hi
    this.lo[at] = row.lo
  }

  /** Row numbers by time; rows of one time stay in the file's order. */
  inOrder(): Uint32Array {
    const order = new Uint32Array(this.length)
    let sorted = true
    for (let i = 0; i < order.length; i++) {
      order[i] = i
      if (i > 0 && (this.ts[i] as number) < (this.ts[i - 1] as number)) sorted = false
    }
    const { ts } = this
    return sorted ? order : order.sort((a, b) => (ts[a] as number) - (ts[b] as number) || a - b)
  }

  #grow(): void {
    const capacity = this.length * 2
    const grown = <A extends Float64Array | Uint8Array | Uint32Array | Int32Array>(
      from: A,
      to: A,
    ): A => {
      to.set(from)
      return to
    }
    this.ts = grown(this.ts, new Float64Array(capacity))
    this.kind = grown(this.kind, new Uint8Array(capacity))
    this.phase = grown(this.phase, new Uint8Array(capacity))
    this.name = grown(this.name, new Uint32Array(capacity))
    this.track = grown(this.track, new Int32Array(capacity))
    this.hi = grown(this.hi, new Uint32Array(capacity))
    this.lo = grown(this.lo, new Uint32Array(capacity))
  }
}
