import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generated, generatedFolder, scenarioNamed } from '../generate/file.ts'
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
    timeout: 30_000,
    cwd: folder,
  })
  return { status, stdout, stderr }
}

function answersOf(stdout: string): unknown[] {
  const rows = JSON.parse(stdout) as { answer: string }[]
  return rows.map(({ answer }) => answer)
}

describe('pstrace doctor', () => {
  it('says the same of one recording in every format', () => {
    const choice = { scenario: scenarioNamed('phone'), events: 1500, clock: 'boot' } as const
    const found = (['v7', 'perf', 'perfetto', 'text'] as const).map((format) => {
      const path = join(folder, format)
      writeFileSync(path, generated({ ...choice, format }).bytes)
      return answersOf(pstrace('doctor', path, '--format', 'json').stdout)
    })
    const copy = join(folder, 'copy')
    generatedFolder(choice, copy)
    found.push(answersOf(pstrace('doctor', copy, '--format', 'json').stdout))
    for (const answers of found) expect(answers).toEqual(found[0])
    expect(found[0]).toContain('yes')
  })

  it('ends with status 3 when the trace can answer nothing', () => {
    const path = join(folder, 'empty.txt')
    writeFileSync(
      path,
      '# tracer: nop\n#\n          <idle>-0       [000] d..2.     1.000000: irq_exit: x=1\n',
    )
    const { status, stderr } = pstrace('doctor', path)
    expect([status, stderr]).toEqual([3, expect.stringContaining('none of these questions')])
  })
})

describe('what doctor says of a file', () => {
  const phone = scenarioNamed('phone')
  const cases: readonly (readonly [string, () => string])[] = [
    ...(
      [
        ['all events and probes', { probes: 'full' }],
        ['neither probes nor scheduler', { probes: 'none' }],
        ['the layouts of 4.9 and losses', { kernel: '4.9', loss: 0.1 }],
      ] as const
    ).map(([name, choice]): [string, () => string] => [
      name,
      () => {
        const path = join(folder, `${name.replaceAll(' ', '-')}.dat`)
        const { bytes } = generated({ scenario: phone, format: 'v7', events: 3000, ...choice })
        writeFileSync(path, bytes)
        return path
      },
    ]),
    ['a real kernel', () => join(root, 'fixtures/zram-lz4-6.1/trace.dat')],
    ['perf without probes', () => join(root, 'fixtures/perf/vmscan-6.12-cut.data')],
    [
      'no event of memory',
      () => {
        const path = join(folder, 'switches.txt')
        writeFileSync(
          path,
          '          <idle>-0       [000] d..2.     1.000000: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=a next_pid=7 next_prio=120\n',
        )
        return path
      },
    ],
  ]
  it.each(cases)(
    'is what ingest, info and replay then do with it: %s',
    (_, make) => {
      const path = make()
      const db = join(folder, 'agree.duckdb')
      rmSync(db, { force: true })
      const parse = (stdout: string) => JSON.parse(stdout) as Record<string, unknown>[]
      const doctor = pstrace('doctor', path, '--format', 'json')
      const said = parse(doctor.stdout)
      expect(pstrace('ingest', '-q', '--db', db, path).status).toBe(0)
      const [info] = parse(pstrace('info', '--db', db, '--format', 'json').stdout)
      expect(info?.['fitness']).toEqual(said)
      const answerTo = (question: string) =>
        said.find((row) => String(row['question']).includes(question))?.['answer']
      const [rows] = parse(
        pstrace(
          'query',
          '--db',
          db,
          '--format',
          'json',
          `SELECT
          (SELECT count(*) FROM swapins WHERE swapout_id IS NOT NULL) AS refaults,
          (SELECT count(*) FROM swapins WHERE end_ns IS NOT NULL) AS timed_reads,
          (SELECT count(*) FROM swapouts WHERE start_ns IS NOT NULL AND stored_ns IS NOT NULL) AS timed_stores,
          (SELECT count(*) FROM reclaim_spans WHERE kind = 'direct') AS direct`,
        ).stdout,
      )
      const has = (name: string) => Number(rows?.[name]) > 0
      // What was asked for and never came is answered by "none".
      if (has('direct')) expect(answerTo('who stalled')).not.toBe('no')
      const isWhole = info?.['lost_gaps'] === 0
      expect({
        refaults: answerTo('refaults') !== 'no',
        reads: answerTo('swap-in latency') === 'yes',
        stores: answerTo('scan and store') === 'yes',
      }).toEqual({
        refaults: has('refaults'),
        reads: has('timed_reads') && isWhole,
        stores: has('timed_stores') && isWhole,
      })
      // Extraction decides; what it gives, a replay runs.
      const workload = pstrace('workload', '--db', db)
      expect(workload.status).toBe(answerTo('replay') === 'no' ? 3 : 0)
      expect(doctor.status).toBe(said.every(({ answer }) => answer === 'no') ? 3 : 0)
    },
    60_000,
  )
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
