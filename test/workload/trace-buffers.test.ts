import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { loadRecording } from '../../src/workload/load.ts'
import { readTraceBuffers, recordedLike, type Traced } from '../../src/workload/trace-buffers.ts'
import type { WorkloadTask } from '../../src/workload/types.ts'
import { ingestBytes } from '../generate/domain-rows.ts'
import { plan } from '../replay/build.ts'

/** Of a record of mm_vmscan_write_folio with its header; the other events have no size here. */
const RECORD_BYTES = 20
const WRITTEN_BEFORE = 400
const WRITTEN_AFTER = 408
const PAGE_BYTES = 4080

const line = (comm: string, cpu: number, ms: number, event: string): string =>
  `  ${comm} [00${cpu}] d..2.     ${(ms / 1000).toFixed(6)}: ${event}\n`

function writes(count: number, cpu: number, fromMs: number): string {
  const event = 'mm_vmscan_write_folio: page=0x0 pfn=0x1 flags=RECLAIM_WB_ANON'
  return Array.from({ length: count }, (_, at) =>
    line('kswapd0-50', cpu, fromMs + at / 100, event),
  ).join('')
}

const toReader = (cpu: number, ms: number): string =>
  line(
    'kswapd0-50',
    cpu,
    ms,
    'sched_switch: prev_comm=kswapd0 prev_pid=50 prev_prio=120 prev_state=R ==> next_comm=trace-cmd next_pid=201 next_prio=120',
  )
const fromReader = (cpu: number, ms: number, state: 'S' | 'D' = 'S'): string =>
  line(
    'trace-cmd-201',
    cpu,
    ms,
    `sched_switch: prev_comm=trace-cmd prev_pid=201 prev_prio=120 prev_state=${state} ==> next_comm=kswapd0 next_pid=50 next_prio=120`,
  )
const wakesReader = (cpu: number, ms: number): string =>
  line('kswapd0-50', cpu, ms, 'sched_waking: comm=trace-cmd pid=201 prio=120 target_cpu=000')

/** The reader sleeps after its start; CPU 1 writes until it is woken, it runs for 3 ms and as long as it reclaims, and sleeps. It waits for its file 1 ms and 3, and for memory. */
const WOKEN =
  writes(7, 0, 1) +
  toReader(0, 100) +
  wakesReader(0, 100) +
  fromReader(0, 101) +
  writes(WRITTEN_BEFORE, 1, 200) +
  wakesReader(1, 1000) +
  toReader(0, 1001) +
  fromReader(0, 1002, 'D') +
  wakesReader(1, 1003) +
  toReader(0, 1004) +
  line('trace-cmd-201', 0, 1005, 'mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL') +
  fromReader(0, 1006, 'D') +
  wakesReader(1, 1016) +
  toReader(0, 1017) +
  line('trace-cmd-201', 0, 1018, 'mm_vmscan_direct_reclaim_end: nr_reclaimed=32') +
  fromReader(0, 1019, 'D') +
  wakesReader(1, 1022) +
  toReader(0, 1022) +
  fromReader(0, 1022) +
  writes(WRITTEN_AFTER, 1, 1100)
const ASLEEP = writes(5, 0, 1) + fromReader(0, 101) + writes(WRITTEN_BEFORE, 1, 200)

const READER = 201

function load(tid: number): WorkloadTask {
  const rows = { op: new Uint8Array(0), cpuNs: new Float64Array(0), arg: new Float64Array(0) }
  const of = { taskId: tid, tid, comm: 'load', kind: 'background', startNs: 0 } as const
  return { ...of, cpus: [], hasMemory: false, ...rows }
}

let database: Database
beforeEach(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterEach(() => database.close())

async function traced(text: string, startNs = 0): Promise<Traced> {
  const traceId = await ingestBytes(database, new TextEncoder().encode(text), { raw: 'all' })
  await database.connection.run(
    `UPDATE raw_fields SET byte_offset = 8, size = ${RECORD_BYTES - 12}
     WHERE trace_id = ${traceId} AND event = 'mm_vmscan_write_folio' AND field = 'pfn'`,
  )
  const recording = await loadRecording(database, traceId)
  const workload = plan({ free: 1, min: 1, low: 1, high: 1, tasks: [] })
  return { traceId, recording, workload, startNs }
}

/** Two passes of kswapd over the shrinkers, the first of which calls two. */
const PASSES = [1, 1, 2]
  .map((pass, call) => {
    const at = 300 + pass * 10 + call
    const start =
      'mm_shrink_slab_start: super_cache_scan+0x0/0x1a0 0000000000000001: nid: 0 objects to shrink 8 gfp_flags GFP_KERNEL cache items 9 delta 1 total_scan 1 priority 12'
    const end =
      'mm_shrink_slab_end: super_cache_scan+0x0/0x1a0 0000000000000001: nid: 0 unused scan count 0 new scan count 0 total_scan 0 last shrinker return val 0'
    const isolated =
      'mm_vmscan_lru_isolate: classzone=2 order=0 nr_requested=32 nr_scanned=32 nr_skipped=0 nr_taken=32 lru=inactive_anon'
    return (
      (call === 2 ? line('kswapd0-50', 1, at - 1, isolated) : '') +
      line('kswapd0-50', 1, at, start) +
      line('kswapd0-50', 1, at + 0.5, end)
    )
  })
  .join('')

describe('buffers of a recording', () => {
  it('are told by the first wake-up of a reader that has slept: by the bytes of the CPU that woke it', async () => {
    const { traceId, recording } = await traced(WOKEN)
    const buffers = await readTraceBuffers(database, traceId, recording)
    expect(buffers?.wakesAtBytes).toMatchObject({ value: WRITTEN_BEFORE * RECORD_BYTES, n: 1 })
    expect(buffers?.bytes).toMatchObject({ swapOut: RECORD_BYTES, switch: 0 })
  })

  it('cost their reader what it ran outside reclaim, by the page', async () => {
    const { traceId, recording } = await traced(WOKEN)
    const buffers = await readTraceBuffers(database, traceId, recording)
    expect(buffers?.pageNs.value).toBe((3e6 * PAGE_BYTES) / (WRITTEN_AFTER * RECORD_BYTES))
  })

  it('are written to a file, of whose pages it waits for each', async () => {
    const { traceId, recording } = await traced(WOKEN)
    const buffers = await readTraceBuffers(database, traceId, recording)
    expect(buffers?.waitNs).toMatchObject({ value: 2e6, n: 2 })
  })

  it('take a pair of records for each shrinker that a pass calls', async () => {
    const { traceId, recording } = await traced(WOKEN + PASSES)
    await database.connection.run(
      `UPDATE raw_fields SET byte_offset = 8, size = ${RECORD_BYTES - 12}
       WHERE trace_id = ${traceId} AND event LIKE 'mm_shrink_slab_%' AND field = 'nid'`,
    )
    const buffers = await readTraceBuffers(database, traceId, recording)
    expect(buffers?.bytes.slab).toBe(2 * RECORD_BYTES * 1.5)
  })

  it('are not known where no reader was woken, or records have no sizes', async () => {
    const asleep = await traced(ASLEEP)
    expect(await readTraceBuffers(database, asleep.traceId, asleep.recording)).toBeUndefined()
    const { traceId, recording } = await traced(WOKEN)
    await database.connection.run('UPDATE raw_fields SET byte_offset = NULL')
    expect(await readTraceBuffers(database, traceId, recording)).toBeUndefined()
  })
})

describe('workloads of A on machines that are recorded', () => {
  it('have B’s buffers where A’s readers slept, with what A had written before its start', async () => {
    const a = await traced(ASLEEP, 150e6)
    const b = await traced(WOKEN)
    const [like] = await recordedLike(database, [a], [b])
    expect(like?.workload.machine.traceBuffers).toMatchObject({
      wakesAtBytes: { value: WRITTEN_BEFORE * RECORD_BYTES },
      unreadAtStart: [5 * RECORD_BYTES],
    })
  })

  it('have A’s own where its readers were woken, whose load is none then', async () => {
    const traces = [await traced(ASLEEP), await traced(WOKEN)]
    const a = traces.map(({ workload, ...rest }) => ({
      ...rest,
      workload: { ...workload, tasks: [load(READER), load(READER + 1)] },
    }))
    const later = await traced(WOKEN.replaceAll('trace-cmd', 'reader'))
    const like = await recordedLike(database, a, [later])
    expect(like.map(({ workload }) => workload.machine.traceBuffers?.wakesAtBytes.value)).toEqual([
      WRITTEN_BEFORE * RECORD_BYTES,
      WRITTEN_BEFORE * RECORD_BYTES,
    ])
    expect(like.map(({ workload }) => workload.tasks.map(({ tid }) => tid))).toEqual([
      [READER, READER + 1],
      [READER + 1],
    ])
  })

  it('stay as they are where all readers slept', async () => {
    const asleep = await traced(ASLEEP)
    expect(await recordedLike(database, [asleep], [asleep])).toEqual([asleep])
  })
})
