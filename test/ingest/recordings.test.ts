import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toByteSource } from '../../parsers/cursor.ts'
import { openTrace } from '../../parsers/index.ts'
import { SAMPLE } from '../../parsers/perf-data/attr.ts'
import type { FolderSource } from '../../parsers/reader.ts'
import { selectEverything } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { memoryFolder } from '../parsers/memory-folder.ts'
import { buildPerfData, sample } from '../parsers/perf-data/perf-data-builder.ts'
import { type Fields, trace } from '../parsers/perfetto/packets.ts'
import {
  ByteWriter,
  buildVersion7,
  formatText,
  headerPageText,
  NONE,
  PageBuilder,
} from '../parsers/trace-dat-builder.ts'

/** What a recipe records of who stalled and who was killed: the events of a phone's last second, in each tool's form. */
const S = 1_000_000_000
const MACHINE = { littleEndian: true, longSize: 8, pageBytes: 4096 } as const
const ID = {
  begin: 1,
  end: 2,
  wake: 3,
  score: 4,
  victim: 5,
  attach: 6,
  print: 7,
  signal: 8,
} as const
const SYSTEMS = {
  vmscan: [
    formatText('mm_vmscan_direct_reclaim_begin', ID.begin, [['int order', 8, 4, 1]]),
    formatText('mm_vmscan_direct_reclaim_end', ID.end, [['unsigned long nr_reclaimed', 8, 8, 0]]),
    formatText('mm_vmscan_kswapd_wake', ID.wake, [
      ['int nid', 8, 4, 1],
      ['int order', 12, 4, 1],
    ]),
  ],
  oom: [
    formatText('oom_score_adj_update', ID.score, [
      ['pid_t pid', 8, 4, 1],
      ['short oom_score_adj', 12, 2, 1],
    ]),
    formatText('mark_victim', ID.victim, [['int pid', 8, 4, 1]]),
  ],
  cgroup: [
    formatText('cgroup_attach_task', ID.attach, [
      ['int dst_root', 8, 4, 1],
      ['int pid', 12, 4, 1],
      ['__data_loc char[] dst_path', 16, 4, 0],
    ]),
  ],
  ftrace: [formatText('print', ID.print, [['char buf[]', 8, 0, 1]])],
  signal: [
    formatText('signal_generate', ID.signal, [
      ['int sig', 8, 4, 1],
      ['pid_t pid', 12, 4, 1],
    ]),
  ],
}
const FORMAT_NAME = /^name: (\w+)/

interface Made {
  /** Behind the first moment. */
  readonly ns: number
  readonly tid: number
  readonly id: number
  /** The event's own fields as the kernel lays them out. */
  readonly write: (out: ByteWriter) => ByteWriter
  /** The same as FtraceEvent's field. */
  readonly proto: Fields
}

const CHAT = 900
const RENDER = 901
const GAME = 950
const LMKD = 400
const KSWAPD = 50
const PATH = '/apps/uid_10061'
const begin = (ns: number, tid: number): Made => ({
  ns,
  tid,
  id: ID.begin,
  write: (out) => out.u32(1),
  proto: { 46: { 1: 1 } },
})
const end = (ns: number, tid: number): Made => ({
  ns,
  tid,
  id: ID.end,
  write: (out) => out.u64(32),
  proto: { 47: { 1: 32 } },
})
const EVENTS: readonly Made[] = [
  {
    ns: 0,
    tid: KSWAPD,
    id: ID.wake,
    write: (out) => out.u32(0).u32(1),
    proto: { 48: { 1: 0, 2: 1 } },
  },
  {
    ns: 5,
    tid: 1,
    id: ID.attach,
    write: (out) =>
      out
        .u32(0)
        .u32(RENDER)
        .u32((16 << 16) | 20)
        .chars(PATH, 16),
    proto: { 67: { 1: 0, 3: RENDER, 7: PATH } },
  },
  {
    ns: 8,
    tid: 1,
    id: ID.score,
    write: (out) => out.u32(CHAT).u16(700).u16(0),
    proto: { 326: { 2: 700, 3: CHAT } },
  },
  begin(10, RENDER),
  begin(12, GAME),
  end(20, RENDER),
  {
    ns: 25,
    tid: GAME,
    id: ID.victim,
    write: (out) => out.u32(GAME),
    proto: { 334: { 1: GAME } },
  },
  end(30, GAME),
  {
    ns: 40,
    tid: LMKD,
    id: ID.print,
    write: (out) => out.cString(`B|${LMKD}|lmk,${CHAT},8,700,700,0\n`).padTo(4),
    proto: { 3: { 2: `B|${LMKD}|lmk,${CHAT},8,700,700,0\n` } },
  },
  {
    ns: 40,
    tid: LMKD,
    id: ID.signal,
    write: (out) => out.u32(9).u32(CHAT),
    proto: { 325: { 4: CHAT, 6: 9 } },
  },
]
const TASKS = [
  [KSWAPD, KSWAPD, 'kswapd0'],
  [LMKD, LMKD, 'lmkd'],
  [CHAT, CHAT, 'example.chat'],
  [RENDER, CHAT, 'RenderThread'],
  [GAME, GAME, 'game'],
] as const

function recordOf({ tid, id, write }: Made): Uint8Array {
  return write(new ByteWriter(true).u16(id).u16(0).u32(tid)).toBytes()
}

function page(): Uint8Array {
  const builder = new PageBuilder(MACHINE, BigInt(S))
  let last = 0
  for (const event of EVENTS) {
    builder.record(event.ns - last, recordOf(event))
    last = event.ns
  }
  return builder.toBytes()
}

const text = (lines: readonly string[]) => `${lines.join('\n')}\n`
const comms = text(TASKS.map(([tid, , comm]) => `${tid} ${comm}`))

function traceCmd(): Uint8Array {
  const cpus = new Map([[0, [page()]]])
  return buildVersion7({ ...MACHINE, systems: SYSTEMS, cpus, clock: 'mono', comms }, NONE)
}

function tracefs(): FolderSource {
  const file = (contents: string) => new TextEncoder().encode(contents)
  const files = new Map<string, Uint8Array>([
    ['events/header_page', file(headerPageText(8, 4096))],
    ['per_cpu/cpu0/trace_pipe_raw', page()],
    ['saved_cmdlines', file(comms)],
    ['saved_tgids', file(text(TASKS.map(([tid, tgid]) => `${tid} ${tgid}`)))],
    ['trace_clock', file('local [mono]\n')],
  ])
  for (const [system, formats] of Object.entries(SYSTEMS))
    for (const format of formats)
      files.set(`events/${system}/${FORMAT_NAME.exec(format)?.[1]}/format`, file(format))
  return memoryFolder('recording', files)
}

/** perf knows no marks, and names tasks by records of their own. */
function perf(): Uint8Array {
  const parts = SAMPLE.tid | SAMPLE.time | SAMPLE.cpu | SAMPLE.raw
  const comm = ([tid, tgid, name]: (typeof TASKS)[number]) => {
    const body = new ByteWriter(true).u32(tgid).u32(tid).chars(name, 16)
    body.u32(tgid).u32(tid).u64(S).u32(0).u32(0)
    return new ByteWriter(true)
      .u32(3)
      .u16(0)
      .u16(8 + body.length)
      .bytes(body.toBytes())
      .toBytes()
  }
  const tgids = new Map<number, number>(TASKS.map(([tid, tgid]) => [tid, tgid]))
  const samples = EVENTS.filter(({ id }) => id !== ID.print).map((event) =>
    sample(parts, {
      ts: BigInt(S + event.ns),
      tid: event.tid,
      tgid: tgids.get(event.tid) ?? event.tid,
      raw: recordOf(event),
    }),
  )
  const attrs = [{ sampleType: parts, ids: [1n], clockId: 1 }]
  return buildPerfData({ attrs, systems: SYSTEMS, records: [...TASKS.map(comm), ...samples] })
}

function perfetto(): Uint8Array {
  const threads = TASKS.filter(([tid, tgid]) => tid !== tgid)
  return trace(
    {
      2: {
        1: TASKS.filter(([tid, tgid]) => tid === tgid).map(([tid, , comm]) => ({
          1: tid,
          3: comm,
        })),
        2: threads.map(([tid, tgid, comm]) => ({ 1: tid, 2: comm, 3: tgid })),
      },
    },
    { 1: { 1: 0, 2: EVENTS.map(({ ns, tid, proto }) => ({ 1: S + ns, 2: tid, ...proto })) } },
  )
}

/** What each recipe's snapshots tell beside the recording. */
const SNAPSHOTS = new Map([
  [
    'processes.before',
    text([
      `/proc/${CHAT}/task/${CHAT}`,
      `/proc/${CHAT}/task/${RENDER}`,
      `/proc/${CHAT}/status:Uid:\t10061\t10061`,
      `/proc/${CHAT}/cmdline:com.example.chat`,
      `/proc/${GAME}/status:Uid:\t10099\t10099`,
      `/proc/${GAME}/oom_score_adj:200`,
      `/proc/${GAME}/cgroup:0::/apps/uid_10099`,
      `/proc/${GAME}/cmdline:com.example.game`,
    ]),
  ],
  ['packages', 'com.example.chat 10061\ncom.example.game 10099\n'],
])

let database: Database
beforeEach(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterEach(() => database.close())

const FORMS: readonly (readonly [string, () => Uint8Array | FolderSource])[] = [
  ['trace-cmd', traceCmd],
  ['perf', perf],
  ['perfetto', perfetto],
  ['tracefs', tracefs],
]

describe.each(FORMS)('a recording by %s', (form, make) => {
  it('tells who stalled and who was killed, with package, group and oom_score_adj', async () => {
    const made = make()
    const reader = await openTrace(made instanceof Uint8Array ? toByteSource(form, made) : made)
    await ingestTrace({ database, reader, name: form, path: form, snapshots: SNAPSHOTS })
    const rows = async (sql: string) => (await database.query(sql)).map((row) => Object.values(row))
    const at = (ns: number) => S + ns
    expect(
      await rows(
        `SELECT tid, kind, package, oom_score_adj, killed_ns, killed_by, cgroup FROM tasks
         WHERE tid IN (${KSWAPD}, ${RENDER}, ${GAME}) ORDER BY tid`,
      ),
    ).toEqual([
      [KSWAPD, 'kswapd', null, null, null, null, null],
      [RENDER, 'user', 'com.example.chat', 700, at(40), 'lmkd', PATH],
      [GAME, 'user', 'com.example.game', 200, at(25), 'oom', '/apps/uid_10099'],
    ])
    await createViews(database.connection, await selectEverything(database.connection))
    expect(
      await rows('SELECT tid, package, cgroup, start_ns, end_ns FROM stalls ORDER BY start_ns'),
    ).toEqual([
      [RENDER, 'com.example.chat', PATH, at(10), at(20)],
      [GAME, 'com.example.game', '/apps/uid_10099', at(12), at(30)],
    ])
    expect(await rows('SELECT pid, killed_by, package FROM kills ORDER BY ts_ns')).toEqual([
      [GAME, 'oom', 'com.example.game'],
      [CHAT, 'lmkd', 'com.example.chat'],
    ])
    expect(
      await rows(
        "SELECT name, value FROM samples WHERE name LIKE '%.oom_score_adj' ORDER BY ts_ns, name",
      ),
    ).toContainEqual([`process.${CHAT}.oom_score_adj`, 700])
  })
})
