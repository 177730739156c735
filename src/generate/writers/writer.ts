import type { EventSink } from '../event-kinds.ts'
import type { RecordEncoder } from '../record.ts'
import type { Scenario } from '../scenario.ts'

/** Where a file goes, from front to back. */
export interface Output {
  /** Takes a copy of the bytes. */
  write(bytes: Uint8Array): void
}

/** Bytes kept aside (in memory or in a temporary file) until their turn in the output comes. */
export interface Spool extends Output {
  readonly length: number
  /** Fills `target` from byte `offset`; returns the bytes read. */
  readInto(offset: number, target: Uint8Array): number
  /** Gives the space back. */
  remove(): void
}

/** Everything a writer needs beside the events. */
export interface WriterContext {
  readonly scenario: Scenario
  readonly strings: readonly string[]
  readonly littleEndian: boolean
  readonly long: 4 | 8
  /** `long` of the recording program, when it differs from the kernel's (32-bit tools on a 64-bit kernel). */
  readonly userLong: 4 | 8
  readonly pageSize: number
  readonly clock: string
  readonly kernelRelease: string
  readonly compression: 'none' | 'zlib' | 'zstd'
  /** Makes one zstd frame; injected, because Node 20 has no encoder of its own. */
  readonly zstdCompress?: (bytes: Uint8Array) => Uint8Array
  readonly encoders: ReadonlyMap<string, RecordEncoder>
  readonly output: Output
  readonly newSpool: () => Spool
}

export interface TraceWriter extends EventSink {
  /** `count` events of `cpu` never reached the file; called before that cpu's next event, whose time (ns) is `toNs`. */
  lost(cpu: number, count: number, fromNs: number, toNs: number): void
  /** Ends the file. */
  finish(): void
}

const encoder = new TextEncoder()

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** One array of all parts in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** An integer below 2^53 as 1, 2, 4 or 8 bytes. */
export function integer(value: number, size: 1 | 2 | 4 | 8, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) {
    const byte = Math.floor(value / 256 ** i) % 256
    bytes[littleEndian ? i : size - 1 - i] = byte
  }
  return bytes
}

/** Copies a spool to an output in pieces. */
export function drain(spool: Spool, output: Output): void {
  const buffer = new Uint8Array(1 << 20)
  for (let at = 0; at < spool.length; ) {
    const read = spool.readInto(at, buffer)
    if (read === 0) break
    output.write(buffer.subarray(0, read))
    at += read
  }
  spool.remove()
}
