import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { cpuSeconds, hasOpen, interrupted } from './ctrl-c.ts'
import { type Door, openDoor } from './front-door.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let door: Door
beforeAll(() => {
  door = openDoor()
  const phone = ['generate', 'phone', '--events', '3000']
  expect(door.run([...phone, '-o', 'phone.dat']).status).toBe(0)
  expect(door.run([...phone, '-o', 'lossy.dat', '--loss', '0.4']).status).toBe(0)
  expect(door.run(['ingest', 'phone.dat']).status).toBe(0)
})
afterAll(() => door.close())

describe('ingest', () => {
  it('prints the new id alone on stdout with --quiet', () => {
    const { stdout, stderr, status } = door.start([
      'ingest',
      '--quiet',
      '--db',
      'quiet.duckdb',
      'phone.dat',
    ])
    expect([stdout, stderr, status]).toEqual(['1\n', '', 0])
  })

  it('fills few megabytes with a recording of a few thousand events', () => {
    expect(statSync(join(door.folder, 'pstrace.duckdb')).size).toBeLessThan(8_000_000)
  })

  it('refuses the same bytes a second time, also from standard input, and takes them with --force', () => {
    const again = door.run(['ingest', 'phone.dat'])
    expect(again.status).toBe(1)
    expect(again.stderr).toContain('already in pstrace.duckdb as trace 1')
    const piped = door.shell(
      'cat phone.dat | pstrace ingest --db piped.duckdb - && cat phone.dat | pstrace ingest --db piped.duckdb -',
    )
    expect(piped.status).toBe(1)
    expect(piped.stdout).toBe('trace 1\n')
    expect(door.run(['ingest', '--db', 'piped.duckdb', '--force', 'phone.dat']).stdout).toBe(
      'trace 2\n',
    )
  })

  it('refuses a file that was named twice in one command', () => {
    const { status, stdout, stderr } = door.run([
      'ingest',
      '--db',
      'twice.duckdb',
      'phone.dat',
      'phone.dat',
    ])
    expect([status, stdout]).toEqual([1, 'trace 1\n'])
    expect(stderr).toContain('already in twice.duckdb as trace 1')
  })

  it('leaves no new database where no more bytes can be written, and says why', () => {
    const { stdout, stderr } = door.shell(
      "trap '' XFSZ; ulimit -f 1000; pstrace ingest phone.dat --db full.duckdb; echo $?; ls | grep -c full",
    )
    expect(stdout).toBe('1\n0\n')
    expect(stderr).toMatch(/full\.duckdb: it is at the limit of file sizes \(ulimit -f\); what the/)
  })

  it('leaves no half file of a result where no more bytes can be written, and says why', () => {
    const { stdout, stderr } = door.shell(
      "trap '' XFSZ; ulimit -f 4; pstrace chart timeline -o full.json; echo $?; ls -A | grep -c full.json",
    )
    expect(stdout).toBe('1\n0\n')
    expect(stderr).toBe(
      'pstrace: full.json: cannot be written: it is at the limit of file sizes (ulimit -f)\n',
    )
  })

  it('and doctor say that a number of lost events is not known where gaps do not tell it', () => {
    const lossy = join(ROOT, 'fixtures/trace-dat/big-endian-32-v7-zlib.dat')
    const told = 'lost an unknown number of events in 2 gaps'
    expect(door.run(['ingest', '--db', 'gaps.duckdb', lossy]).stderr).toContain(told)
    expect(door.run(['doctor', lossy]).stdout).toContain(told)
    expect(door.run(['info', '--db', 'gaps.duckdb']).stdout).toContain('unknown number in 2 gaps')
  })

  it('of a stream tells how much was read, of no total, and has the kernel from uname beside it', () => {
    const text = ['generate', 'phone', '-o', 'text/trace.txt', '--format', 'text']
    mkdirSync(join(door.folder, 'text'))
    expect(door.run([...text, '--events', '800', '--snapshots', 'text']).status).toBe(0)
    writeFileSync(join(door.folder, 'text/uname'), 'Linux phone 6.6.30 #1 SMP aarch64 Toybox\n')
    const input = readFileSync(join(door.folder, 'text/trace.txt'), 'utf8')
    const { stderr, status } = door.start(
      ['ingest', '--progress', 'json', '--db', 'text.duckdb', '--snapshots', 'text', '-'],
      { input },
    )
    const told = stderr.split('\n').filter((line) => line.startsWith('{'))
    expect([status, JSON.parse(told.at(-1) ?? '{}')]).toEqual([
      0,
      {
        what: 'reading standard input',
        done: Buffer.byteLength(input),
        total: null,
        unit: 'bytes',
      },
    ])
    expect(
      door.rows(['query', '--db', 'text.duckdb', 'SELECT kernel_release, arch FROM traces']),
    ).toEqual([{ kernel_release: '6.6.30', arch: 'aarch64' }])
  })

  it('reads standard input as it reads the file', () => {
    const counts = ['query', 'SELECT count(*) AS n FROM swapouts', '--trace', '1']
    expect(door.rows([...counts, '--db', 'piped.duckdb'])).toEqual(door.rows(counts))
  })

  it('reads the other files when one of several is broken, and fails', () => {
    writeFileSync(join(door.folder, 'broken.dat'), 'not a trace at all\n'.repeat(4000))
    const { status, stdout, stderr } = door.run([
      'ingest',
      '--db',
      'several.duckdb',
      'broken.dat',
      'phone.dat',
    ])
    expect(status).toBe(1)
    expect(stdout).toBe('trace 1\n')
    expect(stderr).toContain('broken.dat')
    expect(door.rows(['info', '--db', 'several.duckdb'])).toHaveLength(1)
  })

  it('ends with status 3 at a loss with --strict and leaves nothing behind, but what was there before', () => {
    const strict = (database: string) =>
      door.run(['ingest', '--strict', '--db', database, 'lossy.dat']).status
    expect(strict('strict.duckdb')).toBe(3)
    expect(readdirSync(door.folder).filter((name) => name.startsWith('strict'))).toEqual([])
    expect(door.run(['ingest', '--db', 'kept.duckdb', 'phone.dat']).status).toBe(0)
    expect(strict('kept.duckdb')).toBe(3)
    expect(door.rows(['info', '--db', 'kept.duckdb'])).toHaveLength(1)
  })

  it('keeps the raw events that --raw names and no others', () => {
    door.run(['ingest', '--db', 'sched.duckdb', '--raw', 'sched:*', 'phone.dat'])
    const tables = door.rows([
      'query',
      '--db',
      'sched.duckdb',
      "SELECT DISTINCT split_part(view_name, ':', 1) AS system FROM duckdb_views() WHERE schema_name = 'raw'",
    ])
    expect(tables).toEqual([{ system: 'sched' }])
  })
})

describe('results', () => {
  it('are the same rows in every format', async () => {
    const sql =
      'SELECT swapout_id, submit_ns, lane, compressed_bytes, page_id / 3 AS third FROM swapouts ORDER BY swapout_id LIMIT 50'
    const rows = door.rows(['query', sql])
    const ndjson = door.run(['query', sql, '--format', 'ndjson']).stdout.trim().split('\n')
    expect(ndjson.map((line) => JSON.parse(line) as unknown)).toEqual(rows)
    for (const [file, format] of [
      ['rows.parquet', 'parquet'],
      ['rows.csv', 'csv'],
      ['rows.arrow', 'arrow'],
    ] as const) {
      const written = door.run(['query', sql, '-o', file])
      expect(written.status, written.stderr).toBe(0)
      expect(await readBack(join(door.folder, file), format)).toEqual(rows)
    }
    const piped = door.shell(
      `pstrace query "${sql}" --format parquet > piped.parquet && pstrace query "${sql}" --format arrow > piped.arrow`,
    )
    expect(piped.status, piped.stderr).toBe(0)
    expect(await readBack(join(door.folder, 'piped.parquet'), 'parquet')).toEqual(rows)
    expect(await readBack(join(door.folder, 'piped.arrow'), 'arrow')).toEqual(rows)
  })

  it('of computed tables are Parquet and Arrow too', async () => {
    const rows = door.rows(['order', '--by', 'lane'])
    door.run(['order', '--by', 'lane', '-o', 'lanes.parquet'])
    door.run(['order', '--by', 'lane', '-o', 'lanes.arrow'])
    expect(await readBack(join(door.folder, 'lanes.parquet'), 'parquet')).toEqual(rows)
    expect(await readBack(join(door.folder, 'lanes.arrow'), 'arrow')).toEqual(rows)
  })

  it('never replace a file without --force, and leave no half-written one', () => {
    writeFileSync(join(door.folder, 'mine.csv'), 'precious')
    const refused = door.run(['stalls', '-o', 'mine.csv'])
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('--force')
    expect(readFileSync(join(door.folder, 'mine.csv'), 'utf8')).toBe('precious')
    expect(door.run(['stalls', '-o', 'mine.csv', '--force']).status).toBe(0)
    expect(readFileSync(join(door.folder, 'mine.csv'), 'utf8')).toContain('stall_id')
    expect(door.run(['query', 'SELECT nonsense', '-o', 'never.parquet']).status).toBe(2)
    expect(
      readdirSync(door.folder).filter((name) => name.includes('.tmp') || name === 'never.parquet'),
    ).toEqual([])
  })

  it('say so when the folder to write to does not exist', () => {
    const { status, stderr } = door.run(['stalls', '-o', 'nowhere/x.csv'])
    expect(status).toBe(1)
    expect(stderr).toContain('nowhere/x.csv: cannot be written: there is no such folder')
  })

  it('end quietly when the reader has seen enough', () => {
    const { stdout, stderr, status } = door.shell(
      'pstrace query "SELECT * FROM range(2000000)" --format csv | head -n 2; echo "$PIPESTATUS"',
    )
    expect([stdout, stderr, status]).toEqual(['range\n0\n0\n', '', 0])
  })

  // The device is Linux's own.
  it.runIf(existsSync('/dev/full'))('say so when standard output takes no more', () => {
    const { stderr, status } = door.shell(
      'pstrace query "SELECT * FROM range(200000)" --format csv > /dev/full',
    )
    expect([stderr, status]).toEqual([
      'pstrace: standard output: cannot be written: no space is left on its device\n',
      1,
    ])
  })

  it('carry no escape codes in a pipe', () => {
    expect(door.start(['stalls']).stdout).not.toContain('\u001b')
  })
})

async function readBack(path: string, format: 'parquet' | 'csv' | 'arrow'): Promise<unknown[]> {
  if (format === 'arrow')
    return tableFromIPC(readFileSync(path))
      .toArray()
      .map((row: { toJSON(): Record<string, unknown> }) => {
        const entries = Object.entries(row.toJSON())
        return Object.fromEntries(
          entries.map(([key, value]) => [key, typeof value === 'bigint' ? Number(value) : value]),
        )
      })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reader = format === 'parquet' ? 'read_parquet' : 'read_csv'
  const result = await connection.runAndReadAll(`SELECT * FROM ${reader}('${path}')`)
  const rows = result
    .getRowObjectsJS()
    .map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([key, value]) => [
          key,
          typeof value === 'bigint' ? Number(value) : value,
        ]),
      ),
    )
  connection.closeSync()
  instance.closeSync()
  return rows
}

describe('a database', () => {
  it('comes from --db, before or after the command, or PSTRACE_DB', () => {
    mkdirSync(join(door.folder, 'elsewhere'), { recursive: true })
    expect(door.run(['ingest', 'phone.dat', '--db', 'elsewhere/a.duckdb', '-q']).status).toBe(0)
    for (const found of [
      door.run(['--db', 'elsewhere/a.duckdb', 'stalls']),
      door.run(['stalls', '--db', 'elsewhere/a.duckdb']),
      door.start(['stalls'], { env: { PSTRACE_DB: 'elsewhere/a.duckdb' } }),
    ])
      expect(found.status, found.stderr).toBe(0)
  })

  it('that another process writes is one clear error naming it', async () => {
    const holder = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { DuckDBInstance } from '@duckdb/node-api'
         const instance = await DuckDBInstance.create('${join(door.folder, 'held.duckdb')}')
         await instance.connect()
         console.log('held')
         setInterval(() => {}, 1000)`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], cwd: join(import.meta.dirname, '../..') },
    )
    try {
      await once(holder.stdout, 'data')
      const { status, stderr } = door.run(['stalls', '--db', 'held.duckdb'])
      expect(status).toBe(1)
      expect(stderr.trim().split('\n')).toHaveLength(1)
      expect(stderr).toContain(String(holder.pid))
    } finally {
      holder.kill('SIGKILL')
      await once(holder, 'exit')
    }
  })

  it('is not made by a command that reads, nor by replay', () => {
    for (const command of ['stalls', 'info', 'replay'])
      expect(door.run([command, '--db', 'none.duckdb']).status).toBe(1)
    expect(existsSync(join(door.folder, 'none.duckdb'))).toBe(false)
  })

  it.each([
    ['ingest', ['ingest', '-q', '--force', 'phone.dat']],
    ['replay', ['replay', '-q', '--policy', 'kswapd']],
    ['sweep', ['sweep', '-q', '--policy', 'kswapd']],
  ])(
    'of an older schema is read again once %s has brought it up to date',
    async (name, command) => {
      const file = `older-${name}.duckdb`
      copyFileSync(join(door.folder, 'pstrace.duckdb'), join(door.folder, file))
      const instance = await DuckDBInstance.create(join(door.folder, file))
      const connection = await instance.connect()
      await connection.run('UPDATE pstrace_schema SET version = 6')
      connection.closeSync()
      instance.closeSync()
      const refused = door.run(['stalls', '--db', file])
      expect(refused.status).toBe(1)
      expect(refused.stderr).toMatch(
        /schema version 6, expected \d+; .*`pstrace ingest`.*`replay`.*`sweep`/,
      )
      const written = door.run([...command, '--db', file])
      expect(written.status, written.stderr).toBe(0)
      expect(door.run(['stalls', '--db', file]).status).toBe(0)
    },
  )

  it('without traces is data not fit for the question', async () => {
    const database = await Database.open(join(door.folder, 'empty.duckdb'), { mode: 'write' })
    database.close()
    expect(door.run(['stalls', '--db', 'empty.duckdb']).status).toBe(3)
  })

  it('cannot be changed through query', () => {
    const { status } = door.run(['query', 'DELETE FROM pstrace.main.swapouts'])
    expect(status).not.toBe(0)
    expect(
      Number(door.rows(['query', 'SELECT count(*) AS n FROM swapouts'])[0]?.['n']),
    ).toBeGreaterThan(500)
  })
})

describe('errors', () => {
  it('show a stack only with PSTRACE_DEBUG', () => {
    const plain = door.run(['stalls', '--db', 'none.duckdb'])
    expect(plain.stderr.trim().split('\n')).toHaveLength(1)
    const debug = door.start(['stalls', '--db', 'none.duckdb'], { env: { PSTRACE_DEBUG: '1' } })
    expect(debug.stderr).toContain('    at ')
  })
})

describe('Ctrl-C', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'while standard input is read keeps what came until then: %s, status %i',
    async (signal, expected) => {
      rmSync(join(door.folder, 'live.duckdb'), { force: true })
      expect(
        door.run([
          'generate',
          'phone',
          '-o',
          'phone.txt',
          '--force',
          '--events',
          '20000',
          '--format',
          'text',
        ]).status,
      ).toBe(0)
      const text = readFileSync(join(door.folder, 'phone.txt'), 'utf8')
      const { status } = await interrupted(['ingest', '--db', 'live.duckdb', '-'], {
        folder: door.folder,
        input: text.slice(0, text.lastIndexOf('\n', text.length / 2) + 1),
        // All but what the pipe and the stream hold was taken.
        isUnderWay: ({ stdin }) => stdin?.writableLength === 0,
        signal,
      })
      expect(status).toBe(expected)
      const [trace] = door.rows(['info', '--db', 'live.duckdb'])
      expect(trace?.['name']).toBe('stdin')
      expect(Number(trace?.['events'])).toBeGreaterThan(1000)
    },
  )

  it('while tables are exported leaves complete files alone', async () => {
    const folder = join(door.folder, 'cut-export')
    const { status } = await interrupted(['export', '-o', 'cut-export'], {
      folder: door.folder,
      isUnderWay: () =>
        existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.tmp')),
    })
    expect(status).toBe(130)
    expect(readdirSync(folder).filter((name) => !/^[a-z_]+\.parquet$/.test(name))).toEqual([])
  })

  it('while DuckDB works on a query ends at once, with status 130', async () => {
    const { status } = await interrupted(
      ['query', 'SELECT count(*) FROM range(100000000) a, range(100000000) b'],
      { folder: door.folder, isUnderWay: (child) => cpuSeconds(child) > 2 },
    )
    expect(status).toBe(130)
  })

  it('while a trace is read ends with status 130 and keeps the traces read before', async () => {
    expect(
      door.run(['generate', 'stream', '-o', 'big.dat', '--format', 'v6', '--events', '600000'])
        .status,
    ).toBe(0)
    door.run(['ingest', '-q', '--db', 'cut.duckdb', 'phone.dat'])
    const { status } = await interrupted(
      ['ingest', '--progress', 'json', '--db', 'cut.duckdb', 'big.dat'],
      { folder: door.folder, isUnderWay: (child) => hasOpen(child, 'big.dat') },
    )
    expect(status).toBe(130)
    expect(door.rows(['info', '--db', 'cut.duckdb']).map((trace) => trace['name'])).toEqual([
      'phone',
    ])
    const first = await interrupted(['ingest', '--db', 'first.duckdb', 'big.dat'], {
      folder: door.folder,
      isUnderWay: (child) => hasOpen(child, 'big.dat'),
    })
    expect(first.stderr).toContain('interrupted: nothing of it is kept')
    expect(existsSync(join(door.folder, 'first.duckdb'))).toBe(false)
  })
})

describe('help', () => {
  /** What `--help` prints, by command; '' = without a command. */
  const helps = new Map<string, ReturnType<Door['run']>>()
  beforeAll(() => {
    const whole = door.run(['--help'])
    helps.set('', whole)
    for (const [, name = ''] of whole.stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gm))
      if (name !== 'pstrace') helps.set(name, door.run([name, '--help']))
  })

  it('of every command has a summary, its options and examples', () => {
    expect(helps.size).toBeGreaterThan(20)
    for (const [command, { stdout, status }] of helps) {
      expect(status, command).toBe(0)
      expect(stdout, command).toMatch(/^Usage: pstrace /)
      expect(stdout, command).toContain('Examples:\n  pstrace ')
    }
  })

  it('fits eighty columns', () => {
    for (const [command, { stdout }] of helps) {
      const description = stdout.slice(0, stdout.indexOf('Examples:'))
      for (const line of description.split('\n'))
        expect(line.length, `${command}: ${line}`).toBeLessThanOrEqual(80)
    }
  })
})

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('prints a script for %s', (shell) => {
    const { stdout, status } = door.run(['completion', shell])
    expect(status).toBe(0)
    expect(stdout).toContain('pstrace')
  })

  it('for bash is a script that bash accepts', () => {
    const { status, stderr } = door.shell('pstrace completion bash | bash -n')
    expect([status, stderr]).toEqual([0, ''])
  })

  it('names commands and the values of options', () => {
    expect(door.run(['complete', '--', 'sta']).stdout).toContain('stalls')
    expect(door.run(['complete', '--', 'stalls', '--format', '']).stdout).toContain('ndjson')
  })
})

describe('codecs', () => {
  it('says of one that is not installed why, in a column of its own and below the table', () => {
    const codecs = door.rows(['codecs'])
    expect(codecs.map(({ codec }) => codec)).toContain('lzo-rle')
    for (const { version, unavailable } of codecs)
      expect(version === null).toBe(unavailable !== null)
    const { stdout } = door.run(['codecs'])
    for (const { unavailable } of codecs)
      if (unavailable) expect(stdout).toContain(`${unavailable}\n`)
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(200)
  })
})
