import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toByteSource } from '../../parsers/cursor.ts'
import { openTrace } from '../../parsers/index.ts'
import { selectEverything } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import type { SnapshotFiles } from '../../src/ingest/snapshot.ts'
import { type MadeEvent, readerOf } from './event-source.ts'

let database: Database
beforeEach(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterEach(() => database.close())

interface Known {
  readonly facts?: ReadonlyMap<string, string>
  readonly tgids?: ReadonlyMap<number, number>
  readonly snapshots?: SnapshotFiles
}

async function ingest(events: readonly MadeEvent[], known: Known = {}): Promise<void> {
  const reader = readerOf({ events, baseNs: 1000n })
  const info = {
    ...reader.info,
    facts: known.facts ?? new Map(),
    tgids: known.tgids ?? new Map(),
  }
  await ingestTrace({
    database,
    reader: { ...reader, info },
    name: 't',
    path: 't.dat',
    ...(known.snapshots === undefined ? {} : { snapshots: known.snapshots }),
  })
}

function tasks(columns: string) {
  return database.query(`SELECT tid, ${columns} FROM tasks ORDER BY tid`)
}

const switchTo = (ts: number, tid: number, comm: string): MadeEvent => ({
  ts,
  tid: 1,
  event: 'sched:sched_switch',
  fields: {
    prev_comm: 'init',
    prev_pid: 1,
    prev_prio: 120,
    prev_state: 1,
    next_comm: comm,
    next_pid: tid,
    next_prio: 120,
  },
})
const mark = (ts: number, buf: string): MadeEvent => ({
  ts,
  tid: 9,
  event: 'ftrace:print',
  fields: { buf },
})

describe('processes', () => {
  it('get the package of their uid; one that shares its uid, the package its name says', async () => {
    await ingest(
      [10, 20, 30, 40, 50].map((ts) => switchTo(ts, ts, `t${ts}`)),
      {
        tgids: new Map([
          [10, 10],
          [20, 10],
          [30, 30],
          [40, 40],
          [50, 50],
        ]),
        facts: new Map([
          [
            'processes',
            '10\t10061\tcom.example.chat:push\n30\t10070\tcom.shared.b\n40\t1010070\tandroid.process.media\n50\t0\t/system/bin/lmkd',
          ],
          ['packages', '10061 com.example.chat\n10070 com.shared.a\n10070 com.shared.b'],
        ]),
      },
    )
    expect((await tasks('process, package')).slice(1)).toEqual([
      { tid: 10, process: 'com.example.chat:push', package: 'com.example.chat' },
      { tid: 20, process: 'com.example.chat:push', package: 'com.example.chat' },
      { tid: 30, process: 'com.shared.b', package: 'com.shared.b' },
      { tid: 40, process: 'android.process.media', package: null },
      { tid: 50, process: '/system/bin/lmkd', package: null },
    ])
  })

  it('are told by files beside the trace, the earlier one first', async () => {
    await ingest([switchTo(10, 10, 'a'), switchTo(20, 20, 'b')], {
      snapshots: new Map([
        [
          'processes.before',
          [
            '/proc/10/status:Uid:\t10061\t10061\t10061\t10061',
            '/proc/10/oom_score_adj:-800',
            '/proc/10/cgroup:0::/apps/uid_10061',
            '/proc/10/cmdline:com.example.chat',
          ].join('\n'),
        ],
        [
          'processes.after',
          [
            '/proc/10/status:Uid:\t0\t0\t0\t0',
            '/proc/10/cmdline:other',
            '/proc/20/status:Uid:\t10099\t10099\t10099\t10099',
            '/proc/20/oom_score_adj:900',
            '/proc/20/cgroup:4:memory:/apps/uid_10099',
            '/proc/20/cgroup:0::/uid_10099/pid_20',
            '/proc/20/cmdline:com.example.game',
          ].join('\n'),
        ],
        [
          'packages',
          'com.example.chat 10061 0 /data/user/0 default\ncom.example.game 10099 0 /data',
        ],
      ]),
    })
    expect((await tasks('process, package, cgroup, oom_score_adj')).slice(1)).toEqual([
      {
        tid: 10,
        process: 'com.example.chat',
        package: 'com.example.chat',
        cgroup: '/apps/uid_10061',
        oom_score_adj: -800,
      },
      {
        tid: 20,
        process: 'com.example.game',
        package: 'com.example.game',
        cgroup: '/apps/uid_10099',
        oom_score_adj: 900,
      },
    ])
    // Only the value that was read before the recording is known for its start.
    expect(
      await database.query("SELECT ts_ns, name, value FROM samples WHERE name LIKE 'process.%'"),
    ).toEqual([{ ts_ns: 1010, name: 'process.10.oom_score_adj', value: -800 }])
  })

  const KILLS: readonly (readonly [string, readonly MadeEvent[], Record<string, unknown>])[] = [
    [
      "the kernel's killer",
      [{ ts: 50, tid: 3, event: 'oom:mark_victim', fields: { pid: 10 } }],
      { killed_by: 'oom', oom_score_adj: null, name: 'oom kill' },
    ],
    [
      "the kernel's killer from 6.8",
      [
        {
          ts: 50,
          tid: 3,
          event: 'oom:mark_victim',
          fields: { pid: 10, comm: 'a', total_vm: 9, oom_score_adj: 250 },
        },
      ],
      { killed_by: 'oom', oom_score_adj: 250, name: 'oom kill' },
    ],
    [
      "Android's killer in the kernel",
      [
        {
          ts: 50,
          tid: 3,
          event: 'lowmemorykiller:lowmemory_kill',
          fields: { comm: 'a', pid: 10, pagecache_size: 5 },
        },
      ],
      { killed_by: 'lowmemorykiller', oom_score_adj: null, name: 'lowmemorykiller kill' },
    ],
    [
      'lmkd before Android 12: a counter that goes back to 0',
      [mark(50, 'C|9|kill_one_process|10\n'), mark(60, 'C|9|kill_one_process|0\n')],
      { killed_by: 'lmkd', oom_score_adj: null, name: 'lmkd kill' },
    ],
    [
      'lmkd from Android 12: a slice with reason and score',
      [mark(50, 'B|9|lmk,10,8,905,900,0\n'), mark(60, 'E|9\n')],
      { killed_by: 'lmkd', oom_score_adj: 905, name: 'lmkd kill: low memory' },
    ],
    [
      'lmkd from 2025: an instant on its own track',
      [mark(50, 'N|9|lowmemorykiller|lmk,10,3,905,900,0\n')],
      { killed_by: 'lmkd', oom_score_adj: 905, name: 'lmkd kill: low memory and swap' },
    ],
    [
      'lmkd through Perfetto: a slice with reason and score',
      [
        {
          ts: 50,
          tid: 9,
          event: 'pstrace:slice',
          fields: { phase: 66, track: 1, name: 'lmk,10,1,905', value: 0 },
        },
      ],
      { killed_by: 'lmkd', oom_score_adj: 905, name: 'lmkd kill: not responding' },
    ],
  ]
  it.each(KILLS)('are marked as killed by %s', async (_, events, expected) => {
    await ingest([switchTo(10, 10, 'a'), switchTo(20, 11, 'a-2'), ...events], {
      tgids: new Map([
        [10, 10],
        [11, 10],
      ]),
    })
    const { name, ...killed } = expected
    expect(
      (await tasks('killed_ns, killed_by, oom_score_adj')).filter(
        ({ tid }) => tid === 10 || tid === 11,
      ),
    ).toEqual([10, 11].map((tid) => ({ tid, killed_ns: 1050, ...killed })))
    expect(
      await database.query("SELECT ts_ns, name FROM markers WHERE name LIKE '%kill%'"),
    ).toEqual([{ ts_ns: 1050, name }])
  })

  it('that lmkd tells of twice are killed once', async () => {
    await ingest([
      mark(50, 'B|9|lmk,10,8,905\n'),
      mark(55, 'C|9|kill_one_process|10\n'),
      mark(60, 'E|9\n'),
    ])
    expect(await database.query("SELECT name FROM markers WHERE name LIKE 'lmkd kill%'")).toEqual([
      { name: 'lmkd kill: low memory' },
    ])
  })

  it('keep the group of the unified hierarchy when they are moved in others', async () => {
    const attach = (ts: number, root: number, path: string): MadeEvent => ({
      ts,
      tid: 1,
      event: 'cgroup:cgroup_attach_task',
      fields: { dst_root: root, dst_id: 5, dst_level: 1, dst_path: path, pid: 10, comm: 'a' },
    })
    await ingest([
      attach(10, 3, '/top-app'),
      attach(20, 0, '/uid_10061/pid_10'),
      attach(30, 3, '/background'),
    ])
    expect((await tasks('cgroup')).filter(({ tid }) => tid === 10)).toEqual([
      { tid: 10, cgroup: '/uid_10061/pid_10' },
    ])
  })
})

describe('tasks that are made while the trace is recorded', () => {
  const made = (ts: number, by: number, pid: number, flags: number): MadeEvent => ({
    ts,
    tid: by,
    event: 'task:task_newtask',
    fields: { pid, comm: 'a', clone_flags: flags, oom_score_adj: 0 },
  })
  const forked = (ts: number, by: number, pid: number): MadeEvent => ({
    ts,
    tid: by,
    event: 'sched:sched_process_fork',
    fields: { parent_comm: 'a', parent_pid: by, child_comm: 'a', child_pid: pid },
  })
  const moved = (ts: number, pid: number, path: string): MadeEvent => ({
    ts,
    tid: 1,
    event: 'cgroup:cgroup_attach_task',
    fields: { dst_root: 0, dst_id: 5, dst_level: 1, dst_path: path, pid, comm: 'a' },
  })
  const THREAD = 0x3d0f00

  it("are in their parent's cgroup of that moment, and of its process if they are threads", async () => {
    await ingest(
      [
        made(10, 10, 20, 17),
        forked(11, 10, 20),
        made(20, 20, 21, THREAD),
        moved(30, 20, '/moved'),
        made(40, 20, 22, THREAD),
        made(50, 20, 23, 17),
        moved(60, 23, '/last'),
        forked(70, 23, 24),
        switchTo(80, 21, 'a'),
      ],
      {
        tgids: new Map([[10, 10]]),
        snapshots: new Map([['processes.before', '/proc/10/cgroup:0::/start']]),
      },
    )
    expect((await tasks('tgid, cgroup')).filter(({ tid }) => Number(tid) >= 10)).toEqual([
      { tid: 10, tgid: 10, cgroup: '/start' },
      { tid: 20, tgid: 20, cgroup: '/moved' },
      { tid: 21, tgid: 20, cgroup: '/start' },
      { tid: 22, tgid: 20, cgroup: '/moved' },
      { tid: 23, tgid: 23, cgroup: '/last' },
      { tid: 24, tgid: null, cgroup: '/last' },
    ])
  })

  it('are other tasks than those that had their numbers before', async () => {
    await ingest([
      switchTo(10, 20, 'old'),
      moved(15, 20, '/old'),
      made(20, 10, 20, 17),
      switchTo(30, 20, 'new'),
    ])
    expect((await tasks('comm, cgroup')).filter(({ tid }) => tid === 20)).toEqual([
      { tid: 20, comm: 'old', cgroup: '/old' },
      { tid: 20, comm: 'new', cgroup: null },
    ])
  })
})

describe('a task that the recorder had forgotten', () => {
  it('gets its name from the switches to and from it', async () => {
    const text = [
      '           <...>-79      [001] d..2.     9.000000: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL',
      '          <idle>-0       [001] d..2.     9.100000: sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=my app next_pid=79 next_prio=120',
      '           <...>-50      [001] d..2.     9.200000: sched_switch: prev_comm=kswapd0 prev_pid=50 prev_prio=120 prev_state=S ==> next_comm=swapper/1 next_pid=0 next_prio=120',
      '',
    ].join('\n')
    const reader = await openTrace(toByteSource('text', new TextEncoder().encode(text)))
    await ingestTrace({ database, reader, name: 't', path: 't' })
    expect((await tasks('comm, kind')).filter(({ tid }) => tid !== 0)).toEqual([
      { tid: 50, comm: 'kswapd0', kind: 'kswapd' },
      { tid: 79, comm: 'my app', kind: 'user' },
    ])
  })
})

describe('the rows of stalls', () => {
  it('tell package, cgroup and the oom_score_adj of that moment; kills count the stalls they met', async () => {
    const score = (ts: number, value: number): MadeEvent => ({
      ts,
      tid: 1,
      event: 'oom:oom_score_adj_update',
      fields: { pid: 10, comm: 'a', oom_score_adj: value },
    })
    const direct = (ts: number, tid: number, end: string): MadeEvent => ({
      ts,
      tid,
      event: `vmscan:mm_vmscan_direct_reclaim_${end}`,
      fields: end === 'begin' ? { order: 0 } : { nr_reclaimed: 32 },
    })
    await ingest(
      [
        direct(10, 11, 'begin'),
        direct(20, 11, 'end'),
        score(30, 0),
        direct(40, 11, 'begin'),
        score(50, 900),
        { ts: 55, tid: 1, event: 'oom:mark_victim', fields: { pid: 10 } },
        direct(60, 11, 'end'),
        direct(70, 11, 'begin'),
        direct(80, 11, 'end'),
      ],
      {
        tgids: new Map([
          [10, 10],
          [11, 10],
        ]),
        facts: new Map([
          ['processes', '10\t10061\tcom.example.chat'],
          ['packages', '10061 com.example.chat'],
        ]),
      },
    )
    await createViews(database.connection, await selectEverything(database.connection))
    expect(
      await database.query(
        `SELECT st.start_ns, st.tgid, st.package, o.oom_score_adj FROM stalls st
         ASOF LEFT JOIN oom_scores o ON o.trace_id = st.trace_id AND o.pid = st.tgid AND st.start_ns >= o.ts_ns
         ORDER BY st.start_ns`,
      ),
    ).toEqual([
      { start_ns: 1010, tgid: 10, package: 'com.example.chat', oom_score_adj: null },
      { start_ns: 1040, tgid: 10, package: 'com.example.chat', oom_score_adj: 0 },
      { start_ns: 1070, tgid: 10, package: 'com.example.chat', oom_score_adj: 900 },
    ])
    expect(
      await database.query(
        'SELECT ts_ns, killed_by, pid, package, oom_score_adj, stalls FROM kills',
      ),
    ).toEqual([
      {
        ts_ns: 1055,
        killed_by: 'oom',
        pid: 10,
        package: 'com.example.chat',
        oom_score_adj: 900,
        stalls: 1,
      },
    ])
  })
})
