import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { openTrace, TraceParseError } from '../../parsers/index.ts'
import { openInput } from '../../src/io/input.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { isInstalled } from '../shared/installed.ts'
import { REPORT_LINE } from './trace-cmd.ts'

const folder = (name: string) => join(tracesFolder ?? '', 'public', name)
const filesOf = (name: string) =>
  tracesFolder === undefined ? [] : readdirSync(folder(name)).sort()

interface Reading {
  /** Set when the file was refused. */
  readonly refused?: string
  /** Events of the trace, and samples and events that are counted only. */
  readonly events: number
  readonly counted: number
  /** Said not to be whole. */
  readonly isDamaged: boolean
}

async function read(path: string): Promise<Reading> {
  const input = await openInput(path)
  try {
    const reader = await openTrace(input.source)
    let events = 0
    for (let window = reader.read(); window !== undefined; window = reader.read())
      for (const { format, length } of window.batches)
        if (format.system !== 'pstrace') events += length
    reader.close()
    let counted = 0
    for (const { code, count } of reader.issues)
      if (code === 'not_a_tracepoint' || code === 'event_not_read') counted += count
    return { events, counted, isDamaged: reader.issues.some(({ severity }) => severity !== 'info') }
  } catch (error) {
    if (!(error instanceof TraceParseError)) throw error
    return { refused: error.code, events: 0, counted: 0, isDamaged: true }
  } finally {
    input.close()
  }
}

/** What the reference reader makes of the file: its events, or undefined when it refuses. */
type Reference = (path: string) => number | undefined

const lines = (text: string, pattern: RegExp) =>
  text.split('\n').filter((line) => pattern.test(line)).length

const perfScript: Reference = (path) => {
  const { status, stdout } = spawnSync(
    'perf',
    ['script', '-f', '-F', 'tid,time,event', '-i', path],
    { encoding: 'latin1', maxBuffer: 2 ** 28 },
  )
  return status === 0 ? lines(stdout, /\S/) : undefined
}

const traceCmdReport: Reference = (path) => {
  const { status, stdout } = spawnSync('trace-cmd', ['report', path], {
    encoding: 'latin1',
    maxBuffer: 2 ** 28,
  })
  return status === 0 ? lines(stdout, REPORT_LINE) : undefined
}

/** Events of the bundles: packet, field 1, field 2. */
const decodeRaw: Reference = (path) => {
  const { status, stdout } = spawnSync('protoc', ['--decode_raw'], {
    input: readFileSync(path),
    encoding: 'latin1',
    maxBuffer: 2 ** 30,
  })
  if (status !== 0) return undefined
  let isBundle = false
  let events = 0
  for (const line of stdout.split('\n')) {
    if (/^ {2}\d+ \{/.test(line)) isBundle = line === '  1 {'
    if (isBundle && line === '    2 {') events++
  }
  return events
}

/** COMPRESSED2 is of 6.16: older perf refuses it. */
const NEWER_THAN_PERF = /compressed2/

/** A CPU, and a time before a colon: no reader needed. */
const EVENT_LINE = /\[\d{3}\].* \d+\.\d{6}: /

/** A file's text; atrace -z writes a zlib stream behind its first line. */
function textOf(path: string): string {
  const bytes = readFileSync(path)
  const mark = bytes.indexOf('TRACE:\n')
  return (mark < 0 ? bytes : inflateSync(bytes.subarray(mark + 7))).toString('latin1')
}

const FAMILIES: readonly (readonly [string, string, Reference, RegExp])[] = [
  ['perf', 'perf', perfScript, /\.data(\.|$)(?!script)/],
  ['tracecmd', 'trace-cmd', traceCmdReport, /\.dat$/],
  ['perfetto', 'protoc', decodeRaw, /\.pftrace$/],
]

describe.runIf(tracesFolder !== undefined)('files that others recorded', () => {
  for (const [family, tool, reference, pattern] of FAMILIES)
    for (const file of filesOf(family).filter((name) => pattern.test(name)))
      it.runIf(isInstalled(tool))(
        `are read or refused as ${tool} does: ${file}`,
        async () => {
          const path = join(folder(family), file)
          const expected = reference(path)
          const { events, counted, isDamaged } = await read(path)
          if (expected === undefined) expect(isDamaged || NEWER_THAN_PERF.test(file)).toBe(true)
          else
            expect({ events: events + counted, isDamaged }).toEqual({
              events: expected,
              isDamaged: false,
            })
        },
        30_000,
      )

  const TEXTS: Readonly<Record<string, Partial<Reading>>> = {
    'ftrace-text/ARM-software+lisa__tests_assets_trace_txt_trace.txt': { isDamaged: false },
    // trace-cmd itself could not parse some of its lines.
    'ftrace-text/ARM-software+trappy__tests_trace_failed_to_parse.txt': { events: 11 },
    'mail/linux-xfs-20200731-shrink_slab.mail.txt': { refused: 'unknown_format' },
    'perf/damonitor+damo__tests_report_perf.data.script': { events: 10_260, isDamaged: false },
    // Samples of counters with call graphs: no event in it.
    'perf/jlfwong+speedscope__sample_profiles_linux-perf_system-wide.linux-perf.txt': {
      refused: 'no_events',
    },
    'systrace/ARM-software+trappy__tests_trace_surfaceflinger.html': { isDamaged: false },
    'systrace/catapult-project+catapult__systrace_systrace_test_data_compressed_atrace_data.txt': {
      isDamaged: false,
    },
    'systrace/catapult-project+catapult__tracing_test_data_android_systrace.txt': {
      isDamaged: false,
    },
  }
  it.each(Object.entries(TEXTS))('of text are read or refused: %s', async (path, expected) => {
    const reading = await read(folder(path))
    expect(reading).toMatchObject(expected)
    if (reading.refused === undefined && !path.startsWith('perf/'))
      expect(reading.events).toBe(lines(textOf(folder(path)), EVENT_LINE))
  })

  it('are all of them held to something', () => {
    const known = new Set(Object.keys(TEXTS))
    const left = ['perf', 'tracecmd', 'perfetto', 'systrace', 'ftrace-text', 'mail'].flatMap(
      (name) =>
        filesOf(name)
          .filter(
            (file) =>
              !known.has(`${name}/${file}`) &&
              !FAMILIES.some(([family, , , pattern]) => family === name && pattern.test(file)),
          )
          .map((file) => `${name}/${file}`),
    )
    expect(left).toEqual([])
  })
})

it.runIf(tracesFolder === undefined)('PSTRACE_TRACES is not set: no public file was read', () => {
  process.stdout.write('public files: skipped, PSTRACE_TRACES is not set\n')
})
