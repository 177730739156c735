import type { Cursor } from './cursor.ts'
import { TraceParseError } from './error.ts'
import type { IssueLog } from './issues.ts'

/** The kernel's functions by address, from a copy of /proc/kallsyms that is read when the first is asked for. */
export class KernelSymbols {
  readonly #load: () => Uint8Array | string | undefined
  #text: string | undefined

  /** `load` gives the text, or undefined when it cannot be read. */
  constructor(load: () => Uint8Array | string | undefined) {
    this.#load = load
  }

  /** Name of the function that begins at the address; `undefined` = not known. */
  nameOf(hi: number, lo: number): string | undefined {
    this.#text ??= toText(this.#load() ?? '')
    const low = lo.toString(16).padStart(8, '0')
    // Addresses are written with all digits of a long.
    return (
      this.#find(hi.toString(16).padStart(8, '0') + low) ?? (hi === 0 ? this.#find(low) : undefined)
    )
  }

  /** A line is `ffffffff81134e60 t name`, with a tab and `[module]` behind it where it is in one. */
  #find(address: string): string | undefined {
    const text = this.#text ?? ''
    for (let at = text.indexOf(`${address} `); at >= 0; at = text.indexOf(`${address} `, at + 1)) {
      if (at > 0 && text[at - 1] !== '\n') continue
      const name = /^[0-9a-f]+ \S (\S+)/.exec(text.slice(at, at + 600))?.[1]
      if (name !== undefined) return name
    }
    return undefined
  }
}

/** Symbols are names for addresses and nothing else: when `read` cannot have them, that is an issue. */
export function readSymbols(issues: IssueLog, read: () => Uint8Array): KernelSymbols {
  return new KernelSymbols(() => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof TraceParseError)) throw error
      issues.add(
        'bad_symbols',
        'info',
        error.position.at,
        "The kernel's symbols cannot be read: functions are shown as addresses.",
      )
      return undefined
    }
  })
}

/** A part that begins with its size as u32, as trace.dat and perf's tracing data have it. */
export function copySized(cursor: Cursor): Uint8Array {
  return cursor.copyBytes(cursor.u32())
}

function toText(symbols: Uint8Array | string): string {
  return typeof symbols === 'string' ? symbols : new TextDecoder('latin1').decode(symbols)
}
