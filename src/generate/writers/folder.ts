import type { EventKind } from '../event-kinds.ts'
import { clockText, savedCmdlines } from './metadata.ts'
import { RingBufferPages } from './ring-buffer.ts'
import { type Output, type TraceWriter, utf8, type WriterContext } from './writer.ts'

interface CpuFile {
  readonly pages: RingBufferPages
  events: number
  lost: number
}

/** Writes a copy of tracefs' raw files: trace_pipe_raw of each cpu and what is needed to read it. */
export class FolderWriter implements TraceWriter {
  readonly #context: WriterContext
  readonly #newFile: (path: string) => Output
  readonly #cpus: readonly CpuFile[]

  /** `newFile` opens a file of the folder by its relative path. */
  constructor(context: WriterContext, newFile: (path: string) => Output) {
    this.#context = context
    this.#newFile = newFile
    this.#cpus = context.scenario.cpuNodes.map((_, cpu) => ({
      pages: new RingBufferPages(context, newFile(`per_cpu/cpu${cpu}/trace_pipe_raw`)),
      events: 0,
      lost: 0,
    }))
  }

  event(kind: EventKind, tsNs: number, cpu: number, tid: number, args: Float64Array): void {
    const encoder = this.#context.encoders.get(kind)
    const file = this.#cpus[cpu]
    if (encoder === undefined || file === undefined) return
    file.pages.record(encoder, tsNs, tid, args)
    file.events++
  }

  lost(cpu: number, count: number): void {
    const file = this.#cpus[cpu]
    if (file === undefined) return
    file.pages.lost(count)
    file.lost += count
  }

  finish(): void {
    const write = (path: string, text: string) => this.#newFile(path).write(utf8(text))
    for (const [cpu, { pages, events, lost }] of this.#cpus.entries()) {
      pages.flush()
      write(
        `per_cpu/cpu${cpu}/stats`,
        `entries: 0\noverrun: ${lost}\ncommit overrun: 0\nbytes: 0\ndropped events: 0\nread events: ${events}\n`,
      )
    }
    for (const encoder of this.#context.encoders.values())
      write(`events/${encoder.layout.system}/${encoder.layout.name}/format`, encoder.formatText())
    write('events/header_page', RingBufferPages.headerPage(this.#context))
    write('events/header_event', RingBufferPages.HEADER_EVENT)
    write('saved_cmdlines', savedCmdlines(this.#context))
    write('trace_clock', clockText(this.#context))
  }
}
