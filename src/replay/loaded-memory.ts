import type { Cpu } from './cpu.ts'
import type { Thread } from './thread.ts'

/**
 * Where owners of memory are while a page of theirs is unmapped: one runs elsewhere and is interrupted; or another CPU has their address space
 * loaded still, so that the flush is put off and empties the whole TLB (rmap.c should_defer_flush, x86 tlb.c should_flush_tlb, 6.12), but
 * interrupts nobody; or neither.
 */
export type MemoryElsewhere = 'running' | 'held' | 'absent'

export function memoryElsewhere(thread: Thread, cpus: readonly Cpu[]): MemoryElsewhere {
  let isHeld = false
  for (const cpu of cpus) {
    const other = cpu.current
    if (other === thread) continue
    if (other?.hasMemory === true && !cpu.waking) return 'running'
    isHeld ||= cpu.holdsMemory
  }
  if (isHeld) return 'held'
  // A kernel thread that flushes alone gives up the address space that its CPU has kept.
  if (runsInBorrowed(thread)) (cpus[thread.cpu] as Cpu).holdsMemory = false
  return 'absent'
}

/** A kernel thread runs in the address space of the task before it. */
export function runsInBorrowed({ kind }: Thread): boolean {
  return kind === 'kswapd' || kind === 'worker'
}
