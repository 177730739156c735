import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import type { Policy } from '../../src/policies/policy.ts'
import { EventQueue } from '../../src/replay/event-queue.ts'
import { Random } from '../../src/replay/random.ts'
import { replay } from '../../src/replay/replay.ts'
import { CountingBackend, plainContents, plan } from '../replay/build.ts'
import { type BenchRow, pairedRow } from './row.ts'

const ROUNDS = 5
const EVENTS = 400_000
const PENDING = 64

interface Pending {
  readonly time: number
  readonly sequence: number
  readonly id: number
}

/** The peer: a binary heap of event objects; like ours it breaks ties by order. */
class ObjectHeap {
  readonly #heap: Pending[] = []

  push(event: Pending): void {
    const heap = this.#heap
    let place = heap.length
    heap.push(event)
    while (place > 0) {
      const parent = (place - 1) >> 1
      const other = heap[parent] as Pending
      if (before(other, event)) break
      heap[place] = other
      place = parent
    }
    heap[place] = event
  }

  pop(): Pending {
    const heap = this.#heap
    const first = heap[0] as Pending
    const last = heap.pop() as Pending
    if (heap.length === 0) return first
    let place = 0
    for (;;) {
      let child = place * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Pending, heap[child] as Pending))
        child++
      if (before(last, heap[child] as Pending)) break
      heap[place] = heap[child] as Pending
      place = child
    }
    heap[place] = last
    return first
  }
}

function before(one: Pending, other: Pending): boolean {
  return one.time < other.time || (one.time === other.time && one.sequence < other.sequence)
}

function ours(): number {
  const random = new Random(1, 1)
  const queue = new EventQueue(PENDING)
  for (let id = 0; id < PENDING; id++) queue.schedule(id, random.below(1000))
  const start = cpuMs()
  for (let event = 0; event < EVENTS; event++) {
    const time = queue.nextTime
    queue.schedule(queue.pop(), time + random.below(1000))
  }
  return EVENTS / (cpuMs() - start)
}

function peer(): number {
  const random = new Random(1, 1)
  const heap = new ObjectHeap()
  for (let id = 0; id < PENDING; id++) heap.push({ time: random.below(1000), sequence: id, id })
  const start = cpuMs()
  for (let event = 0; event < EVENTS; event++) {
    const { time, id } = heap.pop()
    heap.push({ time: time + random.below(1000), sequence: PENDING + event, id })
  }
  return EVENTS / (cpuMs() - start)
}

/** Thousand folios stored per second of CPU time, sizes at hand. */
function folios(policy: Policy): number {
  const count = 60_000
  const workload = plan({
    cpus: 4,
    free: 10,
    min: 0,
    low: 20,
    high: count + 9,
    resident: count,
    tasks: [{ rows: [{ op: 'sleep', arg: 1e12 }] }],
    costs: { store: 3000, unmap: 1000, scanKept: 100, batch: 500, push: 100, wake: 100 },
  })
  const start = cpuMs()
  const { summary } = replay(workload, {
    policy,
    backend: new CountingBackend(),
    contents: plainContents,
  })
  return summary.stores / (cpuMs() - start)
}

export async function bench(): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  const row = (
    about: Pick<BenchRow, 'name' | 'peerName' | 'unit' | 'goal'>,
    mine: () => number,
    other: () => number,
  ): void => {
    mine()
    other()
    const a: number[] = []
    const b: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      a.push(mine())
      b.push(other())
    }
    rows.push(pairedRow({ ...about, better: 'higher' }, a, b))
  }
  row(
    {
      name: `event queue with ${PENDING} pending`,
      peerName: 'binary heap of objects',
      unit: 'thousand events/s of CPU time',
      goal: 2,
    },
    ours,
    peer,
  )
  for (const policy of [kswapd, kcompressd])
    row(
      {
        name: `replay under ${policy.name}, sizes at hand`,
        peerName: 'the floor of 0.5 million folios/s',
        unit: 'thousand folios/s of CPU time',
        goal: 1,
      },
      () => folios(policy),
      () => 500,
    )
  return rows
}

/** CPU time of this process so far, ms: other processes of the machine do not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
