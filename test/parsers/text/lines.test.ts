import { describe, expect, it } from 'vitest'
import { toByteSource } from '../../../parsers/cursor.ts'
import { openTrace } from '../../../parsers/index.ts'
import { eventAt, forEachEvent, type Value } from '../open-bytes.ts'

interface ReadLine {
  readonly ts: number
  readonly cpu: number
  readonly tid: number
  readonly flags: number
  readonly event: string
  readonly fields: Record<string, Value>
}

async function read(text: string, format?: string) {
  const source = toByteSource('lines', new TextEncoder().encode(text))
  const reader = await openTrace(source, format === undefined ? {} : { format })
  const events: ReadLine[] = []
  const missing: string[] = []
  forEachEvent(reader, (batch, row, seq) => {
    const { ts, cpu, tid, flags, system, name, fields } = eventAt(batch, row, seq)
    for (const { field, valid } of batch.columns)
      if (valid?.[row] === 0) {
        missing.push(field.name)
        delete fields[field.name]
      }
    events.push({ ts, cpu, tid, flags, event: `${system}:${name}`, fields })
  })
  const { info, losses, issues } = reader
  return { info, losses, issues, events, missing }
}

async function one(
  line: string,
): Promise<ReadLine & { tgid: number | undefined; comm: string | undefined }> {
  const { events, info, issues } = await read(`${line}\n`)
  expect([line, events.length, issues]).toEqual([line, 1, []])
  const [event] = events
  if (event === undefined) throw new Error('no event')
  return { ...event, tgid: info.tgids.get(event.tid), comm: info.comms.get(event.tid) }
}

describe('the head of a line', () => {
  it.each([
    // kernel/trace/trace_output.c of several versions, trace-cmd report, perf script.
    [
      '         kswapd0-51      [001] d..2.     9.239933: ',
      51,
      1,
      9_239_933_000,
      undefined,
      'kswapd0',
    ],
    [
      '         kswapd0-51    [001] d..2     9.239933: ',
      51,
      1,
      9_239_933_000,
      undefined,
      'kswapd0',
    ],
    ['         kswapd0-51    [001]     9.239933: ', 51, 1, 9_239_933_000, undefined, 'kswapd0'],
    [
      '         kswapd0-51    (-------) [001] d..2.     9.239933: ',
      51,
      1,
      9_239_933_000,
      undefined,
      'kswapd0',
    ],
    [
      ' RenderThread-1234  (  987) [007] ...1 90071.5: ',
      1234,
      7,
      90_071_500_000_000,
      987,
      'RenderThread',
    ],
    ['    app-12    [003] (   11) ....     1.000001: ', 12, 3, 1_000_001_000, 11, 'app'],
    [
      '    Web Content-1-77 [000]     1.000001002: ',
      77,
      0,
      1_000_001_002,
      undefined,
      'Web Content-1',
    ],
    ['  odd [12] x-3-78 [000] ....  1.000001: ', 78, 0, 1_000_001_000, undefined, 'odd [12] x-3'],
    [
      '           <...>-79      [001] .....     9.000000: ',
      79,
      1,
      9_000_000_000,
      undefined,
      undefined,
    ],
    [
      '          <idle>-0       [002] dNh1.    10.000000: ',
      0,
      2,
      10_000_000_000,
      undefined,
      undefined,
    ],
    [
      '   kworker/0:1H-80   [000] .N..1 81234567890123: ',
      80,
      0,
      81_234_567_890_123,
      undefined,
      'kworker/0:1H',
    ],
  ])('%s', async (head, tid, cpu, ts, tgid, comm) => {
    const line = await one(`${head}mm_vmscan_kswapd_sleep: nid=3`)
    expect(line).toMatchObject({ tid, cpu, ts, fields: { nid: 3n } })
    expect([line.tgid, line.comm]).toEqual([tgid, comm])
  })

  it.each([
    ['         kswapd0    51 [001]     9.239933: ', 51, 1, 9_239_933_000, undefined, 'kswapd0'],
    ['         kswapd0    51 [001]     9.239933123: ', 51, 1, 9_239_933_123, undefined, 'kswapd0'],
    ['     migration/0    20/21    [000]    10.523983: ', 21, 0, 10_523_983_000, 20, 'migration/0'],
    ['    Web Content 7  22 [000]    10.5: ', 22, 0, 10_500_000_000, undefined, 'Web Content 7'],
    ['    kworker/0:1    23    10.523983: ', 23, 0, 10_523_983_000, undefined, 'kworker/0:1'],
    [
      '             :24    24 [002]    10.523983:          1 ',
      24,
      2,
      10_523_983_000,
      undefined,
      undefined,
    ],
  ])('%s', async (head, tid, cpu, ts, tgid, comm) => {
    const line = await one(`${head}        vmscan:mm_vmscan_kswapd_sleep: nid=3`)
    expect(line).toMatchObject({ tid, cpu, ts, event: 'vmscan:mm_vmscan_kswapd_sleep' })
    expect([line.tgid, line.comm]).toEqual([tgid, comm])
  })

  it('gives the flags as the binary format has them', async () => {
    const flags = async (letters: string) =>
      (await one(`  a-1 [000] ${letters}  1.000000: sched_waking: pid=1`)).flags
    expect(await flags('d..2.')).toBe(0x0201)
    expect(await flags('.N.1')).toBe(0x0124)
    expect(await flags('b.s..')).toBe(0x0090)
    expect(await flags('..H.1')).toBe(0x1018)
    expect(await flags('D.Z21')).toBe(0x12c9)
    // Lazy rescheduling: from 6.13 in letters, before that (PREEMPT_RT) in columns of its own.
    expect(await flags('.l...')).toBe(0x0002)
    expect(await flags('.Bs..')).toBe(0x0036)
    expect(await flags('dL.3.')).toBe(0x0323)
    expect(await flags('.b...')).toBe(0x0006)
    expect(await flags('dN.h3.2')).toBe(0x232d)
    expect(await flags('.....')).toBe(0)
  })

  it('takes the last event of a task that perf has forgotten for the task that left', async () => {
    const line = await one(
      '   :-1    -1 [001]    16.8: sched:sched_switch: prev_comm=filer prev_pid=217 prev_prio=120 prev_state=X ==> next_comm=swapper/1 next_pid=0 next_prio=120',
    )
    expect(line.tid).toBe(217)
  })
})

const HEAD = '         kswapd0-51      [001] .....     9.239933: '
const fieldsOf = async (body: string) => (await one(`${HEAD}${body}`)).fields

describe('the body of a line', () => {
  it('is read by key, whatever the order', async () => {
    expect(await fieldsOf('mm_vmscan_kswapd_wake: order=3 nid=1')).toEqual({ order: 3n, nid: 1n })
  })

  it('may have decimal and hexadecimal numbers, units, and pointers without 0x', async () => {
    expect(
      await fieldsOf('x: a=-5 b=0xffff888001234000 c=007 d=12kB e=8B f=18446744073709551615'),
    ).toEqual({
      a: -5n,
      b: 0xffff888001234000n,
      c: 7n,
      d: 12n,
      e: 8n,
      f: (1n << 64n) - 1n,
    })
    expect(
      await fieldsOf(
        'mm_vmscan_writepage: page=00000000dad970fd pfn=15518 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC',
      ),
    ).toEqual({ page: 0xdad970fdn, pfn: 15518n, flags: 'RECLAIM_WB_ANON|RECLAIM_WB_ASYNC' })
  })

  it('keeps task names with spaces, equals signs and keys in them', async () => {
    expect(
      await fieldsOf(
        'sched_switch: prev_comm=a b=c prev_pid=9 prev_prio=120 prev_state=R+ ==> next_comm=pid=1 ==> x next_pid=51 next_prio=120',
      ),
    ).toEqual({
      prev_comm: 'a b=c',
      prev_pid: 9n,
      prev_prio: 120n,
      prev_state: 'R+',
      next_comm: 'pid=1 ==> x',
      next_pid: 51n,
      next_prio: 120n,
    })
    expect(await fieldsOf('sched_waking: comm=123 pid=4 prio=120 target_cpu=001')).toMatchObject({
      comm: '123',
      pid: 4n,
      target_cpu: 1n,
    })
  })

  it('has the names of text where they differ from those of binary fields', async () => {
    expect(
      await fieldsOf(
        'mm_vmscan_throttled: nid=0 usec_timeout=100000 usect_delayed=24000 reason=VMSCAN_THROTTLE_WRITEBACK',
      ),
    ).toMatchObject({ usec_timeout: 100_000n, usect_delayed: 24_000n })
    expect(
      await fieldsOf(
        'mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned=32 nr_reclaimed=9 nr_dirty=0 nr_writeback=0 nr_congested=0 nr_immediate=0 nr_activate_anon=3 nr_activate_file=4 nr_ref_keep=0 nr_unmap_fail=0 priority=12 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC',
      ),
    ).toMatchObject({ nr_activate_anon: 3n, nr_activate_file: 4n, priority: 12n })
  })

  it('is understood in the form of trace-cmd’s plugins', async () => {
    expect(
      await fieldsOf('sched_switch:         my app:1:171 [120] D ==> swapper/0:0 [120]'),
    ).toEqual({
      prev_comm: 'my app:1',
      prev_pid: 171n,
      prev_prio: 120n,
      prev_state: 'D',
      next_comm: 'swapper/0',
      next_pid: 0n,
      next_prio: 120n,
    })
    expect(await fieldsOf('sched_wakeup: rcu [x]:15 [120] success=1 CPU:003')).toMatchObject({
      comm: 'rcu [x]',
      pid: 15n,
      target_cpu: 3n,
    })
  })

  it('is understood where words stand in place of keys', async () => {
    expect(
      await fieldsOf(
        'mm_shrink_slab_start: super_cache_scan+0x0/0x1a0 000000003e89d20a: nid: 1 objects to shrink 824 gfp_flags GFP_KERNEL pgs_scanned 12 lru_pgs 13 cache items 1065515 delta 520 total_scan 1344',
      ),
    ).toEqual({
      shrink: 'super_cache_scan+0x0/0x1a0',
      shr: 0x3e89d20an,
      nid: 1n,
      nr_objects_to_shrink: 824n,
      gfp_flags: 'GFP_KERNEL',
      pgs_scanned: 12n,
      lru_pgs: 13n,
      cache_items: 1065515n,
      delta: 520n,
      total_scan: 1344n,
    })
    expect(
      await fieldsOf(
        'mm_shrink_slab_end: f+0x0 0xffffffff82ad6740: nid: 0 unused scan count 824 new scan count 320 total_scan -4 last shrinker return val 1021',
      ),
    ).toMatchObject({ unused_scan: 824n, new_scan: 320n, total_scan: -4n, retval: 1021n })
    expect(
      await fieldsOf(
        'mark_victim: pid=4 comm=a b total-vm=12kB anon-rss=3kB file-rss:4kB shmem-rss:0kB uid=1000 pgtables=8kB oom_score_adj=-100',
      ),
    ).toMatchObject({ pid: 4n, comm: 'a b', total_vm: 12n, file_rss: 4n, oom_score_adj: -100n })
  })

  it('gives the places of probes', async () => {
    expect(await fieldsOf('swap_writepage: (swap_writepage+0x4/0x300) entry=16384')).toEqual({
      __probe_ip: 'swap_writepage+0x4/0x300',
      entry: 16384n,
    })
    expect(await fieldsOf('pst_write_ret: (pageout+0x1/0x2 <- swap_writepage) ret=0x0')).toEqual({
      __probe_ret_ip: 'pageout+0x1/0x2',
      __probe_func: 'swap_writepage',
      ret: 0n,
    })
  })

  it('gives block requests their fields', async () => {
    expect(await fieldsOf('block_rq_issue: 8,0 WS 4096 () 1234 + 8 none,0,0 [kswapd0]')).toEqual({
      dev: '8,0',
      rwbs: 'WS',
      bytes: 4096n,
      sector: 1234n,
      nr_sector: 8n,
      comm: 'kswapd0',
    })
    expect(await fieldsOf('block_rq_complete: 254,1 R () 99 + 16 [-5]')).toMatchObject({
      dev: '254,1',
      sector: 99n,
      error: -5n,
    })
  })

  it('of marks is one text', async () => {
    const line = await one(`${HEAD}tracing_mark_write: B|123|a=b c=d`)
    expect([line.event, line.fields]).toEqual(['ftrace:print', { buf: 'B|123|a=b c=d' }])
  })

  it('keeps what no key announces', async () => {
    expect(await fieldsOf('damon_aggregated: target_id=0 nr_regions=8 942-943: 7')).toEqual({
      target_id: 0n,
      nr_regions: 8n,
      text: '942-943: 7',
    })
    expect(await fieldsOf('workqueue_execute_start: work struct 0xff: function f')).toEqual({
      text: 'work struct 0xff: function f',
    })
  })
})

describe('lines of one event that differ', () => {
  const line = (seconds: number, body: string) => `  a-1 [000] ....  ${seconds}.000000: ${body}\n`

  it('have a value missing where the key is', async () => {
    const { events, missing } = await read(
      line(1, 'mm_vmscan_kswapd_wake: nid=0 order=2') +
        line(2, 'mm_vmscan_kswapd_wake: nid=1') +
        line(3, 'mm_vmscan_kswapd_wake: nid=2 zid=1 order=3'),
    )
    expect(events.map(({ fields }) => fields)).toEqual([
      { nid: 0n, order: 2n },
      { nid: 1n },
      { nid: 2n, order: 3n, zid: 1n },
    ])
    expect(missing).toEqual(['order'])
  })

  it('turn a number into a text only from there on', async () => {
    const { events } = await read(
      line(1, 'x: v=0x40') + line(2, 'x: v=GFP_KERNEL') + line(3, 'x: v=7'),
    )
    expect(events.map(({ fields }) => fields['v'])).toEqual([0x40n, 'GFP_KERNEL', '7'])
  })

  it('are bounded in kind: after many the body is kept as one text', async () => {
    let text = ''
    for (let i = 0; i < 40; i++) text += line(i + 1, `x: k${i}=1`)
    const { events } = await read(text)
    expect(events.length).toBe(40)
    expect(events[39]?.fields['text']).toBe('k39=1')
  })

  it('are sorted by time', async () => {
    const { events, issues } = await read(
      line(1, 'x: n=1') + line(3, 'x: n=3') + line(2, 'y: n=2') + line(3, 'y: n=4'),
    )
    expect(events.map(({ fields }) => fields['n'])).toEqual([1n, 3n, 2n, 4n].sort())
    expect(issues).toEqual([])
  })
})

describe('lines between events', () => {
  const event = (cpu: number, seconds: number) =>
    `  a-1 [00${cpu}] ....  ${seconds}.000000: mm_vmscan_kswapd_sleep: nid=0\n`

  it('tell of losses, with and without their number', async () => {
    const { losses } = await read(
      `${event(1, 1)}${event(0, 2)}CPU:1 [LOST 12 EVENTS]\n${event(0, 3)}${event(1, 4)}CPU:0 [LOST EVENTS]\n${event(0, 5)}CPU:0 [7 EVENTS DROPPED]\n`,
    )
    expect(losses).toEqual([
      { cpu: 1, startNs: 1e9, endNs: 4e9, events: 12 },
      { cpu: 0, startNs: 3e9, endNs: 5e9, events: undefined },
      { cpu: 0, startNs: 5e9, endNs: 5e9, events: 7 },
    ])
  })

  it('tell how much of the buffer was overwritten, and the cpus', async () => {
    const { issues, info } = await read(
      `# tracer: nop\n#\n# entries-in-buffer/entries-written: 10/25   #P:8\n#\n${event(0, 1)}`,
    )
    expect(issues).toMatchObject([{ code: 'overwritten', severity: 'data_loss' }])
    expect(issues[0]?.message).toContain(' 15 ')
    expect(info.cpus).toBe(8)
  })

  it('of stacks and of the function tracer are left out and counted', async () => {
    const { events, issues } = await read(
      `${event(0, 1)}  a-1 [000] ....  1.000001: <stack trace>\n => schedule\n => do_exit\n  a-1 [000] ....  1.000002: schedule <-do_exit\n${event(0, 2)}`,
    )
    expect(events.length).toBe(2)
    expect(issues).toMatchObject([{ code: 'not_an_event', severity: 'info', count: 2 }])
  })

  it('of perf’s call chains are stepped over', async () => {
    const { events, issues } = await read(
      'kswapd0 5 [001] 1.5: vmscan:mm_vmscan_kswapd_sleep: nid=0\n\tffffffff81 schedule+0x1 (vmlinux)\n    7f1234567890 main (/bin/x)\n\nkswapd0 5 [001] 2.5: vmscan:mm_vmscan_kswapd_sleep: nid=1\n',
    )
    expect([events.length, issues]).toEqual([2, []])
  })

  it('that are no trace are reported with their place', async () => {
    const { events, issues } = await read(`${event(0, 1)}what is this?\n${event(0, 2)}`)
    expect(events.length).toBe(2)
    expect(issues).toMatchObject([
      { code: 'unreadable_line', severity: 'error', firstPosition: { unit: 'line', at: 2 } },
    ])
  })

  it('may have carriage returns', async () => {
    const { events, issues } = await read(`${event(0, 1)}${event(1, 2)}`.replaceAll('\n', '\r\n'))
    expect([events.length, issues]).toEqual([2, []])
  })
})

describe('a page of systrace', () => {
  const lines = [
    '# tracer: nop',
    '#',
    '          <idle>-0     (-----) [000] d..2     5.000001: sched_wakeup: comm=app-0 pid=7 prio=120 success=1 target_cpu=000',
    '           app-0-7     (    7) [000] ...1     5.000002: tracing_mark_write: B|7|frame',
  ]
  const page = (script: string) => `<!DOCTYPE html>\n<html>\n${script}\n</html>\n`

  it.each([
    [
      'a script block',
      page(`<script class="trace-data" type="application/text">\n${lines.join('\n')}\n</script>`),
    ],
    [
      'a string continued by backslashes',
      page(`<script>\nvar linuxPerfData = "\\\n${lines.join('\\n\\\n')}\\n\\\n";\n</script>`),
    ],
  ])('holds its events in %s', async (_, text) => {
    const { events, issues } = await read(text)
    expect(events).toMatchObject([
      {
        ts: 5_000_001_000,
        tid: 0,
        event: 'sched:sched_wakeup',
        fields: { comm: 'app-0', success: 1n },
      },
      { ts: 5_000_002_000, tid: 7, fields: { buf: 'B|7|frame' } },
    ])
    expect(issues).toEqual([])
  })
})

describe('text that is not read', () => {
  it.each([
    [
      'function_graph',
      '# tracer: function_graph\n#\n# CPU  DURATION                  FUNCTION CALLS\n 0)   1.5 us  |  schedule();\n',
      'unsupported_function_graph',
    ],
    [
      'function_graph without its header',
      '  13) $ 1918769 us  |          }\n',
      'unsupported_function_graph',
    ],
    [
      'the latency format',
      '# tracer: nop\n#\n# nop latency trace v1.1.5 on 6.12.0\n# ----\n  <idle>-0       0d..2.    1us : sched_switch: x\n',
      'unsupported_latency',
    ],
    [
      'the latency format of trace-cmd',
      'cpus=2\n  <idle>-0       0d..2.     8.832445: sched_switch:         swapper/0:0 [120] R ==> rcu:15 [120]\n',
      'unsupported_latency',
    ],
    ['samples of perf', 'a 9 [000] 2.5:    1001001 cpu-clock: \n\t 613 f (/x)\n\n', 'no_events'],
    ['prose', 'Dear Linux people,\n\nwe have a backup server.\n', 'unknown_format'],
  ])('is refused: %s', async (_, text, code) => {
    await expect(read(text)).rejects.toMatchObject({ code })
  })

  it('is read in part when its format is given', async () => {
    const { events, issues } = await read(
      'Dear people,\n\nkswapd1-137   [011] .... 66671.873532: mm_vmscan_kswapd_wake: nid=1 order=3\n\nBest\n',
      'ftrace text',
    )
    expect(events).toMatchObject([{ tid: 137, fields: { nid: 1n, order: 3n } }])
    expect(issues).toMatchObject([{ code: 'unreadable_line', count: 2 }])
  })

  it('is read up to its last whole line', async () => {
    const { events, issues } = await read(
      '  a-1 [000] ....  1.000000: x: pfn=0x1\n  a-1 [000] ....  2.000000: x: pfn=0x12',
    )
    expect(events.length).toBe(1)
    expect(issues).toMatchObject([{ code: 'cut_line', severity: 'data_loss' }])
  })
})

describe('an empty trace', () => {
  it('has no events and no issues', async () => {
    const { events, issues } = await read(
      '# tracer: nop\n#\n# entries-in-buffer/entries-written: 0/0   #P:2\n#\n',
    )
    expect([events, issues]).toEqual([[], []])
  })
})
