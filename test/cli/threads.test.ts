import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../shared/binary.ts'
import { copyFixtureDatabase } from '../shared/fixture-database.ts'
import { cpuSeconds, interrupted } from './ctrl-c.ts'
import { type Door, openDoor } from './front-door.ts'

const SCENARIO = join(ROOT, 'fixtures/scenarios/toy-des')

/** Runs 1 to 3 are those of the shared database; 4 and 5 are kswapd and parallel on threads. */
let door: Door
let both: ReturnType<Door['run']>
beforeAll(() => {
  door = openDoor()
  copyFixtureDatabase(join(door.folder, 'pstrace.duckdb'))
  both = threads('--policy', 'kswapd', '--policy', 'parallel')
})
afterAll(() => door.close())

const threads = (...args: readonly string[]) =>
  door.run(['replay', '--clock', 'threads', '--workload', SCENARIO, ...args])

const rows = (sql: string) => door.rows(['query', sql])

describe('replay --clock threads', () => {
  it('says what real threads cannot tell, and prints a column for each run and none for the recording', () => {
    const { stdout, stderr, status } = both
    expect(status, stderr).toBe(0)
    expect(stdout).toMatch(/^contents: generator .*; clock: threads of this host \(\d+ CPUs/)
    expect(stdout).toContain('differ from run to run')
    expect(stdout).toMatch(/^metric +kswapd \(threads\) +parallel \(threads\)$/m)
    expect(stdout).not.toMatch(/recording {2}|allocstalls|stall time/)
    expect(stdout.trim().split('\n').slice(-2)).toEqual(['run 4', 'run 5'])
  })

  it('keeps its runs apart: clock, no demand, and every page of the stream stored once', () => {
    expect(
      rows(`SELECT r.run_id, r.clock, r.demand, r.backend, count(*) AS n, count(DISTINCT page_id) AS pages, count(stored_ns) AS stored
            FROM runs r JOIN swapouts USING (run_id) WHERE run_id > 3 GROUP BY ALL ORDER BY run_id`),
    ).toEqual(
      [4, 5].map((run_id) => ({
        run_id,
        clock: 'threads',
        demand: null,
        backend: null,
        n: 4000,
        pages: 4000,
        stored: 4000,
      })),
    )
  })

  it('gives times that follow each other and ranks without gaps', () => {
    const [row] = rows(`SELECT
        count(*) FILTER (NOT (submit_ns <= start_ns AND start_ns <= stored_ns)) AS wrong,
        count(*) FILTER (path = 'bypass' AND submit_rank IS NOT NULL) AS ranked_bypass,
        max(start_rank) - count(start_rank) AS gaps_start, max(done_rank) - count(done_rank) AS gaps_done,
        count(*) FILTER (path = 'displaced' AND stored_by <> task_id) AS displaced_elsewhere,
        count(*) FILTER (path = 'queued' AND stored_by = task_id) AS queued_here
      FROM swapouts WHERE run_id = 5`)
    expect(row).toEqual({
      wrong: 0,
      ranked_bypass: 0,
      gaps_start: 0,
      gaps_done: 0,
      displaced_elsewhere: 0,
      queued_here: 0,
    })
  })

  it('finds the same compressed bytes as any other run on threads', () => {
    const sums = rows(
      'SELECT sum(compressed_bytes) AS bytes FROM swapouts WHERE run_id > 3 GROUP BY run_id',
    )
    expect(sums[0]).toEqual(sums[1])
  })

  it('is nobody’s latest run: tables beside the recording stay in its clock', () => {
    const { stdout, status } = door.run(['order'])
    expect([status, stdout.includes('parallel'), stdout.includes('threads')]).toEqual([
      0,
      true,
      false,
    ])
    const named = door.run(['order', '--run', '5'])
    expect([named.status, named.stdout.includes('parallel (threads)')]).toEqual([0, true])
  })

  it.each([
    [['--demand', 'open'], '--demand'],
    [['--background', '0.5'], '--background'],
    [['--backend', 'zram'], '--backend'],
    [['--log', 'x.ndjson'], '--log'],
    [['--set', 'pstrace.demand=2'], 'pstrace.demand=2'],
  ])('refuses %j, which only virtual time has', (args, named) => {
    const { status, stderr } = threads('--policy', 'kswapd', ...args)
    expect(status).toBe(2)
    expect(stderr).toContain(named)
  })

  it('ends at Ctrl-C with status 130, keeps the run that was complete, and leaves nothing of the other', async () => {
    const before = rows('SELECT count(*) AS n FROM runs')[0]?.['n']
    let begunAt = Number.POSITIVE_INFINITY
    const { status } = await interrupted(
      [
        ...['replay', '--clock', 'threads', '--workload', SCENARIO],
        // Unmapping a thousand times as slow: the run would take minutes.
        ...['--policy', 'kcompressd', '--set', 'pstrace.cost.unmap=1000'],
      ],
      {
        folder: door.folder,
        isUnderWay: (child, stderr) => {
          if (stderr.includes('workload:')) begunAt = Math.min(begunAt, cpuSeconds(child))
          return cpuSeconds(child) > begunAt + 2
        },
      },
    )
    expect(status).toBe(130)
    expect(rows('SELECT count(*) AS n FROM runs')[0]?.['n']).toBe(before)
    expect(rows("SELECT count(*) AS n FROM runs WHERE state <> 'complete'")[0]?.['n']).toBe(0)
  })
})
