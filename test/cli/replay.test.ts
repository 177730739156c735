import { copyFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { copyFixtureDatabase } from '../shared/fixture-database.ts'
import { interrupted } from './ctrl-c.ts'
import { type Door, openDoor } from './front-door.ts'

/** Runs 1 to 3 are those of the shared database: kswapd, kcompressd, parallel. Run 4 is parallel without workers. */
let door: Door
let fourth: ReturnType<Door['run']>
beforeAll(() => {
  door = openDoor()
  copyFixtureDatabase(join(door.folder, 'pstrace.duckdb'))
  fourth = door.run(['replay', '--policy', 'parallel', '--set', 'pstrace.workers=0'])
  expect(fourth.status, fourth.stderr).toBe(0)
})
afterAll(() => door.close())

/** One number that changes with any row of the run. */
function fingerprint(run: number): unknown {
  const tables = [
    'swapouts',
    'swapins',
    'reclaim_spans',
    'stall_parts',
    'kswapd_spans',
    'samples',
    'shrink_batches',
  ]
  const sums = tables.map(
    (table) =>
      // Threads of the engine have numbers of their own under each policy.
      `SELECT '${table}' AS name, count(*) AS rows, sum(hash(t)::HUGEINT)::VARCHAR AS sum
       FROM (SELECT * EXCLUDE (run_id) REPLACE (trace_id AS trace_id${HAS_TASK.has(table) ? ', task_id % 1000000 AS task_id' : ''}${HAS_TID.has(table) ? ', tid % 1000000 AS tid' : ''}${
         table === 'swapouts' ? ', stored_by % 1000000 AS stored_by' : ''
       }) FROM ${table} WHERE run_id = ${run}) t`,
  )
  return door.rows(['query', sums.join(' UNION ALL ')])
}
const HAS_TID = new Set(['swapouts', 'swapins', 'reclaim_spans', 'kswapd_spans'])
const HAS_TASK = new Set(['swapouts', 'swapins', 'reclaim_spans', 'kswapd_spans', 'shrink_batches'])

describe('info on a real recording', () => {
  it('shows no difference between its rows and the counters of the kernel', () => {
    const [trace] = door.rows(['info'])
    const equations = trace?.['equations'] as { equation: string; difference: number }[]
    expect(equations.map(({ equation }) => equation.split(' ')[0])).toEqual([
      'nr_vmscan_write',
      'pswpout',
      'pswpin',
      'sum',
      'pgsteal_anon',
      'pgsteal_kswapd',
      'pgsteal_direct',
    ])
    expect(equations.filter(({ difference }) => difference !== 0)).toEqual([])
  })
})

describe('a run with settings of its own', () => {
  it('is told from others of its policy wherever its figures stand', () => {
    const stalls = door.run(['stalls', '--run', '4', '--run', '3']).stdout
    expect(stalls).toMatch(/3 parallel, 4 parallel \(pstrace\.workers=0\):/)
    const { stdout } = door.run(['report', '--run', '4', '--format', 'md'])
    expect(stdout).toContain('(run 4, pstrace.workers=0)')
  })
})

describe('workload of a real recording', () => {
  it('has what zoneinfo says that a zone keeps for allocations that can use no other', () => {
    const rows = door.rows(['workload']).filter(({ name }) => String(name).endsWith('.reserve'))
    expect(rows.map(({ name, value, basis }) => [name, Number(value), basis])).toEqual([
      ['node0.DMA.reserve', 346, 'snapshot'],
    ])
  })
})

describe('replay', () => {
  it('names contents, demand, seed and the unknown in its first line and the ids of its runs last', () => {
    const lines = fourth.stdout.trim().split('\n')
    expect(lines[0]).toMatch(
      /^contents: generator seed 1 .*; demand: closed loop; seed 1; unknown: next touch of /,
    )
    expect(lines.at(-1)).toBe('run 4')
  })

  it('puts the recording and each run side by side', () => {
    expect(fourth.stdout).toMatch(/^metric +recording +parallel$/m)
    for (const metric of ['time for the work', 'swap-outs', 'allocstalls', 'CPU time of all tasks'])
      expect(fourth.stdout).toMatch(new RegExp(`^${metric}.* \\d`, 'm'))
  })

  it('without workers is to the row what kswapd is', () => {
    expect(fingerprint(4)).toEqual(fingerprint(1))
  })

  it('of the workload that was written to a folder gives the same rows again', () => {
    expect(door.run(['workload', '-o', 'workload']).status).toBe(0)
    const again = door.run(['replay', '-q', '--policy', 'kswapd', '--workload', 'workload'])
    expect([again.stdout, again.stderr, again.status]).toEqual(['5\n', '', 0])
    expect(fingerprint(5)).toEqual(fingerprint(1))
  })

  it('stores a configuration that says everything the run depends on', () => {
    const [run] = door.rows(['query', 'SELECT config FROM runs WHERE run_id = 1'])
    expect(JSON.parse(String(run?.['config']))).toMatchObject({
      policy: 'kswapd',
      backend: 'zram',
      codec: 'lz4',
      codecImplementation: 'portable',
      seed: 1,
      demand: 'closed',
      clock: 'virtual',
      cpus: [
        { node: 0, speed: 1 },
        { node: 0, speed: 1 },
      ],
    })
  })

  it.each([
    [['--policy', 'paralel'], 'Did you mean parallel?'],
    [['--policy', 'parallel', '--set', 'vm.parallel_swp=1'], 'Did you mean vm.parallel_swap?'],
    [['--codec', 'lz5'], 'Did you mean lz4?'],
    [['--backend', 'zrm'], 'Did you mean zram?'],
    [['--slots', 'clusters'], 'Did you mean cluster?'],
    [['--contents', 'corpse'], 'Did you mean corpus?'],
    [['--cpus', '0'], 'expected a number of CPUs'],
    [['--background', '2'], 'from 0 to 1'],
    [['--set', 'x'], 'key=value'],
  ])('%j is wrong usage that says what is known', (args, message) => {
    const { status, stderr, stdout } = door.run(['replay', ...args])
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })
})

describe('compare', () => {
  it('shows equal runs as equal', () => {
    const rows = door.rows(['compare', 'run:1', 'run:4'])
    const values = new Map<unknown, unknown[]>()
    for (const { metric, value } of rows) values.set(metric, [...(values.get(metric) ?? []), value])
    expect(values.size).toBeGreaterThan(20)
    for (const [metric, pair] of values) expect(pair[0], String(metric)).toBe(pair[1])
  })

  it('as lkml fits 72 columns without tabs', () => {
    const { stdout } = door.run([
      'compare',
      'trace:zram-lz4-6.1',
      'run:1',
      'run:2',
      'run:5',
      '--format',
      'lkml',
    ])
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(72)
    expect(stdout).not.toContain('\t')
    expect(stdout).toContain('kswapd #5')
  })

  it('as md is a table that Markdown reads: a header, a rule, and as many cells in every line', () => {
    const { stdout, status } = door.run([
      'compare',
      'trace:zram-lz4-6.1',
      'run:1',
      '--format',
      'md',
    ])
    expect(status).toBe(0)
    const lines = stdout.trim().split('\n')
    expect(lines[0]).toBe('| metric | zram-lz4-6.1 | kswapd #1 | ratio |')
    expect(lines[1]).toBe('| --- | ---: | ---: | ---: |')
    expect(lines.length).toBeGreaterThan(20)
    for (const line of lines) expect(line.split(' | ')).toHaveLength(4)
  })

  it('of database files takes the recording and the latest run of each policy from each', () => {
    copyFileSync(join(door.folder, 'pstrace.duckdb'), join(door.folder, 'other.duckdb'))
    const { stdout, status, stderr } = door.run([
      'compare',
      'pstrace.duckdb',
      'other.duckdb',
      '--format',
      'md',
    ])
    expect(status, stderr).toBe(0)
    expect(stdout.split('\n')[0]).toBe(
      '| metric | pstrace | pstrace kcompressd | pstrace parallel | pstrace kswapd | other | other kcompressd | other parallel | other kswapd |',
    )
    const stalls = /^\| applications: stall time \|(.*)$/m.exec(stdout)?.[1]?.split(' | ') ?? []
    expect(stalls.slice(0, 4).map((cell) => cell.trim())).toEqual(
      stalls.slice(4).map((cell) => cell.replace('|', '').trim()),
    )
  })

  it.each([[['run:1']], [['run:99', 'run:1']], [['nonsense', 'run:1']]])(
    '%j is wrong usage',
    (what) => {
      expect(door.run(['compare', ...what]).status).toBe(2)
    },
  )
})

/** Bytes of a file, 0 where there is none. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

describe('Ctrl-C', () => {
  it('in the middle of a run ends replay with status 130, says so in a line, and leaves nothing of the run', async () => {
    copyFixtureDatabase(join(door.folder, 'cut.duckdb'))
    const { status, signal, stdout, stderr } = await interrupted(
      ['replay', '--db', 'cut.duckdb', '--policy', 'kcompressd', '--log', 'cut.ndjson'],
      {
        folder: door.folder,
        isUnderWay: ({ pid }) => sizeOf(join(door.folder, `.cut.ndjson.${pid}.tmp`)) > 0,
      },
    )
    expect([status, signal, stdout]).toEqual([130, null, ''])
    expect(stderr.trim().split('\n').slice(1)).toEqual(['interrupted: no run is kept'])
    const left = door.rows([
      'query',
      '--db',
      'cut.duckdb',
      "SELECT (SELECT count(*) FROM pstrace.main.runs) AS runs, (SELECT max(run_id) FROM pstrace.main.swapouts) AS newest, (SELECT count(*) FROM pstrace.main.runs WHERE state <> 'complete') AS cut",
    ])
    expect(left).toEqual([{ runs: 3, newest: 3, cut: 0 }])
    // Nor a log of a part of it, which would be in the way of the next one.
    expect(readdirSync(door.folder).filter((name) => name.includes('cut.ndjson'))).toEqual([])
  })

  it('in a sweep ends it with status 130, and says how many runs are kept and printed', async () => {
    copyFixtureDatabase(join(door.folder, 'cut-sweep.duckdb'))
    const db = ['--db', 'cut-sweep.duckdb']
    const { status, signal, stdout, stderr } = await interrupted(
      [
        ...['sweep', ...db, '--policy', 'kswapd', '--seeds', '1000'],
        ...['--format', 'json', '--progress', 'json'],
      ],
      { folder: door.folder, isUnderWay: (_child, told) => told.includes('"done":') },
    )
    const kept = (JSON.parse(stdout) as unknown[]).length
    expect([status, signal]).toEqual([130, null])
    expect(stderr.trim().split('\n').at(-1)).toBe(
      `interrupted: of 1,000 runs ${kept} ${kept === 1 ? 'is' : 'are'} kept`,
    )
    const left = door.rows([
      'query',
      ...db,
      "SELECT count(*) AS runs, count(*) FILTER (state <> 'complete') AS cut FROM pstrace.main.runs",
    ])
    expect(left).toEqual([{ runs: 3 + kept, cut: 0 }])
  })
})

describe.each(['SIGTERM', 'SIGKILL'] as const)('%s', (ending) => {
  it('in the middle of a run leaves nothing of its log', async () => {
    copyFixtureDatabase(join(door.folder, 'ended.duckdb'))
    const logs = () => readdirSync(door.folder).filter((name) => name.includes('ended.ndjson'))
    const { status, signal } = await interrupted(
      ['replay', '--db', 'ended.duckdb', '--policy', 'kcompressd', '--log', 'ended.ndjson'],
      {
        folder: door.folder,
        isUnderWay: ({ pid }) => sizeOf(join(door.folder, `.ended.ndjson.${pid}.tmp`)) > 0,
        signal: ending,
      },
    )
    expect([status, signal]).toEqual([null, ending])
    await expect.poll(logs, { timeout: 10_000 }).toEqual([])
  })
})

describe('sweep', () => {
  it("keeps figures, and its runs are nobody's latest", () => {
    copyFixtureDatabase(join(door.folder, 'sweep.duckdb'))
    const db = ['--db', 'sweep.duckdb']
    const rows = door.rows(['sweep', ...db, '--policy', 'parallel', '--set', 'vm.parallel_swap=0'])
    expect(rows).toHaveLength(1)
    expect(rows[0]?.['run_id']).toBe(4)
    expect(Number(rows[0]?.['swapout_pages'])).toBeGreaterThan(10_000)
    const latest = door.rows(['stalls', ...db, '--run', 'parallel', '--by', 'summary'])
    expect(latest.map((row) => row['run_id'])).toContain(3)
    expect(latest.map((row) => row['run_id'])).not.toContain(4)
    const { status, stderr } = door.run(['stalls', ...db, '--run', '4'])
    expect(status).toBe(3)
    expect(stderr).toContain('compare run:4')
    const compared = door.rows(['compare', ...db, 'run:4', 'run:1'])
    const stalls = compared.filter(({ metric }) => metric === 'app_stall_ns')
    expect(stalls[0]?.['value']).toBe(stalls[1]?.['value'])
  })
})

describe('export', () => {
  it('writes tables once and refuses to replace them', () => {
    expect(
      door.run(['export', '-o', 'out', '--table', 'stalls', '--table', 'swapouts']).status,
    ).toBe(0)
    expect(door.run(['export', '-o', 'out', '--table', 'stalls']).status).toBe(1)
    const rows = door.rows([
      'query',
      "SELECT count(*) AS n FROM read_parquet('out/swapouts.parquet') WHERE run_id = 1",
    ])
    expect(rows).toEqual([{ n: 0 }])
    const latest = door.rows([
      'query',
      "SELECT DISTINCT run_id FROM read_parquet('out/swapouts.parquet') ORDER BY run_id",
    ])
    expect(latest).toEqual([{ run_id: 2 }, { run_id: 4 }, { run_id: 5 }, { run_id: null }])
  })
})
