import type { EventKind } from '../event-kinds.ts'
import type { TraceWriter, WriterContext } from './writer.ts'

const HEADER = `# tracer: nop
#
# entries-in-buffer/entries-written: 0/0   #P:CPUS
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
`
const BUFFER_BYTES = 1 << 17
/** More than any line has. */
const LINE_BYTES = 1 << 13
const encoder = new TextEncoder()

/** Writes what `cat trace` prints. Source: kernel/trace/trace_output.c (trace_print_context) of 6.12. */
export class TextWriter implements TraceWriter {
  readonly #context: WriterContext
  readonly #comms: ReadonlyMap<number, string>
  readonly #tgids: ReadonlyMap<number, number> | undefined
  readonly #buffer = new Uint8Array(BUFFER_BYTES)
  #used = 0

  /** `withTgid`: the column of the record-tgid option. */
  constructor(context: WriterContext, options: { withTgid: boolean }) {
    this.#context = context
    const { actors } = context.scenario
    this.#comms = new Map(actors.map(({ tid, comm }) => [tid, comm.slice(0, 15)]))
    this.#tgids = options.withTgid ? new Map(actors.map(({ tid, tgid }) => [tid, tgid])) : undefined
    const cpus = String(context.scenario.cpuNodes.length)
    const header = HEADER.replace('CPUS', cpus)
    this.#line(
      options.withTgid ? header.replace('TASK-PID     CPU#', 'TASK-PID       TGID   CPU#') : header,
    )
  }

  event(kind: EventKind, tsNs: number, cpu: number, tid: number, args: Float64Array): void {
    const encoder = this.#context.encoders.get(kind)
    if (encoder === undefined) return
    const comm = tid === 0 ? '<idle>' : (this.#comms.get(tid) ?? '<...>')
    const tgid = this.#tgids?.get(tid)
    const group =
      this.#tgids === undefined
        ? ''
        : tgid === undefined
          ? '(-------) '
          : `(${String(tgid).padStart(7)}) `
    // ns2usecs rounds to the nearest microsecond.
    const us = Math.floor((tsNs + 500) / 1000)
    const seconds = String(Math.floor(us / 1_000_000)).padStart(5)
    const fraction = String(us % 1_000_000).padStart(6, '0')
    const flags = kind === 'switch' ? 'd..2.' : '.....'
    const name = kind === 'print' ? 'tracing_mark_write' : encoder.layout.name
    const payload = encoder.payloadText(args).replace(/\n$/, '')
    this.#line(
      `${comm.padStart(16)}-${String(tid).padEnd(7)} ${group}[${String(cpu).padStart(3, '0')}] ${flags} ` +
        `${seconds}.${fraction}: ${name}: ${payload}\n`,
    )
  }

  lost(cpu: number, count: number): void {
    this.#line(`CPU:${cpu} [LOST ${count} EVENTS]\n`)
  }

  finish(): void {
    this.#flush()
  }

  #line(text: string): void {
    if (this.#used > BUFFER_BYTES - LINE_BYTES) this.#flush()
    this.#used += encoder.encodeInto(text, this.#buffer.subarray(this.#used)).written
  }

  #flush(): void {
    this.#context.output.write(this.#buffer.subarray(0, this.#used))
    this.#used = 0
  }
}
