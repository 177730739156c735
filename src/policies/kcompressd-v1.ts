import {
  length,
  overridden,
  type Policy,
  PSTRACE_TUNABLES,
  pause,
  pop,
  push,
  read,
  readTunable,
  store,
  tunable,
  wait,
  wake,
  write,
} from './policy.ts'

const ENTRY_BYTES = 24
const NEXT = 0
const THREADS = readTunable('nr_kcompressd')
const SIZE = readTunable('queue_size_per_kcompressd')
const LIMIT = readTunable('pstrace.workers')
const VARIANT = readTunable('pstrace.vendor')
const READ_NEXT = read(NEXT)
/** Vendor forms of the same driver that ship on devices. */
const ROUND_ROBIN = 2
const IDLE_PAUSE = 1
const PAUSE = pause(1_500_000)

/** March 2025, inside zram: up to four threads, each with a queue of its own, filled first-fit; when all are full kswapd stores the newest. */
export const kcompressdV1: Policy = {
  name: 'kcompressd-v1',
  aliases: [],
  models: 'zram: kcompressd (7 March 2025), drivers/block/zram/kcompressd.c',
  tunables: [
    { name: 'nr_kcompressd', default: 4, min: 0, max: 64, meaning: 'threads; 0 = synchronous' },
    {
      name: 'queue_size_per_kcompressd',
      default: 4096,
      min: 1,
      max: 1 << 20,
      meaning: 'entries asked for per thread; the bytes are rounded up to a power of two',
    },
    {
      name: 'pstrace.vendor',
      default: 0,
      min: 0,
      max: 2,
      meaning: '0 = as posted, 1 = sleeps 1.5 ms after each drain, 2 = queues filled in rotation',
    },
    ...PSTRACE_TUNABLES,
  ],
  knownDeviations: [
    'the disabled state after a parameter was changed at run time is not modelled',
    'the queues take no lock in the patch either; the single producer is kswapd',
  ],
  layout: (_node, tunables) => {
    const threads = threadCount(
      tunable(tunables, 'nr_kcompressd'),
      tunable(tunables, 'pstrace.workers'),
    )
    const capacity = fifoCapacity(tunable(tunables, 'queue_size_per_kcompressd'))
    return {
      global: true,
      queues: Array.from({ length: threads }, (_, index) => ({
        name: `kcompressd${index}`,
        capacity,
      })),
      locks: [],
      cells: ['next'],
      workers: Array.from({ length: threads }, (_, index) => ({
        name: `kcompressd${index}`,
        unbound: true,
        memalloc: overridden(tunables, 'pstrace.memalloc', true),
        start: 'lazy' as const,
        kworker: false,
      })),
      items: 0,
      gate: 'swap',
      folio: {
        whileQueued: 'writeback',
        rotated: overridden(tunables, 'pstrace.rotate', true),
      },
    }
  },
  *submit(folio) {
    const threads = threadCount(yield THREADS, yield LIMIT)
    if (threads === 0) return 'inline'
    const capacity = fifoCapacity(yield SIZE)
    const first = (yield VARIANT) === ROUND_ROBIN ? yield READ_NEXT : 0
    for (let step = 0; step < threads; step++) {
      const thread = (first + step) % threads
      if ((yield length(thread)) >= capacity) continue
      if ((yield push(thread, folio)) === 0) continue
      yield write(NEXT, (thread + 1) % threads)
      yield wake(thread)
      return 'queued'
    }
    return 'inline'
  },
  *work(worker) {
    for (;;) {
      yield wait(worker)
      for (;;) {
        const head = yield pop(worker)
        if (head < 0) break
        yield store(head)
      }
      if ((yield VARIANT) === IDLE_PAUSE) yield PAUSE
    }
  },
}

function threadCount(threads: number, limit: number): number {
  return limit < 0 ? threads : limit
}

/** kfifo_alloc rounds its bytes up to a power of two: 4096 entries of 24 bytes become 131,072 bytes, 5461 entries. */
function fifoCapacity(entries: number): number {
  let bytes = 1
  while (bytes < entries * ENTRY_BYTES) bytes *= 2
  return Math.floor(bytes / ENTRY_BYTES)
}
