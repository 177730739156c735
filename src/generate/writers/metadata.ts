import { kallsyms } from '../text-values.ts'
import { RingBufferPages, type RingBufferShape } from './ring-buffer.ts'
import { concat, integer, utf8, type WriterContext } from './writer.ts'

/** The parts that trace.dat and perf's tracing data share (lib/traceevent's reading order). */
export class Metadata {
  readonly #context: WriterContext
  readonly #shape: RingBufferShape

  constructor(context: WriterContext) {
    this.#context = context
    this.#shape = {
      pageSize: context.pageSize,
      long: context.long,
      littleEndian: context.littleEndian,
    }
  }

  /** Magic, version, byte order, long size, page size. */
  magic(version: string): Uint8Array {
    const { littleEndian, userLong, pageSize } = this.#context
    return concat([
      Uint8Array.of(0x17, 0x08, 0x44),
      utf8(`tracing${version}\0`),
      Uint8Array.of(littleEndian ? 0 : 1, userLong),
      integer(pageSize, 4, littleEndian),
    ])
  }

  headerInfo(): Uint8Array {
    return concat([
      utf8('header_page\0'),
      this.#sized(RingBufferPages.headerPage(this.#shape), 8),
      utf8('header_event\0'),
      this.#sized(RingBufferPages.HEADER_EVENT, 8),
    ])
  }

  ftraceFormats(): Uint8Array {
    const formats = this.#formats('ftrace')
    return concat([integer(formats.length, 4, this.#context.littleEndian), ...formats])
  }

  eventFormats(): Uint8Array {
    const { littleEndian, encoders } = this.#context
    const systems = [...new Set([...encoders.values()].map(({ layout }) => layout.system))].filter(
      (system) => system !== 'ftrace',
    )
    return concat([
      integer(systems.length, 4, littleEndian),
      ...systems.flatMap((system) => {
        const formats = this.#formats(system)
        return [utf8(`${system}\0`), integer(formats.length, 4, littleEndian), ...formats]
      }),
    ])
  }

  kallsyms(): Uint8Array {
    return this.#sized(kallsyms(this.#context.long), 4)
  }

  printk(): Uint8Array {
    return this.#sized('', 4)
  }

  cmdlines(): Uint8Array {
    return this.#sized(savedCmdlines(this.#context), 8)
  }

  #sized(text: string, size: 4 | 8): Uint8Array {
    const bytes = utf8(text)
    return concat([integer(bytes.length, size, this.#context.littleEndian), bytes])
  }

  #formats(system: string): Uint8Array[] {
    return [...this.#context.encoders.values()]
      .filter((encoder) => encoder.layout.system === system)
      .map((encoder) => this.#sized(encoder.formatText(), 8))
  }
}

/** The text of tracefs' saved_cmdlines. */
export function savedCmdlines({ scenario }: WriterContext): string {
  return scenario.actors.map(({ tid, comm }) => `${tid} ${comm}\n`).join('')
}

/** The text of tracefs' trace_clock. */
export function clockText({ clock }: WriterContext): string {
  const clocks = ['local', 'global', 'counter', 'uptime', 'perf', 'mono', 'mono_raw', 'boot', 'tai']
  return `${clocks.map((name) => (name === clock ? `[${name}]` : name)).join(' ')}\n`
}
