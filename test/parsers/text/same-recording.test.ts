import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { toByteSource } from '../../../parsers/cursor.ts'
import { type ByteSource, openTrace } from '../../../parsers/index.ts'
import { openInput } from '../../../src/io/input.ts'
import { generated, scenarioNamed } from '../../generate/file.ts'
import { tracesFolder } from '../../shared/given-folders.ts'
import { eventAt, forEachEvent, openTestFile, type ReadEvent, type Value } from '../open-bytes.ts'
import { hasPerf } from '../perf-data/perf-script.ts'
import { hasTraceCmd } from '../trace-cmd.ts'

const fixture = fileURLToPath(
  new URL('../../../fixtures/trace-dat/zram-lzorle-6.1-v6-cut.dat', import.meta.url),
)

function run(command: string, ...options: readonly string[]): Uint8Array {
  return execFileSync(command, options, { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'ignore'] })
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
  const formats = new Map(reader.formats.map(({ name, printFmt }) => [name, printFmt]))
  return {
    times: times.map((ts) => ts + baseNs),
    events,
    issues: reader.issues,
    prints: (event: string, field: string) =>
      new RegExp(`REC->${field}\\b`).test(formats.get(event) ?? ''),
  }
}

/** Names and forms that text has in place of the binary's; what is missing here has to be equal. */
const TEXT_NAMES: Readonly<Record<string, string>> = {
  nr_activate0: 'nr_activate_anon',
  nr_activate1: 'nr_activate_file',
  highest_zoneidx: 'classzone',
  classzone_idx: 'classzone',
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
  '__probe_func',
  '__probe_ret_ip',
])

function toNumber(value: Value | undefined): unknown {
  return typeof value === 'bigint' || typeof value === 'number' ? BigInt(value) : value
}

/** Every event's name, time, cpu and task, and the fields of each `step`-th; returns how many fields were compared. */
async function compare(
  recording: ByteSource,
  text: Uint8Array,
  options: { toleranceNs: number; step: number; isRaw?: boolean },
): Promise<number> {
  const binary = await sampled(recording, options.step)
  const read = await sampled(toByteSource('report', text), options.step)
  expect(read.issues).toEqual([])
  expect(read.times.length).toBe(binary.times.length)
  const far = read.times.filter(
    (ts, i) => Math.abs(ts - (binary.times[i] ?? 0)) > options.toleranceNs,
  )
  expect(far).toEqual([])
  const { isRaw = false } = options
  let compared = 0
  for (const [i, one] of binary.events.entries()) {
    const other = read.events[i]
    expect([other?.name, other?.cpu, other?.tid]).toEqual([one.name, one.cpu, one.tid])
    for (const [name, value] of Object.entries(one.fields)) {
      if (SYMBOLIC.has(name) && !(isRaw && typeof other?.fields[name] === 'bigint')) continue
      const found = other?.fields[name] ?? other?.fields[TEXT_NAMES[name] ?? name]
      // Kernels record fields that they do not print (success of sched_waking, zid from 5.2 on).
      if (found === undefined && !isRaw && !binary.prints(one.name, name)) continue
      expect([one.name, name, toNumber(found)]).toEqual([one.name, name, toNumber(value)])
      compared++
    }
  }
  return compared
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
      const text = run('trace-cmd', 'report', ...options, fixture)
      const isRaw = options[0] === '-R'
      const compared = await compare(source, text, { toleranceNs, step: 5, isRaw })
      source.close()
      expect(compared).toBeGreaterThan(10_000)
    },
    60_000,
  )
})

/** The first and last of each layout that the tracepoints had. */
const LAYOUTS = ['4.9', '4.14', '4.19', '5.4', '5.10', '5.15', '6.1', '6.12', '7.1'] as const

describe.each(LAYOUTS)('text of kernel %s', (kernel) => {
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-text-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const make = (format: 'v7' | 'perf') => {
    const { bytes } = generated({
      scenario: scenarioNamed('server'),
      kernel,
      format,
      events: 3000,
      wantRows: false,
    })
    const path = join(folder, format)
    writeFileSync(path, bytes)
    return { path, source: toByteSource(format, bytes) }
  }

  it.runIf(hasTraceCmd).each([
    ['trace-cmd report', []],
    ['trace-cmd report -R', ['-R']],
  ] as const)('as %s prints it has the events and fields of the recording', async (_, options) => {
    const { path, source } = make('v7')
    const text = run('trace-cmd', 'report', '-t', '-N', ...options, path)
    const isRaw = options[0] === '-R'
    expect(await compare(source, text, { toleranceNs: 0, step: 1, isRaw })).toBeGreaterThan(4000)
  })

  it.runIf(hasPerf).each([
    ['perf script --ns', ['--ns'], 0],
    ['perf script -F +pid', ['-F', '+pid'], 1000],
  ] as const)(
    'as %s prints it has the events and fields of the recording',
    async (_, options, toleranceNs) => {
      const { path, source } = make('perf')
      const text = run('perf', 'script', ...options, '-i', path)
      expect(await compare(source, text, { toleranceNs, step: 1 })).toBeGreaterThan(4000)
    },
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
