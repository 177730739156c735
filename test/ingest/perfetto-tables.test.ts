import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deflateSync, gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { openInput } from '../../src/io/input.ts'
import { type Fields, trace } from '../parsers/perfetto/packets.ts'
import { zstdCompressSync } from '../parsers/zstd-command.ts'
import { isInstalled } from '../shared/installed.ts'

const hasZstd = isInstalled('zstd')
const folder = mkdtempSync(join(tmpdir(), 'pstrace-perfetto-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let database: Database
beforeEach(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterEach(() => database.close())

const S = 1_000_000_000
const print = (ts: number, tid: number, buf: string): Fields => ({ 1: ts, 2: tid, 3: { 2: buf } })
const kprobe = (ts: number, tid: number, name: string, type: number): Fields => ({
  1: ts,
  2: tid,
  542: { 1: name, 2: type },
})
const writeFolio = (ts: number, tid: number, pfn: number): Fields => ({
  1: ts,
  2: tid,
  327: {
    1: 'mm_vmscan_write_folio',
    2: [
      { 1: 'pfn', 5: pfn },
      { 1: 'reclaim_flags', 5: 9 },
    ],
  },
})

/** Of a shrinker whose function has number 3; 5 objects remain of 12, 7 are freed. */
const slab = (ts: number, tid: number, part: 'start' | 'end'): Fields => ({
  1: ts,
  2: tid,
  ...(part === 'start' ? { 443: { 8: 3, 9: 12, 10: 0 } } : { 444: { 2: 7, 4: 3, 5: 5, 7: 0 } }),
})

/** One packet of each kind that matters; times are given on the clocks on which devices write them. */
const PACKETS: readonly Fields[] = [
  // Boot runs 2 s ahead of mono.
  {
    6: {
      1: [
        { 1: 6, 2: 3 * S },
        { 1: 3, 2: S },
      ],
    },
  },
  {
    2: {
      1: [
        { 1: 50, 3: 'kswapd0', 5: 0 },
        { 1: 900, 3: 'com.example.chat', 5: 10_061 },
      ],
      2: [{ 1: 901, 3: 900, 2: 'RenderThread' }],
    },
  },
  { 47: { 1: [{ 1: 'com.example.chat', 2: 10_061 }] } },
  { 34: { 1: 1, 2: { 1: 0, 3: 10 } } },
  {
    1: {
      1: 0,
      2: [
        print(4 * S, 901, 'B|900|Choreographer#doFrame\n'),
        print(4 * S + 5, 901, 'C|900|HeapSize|77\n'),
        print(4 * S + 10, 901, 'E|900\n'),
        kprobe(4 * S + 20, 50, 'swap_writepage', 1),
        kprobe(4 * S + 60, 50, 'swap_writepage', 2),
        writeFolio(4 * S + 65, 50, 777),
        kprobe(4 * S + 70, 901, 'do_swap_page', 1),
        kprobe(4 * S + 72, 901, 'swap_read_folio', 1),
        kprobe(4 * S + 90, 901, 'do_swap_page', 2),
        slab(4 * S + 91, 50, 'start'),
        slab(4 * S + 95, 50, 'end'),
      ],
    },
  },
  {
    8: 4 * S + 100,
    7: {
      1: { 1: 2, 2: 4096 },
      2: { 1: 42, 2: 9 },
      14: { 1: 5, 2: 123 },
    },
  },
  // On the monotonic clock: 2 s + 200 ns of it is 4 s + 200 ns since boot.
  { 8: 2 * S + 200, 58: 3, 7: { 2: { 1: 42, 2: 10 } } },
  { 60: { 1: 77, 4: { 1: 900, 2: 901 } } },
  { 10: 1, 13: 1, 8: 4 * S + 300, 11: { 9: 1, 11: 77, 23: 'launch' } },
  { 10: 1, 8: 4 * S + 400, 11: { 9: 2, 11: 77 } },
  { 8: 4 * S + 450, 9: { 1: { 1: 900, 4: 512, 10: 900 } } },
  { 1: { 1: 0, 2: [print(4 * S + 500, 901, 'I|900|done\n')], 3: 1 } },
  { 34: { 1: 2, 2: { 1: 0, 3: 17 } } },
  { 10: 3, 12: { 26: { 1: 3, 2: 'zs_shrinker_scan' } } },
]

async function ingestFile(bytes: Uint8Array): Promise<void> {
  const path = join(folder, 'trace')
  writeFileSync(path, bytes)
  const input = await openInput(path)
  const reader = await openTrace(input.source)
  await ingestTrace({ database, reader, name: 't', path })
  reader.close()
  input.close()
}

const plain = trace(...PACKETS)
const FORMS: readonly (readonly [string, Uint8Array])[] = [
  ['as it is', plain],
  ['in deflated packets', trace({ 50: deflateSync(plain) })],
  ['in a gzip file', gzipSync(plain)],
  ...(hasZstd ? ([['in zstd packets', trace({ 133: zstdCompressSync(plain) })]] as const) : []),
]

describe.each(FORMS)('a Perfetto trace %s', (_, bytes) => {
  it('puts marks, counters, probes, processes and losses into their tables, all times on one clock', async () => {
    await ingestFile(bytes)
    const at = (ns: number) => 4 * S + ns
    expect(
      await database.query(
        'SELECT m.ts_ns, m.end_ns, m.name, t.tid FROM markers m JOIN tasks t USING (trace_id, task_id) ORDER BY m.ts_ns',
      ),
    ).toEqual([
      { ts_ns: at(0), end_ns: at(10), name: 'Choreographer#doFrame', tid: 901 },
      { ts_ns: at(300), end_ns: at(400), name: 'launch', tid: 901 },
      { ts_ns: at(500), end_ns: at(500), name: 'done', tid: 901 },
    ])
    expect(
      await database.query(
        "SELECT ts_ns, name, value FROM samples WHERE NOT regexp_matches(name, '^(events|recorded)[.]') ORDER BY ts_ns, name",
      ),
    ).toEqual([
      { ts_ns: at(5), name: 'HeapSize', value: 77 },
      { ts_ns: at(100), name: 'meminfo.mem_free', value: 4096 },
      { ts_ns: at(100), name: 'psi.memory_some.total_ns', value: 123 },
      { ts_ns: at(100), name: 'vmstat.pswpout', value: 9 },
      { ts_ns: at(200), name: 'vmstat.pswpout', value: 10 },
      { ts_ns: at(450), name: 'process.900.oom_score_adj', value: 900 },
      { ts_ns: at(450), name: 'process.900.rss_anon_kb', value: 512 },
    ])
    expect(
      await database.query(
        'SELECT tid, tgid, comm, kind, process, package, oom_score_adj FROM tasks WHERE tid > 0 ORDER BY tid',
      ),
    ).toEqual([
      {
        tid: 50,
        tgid: 50,
        comm: 'kswapd0',
        kind: 'kswapd',
        process: 'kswapd0',
        package: null,
        oom_score_adj: null,
      },
      {
        tid: 901,
        tgid: 900,
        comm: 'RenderThread',
        kind: 'user',
        process: 'com.example.chat',
        package: 'com.example.chat',
        oom_score_adj: 900,
      },
    ])
    // Perfetto's own kprobes keep no arguments: times are known, the page is not.
    expect(
      await database.query(
        'SELECT tid, submit_ns, stored_ns, ts_ns, pfn, page_id, swap_offset, path FROM swapouts',
      ),
    ).toEqual([
      {
        tid: 50,
        submit_ns: at(20),
        stored_ns: at(60),
        ts_ns: at(65),
        pfn: 777,
        page_id: null,
        swap_offset: null,
        path: 'inline',
      },
    ])
    expect(
      await database.query(
        'SELECT tid, ts_ns, end_ns, wait_ns, page_id, swapout_id, swap_offset FROM swapins',
      ),
    ).toEqual([
      {
        tid: 901,
        ts_ns: at(70),
        end_ns: at(90),
        wait_ns: 20,
        page_id: null,
        swapout_id: null,
        swap_offset: null,
      },
    ])
    expect(await database.query('SELECT cpu, start_ns, end_ns, events FROM losses')).toEqual([
      { cpu: 0, start_ns: at(95), end_ns: at(500), events: 7 },
    ])
    expect(
      await database.query(
        'SELECT start_ns, end_ns, shrinker, nr_scanned, nr_freed FROM slab_shrinks',
      ),
    ).toEqual([
      {
        start_ns: at(91),
        end_ns: at(95),
        shrinker: 'zs_shrinker_scan',
        nr_scanned: 7,
        nr_freed: 7,
      },
    ])
    expect(await database.query("SELECT code FROM import_issues WHERE severity <> 'info'")).toEqual(
      [],
    )
  })
})

describe('a trace with each kind of packet, written by protoc', () => {
  const fixture = readFileSync(
    fileURLToPath(new URL('../../fixtures/perfetto/every-packet.pftrace', import.meta.url)),
  )
  const at = (ns: number) => 4 * S + ns
  const rows = async (sql: string): Promise<unknown[][]> =>
    (await database.query(sql)).map((row) => Object.values(row))

  const KINDS: readonly (readonly [string, string, readonly (readonly unknown[])[]])[] = [
    [
      'ftrace bundles: a stall and its slab shrinking by a symbol that was interned',
      `SELECT r.start_ns, r.end_ns, r.tid, alloc_order, nr_reclaimed, s.shrinker, s.nr_freed
       FROM reclaim_spans r, slab_shrinks s`,
      [[at(20), at(60), 901, 2, 32, 'zs_shrinker_scan', 7]],
    ],
    [
      'compact scheduling events: who ran, and who was woken',
      `SELECT t.tid, min(s.start_ns), max(s.end_ns), sum(s.end_ns - s.start_ns)::INTEGER, w.ts_ns
       FROM thread_states s JOIN tasks t USING (trace_id, task_id) JOIN wakeups w USING (trace_id, task_id)
       WHERE t.tid = 50 AND s.state = 'running' GROUP BY ALL`,
      [[50, at(105), at(195), 90, at(100)]],
    ],
    [
      "generic events: a swap-out with its page and the swap slot that a probe's argument tells",
      'SELECT tid, submit_ns, ts_ns, pfn, swap_offset FROM swapouts',
      [[50, at(120), at(180), 777, 17]],
    ],
    [
      'events of probes with and without arguments: a swap-in of that slot',
      'SELECT tid, ts_ns, end_ns, swap_offset FROM swapins',
      [[901, at(65), at(90), 17]],
    ],
    [
      "events of kswapd's own",
      'SELECT tid, start_ns, end_ns, alloc_order, node FROM kswapd_spans',
      [[50, at(110), at(190), 1, 0]],
    ],
    [
      'lost events, with the number that the statistics of start and end tell',
      'SELECT cpu, start_ns, end_ns, events FROM losses',
      [[0, at(96), at(2000), 7]],
    ],
    [
      'statistics of the system and of processes, on two clocks',
      `SELECT ts_ns, name, value FROM samples
       WHERE regexp_matches(name, '^(meminfo|vmstat|psi|process)[.]') ORDER BY ts_ns, name`,
      [
        [at(94), 'process.900.oom_score_adj', 700],
        [at(200), 'meminfo.mem_free', 4096],
        [at(200), 'psi.memory_some.total_ns', 123],
        [at(200), 'vmstat.pswpout', 9],
        [at(210), 'vmstat.allocstall_movable', 4],
        [at(220), 'process.900.oom_score_adj', 700],
        [at(220), 'process.900.rss_anon_kb', 512],
        [at(220), 'process.900.vm_swap_kb', 64],
      ],
    ],
    [
      'slices of tracks and of atrace, on a clock that counts from packet to packet',
      `SELECT m.ts_ns, m.end_ns, m.name, t.tid FROM markers m LEFT JOIN tasks t USING (trace_id, task_id)
       ORDER BY m.ts_ns, m.name`,
      [
        [at(0), at(10), 'frame', 901],
        [at(96), at(96), 'oom kill', 900],
        [at(2000), at(2000), 'done', 901],
        [at(2000), at(4000), 'launch', 901],
        [at(5000), at(5000), 'vsync', 901],
      ],
    ],
    [
      'counters of tracks and of atrace',
      `SELECT ts_ns, name, value FROM samples WHERE name IN ('HeapSize', 'steps', 'ratio') ORDER BY ts_ns`,
      [
        [at(5), 'HeapSize', 77],
        [at(5000), 'steps', 30],
        [at(6000), 'steps', 70],
        [at(7000), 'ratio', 2],
      ],
    ],
    [
      'the process tree, packages, groups, scores and kills',
      `SELECT tid, tgid, comm, process, package, oom_score_adj, cgroup, killed_ns, killed_by FROM tasks
       WHERE tid IN (50, 900, 901) ORDER BY tid`,
      [
        [50, 50, 'kswapd0', 'kswapd0', null, null, null, null, null],
        [
          900,
          900,
          'com.example.cha',
          'com.example.chat',
          'com.example.chat',
          700,
          '/apps/uid_10061',
          at(96),
          'oom',
        ],
        [
          901,
          900,
          'RenderThread',
          'com.example.chat',
          'com.example.chat',
          700,
          null,
          at(96),
          'oom',
        ],
      ],
    ],
    [
      'the machine',
      'SELECT format, kernel_release, arch, cpus, page_size, clock FROM traces',
      [['perfetto', '6.12.1-android16', 'aarch64', 2, 4096, 'boot']],
    ],
    [
      'what the device and the tracing service could not record',
      'SELECT code, count FROM import_issues ORDER BY ALL',
      [
        ['event_not_recorded', 1],
        ['event_not_recorded', 1],
        ['ftrace_error', 1],
        ['other_machine', 1],
        ['probes_missed', 1],
        ['sequence_incomplete', 1],
        ['service_loss', 1],
      ],
    ],
  ]
  it.each(KINDS)('shows %s', async (_, sql, expected) => {
    await ingestFile(fixture)
    expect(await rows(sql)).toEqual(expected)
  })
})
