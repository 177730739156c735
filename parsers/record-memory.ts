import { Buffer } from 'node:buffer'
import { TraceParseError } from './error.ts'
import { recordsWasm } from './wasm/records.wasm.ts'

/** A variable of a module. */
export interface Global {
  value: number
}

/** What assembly/records.ts exports. */
export interface RecordKernel {
  readonly STREAM_BYTES: Global
  readonly STEPS: Global
  readonly STEP_BYTES: Global
  readonly NAME_SLOTS: Global
  readonly NAME_SLOT_BYTES: Global
  readonly streams: Global
  readonly heads: Global
  readonly heap: Global
  readonly names: Global
  readonly typeOffset: Global
  readonly isSwapped: Global
  readonly rowOf: Global
  readonly batchOf: Global
  readonly timeOf: Global
  readonly cpuOf: Global
  readonly tidOf: Global
  readonly active: Global
  readonly most: Global
  readonly kept: Global
  readonly keptRoom: Global
  readonly length: Global
  readonly activeCount: Global
  readonly at: Global
  begin(count: number): void
  drop(): void
  fill(): number
  learnName(code: number): void
  clear(): void
}

/** The part of the WebAssembly API that is used here; `lib` has no declaration of it without the DOM. */
interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
  readonly Memory: new (limits: {
    initial: number
    maximum: number
    shared: true
  }) => { readonly buffer: SharedArrayBuffer; grow(pages: number): number }
}

const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: WasmApi }

const PAGE_BYTES = 65_536
const MOST_PAGES = 65_536
/** The module has no data of its own; no structure is at 0. */
const FIRST_BYTE = 1024
const LEAST_BITS = 10

const compiled = new Map<string, object>()

/**
 * Where records, and columns made of them, lie for WebAssembly and typed arrays alike; of one reader. It is shared memory, of which
 * arrays stay valid when it grows.
 */
export class RecordMemory {
  readonly kernel: RecordKernel
  readonly #memory: InstanceType<WasmApi['Memory']>
  readonly #mostPages: number
  #end = FIRST_BYTE
  #source = 'trace'
  #at = 0
  /** Places given back, by the binary logarithm of their bytes. */
  readonly #spare: number[][] = []

  constructor(mostPages = MOST_PAGES) {
    this.#mostPages = mostPages
    this.#memory = new wasm.Memory({ initial: 1, maximum: mostPages, shared: true })
    this.kernel = this.instantiate(recordsWasm) as RecordKernel
  }

  /** What a module, given in base64, exports that works in this memory; `imports` are those it has beside. */
  instantiate(module: string, imports: Readonly<Record<string, object>> = {}): unknown {
    let known = compiled.get(module)
    if (known === undefined) {
      known = new wasm.Module(new Uint8Array(Buffer.from(module, 'base64')))
      compiled.set(module, known)
    }
    return new wasm.Instance(known, { ...imports, env: { memory: this.#memory } }).exports
  }

  get buffer(): SharedArrayBuffer {
    return this.#memory.buffer
  }

  /** Where the bytes come from that are put here from now on: for the error when they become too many. */
  readingAt(source: string, at: number): void {
    this.#source = source
    this.#at = at
  }

  /** Place of so many bytes, at a multiple of 1024. What was given back before is not zeros. */
  allocate(bytes: number): number {
    const bits = bitsOf(bytes)
    const spare = this.#spare[bits]?.pop()
    if (spare !== undefined) return spare
    const place = this.#end
    this.#end += 2 ** bits
    const lacking = this.#end - this.buffer.byteLength
    if (lacking > 0) this.#grow(Math.ceil(lacking / PAGE_BYTES))
    return place
  }

  #grow(pages: number): void {
    try {
      this.#memory.grow(pages)
    } catch (cause) {
      const most = (this.#mostPages * PAGE_BYTES) / 2 ** 20
      throw new TraceParseError(
        'too_many_records',
        this.#source,
        { unit: 'byte', at: this.#at },
        `the records that must be held at a time take ${Math.ceil(this.#end / 2 ** 20)} MiB; at most ${most} MiB were expected, and as much free memory`,
        { cause },
      )
    }
  }

  /** Gives back what `allocate` gave for so many bytes. */
  release(place: number, bytes: number): void {
    const bits = bitsOf(bytes)
    const spare = this.#spare[bits] ?? []
    this.#spare[bits] = spare
    spare.push(place)
  }

  bytes(length: number): Uint8Array<SharedArrayBuffer> {
    const place = this.allocate(length)
    return new Uint8Array(this.buffer, place, length)
  }

  words(length: number): Uint32Array<SharedArrayBuffer> {
    const place = this.allocate(4 * length)
    return new Uint32Array(this.buffer, place, length)
  }

  integers(length: number): Int32Array<SharedArrayBuffer> {
    const place = this.allocate(4 * length)
    return new Int32Array(this.buffer, place, length)
  }

  floats(length: number): Float64Array<SharedArrayBuffer> {
    const place = this.allocate(8 * length)
    return new Float64Array(this.buffer, place, length)
  }

  /** An array of this memory that begins with what `from`, another, holds; gives `from` back. */
  grown<A extends Uint8Array | Uint32Array | Float64Array>(from: A, to: A): A {
    to.set(from)
    this.free(from)
    return to
  }

  /** Gives an array of this memory back. */
  free({ byteOffset, byteLength }: ArrayBufferView): void {
    if (byteLength > 0) this.release(byteOffset, byteLength)
  }
}

function bitsOf(bytes: number): number {
  return Math.max(LEAST_BITS, Math.ceil(Math.log2(bytes)))
}
