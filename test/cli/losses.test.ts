import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, openDoor } from './front-door.ts'

let door: Door
beforeAll(() => {
  door = openDoor()
  const made = ['generate', 'phone', '-o', 'lossy.dat', '--events', '3000', '--loss', '0.4']
  for (const args of [made, ['ingest', 'lossy.dat']]) {
    const { status, stderr } = door.run(args)
    expect(status, stderr).toBe(0)
  }
})
afterAll(() => door.close())

function allocated(losses: readonly string[]): number {
  return door
    .rows(['workload', ...losses])
    .filter(({ part, name }) => part === 'demand' && String(name).endsWith('.allocated'))
    .reduce((sum, { value }) => sum + Number(value), 0)
}

describe('a recording with gaps', () => {
  it('has more demand the more its gaps are taken to hide; without counters they hide nothing', () => {
    const least = allocated(['--losses', 'least'])
    expect(allocated([])).toBe(least)
    expect(allocated(['--losses', 'counted'])).toBe(least)
    expect(allocated(['--losses', 'most'])).toBeGreaterThan(least * 1.2)
  })

  it('is replayed at either extreme, and each run tells which it is', () => {
    for (const [run, losses] of ['least', 'most'].entries()) {
      const { status, stderr } = door.run(['replay', '--policy', 'kswapd', '--losses', losses])
      expect(status, stderr).toBe(0)
      const { stdout } = door.run(['stalls', '--run', String(run + 1)])
      expect(stdout).toContain(`run ${run + 1} kswapd (losses ${losses})`)
    }
    const runs = door.rows([
      'query',
      "SELECT config->>'losses' AS losses FROM runs ORDER BY run_id",
    ])
    expect(runs.map(({ losses }) => losses)).toEqual(['least', 'most'])
  })

  it('is swept at an extreme, and the sweep tells which', () => {
    const { stdout, status, stderr } = door.run(['sweep', '--policy', 'kswapd', '--losses', 'most'])
    expect(status, stderr).toBe(0)
    expect(stdout).toContain('losses: most; ')
    const [last] = door.rows([
      'query',
      "SELECT config->>'losses' AS losses FROM runs ORDER BY run_id DESC LIMIT 1",
    ])
    expect(last?.['losses']).toBe('most')
  })

  it('refuses an extent that is none, and one for a workload that has its own', () => {
    expect(door.run(['replay', '--losses', 'all']).stderr).toContain('counted, least, most')
    expect(door.run(['workload', '--losses', 'most', '-o', 'most']).status).toBe(0)
    const again = door.run(['replay', '--workload', 'most', '--losses', 'least'])
    expect(again.status).toBe(2)
    expect(again.stderr).toContain('says itself what gaps hide')
    const swept = door.run(['sweep', '--workload', 'most', '--losses', 'least'])
    expect(swept.stderr).toBe(again.stderr)
  })
})
