import type { EventFormat, EventWindow } from './batch.ts'
import type { IssueLog } from './issues.ts'
import type { ImportIssue, Loss, TraceInfo, TraceReader, Wants } from './reader.ts'
import type { RecordMemory } from './record-memory.ts'
import type { RecordStream, WindowBuilder } from './window.ts'

/** One cpu's records, with the gaps that they show. */
export interface LossyStream extends RecordStream {
  readonly losses: readonly Loss[]
  readonly bytesRead: number
}

interface Merged<S> {
  readonly streams: readonly S[]
  /** Merged with them, but of no cpu. */
  readonly beside?: RecordStream
  readonly window: WindowBuilder
}

/** A reader of streams that are merged by time. Its losses are known once all is read, and until then those met so far. */
export abstract class MergedReader<S extends LossyStream> implements TraceReader {
  abstract readonly info: TraceInfo
  abstract readonly formats: readonly EventFormat[]
  readonly #log: IssueLog
  #streams: readonly S[] = []
  #window: WindowBuilder | undefined
  #settled: readonly Loss[] | undefined
  #ended = false

  constructor(log: IssueLog) {
    this.#log = log
  }

  /** Loads the first records of all streams; to be called once, before the first `read`. */
  protected begin({ streams, beside, window }: Merged<S>): void {
    this.#streams = streams
    this.#window = window
    window.begin(beside === undefined ? streams : [beside, ...streams])
  }

  /** All that was lost of a stream that has been read to its end. */
  protected abstract settle(stream: S): Loss[]

  get memory(): RecordMemory | undefined {
    return this.#window?.memory
  }

  get hasEnded(): boolean {
    return this.#ended
  }

  get losses(): readonly Loss[] {
    return this.#settled ?? this.#streams.flatMap((stream) => stream.losses)
  }

  get issues(): readonly ImportIssue[] {
    return this.#log.list
  }

  get bytesRead(): number {
    return this.#streams.reduce((sum, stream) => sum + stream.bytesRead, 0)
  }

  wantOnly(wants: Wants): void {
    this.#window?.wantOnly(wants)
  }

  read(): EventWindow | undefined {
    if (this.#ended || this.#window === undefined) return undefined
    const more = this.#window.fill()
    const window = this.#window.finish()
    if (!more) {
      this.#ended = true
      this.#settled = this.#streams.flatMap((stream) => this.settle(stream))
    }
    return window
  }

  close(): void {
    this.#ended = true
  }
}
