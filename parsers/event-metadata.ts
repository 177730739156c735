import type { Cursor } from './cursor.ts'
import { parseEventFormat } from './event-format.ts'
import type { IssueLog } from './issues.ts'
import { parseHeaderPage, type SubBufferLayout } from './ring-buffer.ts'
import { FormatTable } from './window.ts'

const MAX_HEADER_PAGE_BYTES = 4096

/**
 * The descriptions that trace.dat and perf's tracing data hold in the same form and order (lib/traceevent's reading order): ring-buffer
 * page, event formats, task names. Every method reads at the cursor and throws `TraceParseError`.
 */
export class EventMetadata {
  readonly formats = new FormatTable()
  readonly comms = new Map<number, string>()
  readonly #issues: IssueLog
  #layout: SubBufferLayout | undefined
  #longSize: 4 | 8

  /** `userLong`: size of the recording program's long, until the header page tells the kernel's. */
  constructor(issues: IssueLog, userLong: 4 | 8) {
    this.#issues = issues
    this.#longSize = userLong
  }

  get layout(): SubBufferLayout | undefined {
    return this.#layout
  }

  get longSize(): 4 | 8 {
    return this.#longSize
  }

  parseHeaderInfo(cursor: Cursor): void {
    expectName(cursor, 'header_page')
    const length = cursor.u64()
    if (length > MAX_HEADER_PAGE_BYTES)
      throw cursor.error('bad_header_page', `its description has ${length} bytes`)
    this.setHeaderPage(cursor.text(length), cursor)
    expectName(cursor, 'header_event')
    cursor.skip(cursor.u64())
  }

  /** `text` is tracefs' events/header_page; `cursor` gives byte order and place. */
  setHeaderPage(text: string, cursor: Cursor): void {
    this.#layout = parseHeaderPage(text, cursor.littleEndian)
    if (this.#layout === undefined)
      throw cursor.error(
        'bad_header_page',
        `the ring-buffer page has an unknown layout: ${text.slice(0, 300).replaceAll(/\s+/g, ' ')}`,
      )
    // The file's own long is that of the recording program, which may be a 32-bit one on a 64-bit kernel.
    this.#longSize = this.#layout.commitSize
  }

  parseFtraceEvents(cursor: Cursor): void {
    const count = cursor.u32()
    for (let i = 0; i < count; i++) this.#parseFormat(cursor, 'ftrace')
  }

  parseEventSystems(cursor: Cursor): void {
    const systems = cursor.u32()
    for (let i = 0; i < systems; i++) {
      const system = cursor.cString()
      const events = cursor.u32()
      for (let event = 0; event < events; event++) this.#parseFormat(cursor, system)
    }
  }

  parseCmdLines(cursor: Cursor): void {
    this.addCmdLines(cursor.text(cursor.u64()))
  }

  /** Lines of tracefs' saved_cmdlines. */
  addCmdLines(text: string): void {
    for (const line of text.split('\n')) {
      const [, tid, comm] = /^\s*(\d{1,10}) (.*)$/.exec(line) ?? []
      if (tid !== undefined && comm !== undefined) this.comms.set(Number(tid), comm)
    }
  }

  /** Adds one event's `format` file, found at byte `at`. */
  addFormat(text: string, system: string, at: number): void {
    const record = parseEventFormat(text, system, this.#longSize)
    if (record === undefined) {
      this.#issues.add(
        'bad_format',
        'error',
        at,
        `An event description of ${system} has no name or no id; its events will be unknown.`,
      )
      return
    }
    const { name } = record.format
    if (record.undecodable !== undefined)
      this.#issues.add(
        'undecodable_format',
        'error',
        at,
        `The fields of ${system}:${name} cannot be decoded: ${record.undecodable}. Its records are kept as bytes.`,
        `${system}:${name}`,
      )
    const { formats } = this
    if (
      !formats.add(record) &&
      formats.records[formats.byId[record.format.id] ?? -1]?.format.name !== name
    )
      this.#issues.add(
        'duplicate_event_id',
        'error',
        at,
        `Event id ${record.format.id} has two descriptions; ${system}:${name} is ignored.`,
        record.format.id,
      )
  }

  #parseFormat(cursor: Cursor, system: string): void {
    const at = cursor.at
    this.addFormat(cursor.text(cursor.u64()), system, at)
  }
}

function expectName(cursor: Cursor, name: string): void {
  const found = cursor.cString()
  if (found !== name)
    throw cursor.error('bad_header', `"${found.slice(0, 20)}" in place of "${name}"`)
}
