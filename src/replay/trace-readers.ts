import { TRACE_PAGE_BYTES, type TraceBuffers, type TracedStep } from '../workload/types.ts'
import type { Kernel } from './kernel.ts'
import type { Steps } from './steps.ts'
import { IO, SLEEPING, type Thread } from './thread.ts'

/** Pages that one splice() takes: a pipe's (PIPE_DEF_BUFFERS). */
const PAGES_PER_READ = 16

/**
 * The recorder of a machine that is being recorded: a thread for each CPU that sleeps until that CPU's ring buffer is half full of events
 * (buffer_percent, kernel/trace/ring_buffer.c) and then writes pages to a file elsewhere, for as long as it is so full. Only policies that
 * write many more events than the recorded one have it run.
 */
export class TraceReaders {
  readonly #kernel: Kernel
  readonly #buffers: TraceBuffers
  /** Bytes of events by CPU that nobody has read. */
  readonly #unread: Float64Array
  readonly #readers: Thread[] = []
  /** By CPU. */
  readonly #taken: readonly Taken[]

  constructor(kernel: Kernel, buffers: TraceBuffers) {
    this.#kernel = kernel
    this.#buffers = buffers
    const { cpus } = kernel.scheduler
    this.#unread = Float64Array.from(cpus, (_, cpu) => buffers.unreadAtStart[cpu] ?? 0)
    this.#taken = cpus.map(() => ({
      nodes: new Int32Array(PAGES_PER_READ),
      places: new Int32Array(PAGES_PER_READ),
    }))
  }

  /** Adds the threads; `add` makes one that runs a program. */
  start(add: (name: string, program: (thread: Thread) => Steps) => Thread): void {
    for (const { index } of this.#kernel.scheduler.cpus) {
      const reader = add(`trace-reader/${index}`, (thread) => this.#main(thread, index))
      reader.holdsSwitch = true
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
        thread.holdsSwitch = true
        scheduler.block(thread, SLEEPING)
        yield
      }
    }
  }

  /**
   * tracing_buffers_splice_read() of as many pages as can be had, then their writing. For each that it takes out of the buffer it puts another one
   * in, of which the first is one that the last read has kept (ring_buffer_free_read_page); what is written is free.
   */
  *#read(thread: Thread, cpu: number): Steps {
    const { allocation, scheduler, zones } = this.#kernel
    const { pageNs, waitNs } = this.#buffers
    const { nodes, places } = this.#taken[cpu] as Taken
    let taken = 0
    while (taken < PAGES_PER_READ - 1) {
      const node = yield* allocation.findOnce(thread)
      if (scheduler.stopped) return
      if (node === undefined) break
      nodes[taken] = node.index
      places[taken++] = zones.takeUnmovable(node)
    }
    this.#unread[cpu] = (this.#unread[cpu] as number) - (taken + 1) * TRACE_PAGE_BYTES
    for (let page = taken; page >= 0; page--) {
      if (!scheduler.spend(thread, pageNs.value)) yield
      if (page < taken)
        zones.giveUnmovable(zones.nodeOf(nodes[page] as number), places[page] as number)
      // What a page cost the recorded one holds what the switch to it did, after the wait before.
      thread.holdsSwitch = true
      scheduler.sleepUntil(thread, scheduler.now + waitNs.value, IO)
      yield
      if (scheduler.stopped) return
    }
  }
}

/** Pages in the buffer's place of those that are being read: their nodes, and where they are from. */
interface Taken {
  readonly nodes: Int32Array
  readonly places: Int32Array
}
