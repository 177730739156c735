import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { toByteSource } from '../../../parsers/cursor.ts'
import { openTrace } from '../../../parsers/index.ts'
import { openInput } from '../../../src/io/input.ts'
import { eventAt, forEachEvent, openTestFile, type ReadEvent, type Value } from '../open-bytes.ts'

const fixture = fileURLToPath(
  new URL('../../../fixtures/trace-dat/zram-lzorle-6.1-v6-cut.dat', import.meta.url),
)
const tracesFolder = process.env['PSTRACE_TRACES']
const hasTraceCmd = spawnSync('trace-cmd', ['--version']).error === undefined

function report(...options: readonly string[]): Uint8Array {
  return execFileSync('trace-cmd', ['report', ...options, fixture], {
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

async function sampled(source: Parameters<typeof openTrace>[0], step: number) {
  const reader = await openTrace(source)
  const times: number[] = []
  const events: ReadEvent[] = []
  forEachEvent(reader, (batch, row, seq) => {
    times.push(batch.ts[row] ?? Number.NaN)
    if (seq % step === 0) events.push(eventAt(batch, row, seq))
  })
  reader.close()
  const baseNs = Number(reader.info.baseNs)
  return { times: times.map((ts) => ts + baseNs), events, issues: reader.issues, info: reader.info }
}

/** Names and forms that text has in place of the binary's; what is missing here has to be equal. */
const TEXT_NAMES: Readonly<Record<string, string>> = {
  nr_activate0: 'nr_activate_anon',
  nr_activate1: 'nr_activate_file',
  highest_zoneidx: 'classzone',
}
/** Fields that text prints as words or not at all. */
const SYMBOLIC = new Set([
  'gfp_flags',
  'reclaim_flags',
  'prev_state',
  'lru',
  'sync',
  'status',
  'zone_idx',
  'zid',
  'shr',
  'shrink',
  '__probe_ip',
])

function toNumber(value: Value | undefined): unknown {
  return typeof value === 'bigint' || typeof value === 'number' ? BigInt(value) : value
}

describe.runIf(hasTraceCmd)('trace-cmd report of a recording', () => {
  it.each([
    ['as it is', [], 1000],
    ['with nanoseconds', ['-t'], 0],
    ['without plugins', ['-N', '-t'], 0],
    ['raw', ['-R', '-t'], 0],
  ] as const)(
    'has the events, times and fields of the recording: %s',
    async (_, options, toleranceNs) => {
      const source = openTestFile(fixture)
      const binary = await sampled(source, 5)
      source.close()
      const text = await sampled(toByteSource('report', report(...options)), 5)
      expect(text.issues).toEqual([])
      expect(text.times.length).toBe(binary.times.length)
      const far = text.times.filter((ts, i) => Math.abs(ts - (binary.times[i] ?? 0)) > toleranceNs)
      expect(far).toEqual([])
      let compared = 0
      for (const [i, one] of binary.events.entries()) {
        const other = text.events[i]
        expect([other?.name, other?.cpu, other?.tid]).toEqual([one.name, one.cpu, one.tid])
        for (const [name, value] of Object.entries(one.fields)) {
          const isRaw = options[0] === '-R'
          if (SYMBOLIC.has(name) && !(isRaw && typeof other?.fields[name] === 'bigint')) continue
          const found = other?.fields[isRaw ? name : (TEXT_NAMES[name] ?? name)]
          expect([one.name, name, toNumber(found)]).toEqual([one.name, name, toNumber(value)])
          compared++
        }
      }
      expect(compared).toBeGreaterThan(10_000)
    },
    60_000,
  )
})

if (tracesFolder === undefined)
  it('reads no public text: PSTRACE_TRACES is not set', () => {
    expect(tracesFolder).toBeUndefined()
  })

describe.runIf(tracesFolder !== undefined)('text that others recorded', () => {
  const path = (name: string) => join(tracesFolder ?? '', name)

  async function read(name: string, format?: string) {
    expect(existsSync(path(name))).toBe(true)
    const input = await openInput(path(name))
    try {
      const reader = await openTrace(input.source, format === undefined ? {} : { format })
      let events = 0
      for (let window = reader.read(); window !== undefined; window = reader.read())
        events += window.length
      const codes = reader.issues.map(({ code, count }) => [code, count])
      return { format: reader.info.format, events, issues: codes, tgids: reader.info.tgids.size }
    } finally {
      input.close()
    }
  }

  it.each([
    // Counts: entries-written of the header, or lines that hold an event.
    ['captured/zram-lz4-6.12-text/trace.txt.gz', 'ftrace text', 154_849, []],
    [
      'public/ftrace-text/ARM-software+lisa__tests_assets_trace_txt_trace.txt',
      'ftrace text',
      2941,
      [],
    ],
    [
      'public/ftrace-text/ARM-software+trappy__tests_trace_failed_to_parse.txt',
      'ftrace text',
      11,
      [
        ['failed_to_parse', 2],
        ['failed_to_parse', 1],
      ],
    ],
    ['public/systrace/ARM-software+trappy__tests_trace_surfaceflinger.html', 'systrace', 2506, []],
    [
      'public/systrace/catapult-project+catapult__systrace_systrace_test_data_compressed_atrace_data.txt',
      'ftrace text',
      1042,
      [],
    ],
    [
      'public/systrace/catapult-project+catapult__tracing_test_data_android_systrace.txt',
      'ftrace text',
      91,
      [],
    ],
    ['public/perf/damonitor+damo__tests_report_perf.data.script', 'perf script', 10_260, []],
  ] as const)('%s is read', async (name, format, events, issues) => {
    expect(await read(name)).toMatchObject({ format, events, issues })
  })

  it('with a call graph of counters is refused', async () => {
    await expect(
      read('public/perf/jlfwong+speedscope__sample_profiles_linux-perf_system-wide.linux-perf.txt'),
    ).rejects.toMatchObject({ code: 'no_events' })
  })

  it('in a mail is refused, and read in part when asked to', async () => {
    const mail = 'public/mail/linux-xfs-20200731-shrink_slab.mail.txt'
    await expect(read(mail)).rejects.toMatchObject({ code: 'unknown_format' })
    const { events, issues } = await read(mail, 'ftrace text')
    expect(events).toBe(6)
    expect(issues).toMatchObject([['unreadable_line', expect.any(Number)]])
  })
})
