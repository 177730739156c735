import { describe, expect, it } from 'vitest'
import { selectCpu } from '../../src/replay/wake-selection.ts'
import { machine, threadOn } from './cpus.ts'

/** Where a thread of CPU `cpu` goes that CPU `wakerCpu` wakes. */
function chosen(
  of: { readonly cpus: ReturnType<typeof machine>; readonly allowed?: readonly number[] },
  wake: {
    readonly cpu: number
    readonly wakerCpu?: number
    readonly recent?: number
    readonly scan?: number
    readonly load?: number
  },
): number {
  const { cpus, threads } = of.cpus
  const thread = threadOn(wake.cpu, of.allowed ?? cpus.map(() => 1))
  thread.loadAvg = wake.load ?? 0
  thread.recentCpu = wake.recent ?? wake.cpu
  const wakerCpu = wake.wakerCpu ?? wake.cpu
  const idleScan = wake.scan ?? cpus.length
  return selectCpu(thread, { cpus, threads, now: 0, wakerCpu, idleScan }).index
}

describe('a woken thread', () => {
  it('stays on its CPU if that is idle', () => {
    const cpus = machine([1, 0], [0, 0], [0, 0])
    expect(chosen({ cpus }, { cpu: 1 })).toBe(1)
    expect(chosen({ cpus }, { cpu: 1, wakerCpu: 0 })).toBe(1)
  })

  it('looks for an idle CPU behind its own, over as many as a busy machine lets it', () => {
    const cpus = machine([1, 0], [1, 0], [1, 0], [0, 0])
    expect(chosen({ cpus }, { cpu: 1 })).toBe(3)
    expect(chosen({ cpus }, { cpu: 1, scan: 2 })).toBe(3)
    expect(chosen({ cpus }, { cpu: 1, scan: 1 })).toBe(1)
    expect(chosen({ cpus }, { cpu: 1, scan: 0 })).toBe(1)
  })

  it('goes to where it was before, idle, however busy the machine is', () => {
    expect(chosen({ cpus: machine([1, 0], [0, 0]) }, { cpu: 0, recent: 1, scan: 0 })).toBe(1)
  })

  it('is drawn to its waker from a CPU with more load, and not with load of its own from one with as much', () => {
    const cpus = machine([1, 0], [1, 2])
    expect(chosen({ cpus }, { cpu: 1, wakerCpu: 0 })).toBe(0)
    expect(chosen({ cpus: machine([1, 0], [1, 0]) }, { cpu: 1, wakerCpu: 0, load: 500 })).toBe(1)
    expect(chosen({ cpus, allowed: [0, 1] }, { cpu: 1, wakerCpu: 0 })).toBe(1)
  })

  it('goes to the shortest queue where its CPU was taken from it', () => {
    expect(chosen({ cpus: machine([1, 2], [1, 3], [1, 1]), allowed: [1, 0, 1] }, { cpu: 1 })).toBe(
      2,
    )
  })
})
