import type { Cpu } from './cpu.ts'
import type { Thread } from './thread.ts'

/**
 * Who of a CPU's threads runs, and for how long: the kernel's fair class, all threads of one weight. Virtual runtimes of the CPU's thread must
 * be up to now whenever one of these is called.
 */
export interface FairClass {
  /** A woken thread joins the CPU's queue. */
  place(cpu: Cpu, thread: Thread): void
  /** Does the thread that has just joined the queue take the CPU from its thread at once? */
  preempts(cpu: Cpu, thread: Thread): boolean
  /** The CPU's thread goes to sleep. */
  sleep(cpu: Cpu, thread: Thread): void
  /** A thread that sleeps but has not left the queue yet is woken. */
  requeue(cpu: Cpu, thread: Thread): void
  /** CPU time after which a tick may take the CPU from its thread. */
  untilPreemption(cpu: Cpu): number
  /** A tick, or preemption that was due earlier: does the CPU go to another thread? */
  expires(cpu: Cpu): boolean
  /** Takes the next thread out of the queue; undefined when it is empty. */
  takeNext(cpu: Cpu): Thread | undefined
  /** A waiting thread leaves for another CPU, and joins it. */
  detach(cpu: Cpu, thread: Thread): void
  attach(cpu: Cpu, thread: Thread): void
}
