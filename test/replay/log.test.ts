import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { LOG_EVENTS, type ReplayLogEvent } from '../../src/replay/log-events.ts'
import { replay } from '../../src/replay/replay.ts'
import { CountingBackend, plainContents } from './build.ts'
import { RowCollector } from './rows.ts'
import { pressure } from './scenarios.ts'

function logOf(policy: (typeof policies)[number], lru: 'classic' | 'mglru' = 'classic') {
  const log: ReplayLogEvent[] = []
  const rows = new RowCollector()
  const { summary, endNs } = replay(pressure({ pages: 4000, touches: 2000, lru }), {
    policy,
    backend: new CountingBackend(3),
    contents: plainContents,
    sink: rows.sink,
    log: (event) => log.push(event),
  })
  return { log, rows, summary, endNs }
}

/** Order by brute force: pairs out of place, and the largest distance of a rank from its place. */
function measure(ranks: readonly number[]) {
  let inversions = 0
  let displacement = 0
  const waiting = new Set(ranks)
  ranks.forEach((rank, place) => {
    waiting.delete(rank)
    for (const other of waiting) if (other < rank) inversions++
    displacement = Math.max(displacement, Math.abs(rank - place - 1))
  })
  return { inversions, displacement }
}

describe.each(policies.map((policy) => [policy.name, policy] as const))(
  'the log alone, under %s,',
  (_name, policy) => {
    it.each(['classic', 'mglru'] as const)(
      'gives the figures of the run again (%s lists)',
      (lru) => {
        const { log, rows, summary, endNs } = logOf(policy, lru)
        const of = (event: ReplayLogEvent['event']) => log.filter((line) => line.event === event)
        const sum = (lines: readonly ReplayLogEvent[]) =>
          lines.reduce((total, { value }) => total + value, 0)
        expect(log[0]?.event).toBe('begin')
        expect(log.at(-1)).toMatchObject({ event: 'end', ns: endNs })
        for (let line = 1; line < log.length; line++)
          expect((log[line]?.ns ?? 0) >= (log[line - 1]?.ns ?? 0)).toBe(true)

        expect(of('swap-out').length).toBe(summary.swapOuts)
        expect(of('stored').length).toBe(summary.stores)
        expect(sum(of('stored'))).toBe(summary.compressedBytes)
        expect(of('zero').length).toBe(summary.zeroPages)
        expect(of('submit').length - of('withdraw').length).toBe(summary.laneSubmitted)
        expect(of('switch').length).toBe(summary.contextSwitches)
        expect(Math.max(0, ...of('push').map(({ value }) => value))).toBe(summary.queuePeak)

        const direct = of('direct').map(({ value }) => value)
        expect(direct.length).toBe(summary.all.count)
        expect(of('direct-begin').length).toBe(summary.all.count)
        expect(sum(of('direct'))).toBe(summary.all.totalNs)
        expect(of('round').length).toBe(summary.all.rounds)
        expect(sum(of('throttle'))).toBe(summary.all.throttledNs)
        direct.sort((a, b) => a - b)
        expect(direct[Math.max(0, Math.ceil(direct.length / 2) - 1)] ?? 0).toBe(summary.all.p50Ns)

        const anonymous = of('batch').filter(({ detail }) => detail?.endsWith('anon') === true)
        expect(sum(anonymous)).toBe(summary.pgstealAnon)
        // A batch that the end of the run cuts is not counted.
        const open = new Map<number, ReplayLogEvent>()
        for (const line of log)
          if (line.event === 'isolate') open.set(line.task, line)
          else if (line.event === 'batch') open.delete(line.task)
        const whole = of('isolate').filter((line) => open.get(line.task) !== line)
        const scanned = whole.filter(({ detail }) => detail?.startsWith('inactive') === true)
        expect(sum(scanned)).toBe(summary.pgscanKswapd + summary.pgscanDirect)
        // shrink_active_list() is traced where it found nothing too; nothing was isolated then.
        const taking = rows.of('shrink_batches').filter((row) => Number(row['nr_taken']) > 0)
        expect(whole.length).toBe(taking.length)

        const swapIns = of('swap-in')
        expect(swapIns.length).toBe(rows.of('swapins').length)
        // A fault may wait for the queue first, and find the page gone then.
        expect(sum(of('load'))).toBe(summary.swapIns)
        expect(
          swapIns.filter(({ detail }) => detail === 'queued' || detail === 'storing').length,
        ).toBe(summary.refaultsQueued)
        expect(of('displaced').length).toBe(
          rows.of('swapouts').filter((row) => row['path'] === 'displaced').length,
        )
        expect(of('freed').length).toBe(
          rows.of('swapouts').filter((row) => row['freed_ns'] !== null).length,
        )
      },
    )

    it('gives the order statistics again', () => {
      const { log, summary } = logOf(policy)
      const rankOf = new Map<number, number>()
      const starts: number[] = []
      const ends: number[] = []
      for (const { event, page, value } of log) {
        if (event === 'submit') rankOf.set(page, value)
        else if (event === 'withdraw') rankOf.delete(page)
        else if (event === 'start') {
          expect(rankOf.get(page)).toBe(value)
          starts.push(value)
        } else if (event === 'stored' || event === 'refused') {
          const rank = rankOf.get(page)
          if (rank === undefined) continue
          ends.push(rank)
          rankOf.delete(page)
        }
      }
      // Stores still under way at the end have started and are not done.
      expect(starts.length - ends.length).toBeLessThanOrEqual(8)
      const start = measure(starts)
      const done = measure(ends)
      expect(start.displacement).toBe(summary.startDisplacement)
      expect(done.displacement).toBe(summary.doneDisplacement)
      if (starts.length === summary.laneSubmitted)
        expect(start.inversions).toBe(summary.startInversions)
      if (ends.length === summary.laneSubmitted)
        expect(done.inversions).toBe(summary.doneInversions)
    })

    it('tells of each queue that it gives what it took, in its order, and of each lock wait its length', () => {
      const { log } = logOf(policy)
      const queues = new Map<string, number[]>()
      const waiting = new Map<number, ReplayLogEvent>()
      for (const line of log) {
        const { event, page, value, task, ns, detail = '' } = line
        const queue = queues.get(detail) ?? []
        if (event === 'push') {
          queue.push(page)
          queues.set(detail, queue)
          expect(queue.length).toBe(value)
        } else if (event === 'pop') {
          expect(queue.shift()).toBe(page)
          expect(queue.length).toBe(value)
        } else if (event === 'lock-wait') waiting.set(task, line)
        else if (event === 'lock-got') {
          const began = waiting.get(task)
          expect([began?.detail, ns - (began?.ns ?? 0)]).toEqual([detail, value])
          waiting.delete(task)
        }
      }
    })
  },
)

it('every event of the list occurs under some policy, and no other', () => {
  const seen = new Set(
    policies.flatMap((policy) => logOf(policy).log.map(({ event }) => event as string)),
  )
  const rare = ['withdraw', 'zero', 'refused', 'split', 'tunable', 'file-refault']
  expect([...new Set([...seen, ...rare])].sort()).toEqual(Object.keys(LOG_EVENTS).sort())
})
