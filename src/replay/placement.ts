import type { Cpu } from './cpu.ts'
import type { Thread } from './thread.ts'

/** Where a woken thread goes: its last CPU if that is idle, else the fastest idle one, else its last, else the shortest queue. */
export function placeFor(thread: Thread, cpus: readonly Cpu[]): Cpu {
  const previous = cpus[thread.cpu] as Cpu
  if (thread.allowed[previous.index] === 1 && previous.isIdle) return previous
  let best: Cpu | undefined
  for (const cpu of cpus) {
    if (thread.allowed[cpu.index] !== 1) continue
    if (cpu.isIdle && (best === undefined || cpu.speed > best.speed)) best = cpu
  }
  if (best !== undefined) return best
  if (thread.allowed[previous.index] === 1) return previous
  for (const cpu of cpus) {
    if (thread.allowed[cpu.index] !== 1) continue
    if (best === undefined || cpu.queue.length < best.queue.length) best = cpu
  }
  return best ?? previous
}

/** From which an idle CPU takes a waiting thread: the longest queue with one that may run there. */
export function busiestFor(idle: Cpu, cpus: readonly Cpu[]): Cpu | undefined {
  let from: Cpu | undefined
  for (const other of cpus)
    if (
      other !== idle &&
      other.queue.length > (from?.queue.length ?? 0) &&
      (other.current !== undefined || other.queue.length > 1) &&
      other.firstFor(idle) >= 0
    )
      from = other
  return from
}

/** The CPUs with most and fewest threads; of equal ones the first, beginning with CPU `first`. Undefined: nothing is to be moved. */
export function unevenPair(
  cpus: readonly Cpu[],
  first: number,
): { readonly most: Cpu; readonly least: Cpu } | undefined {
  let most = cpus[0] as Cpu
  let least = most
  for (let step = 0; step < cpus.length; step++) {
    const cpu = cpus[(first + step) % cpus.length] as Cpu
    if (cpu.load > most.load) most = cpu
    if (cpu.load < least.load) least = cpu
  }
  return most.load > least.load && most.queue.length > 0 ? { most, least } : undefined
}
