import { TRACE_PAGE_BYTES, type TraceBuffers, type TracedStep } from '../workload/types.ts'
import type { Kernel } from './kernel.ts'
import type { Steps } from './steps.ts'
import { SLEEPING, type Thread } from './thread.ts'

/** Pages that one splice() takes: a pipe's (PIPE_DEF_BUFFERS). */
const PAGES_PER_READ = 16

/**
 * The recorder of a machine that is being recorded: a thread for each CPU that sleeps until that CPU's ring buffer is half full of events
 * (buffer_percent, kernel/trace/ring_buffer.c) and then copies pages into a file in memory, for as long as it is so full. Only policies that
 * write many more events than the recorded one have it run.
 */
export class TraceReaders {
  readonly #kernel: Kernel
  readonly #buffers: TraceBuffers
  /** Bytes of events by CPU that nobody has read. */
  readonly #unread: Float64Array
  readonly #readers: Thread[] = []

  constructor(kernel: Kernel, buffers: TraceBuffers) {
    this.#kernel = kernel
    this.#buffers = buffers
    const { cpus } = kernel.scheduler
    this.#unread = Float64Array.from(cpus, (_, cpu) => buffers.unreadAtStart[cpu] ?? 0)
  }

  /** Adds the threads; `add` makes one that runs a program. */
  start(add: (name: string, program: (thread: Thread) => Steps) => Thread): void {
    for (const { index } of this.#kernel.scheduler.cpus) {
      const reader = add(`trace-reader/${index}`, (thread) => this.#main(thread, index))
      this.#readers.push(reader)
      this.#kernel.scheduler.park(reader)
    }
  }

  /** The thread at work has done one of the steps that write events. */
  wrote(step: TracedStep): void {
    const cpu = this.#kernel.scheduler.active?.cpu
    if (cpu === undefined) return
    this.add(cpu, step)
    if (this.#isFull(cpu)) this.#kernel.scheduler.wake(this.#readers[cpu] as Thread)
  }

  /** The scheduler wrote events: too deep in it to wake somebody (rb_wake_up_waiters is an irq_work). */
  add(cpu: number, step: TracedStep): void {
    this.#unread[cpu] = (this.#unread[cpu] as number) + this.#buffers.bytes[step]
  }

  #isFull(cpu: number): boolean {
    return (this.#unread[cpu] as number) >= this.#buffers.wakesAtBytes.value
  }

  *#main(thread: Thread, cpu: number): Steps {
    const { scheduler } = this.#kernel
    while (!scheduler.stopped) {
      if (this.#isFull(cpu)) yield* this.#read(thread, cpu)
      else {
        scheduler.block(thread, SLEEPING)
        yield
      }
    }
  }

  /**
   * tracing_buffers_splice_read(), then iter_file_splice_write(): the copy stays in the file. The pages that take the read ones' place in the
   * buffer are the kernel's own, which return to the CPU's list of such and come from there again: they are not counted.
   */
  *#read(thread: Thread, cpu: number): Steps {
    const { faults, scheduler } = this.#kernel
    this.#unread[cpu] = (this.#unread[cpu] as number) - PAGES_PER_READ * TRACE_PAGE_BYTES
    for (let page = 0; page < PAGES_PER_READ; page++) {
      yield* faults.faultNew(thread, -1, this.#buffers.pageNs.value)
      if (scheduler.stopped) return
    }
  }
}
