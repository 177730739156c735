import { describe, expect, it } from 'vitest'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { readScheduler } from '../../src/workload/scheduler.ts'

const US = 1000
const IDLE = 0
const [NAPS, KSWAPD, WAITS] = [1, 2, 3]

type Event = readonly [us: number, kind: keyof typeof EVENT, cpu: number, ...values: number[]]

function record(
  events: readonly Event[],
  kinds: readonly string[] = ['sched_switch', 'sched_wakeup'],
): Recording {
  const builder = new RecordingBuilder()
  events.forEach(([us, kind, cpu, a = 0, b = 0, c = 0], rank) => {
    builder.add(rank, EVENT[kind], us * US, cpu, 0, a, b, c, 0)
  })
  return {
    name: 'tried',
    ...builder.finish(),
    cpus: 2,
    pageSize: 4096,
    endNs: 1e12,
    tasks: new Map(),
    zones: [],
    samples: new Map(),
    snapshot: {},
    swapKinds: [],
    events: new Set(kinds),
    losses: 0,
  }
}

function shortSince(first: number): (round: number) => number {
  return (round) => (round < first ? 2000 : 100)
}

/** CPU 0 idles every 5 ms, while a thread waits behind kswapd on CPU 1; it takes that in those of the rounds that are given. */
function rounds(
  count: number,
  takes: (round: number) => boolean,
  idleUs: (round: number) => number = () => 2000,
) {
  const events: Event[] = [
    [0, 'wakeup', 1, KSWAPD, 1],
    [1, 'switch', 1, IDLE, 0, KSWAPD],
  ]
  for (let round = 0; round < count; round++) {
    const at = 1000 + 5000 * round
    events.push([at, 'wakeup', 0, NAPS, 0], [at + 10, 'switch', 0, IDLE, 0, NAPS])
    events.push([at + 20, 'wakeup', 1, WAITS, 1])
    if (takes(round)) {
      events.push([at + 1000, 'switch', 0, NAPS, STATE.sleeping, WAITS])
      events.push([at + 1100, 'switch', 0, WAITS, STATE.sleeping, IDLE])
    } else {
      events.push([at + 1000, 'switch', 0, NAPS, STATE.sleeping, IDLE])
      events.push([at + 1100, 'switch', 1, KSWAPD, STATE.runnable, WAITS])
      events.push([at + 1110, 'switch', 1, WAITS, STATE.sleeping, KSWAPD])
    }
    // Of so long an idle time the next look's average is made.
    const woken = at + 1100 + idleUs(round)
    events.push([woken, 'wakeup', 0, NAPS, 0])
    events.push([woken + 1, 'switch', 0, IDLE, 0, NAPS])
    events.push([5000 * (round + 1) + 900, 'switch', 0, NAPS, STATE.sleeping, IDLE])
  }
  return record(events)
}

describe('what the scheduler had learnt', () => {
  it('is how often an idle CPU took a waiting thread', () => {
    const recording = rounds(40, (round) => round % 4 === 0)
    const [first, second] = readScheduler(recording, Number.POSITIVE_INFINITY).newidle
    expect(first).toMatchObject({ value: { ratio: 256 }, basis: 'event', n: 40 })
    // Too few looks of its own: as all.
    expect(second?.value).toEqual(first?.value)
  })

  it('is what a look costs: who is idle for less on average took a thread only by chance', () => {
    // The average follows from the idle times: long ones in the first half, short ones in the second.
    const recording = rounds(60, (round) => round % 2 === 0 && round < 30, shortSince(30))
    const [first] = readScheduler(recording, Number.POSITIVE_INFINITY).newidle
    expect(first?.value.ratio).toBeGreaterThan(430)
    expect(first?.value.costNs).toBeGreaterThan(300_000)
    expect(first?.value.costNs).toBeLessThan(1_000_000)
  })

  it('is a look that costs too much where fewer look than looking helps', () => {
    const recording = rounds(60, (round) => round === 7)
    const [first] = readScheduler(recording, Number.POSITIVE_INFINITY).newidle
    expect(first?.value).toEqual({ ratio: 512, costNs: 1_000_000 })
  })

  it('is told by switches alone where no wake-up is recorded', () => {
    const told = rounds(40, (round) => round % 4 !== 0)
    const switches: Event[] = [[1, 'switch', 1, IDLE, 0, KSWAPD]]
    for (let round = 0; round < 40; round++) {
      const at = 1000 + 5000 * round
      // Who waits has lost its CPU to kswapd.
      switches.push([at, 'switch', 0, IDLE, 0, NAPS])
      switches.push([at + 1, 'switch', 1, KSWAPD, STATE.sleeping, WAITS])
      switches.push([at + 2, 'switch', 1, WAITS, STATE.runnable, KSWAPD])
      const takes = round % 4 !== 0
      switches.push([at + 1000, 'switch', 0, NAPS, STATE.sleeping, takes ? WAITS : IDLE])
      if (takes) switches.push([at + 1100, 'switch', 0, WAITS, STATE.sleeping, IDLE])
    }
    const untold = record(switches, ['sched_switch'])
    const ratios = [told, untold].map(
      (recording) => readScheduler(recording, Number.POSITIVE_INFINITY).newidle[0],
    )
    expect(ratios[1]).toMatchObject({ value: { ratio: 768 }, basis: 'event', n: 40 })
    expect(ratios[1]?.value.ratio).toBe(ratios[0]?.value.ratio)
  })

  it('is a freshly booted kernel where nothing tells', () => {
    const { newidle, tickNs } = readScheduler(record([]), Number.POSITIVE_INFINITY)
    expect(newidle[0]).toMatchObject({ value: { ratio: 512, costNs: 0 }, basis: 'default' })
    expect(tickNs).toMatchObject({ value: 1_000_000, basis: 'default' })
  })

  it('is the tick that the kernel was built with, where its configuration is beside the trace', () => {
    const built = { ...record([]), snapshot: { config: 'CONFIG_HZ_300=y\nCONFIG_HZ=300\n' } }
    expect(readScheduler(built, Number.POSITIVE_INFINITY).tickNs).toEqual({
      value: 3_333_333,
      basis: 'snapshot',
      from: 'CONFIG_HZ',
    })
  })

  it.each([1, 4, 10])('is the tick of %d ms on which threads lose their CPU', (ms) => {
    const events: Event[] = []
    for (let tick = 1; tick <= 300; tick++)
      events.push([
        1000 * ms * tick + 333,
        'switch',
        0,
        (tick % 2) + 1,
        STATE.runnable,
        2 - (tick % 2),
      ])
    const { tickNs } = readScheduler(record(events), Number.POSITIVE_INFINITY)
    expect(tickNs).toMatchObject({ value: ms * 1_000_000, basis: 'event' })
    expect(readScheduler(record(events), 1000 * US).tickNs).toEqual(tickNs)
  })
})
