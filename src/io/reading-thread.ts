// The thread that reads a trace while another one follows its events.
import { parentPort, workerData } from 'node:worker_threads'
import type { EventWindow } from '../../parsers/batch.ts'
import { openTrace } from '../../parsers/index.ts'
import type { TraceReader } from '../../parsers/reader.ts'
import { toFileSource } from './file-source.ts'
import {
  type Parcel,
  type ReadingAnswer,
  type ReadingCall,
  type ReadingSetting,
  SymbolCell,
} from './reading-messages.ts'
import { toSentError } from './sent-error.ts'
import { type SentWindow, WindowSender } from './sent-windows.ts'

const port = parentPort
if (port === null) throw new Error('reading-thread is started by openApart')

const setting = workerData as ReadingSetting
const symbols = new SymbolCell(setting.symbol)

/** Reads windows into slabs. */
class Filler {
  hasEnded = false
  readonly #reader: TraceReader
  readonly #sender: WindowSender
  readonly #slabs = setting.slabs.map((slab) => new Uint8Array(slab))
  /** A window that was read and had no room in the slab. */
  #next: EventWindow | undefined

  constructor(reader: TraceReader) {
    this.#reader = reader
    this.#sender = new WindowSender(reader)
  }

  fill(slab: number): Parcel {
    const windows: SentWindow[] = []
    let memory: SharedArrayBuffer | undefined
    let failure: unknown
    try {
      for (let at = 0; ; ) {
        const window = this.#next ?? this.#reader.read()
        this.#next = window
        if (window === undefined) {
          this.hasEnded = true
          break
        }
        const bytes = this.#sender.sizeOf(window)
        if (at + bytes > (this.#slabs[slab]?.length ?? 0)) {
          if (windows.length > 0) break
          memory = new SharedArrayBuffer(bytes)
          this.#slabs[slab] = new Uint8Array(memory)
        }
        windows.push(this.#sender.send(window, this.#slabs[slab] as Uint8Array, at))
        this.#next = undefined
        at += bytes
      }
    } catch (error) {
      this.hasEnded = true
      failure = error
    }
    const hasFailed = failure !== undefined
    return {
      answer: 'filled',
      slab,
      memory,
      windows,
      descriptions: this.#sender.takeDescriptions(),
      end: this.hasEnded && !hasFailed ? this.#sender.end() : undefined,
      failure: hasFailed ? toSentError(failure) : undefined,
    }
  }
}

try {
  const { name, descriptor, size } = setting.file
  const { format } = setting
  const source = toFileSource(name, descriptor, size)
  const reader = await openTrace(source, format === undefined ? {} : { format })
  const filler = new Filler(reader)
  const { info, formats, issues } = reader
  post({ answer: 'opened', opened: { info, formats, issues } })
  port.on('message', (call: ReadingCall) => {
    if (call.call === 'symbol') symbols.tell(reader.symbolOf?.(call.hi, call.lo))
    else if (!filler.hasEnded) post(filler.fill(call.slab))
  })
} catch (error) {
  post({ answer: 'failed', failure: toSentError(error) })
}

function post(answer: ReadingAnswer): void {
  port?.postMessage(answer)
}
