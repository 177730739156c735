import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import type { ReplayLogEvent } from '../../src/replay/log-events.ts'
import { replay } from '../../src/replay/replay.ts'
import { allocations, CountingBackend, plainContents, plan } from './build.ts'

const [kswapd] = policies
/** Pages of a window. */
const WINDOW = 32
const READER = 2
/** MIN_LRU_BATCH: fewer refaults tell nothing. */
const FEW = 64

/** A task allocates more than there is, which has pages nobody uses, while another reads a file: a window a millisecond. */
function logOf(lru: 'classic' | 'mglru', swappiness: number): ReplayLogEvent[] {
  if (kswapd === undefined) throw new Error('there is no policy')
  const log: ReplayLogEvent[] = []
  const read = { op: 'file' as const, cpuNs: 1_000_000, arg: WINDOW }
  const marks = { free: 2000, min: 100, low: 125, high: 150 }
  replay(
    plan({
      lru,
      swappiness,
      ...marks,
      resident: 12_000,
      tasks: [
        { rows: allocations(6000, 10_000) },
        { rows: Array.from({ length: 100 }, () => read) },
      ],
      costs: { store: 5000, unmap: 1000, scanKept: 100, batch: 500, freeClean: 200 },
    }),
    {
      policy: kswapd,
      backend: new CountingBackend(),
      contents: plainContents,
      checkEveryNs: 1_000_000,
      log: (event) => log.push(event),
    },
  )
  return log
}

const readAgain = (log: readonly ReplayLogEvent[]) =>
  log.filter(({ event }) => event === 'file-refault')
const filesTaken = (log: readonly ReplayLogEvent[]) =>
  log.filter(({ event, detail }) => event === 'isolate' && detail === 'inactive_file')

describe('pages of a file that reclaim takes before their reader comes to them', () => {
  it.each(['classic', 'mglru'] as const)('are read again, by him, with the %s lists', (lru) => {
    const again = readAgain(logOf(lru, 1))
    expect(again.length).toBeGreaterThan(0)
    expect(new Set(again.map(({ task }) => task))).toEqual(new Set([READER]))
  })

  it('make the multi-generational LRU leave files alone from the 64th on, while nothing is swapped in', () => {
    const log = logOf('mglru', 100)
    const again = readAgain(log)
    expect(again.length).toBeGreaterThanOrEqual(FEW)
    expect(again.length).toBeLessThan(FEW + WINDOW)
    const enough = again[FEW - 1]?.ns ?? 0
    expect(enough).toBeLessThan((log.at(-1)?.ns ?? 0) / 2)
    expect(filesTaken(log).filter(({ ns }) => ns > enough)).toEqual([])
    const anon = log.filter(({ event, detail }) => event === 'isolate' && detail?.endsWith('anon'))
    expect(anon.at(-1)?.ns).toBeGreaterThan(enough)
  })

  it('do not matter where swappiness asks for files first', () => {
    const log = logOf('mglru', 1)
    expect(readAgain(log).length).toBeGreaterThan(FEW + WINDOW)
    const enough = readAgain(log)[FEW + WINDOW]?.ns ?? 0
    expect(filesTaken(log).filter(({ ns }) => ns > enough).length).toBeGreaterThan(1)
  })
})
