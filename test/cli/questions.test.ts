import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, openDoor } from './front-door.ts'

let door: Door
beforeAll(() => {
  door = openDoor()
  const prepared = door.shell(
    'pstrace generate phone -o phone.dat --events 3000 && pstrace ingest -q phone.dat && pstrace replay -q --policy kswapd,kcompressd,parallel',
  )
  expect(prepared.status, prepared.stderr).toBe(0)
})
afterAll(() => door.close())

const IDS = [
  ...Array.from({ length: 16 }, (_, index) => `C${index + 1}`),
  ...Array.from({ length: 25 }, (_, index) => `Q${index + 1}`),
]

const json = (args: readonly string[]) => door.rows(['questions', ...args])

describe('questions', () => {
  it('shows every claim and question exactly once, in order, and no number that is none', () => {
    const { stdout, stderr, status } = door.run(['questions'])
    expect([status, stderr]).toEqual([0, ''])
    const shown = [...stdout.matchAll(/^([CQ]\d+) {2}\S/gm)].map(([, id]) => id)
    expect(shown).toEqual(IDS)
    expect(stdout).not.toMatch(/NaN|undefined|Infinity|null/)
    expect(stdout.split('\n')[0]).toMatch(/^trace 1 \(phone\)/)
    expect(stdout).toContain('contents generator')
  })

  it('in machine formats gives a value with its basis, or the reason why there is none', () => {
    const rows = json([])
    expect([...new Set(rows.map(({ id }) => id))]).toEqual(IDS)
    for (const { id, metric, value, why, basis, rests_on: restsOn } of rows) {
      const what = `${id} ${metric}`
      expect(value === null, what).toBe(typeof why === 'string')
      if (value !== null) expect([basis, restsOn], what).not.toContain(null)
    }
  })

  it('agrees with the commands that show the same figures', () => {
    const [lane] = JSON.parse(
      door.run(['order', '--run', 'kcompressd', '--by', 'lane', '--format', 'json']).stdout,
    ) as Record<string, unknown>[]
    const answer = json(['--id', 'C6', '--run', 'kcompressd']).find(
      ({ metric }) => metric === 'order_start_inversions',
    )
    expect(answer?.['value']).toBe(lane?.['inversions'])
    expect(answer?.['value']).toBeGreaterThan(1000)
  })

  it('reads what a sweep stored, and names the command before there is one', () => {
    expect(json(['--id', 'Q19'])).toMatchObject([
      {
        value: null,
        why: expect.stringContaining('pstrace sweep --policy kswapd,kcompressd,parallel --cpus 1'),
      },
    ])
    expect(door.run(['sweep', '-q', '--policy', 'kswapd,parallel', '--cpus', '1']).status).toBe(0)
    const rows = json(['--id', 'q19']).filter(({ metric }) => metric === 'work_ns')
    expect(rows.map(({ label, at }) => [label, at])).toEqual([
      ['kswapd', '1 CPU'],
      ['parallel', '1 CPU'],
    ])
    for (const { value } of rows) expect(value).toBeGreaterThan(0)
  })

  it('writes the identifiers of questions beside the metrics of a run', () => {
    const { stdout } = door.run([
      'query',
      "SELECT metric FROM metrics WHERE run_id = 2 AND question LIKE '%Q7%' ORDER BY metric",
      '--format',
      'csv',
    ])
    expect(stdout.trim().split('\n').slice(1)).toEqual([
      'in_flight_byte_seconds',
      'in_flight_peak_bytes',
      'store_to_free_max_ns',
      'store_to_free_p50_ns',
      'store_to_free_p99_ns',
    ])
  })

  it('as Markdown is one table with a column for each run', () => {
    const lines = door.run(['questions', '--format', 'md', '--id', 'C2']).stdout.trim().split('\n')
    expect(lines.find((line) => line.startsWith('| id'))).toBe(
      '| id | asked by | question | metric | recording | kswapd | kcompressd | parallel | rests on |',
    )
  })

  it.each([
    [['--id', 'Q26'], 2, 'known: C1, C2'],
    [['--run', 'paralel'], 2, 'Did you mean parallel?'],
    [['--db', 'nothing.duckdb'], 1, 'nothing.duckdb'],
  ])('%j ends with status %i', (args, expected, message) => {
    const { status, stderr, stdout } = door.run(['questions', ...args])
    expect([status, stdout]).toEqual([expected, ''])
    expect(stderr).toContain(message)
  })
})

function mayReadOthers(): boolean {
  const scope = '/proc/sys/kernel/yama/ptrace_scope'
  return (
    process.getuid?.() === 0 || !existsSync(scope) || readFileSync(scope, 'utf8').trim() === '0'
  )
}

/** 4 pages: zero, one repeated word, text, text again. */
function fewPages(): Uint8Array {
  const pages = new Uint8Array(4 * 4096)
  pages.fill(0xff, 4096, 8192)
  const text = new TextEncoder().encode('the quick brown fox jumps over the lazy dog; ')
  for (let i = 8192; i < pages.length; i++) pages[i] = text[(i % 4096) % text.length] ?? 0
  return pages
}

describe('pages', () => {
  beforeAll(() => writeFileSync(join(door.folder, 'few.raw'), fewPages()))

  it('compress counts zero and same-filled pages apart and brings each page back', () => {
    const { stdout } = door.run([
      'pages',
      'compress',
      'few.raw',
      '--codec',
      'lz4',
      '--by',
      'total',
      '--format',
      'json',
    ])
    const [total] = JSON.parse(stdout) as Record<string, unknown>[]
    expect(total).toMatchObject({
      pages: 4,
      zero: 1,
      same: 1,
      huge: 0,
      damaged: 0,
      original_bytes: 16384,
    })
    expect(total?.['stored_bytes']).toBeLessThan(400)
  })

  it('compress prints size and class of every page', () => {
    const { stdout } = door.run(['pages', 'compress', 'few.raw', '--format', 'json'])
    const rows = JSON.parse(stdout) as Record<string, unknown>[]
    expect(rows.map((row) => row['page'])).toEqual([0, 1, 2, 3])
    expect(rows.map((row) => row['compressed_bytes'] === 0)).toEqual(
      rows.map((row) => row['class'] === 'zero' || row['class'] === 'same'),
    )
    expect(new Set(rows.map((row) => row['class'])).size).toBeGreaterThan(2)
  })

  it("compress takes levels as zram does, zstd's negative ones too", () => {
    const bytesAt = (codec: string, level: string): number => {
      const options = ['--codec', codec, '--level', level, '--by', 'total', '--format', 'json']
      const { stdout } = door.run(['pages', 'compress', 'few.raw', ...options])
      const [total] = JSON.parse(stdout) as Record<string, number>[]
      expect(total?.['damaged']).toBe(0)
      return total?.['stored_bytes'] ?? 0
    }
    expect(bytesAt('zstd', '-50')).toBeGreaterThan(bytesAt('zstd', '22'))
    expect(bytesAt('lz4', '100')).toBeGreaterThanOrEqual(bytesAt('deflate', '9'))
  })

  it('compress gives its sizes to pool --sizes', () => {
    const piped = door.shell(
      'pstrace pages compress few.raw --by page --format csv | pstrace pool --sizes - --allocator zsmalloc --chain 8 --format json',
    )
    const [row, ...more] = JSON.parse(piped.stdout) as Record<string, unknown>[]
    expect(more).toEqual([])
    expect(row).toMatchObject({ objects: 2, groups: 1 })
  })

  it('compress --dump writes the bytes that it counted, into a new folder only', () => {
    const args = [
      'pages',
      'compress',
      'few.raw',
      '--dump',
      'dumped',
      '--by',
      'page',
      '--format',
      'json',
    ]
    const rows = JSON.parse(door.run(args).stdout) as Record<string, number>[]
    const sizes = door.shell('wc -c < dumped/00000002.lz4; ls dumped | wc -l').stdout
    expect(sizes.split('\n').map(Number).slice(0, 2)).toEqual([rows[2]?.['compressed_bytes'], 2])
    expect(door.run(args).status).toBe(1)
  })

  it('capture warns, keeps the file to its owner and never replaces one', () => {
    const captured = door.run(['pages', 'capture', '--raw', 'few.raw', '-o', 'mine.raw'])
    expect([captured.status, captured.stdout]).toEqual([0, '4 pages, 16 KiB\n'])
    expect(captured.stderr).toContain('passwords')
    expect(door.shell('stat -c %a mine.raw; cmp few.raw mine.raw').stdout).toBe('600\n')
    const again = door.run(['pages', 'capture', '--raw', 'few.raw', '-o', 'mine.raw'])
    expect(again.status).toBe(1)
    expect(again.stderr).toContain('--force')
  })

  // Yama lets only a parent read its child; the command is a sibling of the process here.
  it.runIf(mayReadOthers())('capture reads a running process', () => {
    const { status, stderr } = door.shell(
      'sleep 30 & pstrace pages capture --pid $! -o sleep.raw --limit 3; status=$?; kill $!; exit $status',
    )
    expect(status, stderr).toBe(0)
    expect(door.shell('wc -c < sleep.raw').stdout.trim()).toBe(String(3 * 4096))
  })

  it('build keeps each distinct page once, and stat reads it', () => {
    expect(door.run(['pages', 'build', 'few.raw', 'few.raw', '-o', 'few.pages']).stdout).toMatch(
      /^8 pages, 3 of them distinct, /,
    )
    const { stdout } = door.run([
      'pages',
      'stat',
      'few.pages',
      '--codec',
      'lz4',
      '--codec',
      'zstd',
      '--format',
      'json',
    ])
    const rows = JSON.parse(stdout) as Record<string, unknown>[]
    expect(rows.reduce((sum, { pages }) => sum + Number(pages), 0)).toBe(8)
    expect(Object.keys(rows[0] ?? {})).toContain('zstd_p90_bytes')
  })

  it.each([
    [['compress', 'nofile'], 1, 'there is no such file'],
    [['compress', 'few.raw', '--codec', 'lz5'], 2, 'Did you mean lz4?'],
    [['compress', 'few.raw', '--codec', 'zstd', '--variant', 'zcache'], 2, 'zram, zswap, acomp'],
    [['compress', 'few.raw', '--level', 'best'], 2, 'a whole number, such as 9 or -5'],
    [['compress', 'few.raw', '--codec', 'deflate', '--level', '10'], 2, 'the kernel takes 0 to 9'],
    [['compress', 'few.raw', '--page-size', '1000'], 2, '--page-size'],
    [['compress', 'few.raw', '--by', 'pages'], 2, 'Did you mean page?'],
    [['compress', 'phone.dat'], 3, 'not a whole number of pages'],
    [['stat', 'few.raw'], 3, 'not a page corpus'],
    [['capture', '-o', 'x.raw'], 2, 'one of --pid, --core, --raw'],
    [['capture', '--pid', '999999999', '-o', 'x.raw'], 1, 'cannot be read'],
    [['build', 'nofile', '-o', 'x.pages'], 1, 'there is no such file'],
    [['squeeze'], 2, 'known: compress, capture, build, stat'],
  ])('%j ends with status %i', (args, expected, message) => {
    const { status, stderr, stdout } = door.run(['pages', ...args])
    expect(stderr).toContain(message)
    expect([status, stdout]).toEqual([expected, ''])
    expect(door.shell('ls -A | grep -c "tmp$\\|^x\\."').stdout).toBe('0\n')
  })
})

describe('pool --sizes', () => {
  it.each([
    ['sizes.txt', '64\n64\nmany\n', 3, 'line 3'],
    ['empty.txt', '\n', 3, 'holds no size'],
  ])('%s ends with a message about its place', (file, text, expected, message) => {
    writeFileSync(join(door.folder, file), text)
    const { status, stderr } = door.run(['pool', '--sizes', file])
    expect(status).toBe(expected)
    expect(stderr).toContain(message)
  })
})
