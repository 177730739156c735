import type { Cpu } from './cpu.ts'
import type { Scheduler } from './scheduler.ts'
import type { Thread } from './thread.ts'

/** Does another CPU of the machine run a thread whose address space takes part in unmapping? */
export function runsMemoryElsewhere(cpus: readonly Cpu[], thread: Thread): boolean {
  for (const cpu of cpus) if (runsOtherMemory(cpu, thread)) return true
  return false
}

/** Interrupts every such CPU for as long as is drawn, ns; returns how many were hit. */
export function interruptMemoryElsewhere(
  scheduler: Scheduler,
  thread: Thread,
  draw: () => number,
): number {
  let hit = 0
  for (const cpu of scheduler.cpus) {
    if (!runsOtherMemory(cpu, thread)) continue
    hit++
    const ns = draw()
    if (ns > 0) scheduler.interrupt(cpu, ns)
  }
  return hit
}

function runsOtherMemory(cpu: Cpu, thread: Thread): boolean {
  const other = cpu.current
  return other !== undefined && other !== thread && other.hasMemory && !cpu.waking
}
