import { Worker } from 'node:worker_threads'
import type { EventFormat, EventWindow } from '../../parsers/batch.ts'
import { readFully } from '../../parsers/cursor.ts'
import {
  type OpenOptions,
  openTrace,
  SNIFF_BYTES,
  sniffFormat,
  traceFormats,
} from '../../parsers/index.ts'
import type { ImportIssue, Loss, TraceInfo, TraceReader } from '../../parsers/reader.ts'
import type { FileSource } from './file-source.ts'
import {
  type Parcel,
  type ReadingAnswer,
  type ReadingCall,
  type ReadingSetting,
  SymbolCell,
} from './reading-messages.ts'
import { fromSentError } from './sent-error.ts'
import { type OpenedTrace, WindowReceiver } from './sent-windows.ts'

/** Smaller files are read before a thread has started. */
const LEAST_BYTES = 16 * 1024 * 1024
/** Windows that are read ahead: enough that neither thread waits for the other, and few enough to stay in the last cache. */
const SLABS = 4
const SLAB_BYTES = 2 * 1024 * 1024
/** A thread that has not answered for so long has ended without a word. */
const PATIENCE_MS = 60_000

/** Opens a trace; a large one is read in a thread of its own where that pays, and the code is compiled to JavaScript. */
export async function openFileTrace(
  file: FileSource,
  options: OpenOptions = {},
): Promise<TraceReader> {
  const compiled = import.meta.url.endsWith('js')
  if (!compiled || file.size < LEAST_BYTES || !isWorthThread(file, options))
    return await openTrace(file, options)
  return await openApart(file, options)
}

function isWorthThread(file: FileSource, options: OpenOptions): boolean {
  const head = new Uint8Array(SNIFF_BYTES)
  const format =
    options.format === undefined
      ? sniffFormat(head.subarray(0, readFully(file, 0, head)))
      : traceFormats.find(({ name }) => name === options.format)
  return format?.isWorthThread === true
}

/** Opens a trace in a thread of its own. The file must stay open until the reader is closed. */
export async function openApart(file: FileSource, options: OpenOptions = {}): Promise<TraceReader> {
  const { name, descriptor, size } = file
  const symbols = new SymbolCell()
  const slabs = Array.from({ length: SLABS }, () => new SharedArrayBuffer(SLAB_BYTES))
  const workerData: ReadingSetting = {
    file: { name, descriptor, size },
    format: options.format,
    slabs,
    symbol: symbols.memory,
  }
  const worker = new Worker(new URL('./reading-thread.js', import.meta.url), {
    workerData,
    // Options like --input-type are for the program alone.
    execArgv: [],
  })
  try {
    const opened = await new Promise<OpenedTrace>((resolve, reject) => {
      worker.once('message', (answer: ReadingAnswer) => {
        if (answer.answer === 'opened') resolve(answer.opened)
        else if (answer.answer === 'failed') reject(fromSentError(answer.failure))
      })
      worker.once('error', reject)
      worker.once('exit', () => reject(new Error('the reading thread ended')))
    })
    return new ApartReader(worker, opened, { slabs, symbols })
  } catch (error) {
    await worker.terminate()
    throw error
  }
}

/** Gives the windows that a thread reads. */
class ApartReader implements TraceReader {
  readonly #worker: Worker
  readonly #received: WindowReceiver
  readonly #slabs: SharedArrayBuffer[]
  readonly #symbols: SymbolCell
  readonly #parcels: Parcel[] = []
  /** The parcel whose windows are being given, and how many were. */
  #parcel: Parcel | undefined
  #given = 0
  #hasEnded = false
  #failure: Error | undefined
  #wake: (() => void) | undefined

  constructor(
    worker: Worker,
    opened: OpenedTrace,
    shared: { readonly slabs: readonly SharedArrayBuffer[]; readonly symbols: SymbolCell },
  ) {
    this.#worker = worker
    this.#received = new WindowReceiver(opened)
    this.#slabs = [...shared.slabs]
    this.#symbols = shared.symbols
    worker.on('message', (parcel: Parcel) => {
      this.#parcels.push(parcel)
      this.#wakeUp()
    })
    worker.on('error', (error) => this.#fail(error))
    worker.on('exit', () => this.#fail(new Error('the reading thread ended')))
    for (const slab of this.#slabs.keys()) this.#call({ call: 'fill', slab })
  }

  get info(): TraceInfo {
    return this.#received.info
  }

  get formats(): readonly EventFormat[] {
    return this.#received.formats
  }

  get losses(): readonly Loss[] {
    return this.#received.losses
  }

  get issues(): readonly ImportIssue[] {
    return this.#received.issues
  }

  get bytesRead(): number {
    return this.#received.bytesRead
  }

  async wait(): Promise<void> {
    const hasWindow = this.#given < (this.#parcel?.windows.length ?? 0)
    const isOver = this.#hasEnded || this.#failure !== undefined || this.#isLast(this.#parcel)
    if (hasWindow || isOver || this.#parcels.length > 0) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  read(): EventWindow | undefined {
    while (!this.#hasEnded) {
      const parcel = this.#parcel
      const window = parcel?.windows[this.#given++]
      const memory = this.#slabs[parcel?.slab ?? -1]
      if (window !== undefined && memory !== undefined)
        return this.#received.receive(window, memory)
      this.#finish(parcel)
      if (!this.#hasEnded) this.#take()
    }
    return undefined
  }

  symbolOf(hi: number, lo: number): string | undefined {
    if (this.#failure !== undefined) return undefined
    this.#symbols.clear()
    this.#call({ call: 'symbol', hi, lo })
    if (!this.#symbols.wait(PATIENCE_MS)) throw new Error('the reading thread does not answer')
    return this.#symbols.name
  }

  close(): void {
    this.#hasEnded = true
    this.#failure ??= new Error('the reader is closed')
    this.#worker.terminate().catch(() => undefined)
  }

  #isLast(parcel: Parcel | undefined): boolean {
    return parcel?.end !== undefined || parcel?.failure !== undefined
  }

  /** All windows of the parcel were given. */
  #finish(parcel: Parcel | undefined): void {
    if (parcel === undefined) return
    this.#parcel = undefined
    if (parcel.failure !== undefined) {
      this.#hasEnded = true
      throw fromSentError(parcel.failure)
    }
    if (parcel.end === undefined) {
      this.#call({ call: 'fill', slab: parcel.slab })
      return
    }
    this.#received.end(parcel.end)
    this.#hasEnded = true
  }

  /** Goes on with the next parcel, for which `wait` has waited. */
  #take(): void {
    const parcel = this.#parcels.shift()
    if (parcel === undefined) throw this.#failure ?? new Error('read before wait')
    this.#parcel = parcel
    this.#given = 0
    if (parcel.memory !== undefined) this.#slabs[parcel.slab] = parcel.memory
    this.#received.describe(parcel.descriptions)
  }

  #call(call: ReadingCall): void {
    this.#worker.postMessage(call)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#wakeUp()
  }

  #wakeUp(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
