// How many events each CPU had recorded at moments spread over its events: see EventCounts (event-counts.ts).
import { keepMoment, moreCpus, trace } from './_host'
import { CPUS, CPU_LAST_NS, CPU_MOMENTS } from './_layout'

/** More than the cpus that a kernel can have (CONFIG_NR_CPUS, 8,192). */
const MOST_CPUS: u32 = 1 << 16

/** Counts a window's events. */
export function count(length: u32, timeOf: u32, cpuOf: u32): void {
  let room = load<u32>(trace, CPUS)
  let left = load<u32>(trace, CPU_MOMENTS)
  let lastNs = load<u32>(trace, CPU_LAST_NS)
  for (let k: u32 = 0; k < length; k++) {
    const cpu = load<u32>(cpuOf + (k << 2))
    if (cpu >= room) {
      if (cpu >= MOST_CPUS) continue
      moreCpus(cpu)
      room = load<u32>(trace, CPUS)
      left = load<u32>(trace, CPU_MOMENTS)
      lastNs = load<u32>(trace, CPU_LAST_NS)
    }
    const ts = load<f64>(timeOf + (k << 3))
    store<f64>(lastNs + (cpu << 3), ts)
    const place = left + (cpu << 2)
    const rest = load<i32>(place) - 1
    store<i32>(place, rest < 0 ? keepMoment(cpu, ts) : rest)
  }
}
