import type { EventKind } from '../event-kinds.ts'
import { type TraceWriter, utf8, type WriterContext } from './writer.ts'

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
const FLUSH_BYTES = 1 << 16

/** Writes what `cat trace` prints. Source: kernel/trace/trace_output.c (trace_print_context) of 6.12. */
export class TextWriter implements TraceWriter {
  readonly #context: WriterContext
  readonly #comms: ReadonlyMap<number, string>
  readonly #tgids: ReadonlyMap<number, number> | undefined
  #text = ''

  /** `withTgid`: the column of the record-tgid option. */
  constructor(context: WriterContext, options: { withTgid: boolean }) {
    this.#context = context
    const { actors } = context.scenario
    this.#comms = new Map(actors.map(({ tid, comm }) => [tid, comm.slice(0, 15)]))
    this.#tgids = options.withTgid ? new Map(actors.map(({ tid, tgid }) => [tid, tgid])) : undefined
    const cpus = String(context.scenario.cpuNodes.length)
    this.#text = HEADER.replace('CPUS', cpus)
    if (options.withTgid)
      this.#text = this.#text.replace('TASK-PID     CPU#', 'TASK-PID       TGID   CPU#')
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
    this.#text +=
      `${comm.padStart(16)}-${String(tid).padEnd(7)} ${group}[${String(cpu).padStart(3, '0')}] ${flags} ` +
      `${seconds}.${fraction}: ${name}: ${payload}\n`
    if (this.#text.length > FLUSH_BYTES) this.#flush()
  }

  lost(cpu: number, count: number): void {
    this.#text += `CPU:${cpu} [LOST ${count} EVENTS]\n`
  }

  finish(): void {
    this.#flush()
  }

  #flush(): void {
    this.#context.output.write(utf8(this.#text))
    this.#text = ''
  }
}
