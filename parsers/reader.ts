import type { EventFormat, EventWindow } from './batch.ts'
import type { InputPosition } from './error.ts'
import type { RecordMemory } from './record-memory.ts'

/** Random access over bytes; a short read at the end of the input is normal. */
export interface ByteSource {
  /** Shown in errors: the path as the user gave it, or `-`. */
  readonly name: string
  /** Bytes in all. */
  readonly size: number
  /** Reads into all of `target` from byte `offset`; returns the bytes read, which may be fewer (0 only at the end). */
  readInto(offset: number, target: Uint8Array): number
}

/** Bytes in order, for formats that need no seeking (text, perf pipe mode, Perfetto). */
export interface ByteStream {
  readonly name: string
  /** The next bytes, borrowed until the next call; `undefined` at the end. */
  next(): Uint8Array | undefined
}

/** A stream whose bytes arrive while it is read: `next` gives what has arrived, and must not be called before `wait` said so. */
export interface LiveStream extends ByteStream {
  /** Resolves when `next` has bytes or the stream has ended. */
  wait(): Promise<void>
}

/** A file of a folder; closed by whoever opened it. */
export interface FolderFile extends ByteSource {
  close(): void
}

/** Several files that are one recording. */
export interface FolderSource {
  /** Shown in errors: the path as the user gave it. */
  readonly name: string
  /** Relative paths of all regular files, `/` between names, sorted. */
  readonly paths: readonly string[]
  /** One of `paths`; `undefined` when there is no such file. Its name is the folder's and the path. */
  open(path: string): FolderFile | undefined
}

/** Events were lost on `cpu` between two times (ns since `baseNs`); `events` undefined = number unknown. */
export interface Loss {
  readonly cpu: number
  readonly startNs: number
  readonly endNs: number
  readonly events: number | undefined
  /** No gap: a CPU's counter tells of events missing somewhere between the two times. */
  readonly isUnplaced?: boolean
}

export type Severity = 'info' | 'error' | 'data_loss'

/** Something in the file that did not stop the import; counted, first place kept. */
export interface ImportIssue {
  readonly code: string
  readonly severity: Severity
  count: number
  readonly firstPosition: InputPosition | undefined
  /** One full sentence. */
  readonly message: string
}

/** One buffer instance; index 0 is the top instance. */
export interface TraceInstance {
  readonly name: string
  readonly clock: string
}

/** What a file says about itself. `undefined` = the file does not say. */
export interface TraceInfo {
  /** `trace.dat v7`, `perf.data`, `perfetto`, `ftrace text`, ... */
  readonly format: string
  readonly kernelRelease: string | undefined
  readonly arch: string | undefined
  readonly cpus: number | undefined
  readonly pageSize: number | undefined
  /** The kernel's name of the clock (`mono`, `boot`, `local`, `x86-tsc`, ...), after conversion to ns where possible. */
  readonly clock: string | undefined
  /** Added to every `ts` gives the trace's own clock, in ns. */
  readonly baseNs: bigint
  /** `true` when `ts` is not nanoseconds (a counter clock without conversion data). */
  readonly ticks: boolean
  readonly instances: readonly TraceInstance[]
  /** saved_cmdlines and the like: tid -> comm. */
  readonly comms: ReadonlyMap<number, string>
  /** tid -> tgid where the file knows. */
  readonly tgids: ReadonlyMap<number, number>
  /** pfn -> node ranges (perf MEM_TOPOLOGY) where the file knows; pages, end exclusive. */
  readonly nodeRanges: readonly { node: number; startPfn: number; endPfn: number }[]
  /** Free-form facts worth keeping: command line, host name, cpu stats. */
  readonly facts: ReadonlyMap<string, string>
}

/** One opened trace. Not reusable after `close`. */
export interface TraceReader {
  /** Readers of live input only: to be awaited before each `read`, which then does not block. */
  wait?(): Promise<void>
  readonly info: TraceInfo
  /** Where the arrays of all windows lie whose buffer is shared. */
  readonly memory?: RecordMemory | undefined
  /** Every event format the file describes, also those without events; grows while text is read. */
  readonly formats: readonly EventFormat[]
  /** The next window, or `undefined` at the end. Throws `TraceParseError` when the file cannot be read further. */
  read(): EventWindow | undefined
  /** Losses met so far, in the order they were met; complete after the last `read`. */
  readonly losses: readonly Loss[]
  readonly issues: readonly ImportIssue[]
  /** Name of the kernel function that begins at the address hi * 2^32 + lo, where the file has the kernel's symbols. */
  symbolOf?(hi: number, lo: number): string | undefined
  /** Bytes of input consumed so far, for progress. */
  readonly bytesRead: number
  /** To be called before the first `read`: what is wanted of the rows of each event. A reader may give more. */
  wantOnly?(wants: Wants): void
  /**
   * To be called before the first `read`: events whose records the caller reads itself, in `memory` and in the host's byte order. A
   * reader may decode them all the same, as `wantOnly` says.
   */
  wantRecords?(wants: (format: EventFormat) => boolean): void
  close(): void
}

/**
 * Names of the fields that are wanted of an event's rows, undefined = the whole rows. Otherwise the columns of other fields are
 * empty, as are the batch's `ts`, `cpu`, `tid` and `flags`, of which the window has the first three.
 */
export type Wants = (format: EventFormat) => readonly string[] | undefined

/** One file family. */
export interface TraceFormat {
  readonly name: string
  /** True when `head` (the first bytes of the input, 64 KiB or all) starts a file of this family. */
  sniff(head: Uint8Array): boolean
  /** Formats that need `seek` get a ByteSource (pipes are spooled before), others a ByteStream. */
  readonly access: 'seek' | 'stream'
}
