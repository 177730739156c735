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
  const queue = [...first]
  let queued = queue.reduce((sum, piece) => sum + piece.length, 0)
  let ended = false
  let failure: unknown
  let wakeReader: (() => void) | undefined
  let wakeWriter: (() => void) | undefined

  const wake = (): void => {
    wakeReader?.()
    wakeReader = undefined
  }
  const end = (cause?: unknown): void => {
    if (!ended) failure = cause
    ended = true
    wake()
    wakeWriter?.()
  }
  const pump = async (): Promise<void> => {
    while (!ended) {
      if (queued > MAX_QUEUED_BYTES)
        await new Promise<void>((resolve) => {
          wakeWriter = resolve
        })
      const piece = await rest.next()
      if (piece.done === true || ended) break
      queue.push(piece.value)
      queued += piece.value.length
      wake()
    }
    end()
  }
  pump().catch(end)

  return {
    name,
    wait() {
      if (queue.length > 0 || ended) return Promise.resolve()
      return new Promise((resolve) => {
        wakeReader = resolve
      })
    },
    next() {
      if (queue.length === 0) {
        if (failure !== undefined) throw failure
        return undefined
      }
      const piece = queue.length === 1 ? queue[0] : Buffer.concat(queue)
      queue.length = 0
      queued = 0
      wakeWriter?.()
      wakeWriter = undefined
      return piece
    },
    stop() {
      end()
      // A pipe that gives nothing more would keep the process alive.
      rest.return?.().catch(() => undefined)
    },
  }
}
