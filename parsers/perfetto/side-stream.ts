import type { RecordStream } from '../window.ts'
import { RecordWriter, type Shape, type Shapes } from './shapes.ts'
import { SAMPLE, type SideRows } from './side-rows.ts'

const BLOCK_RECORDS = 4096
/** These rows are of no cpu; samples are of no thread. */
const NOWHERE = -1

/** Samples and slices in order of time, as events of system `pstrace`. */
export class SideStream implements RecordStream {
  readonly cpu = NOWHERE
  readonly instance = 0
  ts = new Float64Array(BLOCK_RECORDS)
  start = new Uint32Array(BLOCK_RECORDS)
  size = new Uint32Array(BLOCK_RECORDS)
  count = 0
  next = 0
  readonly #rows: SideRows
  readonly #order: Uint32Array
  readonly #tracks: readonly { readonly tid: number }[]
  readonly #base: number
  readonly #sample: Shape | undefined
  readonly #slice: Shape | undefined
  readonly #out = new RecordWriter()
  #done = 0

  /** `baseNs`: what is subtracted from the rows' times. */
  constructor(options: {
    rows: SideRows
    tracks: readonly { readonly tid: number }[]
    baseNs: number
    shapes: Shapes
  }) {
    const { rows, shapes } = options
    this.#rows = rows
    this.#tracks = options.tracks
    this.#base = options.baseNs
    this.#order = rows.inOrder()
    const kinds = rows.kind.subarray(0, rows.length)
    this.#sample = kinds.includes(SAMPLE)
      ? shapes.add({
          system: 'pstrace',
          name: 'sample',
          id: -1,
          fields: [
            { number: 0, name: 'name', kind: 'string' },
            { number: 0, name: 'value', kind: 'i64' },
          ],
        })
      : undefined
    this.#slice = kinds.some((kind) => kind !== SAMPLE)
      ? shapes.add({
          system: 'pstrace',
          name: 'slice',
          id: -1,
          fields: [
            { number: 0, name: 'phase', kind: 'u32' },
            { number: 0, name: 'track', kind: 'i32' },
            { number: 0, name: 'name', kind: 'string' },
            { number: 0, name: 'value', kind: 'i64' },
          ],
        })
      : undefined
  }

  get bytes(): Uint8Array {
    return this.#out.bytes
  }

  get words(): Uint32Array {
    return this.#out.words
  }

  position(): number {
    return 0
  }

  load(): boolean {
    const out = this.#out
    const rows = this.#rows
    out.clear()
    this.count = 0
    this.next = 0
    while (this.#done < this.#order.length && this.count < BLOCK_RECORDS) {
      const row = this.#order[this.#done++] as number
      const isSample = rows.kind[row] === SAMPLE
      const shape = isSample ? this.#sample : this.#slice
      if (shape === undefined) continue
      const name = rows.nameBytes[rows.name[row] as number] ?? new Uint8Array(0)
      const { offsets } = shape
      const track = rows.track[row] as number
      const start = out.used
      out.begin(shape, name.length)
      if (!isSample) {
        out.number(offsets[0] as number, rows.phase[row] as number)
        out.number(offsets[1] as number, track)
      }
      out.text(offsets[isSample ? 0 : 2] as number, name, 0, name.length)
      out.wide(offsets[isSample ? 1 : 3] as number, rows.hi[row] as number, rows.lo[row] as number)
      const tid = this.#tracks[track]?.tid ?? NOWHERE
      const size = out.finish(shape.typeOf(shape.fullMask), 0, tid)
      this.ts[this.count] = (rows.ts[row] as number) - this.#base
      this.start[this.count] = start
      this.size[this.count] = size
      this.count++
    }
    return this.count > 0
  }
}
