import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, openDoor } from './front-door.ts'

/** `args` after `pstrace` on a database that holds the generated traces `phone` and `lossy`; exit status when it is not 0. */
const CASES: Readonly<Record<string, readonly [args: readonly string[], status?: number]>> = {
  help: [['--help']],
  'help-stalls': [['help', 'stalls']],
  'info-list': [['info']],
  'info-phone': [['info', '--trace', 'phone']],
  'info-lossy': [['info', '--trace', 'lossy']],
  stalls: [['stalls', '--trace', 'phone']],
  'stalls-lossy-summary': [['stalls', '--trace', 'lossy', '--by', 'summary']],
  'stalls-by-cause-csv': [['stalls', '--trace', 'phone', '--by', 'cause', '--format', 'csv']],
  'stalls-by-length-json': [['stalls', '--trace', 'phone', '--by', 'length', '--format', 'json']],
  'stalls-window': [
    ['stalls', '--trace', 'phone', '--from', '20ms', '--to', '40ms', '--by', 'stall'],
  ],
  'stalls-of-kswapd': [['stalls', '--trace', 'phone', '--comm', 'kswapd*']],
  'stalls-by-cgroup': [['stalls', '--trace', 'phone', '--by', 'cgroup']],
  'stalls-of-nobody': [['stalls', '--trace', 'phone', '--comm', 'nobody'], 2],
  'stalls-beyond-the-end': [['stalls', '--trace', 'phone', '--from', '99999999999999s'], 2],
  order: [['order', '--trace', 'phone']],
  kswapd: [['kswapd', '--trace', 'phone']],
  'kswapd-spans-ndjson': [
    ['kswapd', '--trace', 'phone', '--by', 'span', '--format', 'ndjson', '--to', '30ms'],
  ],
  pool: [['pool', '--trace', 'phone']],
  slots: [['slots', '--trace', 'phone']],
  schema: [['schema']],
  'schema-stalls': [['schema', 'stalls']],
  'schema-swapouts-json': [['schema', 'swapouts', '--format', 'json']],
  policies: [['policies']],
  'policies-parallel': [['policies', 'parallel']],
  'output-dash': [['stalls', '--trace', 'phone', '--by', 'summary', '-o', '-', '--format', 'csv']],
  'report-extension': [['report', '--trace', 'phone', '-o', 'report.pdf'], 2],
  'no-sql-file': [['query', '--file', 'missing.sql'], 1],
  'query-values': [
    [
      'query',
      "SELECT 9007199254740991 AS exact, 9007199254740992 AS beyond, 18446744073709551615::UBIGINT AS unsigned, NULL AS nothing, [1, 2] AS list, {'a': 1} AS struct, 'x\"y' AS text, 0.5 AS half, 'NaN'::DOUBLE AS nan, '\\x01'::BLOB AS bytes, TIMESTAMP '2020-01-02 03:04:05' AS moment",
      '--format',
      'json',
    ],
  ],
  'query-table-form': [
    [
      'query',
      'SELECT range AS n, range * 1500 AS wait_ns, range * 2048 AS used_bytes, range / 7 AS busy_share FROM range(4)',
    ],
  ],
  'query-empty': [['query', 'SELECT * FROM swapins WHERE false', '--format', 'json']],
  'query-raw': [
    [
      'query',
      '--format',
      'csv',
      'SELECT * FROM raw."vmscan:mm_vmscan_kswapd_wake" WHERE trace_id = 1 ORDER BY seq LIMIT 3',
    ],
  ],
  'unknown-command': [['stals'], 2],
  'unknown-option': [['stalls', '--frm', '1s'], 2],
  'unknown-trace': [['stalls', '--trace', 'fone'], 2],
  'unknown-run': [['stalls', '--run', 'parallel'], 2],
  'unknown-table': [['schema', 'swapout'], 2],
  'unknown-policy': [['policies', 'paralel'], 2],
  'bad-time': [['stalls', '--from', 'soon'], 2],
  'bad-sql': [['query', 'SELECT nonsense FROM stalls'], 2],
  'bad-format': [['stalls', '--format', 'xml'], 2],
  'no-database': [['stalls', '--db', 'missing.duckdb'], 1],
  'no-file': [['ingest', 'missing.dat'], 2],
  'no-arguments': [[], 2],
}

let door: Door
beforeAll(() => {
  door = openDoor()
  for (const [name, ...more] of [['phone'], ['lossy', '--loss', '0.4']]) {
    const made = door.run(['generate', 'phone', '-o', `${name}.dat`, '--events', '3000', ...more])
    expect(made.status, made.stderr).toBe(0)
    const read = door.run(['ingest', `${name}.dat`])
    expect(read.status, read.stderr).toBe(0)
  }
})
afterAll(() => door.close())

describe('pstrace prints what it printed before for', () => {
  it.each(Object.keys(CASES))('%s', async (name) => {
    const [args, status = 0] = CASES[name] ?? [[]]
    const { stdout, stderr, status: found } = door.run(args)
    expect(found, stderr).toBe(status)
    const text = `$ pstrace ${args.map((arg) => (/^[\w./=*-]+$/.test(arg) ? arg : `'${arg}'`)).join(' ')}\n${stdout}${
      stderr === '' ? '' : `--- stderr\n${stderr}`
    }--- status ${found}\n`
    await expect(text).toMatchFileSnapshot(`golden/${name}.txt`)
  })

  it.each(['help', 'stalls-by-length-json', 'query-raw', 'unknown-table', 'no-arguments'])(
    '%s, alike in a process of its own',
    (name) => {
      const [args] = CASES[name] ?? [[]]
      const { stdout, stderr, status } = door.start(args)
      expect({ stdout, stderr, status }).toEqual(door.run(args))
    },
  )
})
