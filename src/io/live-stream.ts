import type { LiveStream } from '../../parsers/reader.ts'

/** What may wait unread before the writer is held up. */
const MAX_QUEUED_BYTES = 1 << 22

/** A stream that ends when told to: what has arrived can still be read. */
export interface StoppableStream extends LiveStream {
  stop(): void
}

/** Reads `rest` in the background and gives `first` before it. */
export function toLiveStream(
  name: string,
  first: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): StoppableStream {
  return new BufferedStream(name, first, rest)
}

class BufferedStream implements StoppableStream {
  readonly name: string
  readonly #rest: AsyncIterator<Uint8Array>
  readonly #queue: Uint8Array[]
  #queuedBytes: number
  #hasEnded = false
  #failure: unknown
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined

  constructor(name: string, first: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>) {
    this.name = name
    this.#rest = rest
    this.#queue = [...first]
    this.#queuedBytes = first.reduce((sum, piece) => sum + piece.length, 0)
    this.#pump().catch((cause: unknown) => this.#end(cause))
  }

  wait(): Promise<void> {
    if (this.#queue.length > 0 || this.#hasEnded) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wakeReader = resolve
    })
  }

  next(): Uint8Array | undefined {
    const queue = this.#queue
    if (queue.length === 0) {
      if (this.#failure !== undefined) throw this.#failure
      return undefined
    }
    const piece = queue.length === 1 ? queue[0] : Buffer.concat(queue)
    queue.length = 0
    this.#queuedBytes = 0
    this.#letWrite()
    return piece
  }

  stop(): void {
    this.#end()
    // A pipe that gives nothing more would keep the process alive.
    this.#rest.return?.().catch(() => undefined)
  }

  async #pump(): Promise<void> {
    while (!this.#hasEnded) {
      if (this.#queuedBytes > MAX_QUEUED_BYTES)
        await new Promise<void>((resolve) => {
          this.#wakeWriter = resolve
        })
      const piece = await this.#rest.next()
      if (piece.done === true || this.#hasEnded) break
      this.#queue.push(piece.value)
      this.#queuedBytes += piece.value.length
      this.#letRead()
    }
    this.#end()
  }

  /** The first cause counts: what fails after the end was told is no failure of the stream. */
  #end(cause?: unknown): void {
    if (!this.#hasEnded) this.#failure = cause
    this.#hasEnded = true
    this.#letRead()
    this.#letWrite()
  }

  #letRead(): void {
    this.#wakeReader?.()
    this.#wakeReader = undefined
  }

  #letWrite(): void {
    this.#wakeWriter?.()
    this.#wakeWriter = undefined
  }
}
