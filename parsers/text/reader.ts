import { type EventFormat, type EventWindow, WINDOW_ROWS } from '../batch.ts'
import { toText } from '../cursor.ts'
import { TraceParseError } from '../error.ts'
import { EventOrder } from '../event-order.ts'
import { IssueLog } from '../issues.ts'
import type {
  ByteStream,
  ImportIssue,
  LiveStream,
  Loss,
  TraceInfo,
  TraceReader,
} from '../reader.ts'
import { COLON, EVENT, EventLine, NO_MATCH, SPACE, timeSince } from './event-line.ts'
import { EventRows } from './event-rows.ts'
import type { TextForm } from './form.ts'
import { LineScanner } from './line-scanner.ts'
import { LossLines } from './loss-lines.ts'
import { PageLines } from './page-lines.ts'
import { MAX_CPU, Tasks } from './tasks.ts'
import type { TextBatch } from './text-batch.ts'

/** Rows of a window: their columns stay in a core's cache. */
const ROWS = Math.min(WINDOW_ROWS, 16_384)
const MAX_IDLE_ROWS = 8 * ROWS
const HASH = 35
const TAB = 9
const BACKSLASH = 92
const CAPITAL_C = 67
const OPEN_BRACKET = 91
/** Uptimes below 50 days need no base: their nanoseconds are exact. */
const BASELESS_SECONDS = 2 ** 22

/** Reads text of one form line by line; `survey` comes before the first `read`. */
export class TextReader implements TraceReader {
  readonly #name: string
  readonly #form: TextForm
  readonly #lines: LineScanner
  readonly #live: LiveStream | undefined
  readonly #page: PageLines | undefined
  readonly #issues = new IssueLog('line')
  readonly #rows = new EventRows((bytes, line) => this.#tasks.learn(bytes, line))
  readonly #line = new EventLine()
  readonly #losses = new LossLines()
  readonly #tasks: Tasks = new Tasks(this.#rows.known.tasks)
  readonly #facts = new Map<string, string>()
  #saidCpus: number | undefined
  #baseSeconds = 0
  #isBare = false
  #events = 0

  // The window under construction.
  readonly #active: TextBatch[] = []
  readonly #batch = new Uint16Array(ROWS)
  readonly #row = new Uint32Array(ROWS)
  readonly #order = new EventOrder(ROWS)
  #length = 0
  #firstSeq = 0
  #isDisordered = false
  #lastTs = Number.NEGATIVE_INFINITY
  #previousWindowTs = Number.NEGATIVE_INFINITY
  #liveEnded = false
  #ended = false

  constructor(name: string, form: TextForm, stream: ByteStream, live?: LiveStream) {
    this.#name = name
    this.#form = form
    const { known } = this.#rows
    this.#lines = new LineScanner(stream, (piece) => known.place(piece))
    this.#live = live
    this.#page = form.isPage ? new PageLines() : undefined
    if (live !== undefined) this.wait = () => this.#wait()
  }

  wait?: () => Promise<void>

  get info(): TraceInfo {
    return {
      format: this.#form.name,
      kernelRelease: undefined,
      arch: undefined,
      cpus: this.#saidCpus ?? (this.#tasks.cpus > 0 ? this.#tasks.cpus : undefined),
      pageSize: undefined,
      clock: undefined,
      baseNs: BigInt(this.#baseSeconds) * 1_000_000_000n,
      ticks: this.#isBare,
      instances: [{ name: '', clock: '' }],
      comms: this.#tasks.comms,
      tgids: this.#tasks.tgids,
      nodeRanges: [],
      facts: this.#facts,
    }
  }

  get formats(): readonly EventFormat[] {
    return this.#rows.batches.map(({ format }) => format)
  }

  get losses(): readonly Loss[] {
    return this.#losses.list
  }

  get issues(): readonly ImportIssue[] {
    return this.#issues.list
  }

  get bytesRead(): number {
    return this.#lines.bytesRead
  }

  get hasEvents(): boolean {
    return this.#events > 0
  }

  /** Reads everything once for the events there are, the first time and the tasks' names. */
  survey(stream: ByteStream, mayGrow = false): void {
    const { known } = this.#rows
    const lines = new LineScanner(stream, (piece) => known.place(piece))
    const page = this.#form.isPage ? new PageLines() : undefined
    const line = this.#line
    let foreign = 0
    let nameAt = 0
    const canSkip = this.#form.name === 'ftrace text'
    for (;;) {
      const { peeked, nextStart } = lines
      if (canSkip && nextStart >= 0) {
        const skipped = known.skip(peeked, nextStart, nameAt, line.bracket)
        this.#events += skipped
        lines.number += skipped
        if (skipped > 0) lines.skipTo(known.stoppedAt)
      }
      if (!lines.next()) break
      const { bytes, start } = lines
      const end = cutTail(bytes, start, lines.end)
      if (page !== undefined && !page.takes(bytes, start, end)) continue
      if (lines.isCut) break
      if (bytes[start] === HASH) {
        this.#comment(bytes, start, end)
        continue
      }
      const found = this.#form.parse(bytes, start, end, line)
      nameAt = found === EVENT ? line.nameStart - start : 0
      if (found === NO_MATCH) {
        if (!isBlank(bytes, start, end)) foreign++
        continue
      }
      if (found !== EVENT || !this.#isTracepoint(bytes)) continue
      if (this.#events++ === 0) this.#setBase(line)
      this.#tasks.learn(bytes, line)
      const state = this.#rows.stateOf(bytes, line)
      if (state !== undefined) this.#rows.learn(state, bytes, line, end)
    }
    if (this.#events > 0 || mayGrow || foreign === 0) return
    throw new TraceParseError(
      'no_events',
      this.#name,
      { unit: 'line', at: 1 },
      `none of ${lines.number} lines is a tracepoint event`,
    )
  }

  read(): EventWindow | undefined {
    if (this.#ended) return undefined
    const lines = this.#lines
    if (this.#live === undefined || this.#liveEnded) {
      while (this.#length < ROWS) {
        if (!this.#takeKnown() && !this.#nextLine()) return this.#last()
      }
      return this.#finish()
    }
    if (!lines.hasLine && !lines.fill()) {
      this.#liveEnded = true
      return this.read()
    }
    while (this.#length < ROWS && lines.hasLine) {
      if (!this.#takeKnown()) this.#nextLine()
    }
    return this.#finish()
  }

  close(): void {
    this.#ended = true
  }

  #wait(): Promise<void> {
    const isReady = this.#ended || this.#liveEnded || this.#lines.hasLine
    return isReady || this.#live === undefined ? Promise.resolve() : this.#live.wait()
  }

  #last(): EventWindow | undefined {
    this.#ended = true
    this.#losses.close(this.#lastTs)
    if (this.#lines.skipped > 0)
      this.#issues.add(
        'line_too_long',
        'error',
        undefined,
        `${this.#lines.skipped} lines are longer than any event and were left out.`,
      )
    const window = this.#finish()
    return window.length > 0 ? window : undefined
  }

  /** Takes the lines that come next and look like earlier ones; false when the next does not. */
  #takeKnown(): boolean {
    const lines = this.#lines
    if (this.#page !== undefined || this.#isBare || lines.nextStart < 0) return false
    const { known } = this.#rows
    const { times, words, outputAt } = known
    const taken = known.take(lines.peeked, lines.nextStart, ROWS - this.#length, this.#line, {
      isPerf: this.#form.name === 'perf script',
      baseSeconds: this.#baseSeconds,
    })
    let at = outputAt
    for (let i = 0; i < taken; i++) {
      const event = words[at + 2] as number
      const batch = this.#rows.addKnownRow(event, at + 6)
      lines.number++
      this.#addRow(
        batch,
        times[at >>> 1] as number,
        words[at + 3] as number,
        words[at + 4] as number,
        words[at + 5] as number,
      )
      at += 6 + this.#rows.knownWords(event)
    }
    this.#rows.fillKnown()
    if (taken > 0) lines.skipTo(known.stoppedAt)
    return taken > 0
  }

  /** Handles one line; false at the end of the input. */
  #nextLine(): boolean {
    const lines = this.#lines
    if (!lines.next()) return false
    const { bytes, start } = lines
    const end = cutTail(bytes, start, lines.end)
    if (this.#page !== undefined && !this.#page.takes(bytes, start, end)) return true
    if (lines.isCut) {
      this.#issues.add(
        'cut_line',
        'data_loss',
        lines.number,
        'The last line has no end: the text was cut off there, and the line was left out.',
      )
      return true
    }
    if (start >= end) return true
    const line = this.#line
    const found = this.#form.parse(bytes, start, end, line)
    if (found === EVENT) this.#event(bytes, end, line)
    else if (found === NO_MATCH) this.#otherLine(bytes, start, end)
    else
      this.#issues.add(
        'not_an_event',
        'info',
        lines.number,
        'Lines of a tracer or a stack trace, which are no events, were left out.',
      )
    return true
  }

  #event(bytes: Uint8Array, end: number, line: EventLine): void {
    const { cpu } = line
    if (!this.#isTracepoint(bytes) || cpu > MAX_CPU) {
      const name = toText(bytes.subarray(line.nameStart, line.nameEnd))
      this.#issues.add(
        cpu > MAX_CPU ? 'bad_cpu' : 'not_a_tracepoint',
        cpu > MAX_CPU ? 'error' : 'info',
        this.#lines.number,
        cpu > MAX_CPU
          ? `A line is said to come from cpu ${cpu}.`
          : `Samples of ${name} are no tracepoint events and were left out.`,
        cpu > MAX_CPU ? '' : name,
      )
      return
    }
    const ts = timeSince(this.#baseSeconds, line)
    if (line.isBare !== this.#isBare || !(Math.abs(ts) <= Number.MAX_SAFE_INTEGER)) {
      this.#issues.add(
        'bad_time',
        'error',
        this.#lines.number,
        'A line has a time that does not fit those of the others.',
      )
      return
    }
    if (this.#isLostRecord(bytes, line, end)) {
      this.#losses.add(cpu, lostNumber(bytes, line.bodyStart, end), ts)
      return
    }
    const state = this.#rows.stateOf(bytes, line)
    if (state === undefined) {
      this.#issues.add(
        'too_many_events',
        'error',
        this.#lines.number,
        'The text has more kinds of events than any kernel; the others were left out.',
      )
      return
    }
    this.#tasks.learn(bytes, line)
    const batch = this.#rows.fill(state, bytes, line.bodyStart, end)
    // perf does not know the pid of a task that has ended; its last event does.
    if (line.tid < 0 && state.name === 'sched_switch') line.tid = previousTid(batch)
    if (bytes[line.bodyStart] === OPEN_BRACKET && isFailure(bytes, line.bodyStart, end))
      this.#issues.add(
        'failed_to_parse',
        'error',
        this.#lines.number,
        `The program that printed ${state.name} could not decode it; its values are kept as they are printed.`,
        state.name,
      )
    this.#addRow(batch, ts, cpu, line.tid, line.flags)
  }

  #addRow(batch: TextBatch, ts: number, cpu: number, tid: number, flags: number): void {
    const row = batch.length
    if (batch.windowIndex < 0) {
      batch.windowIndex = this.#active.length
      this.#active.push(batch)
    }
    batch.ts[row] = ts
    batch.cpu[row] = cpu
    batch.tid[row] = tid
    batch.flags[row] = flags
    batch.completeRow()
    this.#batch[this.#length] = batch.windowIndex
    this.#row[this.#length] = row
    this.#length++
    if (ts < this.#lastTs) this.#meetDisorder(ts)
    else this.#lastTs = ts
    this.#losses.meet(cpu, ts)
  }

  #meetDisorder(ts: number): void {
    this.#isDisordered = true
    if (ts < this.#previousWindowTs)
      this.#issues.add(
        'out_of_order',
        'error',
        this.#lines.number,
        'Lines come later than lines with a later time, farther than they can be sorted.',
      )
  }

  #otherLine(bytes: Uint8Array, start: number, end: number): void {
    const first = bytes[start]
    if (first === HASH) {
      this.#comment(bytes, start, end)
      return
    }
    if (first === CAPITAL_C && this.#losses.takesLine(bytes, start, end)) return
    // Call chains are indented; perf prints an empty line behind them.
    if (first === TAB || isBlank(bytes, start, end)) return
    const text = toText(bytes.subarray(start, Math.min(end, start + 100)))
    if (PREAMBLE_OR_STACK.test(text)) return
    this.#issues.add(
      'unreadable_line',
      'error',
      this.#lines.number,
      `A line is no event: "${text.slice(0, 60).trim()}".`,
    )
  }

  #isLostRecord(bytes: Uint8Array, line: EventLine, end: number): boolean {
    // perf script --show-lost-events prints these where an event's name stands, without the colon.
    return (
      bytes[line.nameStart] === 80 && end > line.bodyStart && LOST_RECORD.test(nameOf(bytes, line))
    )
  }

  #comment(bytes: Uint8Array, start: number, end: number): void {
    const text = toText(bytes.subarray(start, Math.min(end, start + 200)))
    const tracer = /^# tracer: (\S+)/.exec(text)?.[1]
    if (tracer !== undefined) this.#facts.set('tracer', tracer)
    const [, entries, written, cpus] =
      /^# entries-in-buffer\/entries-written: (\d+)\/(\d+)(?:\s+#P:(\d+))?/.exec(text) ?? []
    if (entries === undefined || written === undefined) return
    if (cpus !== undefined) this.#saidCpus = Number(cpus)
    const missing = Number(written) - Number(entries)
    if (missing > 0 && this.#facts.get('overwritten') === undefined) {
      this.#facts.set('overwritten', String(missing))
      this.#issues.add(
        'overwritten',
        'data_loss',
        undefined,
        `The ring buffer was too small: the ${missing} oldest events were overwritten before the text was printed.`,
      )
    }
  }

  /** perf also samples counters; their names have no group. */
  #isTracepoint(bytes: Uint8Array): boolean {
    if (this.#form.name !== 'perf script') return true
    const line = this.#line
    const colon = bytes.indexOf(COLON, line.nameStart)
    return colon > line.nameStart && colon < line.nameEnd
  }

  #setBase(line: EventLine): void {
    this.#isBare = line.isBare
    this.#baseSeconds = line.seconds < BASELESS_SECONDS ? 0 : line.seconds
    this.#losses.firstNs = timeSince(this.#baseSeconds, line)
  }

  #finish(): EventWindow {
    const length = this.#length
    const batch = this.#batch
    const row = this.#row
    if (this.#isDisordered) this.#sort()
    const window = this.#order.complete({
      firstSeq: this.#firstSeq,
      length,
      batches: this.#active.map((each) => each.toBatch(this.#rows.dictionary)),
      batch,
      row,
    })
    this.#firstSeq += length
    this.#length = 0
    this.#isDisordered = false
    this.#previousWindowTs = this.#lastTs
    this.#rest()
    return window
  }

  #rest(): void {
    for (const batch of this.#active) batch.rest()
    this.#active.length = 0
    let rows = 0
    for (const batch of this.#rows.batches) rows += batch.capacity
    if (rows > MAX_IDLE_ROWS) for (const batch of this.#rows.batches) batch.release()
    this.#rows.trim()
  }

  /** Sorts the window's order by time; lines of equal time stay as they are. */
  #sort(): void {
    const length = this.#length
    const batches = this.#batch.slice(0, length)
    const rows = this.#row.slice(0, length)
    const times = new Float64Array(length)
    for (let k = 0; k < length; k++)
      times[k] = this.#active[batches[k] as number]?.ts[rows[k] as number] ?? 0
    const order = Uint32Array.from(times.keys())
    order.sort((a, b) => (times[a] as number) - (times[b] as number) || a - b)
    for (let k = 0; k < length; k++) {
      this.#batch[k] = batches[order[k] as number] as number
      this.#row[k] = rows[order[k] as number] as number
    }
  }
}

function previousTid(batch: TextBatch): number {
  const column = batch.columns.find(({ field }) => field.name === 'prev_pid')
  return column?.lastRow === batch.length && column.kind !== 'string'
    ? (column.lo[batch.length] ?? 0) | 0
    : -1
}

const PREAMBLE_OR_STACK =
  /^(?:version = |cpus=|trace-cmd|TRACE:|capturing trace|CPU \d+ is empty| => |\s+[0-9a-f]{5,} )/
const LOST_RECORD = /^PERF_RECORD_LOST/

function nameOf(bytes: Uint8Array, line: EventLine): string {
  return toText(bytes.subarray(line.nameStart, line.nameEnd))
}

function lostNumber(bytes: Uint8Array, start: number, end: number): number | undefined {
  const events = /(\d+)/.exec(toText(bytes.subarray(start, end)))?.[1]
  return events === undefined ? undefined : Number(events)
}

/** `[FAILED TO PARSE]`: libtraceevent could not follow the event's print format. */
function isFailure(bytes: Uint8Array, start: number, end: number): boolean {
  return toText(bytes.subarray(start, Math.min(end, start + 17))) === '[FAILED TO PARSE]'
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== SPACE && bytes[at] !== TAB) return false
  return true
}

/** The line without blanks at its end; pages hold the text as a string whose lines end in `\n\`. */
function cutTail(bytes: Uint8Array, start: number, end: number): number {
  let at = end
  if (
    at - 3 >= start &&
    bytes[at - 1] === BACKSLASH &&
    bytes[at - 2] === 110 &&
    bytes[at - 3] === BACKSLASH
  )
    at -= 3
  while (at > start && (bytes[at - 1] === SPACE || bytes[at - 1] === TAB)) at--
  return at
}
