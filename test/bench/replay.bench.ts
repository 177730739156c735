import { setFlagsFromString } from 'node:v8'
import type { Place, StoreResult, SwapBackend } from '../../src/memory/backends/backend.ts'
import { openBackend } from '../../src/memory/backends/index.ts'
import type { Codec } from '../../src/memory/codecs/codec.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import type { PageContents } from '../../src/memory/contents/contents.ts'
import { createGenerator } from '../../src/memory/contents/index.ts'
import { openPool } from '../../src/memory/pools/index.ts'
import { policies } from '../../src/policies/index.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import type { Policy } from '../../src/policies/policy.ts'
import { EventQueue } from '../../src/replay/event-queue.ts'
import { Random } from '../../src/replay/random.ts'
import { replay } from '../../src/replay/replay.ts'
import type { Workload } from '../../src/workload/types.ts'
import { plainContents, plan, STORED } from '../replay/build.ts'
import { pressure } from '../replay/scenarios.ts'
import { liveBytes } from '../shared/live-bytes.ts'
import { type BenchRow, pairedRow } from './row.ts'

const ROUNDS = 5
/** A round is a fraction of a second, most of the first few goes into compiling: a run of a recording is that many rounds long. */
const WARM_ROUNDS = 5
const EVENTS = 400_000
const PENDING = 64

interface Pending {
  readonly time: number
  readonly sequence: number
  readonly id: number
}

/** The peer, as such queues are mostly written: a binary heap of event objects that takes its order as a function. */
class ObjectHeap<Event> {
  readonly #heap: Event[] = []
  readonly #compare: (one: Event, other: Event) => number

  constructor(compare: (one: Event, other: Event) => number) {
    this.#compare = compare
  }

  push(event: Event): void {
    this.#heap.push(event)
    this.#up(this.#heap.length - 1)
  }

  pop(): Event | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (heap.length > 0 && last !== undefined) {
      heap[0] = last
      this.#down(0)
    }
    return first
  }

  #up(from: number): void {
    const heap = this.#heap
    const event = heap[from] as Event
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      const other = heap[parent] as Event
      if (this.#compare(event, other) >= 0) break
      heap[place] = other
      place = parent
    }
    heap[place] = event
  }

  #down(from: number): void {
    const heap = this.#heap
    const half = heap.length >> 1
    const event = heap[from] as Event
    let place = from
    while (place < half) {
      let child = 2 * place + 1
      let best = heap[child] as Event
      const right = child + 1
      if (right < heap.length && this.#compare(heap[right] as Event, best) < 0) {
        child = right
        best = heap[right] as Event
      }
      if (this.#compare(best, event) >= 0) break
      heap[place] = best
      place = child
    }
    heap[place] = event
  }
}

/** Drawn beforehand: the generator is not what is measured. */
const DELAYS = drawDelays()

function drawDelays(): Float64Array {
  const random = new Random(1, 1)
  return Float64Array.from({ length: EVENTS }, () => random.below(1000))
}

function ours(): number {
  const queue = new EventQueue(PENDING)
  for (let id = 0; id < PENDING; id++) queue.schedule(id, id)
  const start = cpuMs()
  for (let event = 0; event < EVENTS; event++) {
    const time = queue.nextTime
    queue.schedule(queue.pop(), time + (DELAYS[event] as number))
  }
  return EVENTS / (cpuMs() - start)
}

function peer(): number {
  const heap = new ObjectHeap<Pending>(
    (one, other) => one.time - other.time || one.sequence - other.sequence,
  )
  for (let id = 0; id < PENDING; id++) heap.push({ time: id, sequence: id, id })
  const start = cpuMs()
  for (let event = 0; event < EVENTS; event++) {
    const first = heap.pop()
    if (first === undefined) break
    heap.push({
      time: first.time + (DELAYS[event] as number),
      sequence: PENDING + event,
      id: first.id,
    })
  }
  return EVENTS / (cpuMs() - start)
}

/** Sizes at hand: a store costs nothing but the call. */
class SizesBackend implements SwapBackend {
  readonly name = 'zram'
  readonly poolPages = 0
  readonly poolBytes = 0
  readonly #result: StoreResult = { ...STORED }

  store(): StoreResult {
    return this.#result
  }

  load(): Place {
    return 'zram'
  }

  free(): number {
    return 0
  }

  counters(): Readonly<Record<string, number>> {
    return {}
  }

  check(): void {}
}

/** Kswapd wakes at once and stores pages, one after the other, until `high` are free. */
function sweep(count: number, free: number, high: number): Workload {
  return plan({
    cpus: 4,
    free,
    min: 0,
    low: free + 20,
    high,
    resident: count,
    tasks: [{ rows: [{ op: 'sleep', arg: 1e12 }] }],
    costs: { store: 3000, unmap: 1000, scanKept: 100, batch: 500, push: 100, wake: 100 },
  })
}

/** Thousand folios stored per second of CPU time, sizes at hand. */
function folios(policy: Policy): number {
  const workload = sweep(60_000, 200, 60_009)
  const start = cpuMs()
  const { summary } = replay(workload, {
    policy,
    backend: new SizesBackend(),
    contents: plainContents,
  })
  return summary.stores / (cpuMs() - start)
}

const DIFFERENT_PAGES = 8000
const RESIDENT_PAGES = 60_000
/** Enough that no worker ever has to reclaim for its own pool page. */
const RESERVE_PAGES = 2000

/** Pages made beforehand: making them is not what is measured. Every page of the run counts as another content. */
class ReadyContents implements PageContents {
  readonly source = 'corpus'
  readonly description = 'pages in memory'
  readonly #pages: Uint8Array[]
  readonly #zero: Uint8Array

  constructor(count: number) {
    const generator = createGenerator({ seed: 1 })
    this.#pages = Array.from({ length: count }, (_, page) => {
      const bytes = new Uint8Array(4096)
      generator.fill(page, 0, page, bytes)
      return bytes
    })
    this.#zero = Uint8Array.from(this.#pages, (bytes) => (bytes.some((byte) => byte > 0) ? 0 : 1))
  }

  fill(page: number, _version: number, _slot: number, target: Uint8Array): number {
    const bytes = this.#pages[page % this.#pages.length]
    if (bytes !== undefined) target.set(bytes)
    return page
  }

  isZero(page: number): boolean {
    return this.#zero[page % this.#pages.length] === 1
  }
}

/** The same with every page compressed by LZ4 and put into zsmalloc. */
function foliosCompressed(codec: Codec, contents: PageContents): number {
  // The pool takes its part of what is stored.
  const workload = sweep(RESIDENT_PAGES, RESERVE_PAGES, RESERVE_PAGES + RESIDENT_PAGES / 2)
  const backend = openBackend('zram', { codec, openPool })
  const start = cpuMs()
  const { summary } = replay(workload, { policy: kcompressd, backend, contents })
  return summary.stores / (cpuMs() - start)
}

/** The codec alone, on the same pages. */
function codecAlone(codec: Codec, contents: PageContents): number {
  const bytes = new Uint8Array(4096)
  const target = new Uint8Array(codec.bound(bytes.length))
  const start = cpuMs()
  for (let page = 0; page < RESIDENT_PAGES; page++) {
    contents.fill(page, 0, page, bytes)
    codec.compress(bytes, target)
  }
  return RESIDENT_PAGES / (cpuMs() - start)
}

/** Bytes that a run holds at most beside its workload, at samples during stores. */
function peakBytes(workload: Workload): number {
  const before = liveBytes()
  let peak = 0
  let stores = 0
  class SampledBackend extends SizesBackend {
    override store(): StoreResult {
      if (stores++ % 4000 === 0) peak = Math.max(peak, liveBytes())
      return super.store()
    }
  }
  replay(workload, { policy: kcompressd, backend: new SampledBackend(), contents: plainContents })
  return peak - before
}

/**
 * Nothing is optimized meanwhile: code that is compiled while a run goes on is up to a third of what that run holds itself, and which run it
 * meets is chance.
 */
function unoptimized<Result>(measure: () => Result): Result {
  setFlagsFromString('--no-opt')
  try {
    return measure()
  } finally {
    setFlagsFromString('--opt')
  }
}

/** Memory of runs: it grows with the pages that are alive, and not with how often they come and go. */
function memoryRows(): readonly BenchRow[] {
  const about = { unit: 'bytes per live page', better: 'lower', goal: 1.2 } as const
  const perPage = (pages: number): number => peakBytes(sweep(pages, 200, pages + 9)) / pages
  const churn = (touches: number): number =>
    peakBytes(pressure({ pages: 12_000, touches, boost: false })) / 12_000
  // Bytecode and feedback come into being during the first runs.
  perPage(60_000)
  churn(12_000)
  return [
    pairedRow(
      { ...about, name: 'memory of a run with 240,000 pages', peerName: 'with 60,000 pages' },
      [perPage(240_000)],
      [perPage(60_000)],
    ),
    pairedRow(
      { ...about, name: 'memory of a run with 200,000 touches', peerName: 'with 50,000 touches' },
      [churn(200_000)],
      [churn(50_000)],
    ),
  ]
}

export async function bench(): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  const row = (
    about: Pick<BenchRow, 'name' | 'peerName' | 'unit' | 'goal'>,
    mine: () => number,
    other: () => number,
  ): void => {
    for (let round = 0; round < WARM_ROUNDS; round++) {
      mine()
      other()
    }
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
  const lz4 = await openCodec('lz4')
  const contents = new ReadyContents(DIFFERENT_PAGES)
  row(
    {
      name: 'replay with LZ4 and zsmalloc in the loop',
      peerName: 'LZ4 alone on the same pages',
      unit: 'thousand pages/s of CPU time',
      goal: 0.6,
    },
    () => foliosCompressed(lz4, contents),
    () => codecAlone(lz4, contents),
  )
  for (const policy of policies)
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
  rows.push(...unoptimized(memoryRows))
  return rows
}

/** CPU time of this process so far, ms: other processes of the machine do not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
