import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { diagnose, type Finding, readFitness } from '../../src/analysis/fitness.ts'
import { readContents } from '../../src/cli/doctor.ts'
import { toExitStatus } from '../../src/cli/failure.ts'
import { snapshotFolder } from '../../src/cli/ingest-files.ts'
import { Database } from '../../src/database/database.ts'
import { roleOf } from '../../src/ingest/aliases.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { openInput } from '../../src/io/input.ts'
import { readSnapshots } from '../../src/io/snapshots.ts'
import { PstraceError } from '../../src/model/error.ts'
import { extractWorkload } from '../../src/workload/extract.ts'
import { type Choice, generated, generatedFolder, scenarioNamed } from '../generate/file.ts'
import { trace } from '../parsers/perfetto/packets.ts'
import { binary } from '../shared/binary.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-doctor-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function pstrace(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [binary(), ...args], {
    encoding: 'utf8',
    timeout: 120_000,
    cwd: folder,
  })
  return { status, stdout, stderr }
}

async function diagnoseFile(path: string): Promise<Finding[]> {
  return diagnose((await readContents(path)).evidence)
}

/** The recording in a database, as the command line ingests it. */
async function withRecording<T>(
  path: string,
  use: (database: Database, traceId: number) => Promise<T>,
): Promise<T> {
  const database = await Database.open(':memory:', { mode: 'write' })
  const input = await openInput(path)
  try {
    const reader = await openTrace(input.folder ?? input.source)
    const beside = snapshotFolder(path)
    const { traceId } = await ingestTrace({
      database,
      reader,
      name: 't',
      path,
      ...(beside === undefined ? {} : { snapshots: readSnapshots(beside) }),
    })
    reader.close()
    return await use(database, traceId)
  } finally {
    input.close()
    database.close()
  }
}

/** Whether a workload can be extracted; other failures are failures. */
async function canBeReplayed(database: Database, traceId: number): Promise<boolean> {
  try {
    await extractWorkload(database, traceId)
    return true
  } catch (error) {
    if (error instanceof PstraceError && toExitStatus(error) === 3) return false
    throw error
  }
}

function written(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

const phone = scenarioNamed('phone')
const generatedFile = (name: string, choice: Partial<Choice>) => () =>
  written(name, generated({ scenario: phone, format: 'v7', events: 3000, ...choice }).bytes)

const S = 1_000_000_000

/** A Perfetto trace that reads a counter at some times and swaps a page out at others. */
function toPerfetto(reads: readonly number[], reclaims: readonly number[]): Uint8Array {
  return trace(...reads.map((ts) => ({ 8: ts, 7: { 2: { 1: 73, 2: ts / S } } })), {
    1: {
      1: 0,
      2: reclaims.flatMap((ts) => [
        { 1: ts, 2: 7, 46: { 1: 0 } },
        { 1: ts + 1, 2: 7, 327: { 1: 'mm_vmscan_write_folio', 2: { 1: 'pfn', 5: 9 } } },
        { 1: ts + 5, 2: 7, 47: { 1: 32 } },
      ]),
    },
  })
}

describe('what doctor says of a file', () => {
  it('is the same of one recording in every format', async () => {
    const choice = { scenario: phone, events: 1500, clock: 'boot' } as const
    const copy = join(folder, 'copy')
    generatedFolder(choice, copy)
    const files = (['v7', 'perf', 'perfetto', 'text'] as const).map((format) =>
      written(format, generated({ ...choice, format }).bytes),
    )
    const [first, ...others] = await Promise.all([copy, ...files].map(diagnoseFile))
    const answers = (findings: readonly Finding[] = []) => findings.map(({ answer }) => answer)
    for (const other of others) expect(answers(other)).toEqual(answers(first))
    expect(answers(first)).toContain('yes')
  })

  it('counts the counters that a trace holds where they were read before all else and after', async () => {
    const answers = async (reclaims: readonly number[]) => {
      const path = written('read.pftrace', toPerfetto([S, 3 * S], reclaims))
      const said = await diagnoseFile(path)
      return said.find(({ question }) => question.includes("kernel's counters"))?.answer
    }
    expect(await answers([2 * S])).toBe('yes')
    expect(await answers([2 * S, 4 * S])).toBe('no')
  })

  const cases: readonly (readonly [string, () => string])[] = [
    ['all events and probes', generatedFile('full.dat', { probes: 'full' })],
    ['neither probes nor scheduler', generatedFile('none.dat', { probes: 'none' })],
    ['the layouts of 4.9 and losses', generatedFile('lossy.dat', { kernel: '4.9', loss: 0.1 })],
    ['a real kernel', () => join(root, 'fixtures/zram-lz4-6.1/trace.dat')],
    [
      "Perfetto's own counters, read before and after",
      () => written('counters.pftrace', toPerfetto([S, 3 * S], [2 * S])),
    ],
    [
      "Perfetto's own counters, of a part of the trace",
      () => written('part.pftrace', toPerfetto([S, 3 * S], [2 * S, 4 * S])),
    ],
    ['perf without probes', () => join(root, 'fixtures/perf/vmscan-6.12-cut.data')],
    [
      'a stall, and no page swapped out',
      () =>
        written(
          'stall.txt',
          '  a-7 [000] d..2.     1.000000: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL\n' +
            '  a-7 [000] d..2.     1.000100: mm_vmscan_direct_reclaim_end: nr_reclaimed=32\n',
        ),
    ],
    [
      'no event of memory',
      () =>
        written(
          'switches.txt',
          '          <idle>-0       [000] d..2.     1.000000: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=a next_pid=7 next_prio=120\n',
        ),
    ],
  ]
  it.each(cases)('is what ingest, info and replay then do with it: %s', async (_, make) => {
    const path = make()
    const said = await diagnoseFile(path)
    const answerTo = (question: string) =>
      said.find((finding) => finding.question.includes(question))?.answer
    await withRecording(path, async (database, traceId) => {
      expect(await readFitness(database.connection, traceId, roleOf)).toEqual(said)
      const [rows] = await database.query(`SELECT
        (SELECT count(*) FROM swapins WHERE swapout_id IS NOT NULL) AS refaults,
        (SELECT count(*) FROM swapins WHERE end_ns IS NOT NULL) AS timed_reads,
        (SELECT count(*) FROM swapouts WHERE start_ns IS NOT NULL AND stored_ns IS NOT NULL) AS timed_stores,
        (SELECT count(*) FROM reclaim_spans WHERE kind = 'direct') AS direct,
        (SELECT lost_gaps FROM traces) AS gaps`)
      const has = (name: string) => Number(rows?.[name]) > 0
      // What was asked for and never came is answered by "none".
      if (has('direct')) expect(answerTo('who stalled')).not.toBe('no')
      expect({
        refaults: answerTo('refaults') !== 'no',
        reads: answerTo('swap-in latency') === 'yes',
        stores: answerTo('scan and store') === 'yes',
      }).toEqual({
        refaults: has('refaults'),
        reads: has('timed_reads') && !has('gaps'),
        stores: has('timed_stores') && !has('gaps'),
      })
      // Extraction decides; what it gives, a replay runs.
      expect(await canBeReplayed(database, traceId)).toBe(answerTo('replay') !== 'no')
    })
  })
})

describe('pstrace doctor', () => {
  it('prints what info prints of the ingested recording', () => {
    const path = generatedFile('printed.dat', { events: 600 })()
    const { status, stdout } = pstrace('doctor', path, '--format', 'json')
    expect(status).toBe(0)
    expect(pstrace('ingest', '-q', '--db', 'printed.duckdb', path).status).toBe(0)
    const info = pstrace('info', '--db', 'printed.duckdb', '--format', 'json')
    expect(JSON.parse(info.stdout)[0].fitness).toEqual(JSON.parse(stdout))
  })

  it('ends with status 3 when the trace can answer nothing', () => {
    const path = written(
      'empty.txt',
      '# tracer: nop\n#\n          <idle>-0       [000] d..2.     1.000000: irq_exit: x=1\n',
    )
    const { status, stderr } = pstrace('doctor', path)
    expect([status, stderr]).toEqual([3, expect.stringContaining('none of these questions')])
  })
})

describe('pstrace recipe', () => {
  it('prints a script for the asked kernel', () => {
    const { status, stdout } = pstrace('recipe', '--kernel', '4.14.180', '--arch', 'arm64')
    expect(status).toBe(0)
    expect(stdout).toContain("'entry=+48(%x0):x64' swap_writeout swap_writepage")
  })

  it('ends with status 2 for a kernel that it does not know', () => {
    const { status, stderr } = pstrace('recipe', '--kernel', '3.10')
    expect([status, stderr]).toEqual([2, expect.stringContaining('4.9 to 7.1')])
  })
})
