import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCpus } from '../../src/config/cpus.ts'
import { resolveSelection } from '../../src/config/selection.ts'
import { parseAssignments, parseCount, resolveSettings } from '../../src/config/settings.ts'
import { parseTime } from '../../src/config/time.ts'
import { nearestName, unknownName } from '../../src/model/names.ts'

describe('times', () => {
  it.each([
    ['1.5s', 1_500_000_000n],
    ['20ms', 20_000_000n],
    ['300us', 300_000n],
    ['300µs', 300_000n],
    ['1200', 1200n],
    ['1200ns', 1200n],
    ['0.000000001s', 1n],
    ['9007199254740993', 9007199254740993n],
  ])('%s is %s nanoseconds', (text, ns) => {
    expect(parseTime('--from', text)).toBe(ns)
  })

  it.each(['', 's', '1.5', '-1s', '1 h', '0.5ns', '1.2345us', '1e3', 'NaN'])(
    '%j is refused as wrong usage',
    (text) => {
      expect(() => parseTime('--from', text)).toThrow(expect.objectContaining({ exitStatus: 2 }))
    },
  )

  it('keeps every digit of a time in seconds with nine decimals', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (ns) => {
        const text = `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, '0')}s`
        return parseTime('--to', text) === ns
      }),
    )
  })
})

describe('CPUs', () => {
  it('reads groups of equal speed', () => {
    expect(parseCpus('2x1.0+3x0.4')).toEqual([1, 1, 0.4, 0.4, 0.4])
    expect(parseCpus('3')).toEqual([1, 1, 1])
  })

  it.each(['0', '', '2x', 'x1', '2x0', '2x0.0009', '4x-1', '2x1,2x1', '99999'])(
    '%j is refused',
    (text) => {
      expect(() => parseCpus(text)).toThrow(expect.objectContaining({ exitStatus: 2 }))
    },
  )
})

describe('names', () => {
  const policies = ['kswapd', 'kcompressd-v1', 'kcompressd', 'kcompressd-unofficial', 'parallel']

  it('suggests the nearest known name', () => {
    expect(nearestName('kcompresd', policies)).toBe('kcompressd')
    expect(nearestName('paralel', policies)).toBe('parallel')
  })

  it('suggests nothing for a word that resembles none', () => {
    expect(nearestName('xyz', policies)).toBeUndefined()
  })

  it('lists the known names in the error', () => {
    expect(unknownName('policy', 'x', ['a', 'b']).message).toContain('known: a, b')
    expect(unknownName('run', '2', ['1']).message).toBe("unknown run '2'; known: 1.")
  })
})

describe('assignments', () => {
  it('splits at the first equals sign', () => {
    expect([...parseAssignments('--set', ['a=b=c'])]).toEqual([['a', 'b=c']])
  })

  it('refuses a key given twice', () => {
    expect(() => parseAssignments('--set', ['a=1', 'a=2'])).toThrow('given twice')
  })

  it('refuses what has no key', () => {
    expect(() => parseAssignments('--set', ['=1'])).toThrow('key=value')
  })
})

describe('settings', () => {
  const terminal = { stdoutIsTerminal: true, stderrIsTerminal: true }

  it('take the database from the option, then the environment, then the default', () => {
    expect(resolveSettings({ db: 'a' }, { PSTRACE_DB: 'b' }, terminal).databasePath).toBe('a')
    expect(resolveSettings({}, { PSTRACE_DB: 'b' }, terminal).databasePath).toBe('b')
    expect(resolveSettings({}, { PSTRACE_DB: '' }, terminal).databasePath).toBe('pstrace.duckdb')
  })

  it('use no colour with NO_COLOR, on a dumb terminal or off a terminal', () => {
    expect(resolveSettings({}, {}, terminal).color).toEqual({ stdout: true, stderr: true })
    expect(resolveSettings({}, { NO_COLOR: '1' }, terminal).color.stdout).toBe(false)
    expect(resolveSettings({}, { TERM: 'dumb' }, terminal).color.stdout).toBe(false)
    expect(
      resolveSettings({}, {}, { stdoutIsTerminal: false, stderrIsTerminal: true }).color,
    ).toEqual({ stdout: false, stderr: true })
  })

  it('show a bar on a terminal only', () => {
    expect(resolveSettings({}, {}, terminal).progress).toBe('bar')
    expect(
      resolveSettings({}, {}, { stdoutIsTerminal: false, stderrIsTerminal: false }).progress,
    ).toBe('none')
    expect(resolveSettings({ progress: 'json' }, {}, terminal).progress).toBe('json')
  })

  it('refuse a count outside its bounds', () => {
    expect(() => parseCount('--seed', '-1')).toThrow('a whole number from 0')
    expect(() => parseCount('--limit', '0', 1)).toThrow('a whole number from 1')
    expect(parseCount('--seed', '7')).toBe(7)
  })
})

describe('selection', () => {
  it('takes lists with commas and repeated options', () => {
    expect(resolveSelection({ cpu: ['0,2', '5'], tid: ['12'] })).toMatchObject({
      cpus: [0, 2, 5],
      tids: [12],
      runs: [],
    })
  })

  it('refuses a CPU that is no number', () => {
    expect(() => resolveSelection({ cpu: ['all'] })).toThrow('--cpu')
  })
})
