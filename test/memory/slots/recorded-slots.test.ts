import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { ClusterSlots } from '../../../src/memory/slots/cluster.ts'
import { openSlots } from '../../../src/memory/slots/index.ts'
import { SwapMapSlots } from '../../../src/memory/slots/swap-map.ts'
import { tracesFolder } from '../../shared/given-folders.ts'

/** Share of the first `count` recorded writes whose slot the allocator gives, driven by recorded CPUs and releases. */
async function agreement(
  recording: string,
  slots: SwapMapSlots | ClusterSlots,
  count: number,
): Promise<number> {
  const report = spawn('trace-cmd', ['report', join(recording, 'trace.dat')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const live = new Set<number>()
  let writes = 0
  let equal = 0
  for await (const line of createInterface({ input: report.stdout })) {
    const match = /\[(\d+)\].*: (swap_writepage|zram_slot_free): .*(?:entry|index)=(\d+)/.exec(line)
    if (match === null) continue
    const recorded = Number(match[3])
    if (match[2] === 'zram_slot_free') {
      if (live.delete(recorded)) slots.release(recorded)
      continue
    }
    const given = slots.allocate(0, 0, Number(match[1]))
    live.add(given)
    if (given === recorded) equal++
    if (++writes === count) break
  }
  report.kill()
  return equal / count
}

describe.runIf(tracesFolder !== undefined)('recorded swap slots', () => {
  it('of 6.1 are those of the swap map until a slot is allocated and not written', async () => {
    const slots = new SwapMapSlots({ size: 768 * 256, cpus: 2 })
    expect(await agreement(join(tracesFolder ?? '', 'captured', 'zram-lz4-6.1'), slots, 3669)).toBe(
      1,
    )
  })

  it('of 6.12 are those of the cluster allocator but for tasks that change CPU between allocation and write', async () => {
    const slots = openSlots('cluster', { size: 1024 * 256, cpus: 4 })
    if (!(slots instanceof ClusterSlots)) throw new Error('cluster is another class')
    expect(
      await agreement(join(tracesFolder ?? '', 'captured', 'zram-zstd-6.12-numa2'), slots, 30_000),
    ).toBeGreaterThan(0.95)
  })
})

describe.runIf(tracesFolder === undefined)('recorded swap slots', () => {
  it('are not tested: PSTRACE_TRACES is not set', () => {
    process.stdout.write('skipped: recorded swap slots (set PSTRACE_TRACES)\n')
  })
})
