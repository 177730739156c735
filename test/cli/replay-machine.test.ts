import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, openDoor } from './front-door.ts'
import { writeRoomyWork } from './roomy-work.ts'

let door: Door
beforeAll(async () => {
  door = openDoor()
  // Runs need a trace to belong to; the workload is another.
  expect(door.run(['generate', 'phone', '-o', 'phone.dat', '--events', '300']).status).toBe(0)
  expect(door.run(['ingest', '-q', 'phone.dat']).status).toBe(0)
  await writeRoomyWork(door.folder)
})
afterAll(() => door.close())

/** zbud wastes no memory on size classes, of which a small pool would be nothing but half-filled ones. */
const WORK = ['--workload', 'work', '--backend', 'zswap', '--set', 'zpool=zbud']

const made = new Map<string, Readonly<Record<string, number>>>()

/** Metrics of a run with these options; each is made once. */
function run(...args: readonly string[]): Readonly<Record<string, number>> {
  const key = args.join(' ')
  const known = made.get(key)
  if (known !== undefined) return known
  const policy = args.includes('--policy') ? [] : ['--policy', 'kcompressd']
  const replayed = door.run(['replay', '-q', ...WORK, ...policy, ...args])
  expect(replayed.status, replayed.stderr).toBe(0)
  const rows = door.rows<{ metric: string; value: number }>([
    'query',
    `SELECT metric, value FROM metrics WHERE run_id = ${replayed.stdout.trim()} AND value IS NOT NULL`,
  ])
  const metrics = Object.fromEntries(rows.map(({ metric, value }) => [metric, value]))
  made.set(key, metrics)
  return metrics
}

const work = (...args: readonly string[]): number => run(...args)['work_ns'] ?? Number.NaN

describe('a mistake is found before anything is opened', () => {
  it.each<readonly [string, RegExp]>([
    ['replay --policy paralel', /paralel/],
    ['replay --set vm.kcompresd=1', /vm\.kcompresd/],
    ['replay --policy parallel --set vm.parallel_swap=-1', /whole number from 0/],
    ['replay --change vm.kcompressd=1@1s', /vm\.kcompressd/],
    ['replay --set vma_ra_enabled=2', /expected 0 or 1/],
    ['replay --codec lz5', /lz5/],
    ['replay --backend zrm', /zrm/],
    ['replay --slots maps', /maps/],
    ['sweep --policy kcompresd', /kcompresd/],
    ['validate trace:a trace:b --policy kcompresd', /kcompresd/],
  ])('%s', (command, message) => {
    // The database does not exist: to say so would be second.
    const { status, stderr } = door.run([...command.split(' '), '--db', 'none.duckdb'])
    expect(status).toBe(2)
    expect(stderr).toMatch(message)
  })
})

describe('--cpus', () => {
  it('one takes longer than two', () => {
    expect(work('--cpus', '1')).toBeGreaterThan(work('--cpus', '2'))
  })

  it('slower ones take longer, and use more time for the same work', () => {
    const fast = run('--cpus', '2')
    const slow = run('--cpus', '2x0.4')
    expect(slow['work_ns']).toBeGreaterThan(1.5 * (fast['work_ns'] ?? Number.NaN))
    expect(slow['engine.cpu_ns']).toBeGreaterThan(1.5 * (fast['engine.cpu_ns'] ?? Number.NaN))
  })

  it('a big core and a little one lie between two big and two little ones', () => {
    const mixed = work('--cpus', '1x1.0+1x0.4')
    expect(mixed).toBeGreaterThan(work('--cpus', '2'))
    expect(mixed).toBeLessThan(work('--cpus', '2x0.4'))
  })

  it('is what the run says of itself', () => {
    run('--cpus', '1x1.0+1x0.4')
    const { stdout } = door.run([
      'query',
      "SELECT cpus FROM runs WHERE cpus LIKE '%x%'",
      '--format',
      'csv',
    ])
    expect(stdout).toContain('1x1+1x0.4')
  })
})

describe('a run', () => {
  beforeAll(() => {
    const rotated = join(door.folder, 'rotated')
    cpSync(join(door.folder, 'work'), rotated, { recursive: true })
    const file = join(rotated, 'workload.json')
    const recorded = {
      recordedPolicy: { value: 'kcompressd', basis: 'event' },
      recordedTunables: { 'pstrace.rotate': { value: 1, basis: 'snapshot' } },
    }
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...recorded }))
  })

  it('tells what it has otherwise than the recorded machine', () => {
    const unlike = (...args: readonly string[]): unknown => {
      const replayed = door.run(['replay', '-q', '--workload', 'rotated', ...args])
      expect(replayed.status, replayed.stderr).toBe(0)
      const id = replayed.stdout.trim()
      const [row] = door.rows<{ unlike: string }>([
        'query',
        `SELECT config->>'unlikeRecorded' AS unlike FROM runs WHERE run_id = ${id}`,
      ])
      return JSON.parse(row?.unlike ?? 'null')
    }
    expect(unlike('--policy', 'parallel', '--set', 'vm.parallel_swap=2')).toEqual([])
    expect(unlike('--policy', 'kswapd', '--cpus', '2x0.4', '--set', 'pstrace.demand=1.1')).toEqual([
      'CPUs',
      'demand',
    ])
    expect(unlike('--policy', 'kcompressd')).toEqual(['tunables'])
    expect(unlike('--policy', 'kcompressd', '--set', 'pstrace.rotate=1')).toEqual([])
  })

  it('under a policy that leaves the backend alone is said to be so', () => {
    const { stdout } = door.run(['replay', ...WORK, '--policy', 'kcompressd-v1'])
    expect(stdout).toContain('kcompressd-v1 does not cover zswap')
    expect(door.run(['replay', ...WORK, '--policy', 'parallel']).stdout).not.toContain('cover')
  })
})

describe('--background', () => {
  it('every share more of it takes longer, and makes stalls longer', () => {
    const times = ['none', '0.4', '0.8'].map((load) => work('--background', load))
    for (let index = 1; index < times.length; index++)
      expect(times[index]).toBeGreaterThan(times[index - 1] ?? Number.NaN)
    expect(run('--background', '0.8')['engine.all_stall_total_ns']).toBeGreaterThan(
      run('--background', 'none')['engine.all_stall_total_ns'] ?? Number.NaN,
    )
  })

  it('none is what a workload without load has', () => {
    expect(run()).toEqual(run('--background', 'none'))
  })
})

describe('--demand open', () => {
  it('keeps tasks to their clock: the same memory is asked for sooner, so they stall more', () => {
    // A run has some thirty stalls, so one seed decides nothing.
    const sum = (metric: string, ...args: readonly string[]): number =>
      ['1', '2', '3']
        .map((seed) => run('--policy', 'kswapd', '--seed', seed, ...args)[metric] ?? Number.NaN)
        .reduce((all, value) => all + value)
    expect(sum('work_ns', '--demand', 'open')).toBeLessThan(sum('work_ns'))
    const stalled = 'engine.all_stall_total_ns'
    expect(sum(stalled, '--demand', 'open')).toBeGreaterThan(sum(stalled))
  })

  it('is labelled in the first line', () => {
    const { stdout } = door.run(['replay', ...WORK, '--policy', 'kswapd', '--demand', 'open'])
    expect(stdout.split('\n')[0]).toContain('demand: open loop')
  })
})

describe('--log', () => {
  it('holds what the printed figures are counted from, and says what its events are', () => {
    const { status, stderr, stdout } = door.run([
      ...['replay', ...WORK, '--policy', 'parallel', '--log', 'run.ndjson', '--format', 'json'],
    ])
    expect(status, stderr).toBe(0)
    const [head, ...events] = readFileSync(join(door.folder, 'run.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const described = Object.keys((head as { events: Record<string, string> }).events)
    const counts = new Map<unknown, number>()
    let stolen = 0
    for (const { event, value, detail } of events) {
      counts.set(event, (counts.get(event) ?? 0) + 1)
      if (event === 'batch' && String(detail).endsWith('anon')) stolen += Number(value)
    }
    for (const event of counts.keys()) expect(described).toContain(event)
    const printed = new Map(
      (JSON.parse(stdout) as { label: string; metric: string; value: number }[])
        .filter(({ label }) => label === 'parallel')
        .map(({ metric, value }) => [metric, value]),
    )
    const end = Number(events.at(-1)?.['ns'])
    expect(printed.get('work_ns')).toBe(end)
    expect(printed.get('swapout_pages')).toBe(counts.get('swap-out'))
    expect(printed.get('allocstalls')).toBe(counts.get('direct'))
    expect(printed.get('pgsteal_anon_per_s')).toBeCloseTo(stolen / (end / 1e9), 3)
  })

  it('never replaces a file without --force', () => {
    writeFileSync(join(door.folder, 'mine.ndjson'), 'mine')
    const { status, stderr } = door.run(['replay', ...WORK, '--log', 'mine.ndjson'])
    expect([status, stderr.includes('--force')]).toEqual([1, true])
    expect(readFileSync(join(door.folder, 'mine.ndjson'), 'utf8')).toBe('mine')
  })
})

describe('--change', () => {
  it('gives a tunable another value from a moment on', () => {
    const { status, stdout, stderr } = door.run([
      ...['replay', '-q', ...WORK, '--policy', 'parallel', '--cpus', '4'],
      ...['--change', 'vm.parallel_swap=0@300ms'],
    ])
    expect(status, stderr).toBe(0)
    const rows = door.run([
      'query',
      `SELECT path, max(submit_ns) <= 300000000 AS only_before FROM swapouts WHERE run_id = ${stdout.trim()} AND path IN ('queued', 'displaced') GROUP BY path ORDER BY path`,
      ...['--format', 'json'],
    ])
    const found = JSON.parse(rows.stdout) as { path: string; only_before: boolean }[]
    expect(found.map(({ path }) => path)).toContain('queued')
    for (const { only_before } of found) expect(only_before).toBe(true)
  })

  it.each([
    ['vm.parallel_swap=0', 'name=value@time'],
    ['vm.kcompressd=3@1s', 'unknown tunable'],
    ['vm.parallel_swap=-4@1s', 'expected a whole number from 0'],
  ])('refuses %s', (change, said) => {
    const { status, stderr } = door.run([
      ...['replay', ...WORK, '--policy', 'parallel', '--change', change],
    ])
    expect([status, stderr.includes(said)]).toEqual([2, true])
  })
})
