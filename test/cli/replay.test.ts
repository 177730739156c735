import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, openDoor } from './front-door.ts'

const FIXTURE = fileURLToPath(new URL('../../fixtures/zram-lz4-6.1/trace.dat', import.meta.url))

let door: Door
let first: ReturnType<Door['run']>
beforeAll(() => {
  door = openDoor()
  const read = door.run(['ingest', '-q', FIXTURE])
  expect(read.status, read.stderr).toBe(0)
  first = door.run([
    'replay',
    '--policy',
    'kswapd',
    '--policy',
    'parallel',
    '--set',
    'pstrace.workers=0',
  ])
  expect(first.status, first.stderr).toBe(0)
}, 300_000)
afterAll(() => door.close())

function json(args: readonly string[]): Record<string, unknown>[] {
  const { stdout, stderr, status } = door.run([...args, '--format', 'json'])
  expect(status, stderr).toBe(0)
  return JSON.parse(stdout) as Record<string, unknown>[]
}

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
       FROM (SELECT * EXCLUDE (run_id) REPLACE (trace_id AS trace_id${HAS_TASK.has(table) ? ', task_id % 1000000 AS task_id' : ''}${
         table === 'swapouts' ? ', stored_by % 1000000 AS stored_by' : ''
       }) FROM ${table} WHERE run_id = ${run}) t`,
  )
  return json(['query', sums.join(' UNION ALL ')])
}
const HAS_TASK = new Set(['swapouts', 'swapins', 'reclaim_spans', 'kswapd_spans', 'shrink_batches'])

describe('info on a real recording', () => {
  it('shows no difference between its rows and the counters of the kernel', () => {
    const [trace] = json(['info'])
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

describe('replay', () => {
  it('names contents, demand, seed and the unknown in its first line and the ids of its runs last', () => {
    const lines = first.stdout.trim().split('\n')
    expect(lines[0]).toMatch(
      /^contents: generator seed 1 .*; demand: closed loop; seed 1; unknown: next touch of /,
    )
    expect(lines.slice(-2)).toEqual(['run 1', 'run 2'])
  })

  it('puts the recording and each run side by side', () => {
    expect(first.stdout).toMatch(/^metric +recording +kswapd +parallel$/m)
    for (const metric of ['time for the work', 'swap-outs', 'allocstalls', 'CPU time of all tasks'])
      expect(first.stdout).toMatch(new RegExp(`^${metric}.* \\d`, 'm'))
  })

  it('without workers is to the row what kswapd is', () => {
    expect(fingerprint(2)).toEqual(fingerprint(1))
  })

  it('of the workload that was written to a folder gives the same rows again', () => {
    expect(door.run(['workload', '-o', 'workload']).status).toBe(0)
    const again = door.run(['replay', '-q', '--policy', 'kswapd', '--workload', 'workload'])
    expect([again.stdout, again.stderr, again.status]).toEqual(['3\n', '', 0])
    expect(fingerprint(3)).toEqual(fingerprint(1))
  })

  it('stores a configuration that says everything the run depends on', () => {
    const [run] = json(['query', 'SELECT config FROM runs WHERE run_id = 1'])
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
    const rows = json(['compare', 'run:1', 'run:2'])
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
      'run:3',
      '--format',
      'lkml',
    ])
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(72)
    expect(stdout).not.toContain('\t')
    expect(stdout).toContain('kswapd #3')
  })

  it.each([[['run:1']], [['run:99', 'run:1']], [['nonsense', 'run:1']]])(
    '%j is wrong usage',
    (what) => {
      expect(door.run(['compare', ...what]).status).toBe(2)
    },
  )
})

describe('export', () => {
  it('writes tables once and refuses to replace them', () => {
    expect(
      door.run(['export', '-o', 'out', '--table', 'stalls', '--table', 'swapouts']).status,
    ).toBe(0)
    expect(door.run(['export', '-o', 'out', '--table', 'stalls']).status).toBe(1)
    const rows = json([
      'query',
      "SELECT count(*) AS n FROM read_parquet('out/swapouts.parquet') WHERE run_id = 1",
    ])
    expect(rows).toEqual([{ n: 0 }])
    const latest = json([
      'query',
      "SELECT DISTINCT run_id FROM read_parquet('out/swapouts.parquet') ORDER BY run_id",
    ])
    expect(latest).toEqual([{ run_id: 2 }, { run_id: 3 }, { run_id: null }])
  })
})
