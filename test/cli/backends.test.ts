import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { createGenerator } from '../../src/memory/contents/index.ts'
import { type Door, openDoor } from './front-door.ts'
import { writeRoomyWork } from './roomy-work.ts'

let door: Door
beforeAll(async () => {
  door = openDoor()
  await writeRoomyWork(door.folder)
})
afterAll(() => door.close())

interface Run {
  readonly id: string
  readonly metrics: Readonly<Record<string, number>>
}

const made = new Map<string, Run>()

/** A run with these settings of the backend and options; each is made once. */
function run(backend: string, ...given: readonly string[]): Run {
  const key = [backend, ...given].join(' ')
  const options = given.filter((each) => each.startsWith('--'))
  const settings = given.filter((each) => !each.startsWith('--'))
  const known = made.get(key)
  if (known !== undefined) return known
  const { stdout, stderr, status } = door.run([
    ...['replay', '-q', '--workload', 'work', '--policy', 'kswapd', '--backend', backend],
    ...settings.flatMap((setting) => ['--set', `${backend}.${setting}`]),
    ...options,
  ])
  expect(status, stderr).toBe(0)
  const id = stdout.trim()
  const rows = query<{ metric: string; value: number }>(
    `SELECT metric, value FROM metrics WHERE run_id = ${id} AND value IS NOT NULL`,
  )
  const fresh = { id, metrics: Object.fromEntries(rows.map((row) => [row.metric, row.value])) }
  made.set(key, fresh)
  return fresh
}

const query = <Row>(sql: string) => door.rows<Row>(['query', sql])

const metric = ({ metrics }: Run, name: string): number => metrics[name] ?? Number.NaN

const moves = ({ id }: Run, reason: string): number =>
  query<{ n: number }>(
    `SELECT count(*) AS n FROM pool_moves WHERE run_id = ${id} AND reason = '${reason}'`,
  )[0]?.n ?? Number.NaN

describe('zram settings in runs', () => {
  it('mem_limit: stores fail, and the pool holds no more than that', () => {
    const limit = Math.round(metric(run('zram'), 'pool_memory_bytes') / 2)
    const limited = run('zram', `mem_limit=${limit}`)
    expect(moves(limited, 'reject')).toBeGreaterThan(0)
    expect(metric(limited, 'rejected_pages')).toBe(moves(limited, 'reject'))
    expect(metric(limited, 'pool_memory_bytes')).toBeLessThanOrEqual(limit)
  })

  const written = ['backing_pages=10000', 'writeback=idle', 'idle_age_ms=1', 'upkeep_every_ms=2']

  it('writeback: memory of the pool falls, and what comes back from the disk waits as long as the disk takes', () => {
    const slow = run('zram', ...written, 'disk_latency_us=3000')
    expect(moves(slow, 'writeback')).toBeGreaterThan(0)
    expect(metric(slow, 'disk_out_pages')).toBe(moves(slow, 'writeback'))
    expect(metric(slow, 'pool_memory_bytes')).toBeLessThan(metric(run('zram'), 'pool_memory_bytes'))
    const [read] = query<{ n: number; least: number }>(
      `SELECT count(*) AS n, min(wait_ns) AS least FROM swapins WHERE run_id = ${slow.id} AND met = 'disk'`,
    )
    expect(read?.n).toBe(metric(slow, 'disk_in_pages'))
    expect(read?.least).toBeGreaterThanOrEqual(3_000_000)
  })

  it('writeback_limit: no page more', () => {
    expect(moves(run('zram', ...written, 'writeback_limit=40'), 'writeback')).toBe(40)
  })

  it('recompress: a stronger codec moves pages to smaller classes', () => {
    const stronger = run('zram', 'recompress=all', 'recomp_algorithm=zstd', 'upkeep_every_ms=2')
    expect(metric(stronger, 'recompressed_pages')).toBe(moves(stronger, 'recompress'))
    expect(moves(stronger, 'recompress')).toBeGreaterThan(0)
    expect(metric(stronger, 'pool_peak_bytes')).toBeLessThan(metric(run('zram'), 'pool_peak_bytes'))
  })

  it('level: every page is as large as that level of the codec makes it', async () => {
    const page = new Uint8Array(4096)
    createGenerator({ seed: 1 }).fill(18, 0, -1, page)
    writeFileSync(join(door.folder, 'page.raw'), page)
    expect(door.run(['pages', 'build', 'page.raw', '-o', 'one.pages']).status).toBe(0)
    const sizes = new Set<number>()
    for (const level of [undefined, 12, -50]) {
      const settings = level === undefined ? [] : [`level=${level}`]
      const leveled = run('zram', ...settings, '--codec=zstd', '--contents=corpus:one.pages')
      const codec = await openCodec('zstd', level === undefined ? {} : { level })
      const size = codec.compress(page, new Uint8Array(codec.bound(4096)))
      sizes.add(size)
      expect(
        query(
          `SELECT DISTINCT compressed_bytes AS size FROM swapouts WHERE run_id = ${leveled.id} AND place = 'zram'`,
        ),
      ).toEqual([{ size }])
      expect(metric(leveled, 'pool_peak_bytes') % size).toBe(0)
    }
    expect(sizes.size).toBe(3)
  })

  it('writeback without a backing device, and a name that zram does not have, are wrong usage', () => {
    for (const [setting, said] of [
      ['zram.writeback=idle', 'backing_pages'],
      ['zram.mem_limits=1', 'zram.mem_limit'],
    ] as const) {
      const { stderr, status } = door.run([
        ...['replay', '--workload', 'work', '--backend', 'zram', '--set', setting],
      ])
      expect([status, stderr.includes(said)]).toEqual([2, true])
    }
  })
})

describe('zswap settings in runs', () => {
  const small = 'max_pool_percent=2'

  it('what the full pool refuses or writes back is on the disk', () => {
    const full = run('zswap', small)
    expect(metric(full, 'disk_out_pages')).toBe(moves(full, 'reject') + moves(full, 'writeback'))
    expect(metric(full, 'rejected_pages')).toBe(moves(full, 'reject'))
    expect(moves(full, 'reject')).toBeGreaterThan(0)
  })

  it('memcg_writeback=0: no page reaches the disk, so the work ends where zswap is full', () => {
    const kept = run('zswap', 'memcg_max=200000', 'memcg_writeback=0')
    const [disk] = query<{ n: number }>(
      `SELECT count(*) AS n FROM swapouts WHERE run_id = ${kept.id} AND place = 'disk'`,
    )
    expect(disk?.n).toBe(0)
    expect(metric(kept, 'engine.work_used')).toBeLessThan(1)
    expect(metric(run('zswap', 'memcg_max=200000'), 'engine.work_used')).toBe(1)
  })

  it('memcg_max: zswap holds hardly more of the cgroup than that', () => {
    const limited = run('zswap', 'memcg_max=200000')
    // At the limit one entry is written back for each that comes in, whatever their sizes.
    expect(metric(limited, 'pool_peak_bytes')).toBeLessThan(250_000)
    expect(metric(limited, 'disk_out_pages')).toBeGreaterThan(0)
  })
})

describe('pool', () => {
  it('--by class accounts for every page and byte of the pool at the end', () => {
    const { id } = run('zram')
    const { stdout } = door.run(['pool', '--by', 'class', '--run', id, '--format', 'json'])
    const classes = JSON.parse(stdout) as {
      objects: number
      pages: number
      stored_bytes: number
      size_class: number
      density_share: number
    }[]
    const [last] = query<{ pages: number; bytes: number }>(
      `SELECT arg_max(value, ts_ns) FILTER (name = 'pool_pages') AS pages,
        arg_max(value, ts_ns) FILTER (name = 'pool_bytes') AS bytes FROM samples WHERE run_id = ${id}`,
    )
    const sum = (of: 'pages' | 'stored_bytes') => classes.reduce((all, row) => all + row[of], 0)
    expect(sum('pages')).toBe(metric(run('zram'), 'engine.pool_end_pages'))
    expect(sum('pages')).toBe(last?.pages)
    expect(Math.abs(sum('stored_bytes') / (last?.bytes ?? 0) - 1)).toBeLessThan(0.05)
    for (const { objects, size_class: size, density_share: density, pages } of classes) {
      expect(objects * size).toBeLessThanOrEqual(pages * 4096)
      expect(density).toBeLessThanOrEqual(1)
    }
  })
})
