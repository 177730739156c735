import type { Cpu } from './cpu.ts'
import type { Scheduler } from './scheduler.ts'
import type { Thread } from './thread.ts'

/** Does another CPU of the machine run a thread whose address space takes part in unmapping? */
export function runsMemoryElsewhere(cpus: readonly Cpu[], thread: Thread): boolean {
  for (let index = 0; index < cpus.length; index++)
    if (runsOtherMemory(cpus[index] as Cpu, thread)) return true
  return false
}

/** Has another CPU the page tables of such threads loaded, though it may run another thread now, or none? */
export function holdsMemoryElsewhere(cpus: readonly Cpu[], thread: Thread): boolean {
  for (let index = 0; index < cpus.length; index++)
    if (index !== thread.cpu && (cpus[index] as Cpu).holdsMemory) return true
  return false
}

/** A kernel thread flushes: its CPU gives up the page tables that it has loaded (flush_tlb_func). */
export function dropMemory(cpus: readonly Cpu[], thread: Thread): void {
  const cpu = cpus[thread.cpu] as Cpu
  cpu.holdsMemory = false
}

/** Interrupts every CPU that runs such a thread for as long as is drawn for it, ns; returns how many were hit. */
export function interruptMemoryElsewhere(
  scheduler: Scheduler,
  thread: Thread,
  draw: (of: Thread) => number,
): number {
  let hit = 0
  for (const cpu of scheduler.cpus) {
    if (!runsOtherMemory(cpu, thread)) continue
    hit++
    const ns = draw(cpu.current as Thread)
    if (ns > 0) scheduler.interrupt(cpu, ns)
  }
  return hit
}

function runsOtherMemory(cpu: Cpu, thread: Thread): boolean {
  const other = cpu.current
  return other !== undefined && other !== thread && other.hasMemory && !cpu.waking
}
