import {
  known,
  type Operations,
  OWN,
  overridden,
  type Policy,
  PSTRACE_TUNABLES,
  submitters,
  tunable,
} from './policy.ts'

const ENTRY_BYTES = 24
const NEXT = 0
const DISABLED = 1
const PRODUCERS = 0
/** Vendor forms of the same driver that ship on devices. */
const IDLE_PAUSE = 1
const ROUND_ROBIN = 2
const ANY_CONTEXT = 3
const PAUSE_NS = 1_500_000
const MOST_THREADS = 64

/** March 2025, inside zram: up to four threads, each with a queue of its own, filled first-fit; when all are full kswapd stores the newest. */
export const kcompressdV1: Policy = {
  name: 'kcompressd-v1',
  aliases: [],
  models: 'zram: kcompressd (7 March 2025), drivers/block/zram/kcompressd.c',
  covers: ['zram'],
  tunables: [
    {
      name: 'nr_kcompressd',
      default: 4,
      min: 0,
      max: MOST_THREADS,
      meaning: 'threads; 0 = synchronous',
      source: "module parameter of the patch; the range is pstrace's",
    },
    {
      name: 'queue_size_per_kcompressd',
      default: 4096,
      min: 1,
      max: 1 << 20,
      meaning: 'entries asked for per thread; the bytes are rounded up to a power of two',
      source: "module parameter of the patch; the range is pstrace's",
    },
    {
      name: 'pstrace.vendor',
      default: 0,
      min: 0,
      max: ANY_CONTEXT,
      meaning:
        '0 = as posted; forms that ship on devices: 1 = sleeps 1.5 ms after each drain (with nr_kcompressd=1), 2 = rings of just so many entries, filled in rotation (with queue_size_per_kcompressd=256), 3 = direct reclaimers queue too, and who finds another at it stores for itself',
      source: OWN,
    },
    {
      name: 'pstrace.write_disables',
      default: 1,
      min: 0,
      max: 1,
      meaning:
        '1 = a parameter written while it runs leaves the queues disabled for good, as posted (a result is tested the wrong way round); 0 = the new value holds',
      source: OWN,
    },
    ...PSTRACE_TUNABLES,
  ],
  knownDeviations: [
    'pushes are atomic: the patch takes no lock, and the kswapd of several nodes share its queues',
    'what waits when a parameter is written is stored by the threads; in the patch by the writer, which drops its reference first',
    'a store without the queue costs what a synchronous one does; in the patch its bio comes from the heap',
    'a vendor form that ends its thread after 1 to 2 ms without work and creates another costs what sleeping does (pstrace.vendor=1)',
    'batches of 16 and niceness 5 of a vendor form are not modelled',
  ],
  layout: (_node, tunables) => {
    const threads = threadCount(
      tunable(tunables, 'nr_kcompressd'),
      tunable(tunables, 'pstrace.workers'),
    )
    const vendor = tunable(tunables, 'pstrace.vendor')
    const capacity = capacityOf(tunable(tunables, 'queue_size_per_kcompressd'), vendor)
    const isAnyContext = vendor === ANY_CONTEXT
    return {
      global: true,
      queues: Array.from({ length: threads }, (_, index) => ({
        name: `kcompressd${index}`,
        capacity,
      })),
      locks: [{ name: 'producers', kind: 'spinlock' }],
      cells: [
        { name: 'next', most: MOST_THREADS },
        { name: 'disabled', most: 1 },
      ],
      workers: Array.from({ length: threads }, (_, index) => ({
        name: `kcompressd${index}`,
        unbound: true,
        memalloc: overridden(tunables, 'pstrace.memalloc', true),
        start: isAnyContext ? ('boot' as const) : ('lazy' as const),
        kworker: false,
      })),
      items: 0,
      gate: 'swap',
      submitters: submitters(tunables, isAnyContext),
      keepsOrder: false,
      folio: {
        whileQueued: 'writeback',
        rotated: overridden(tunables, 'pstrace.rotate', true),
      },
    }
  },
  *submit(folio, node) {
    const threads = threadsAtWork(node)
    if (threads === 0) return 'inline'
    const vendor = known(node.initial['pstrace.vendor'])
    const capacity = capacityOf(known(node.tunables['queue_size_per_kcompressd']), vendor)
    if (vendor === ANY_CONTEXT && !node.tryLock(PRODUCERS)) return 'inline'
    const first = vendor === ROUND_ROBIN ? node.read(NEXT) : 0
    let isQueued = false
    for (let step = 0; step < threads && !isQueued; step++) {
      const thread = (first + step) % threads
      if (node.length(thread) >= capacity) continue
      if (!node.push(thread, folio)) yield
      if (!node.result) continue
      isQueued = true
      if (vendor === ROUND_ROBIN) node.write(NEXT, (thread + 1) % threads)
      if (!node.wake(thread)) yield
    }
    if (vendor === ANY_CONTEXT) node.unlock(PRODUCERS)
    return isQueued ? 'queued' : 'inline'
  },
  *work(worker, node) {
    const vendor = known(node.initial['pstrace.vendor'])
    for (;;) {
      if (!node.wait(worker)) yield
      for (;;) {
        const head = node.pop(worker)
        if (head < 0) break
        if (!node.store(head)) yield
      }
      if (vendor === IDLE_PAUSE && !node.pause(PAUSE_NS)) yield
    }
  },
}

/** How many queues there are for a folio: none any more once a parameter was written, where that disables them. */
function threadsAtWork(node: Operations): number {
  const { initial, tunables } = node
  const asked = known(tunables['nr_kcompressd'])
  if (known(initial['pstrace.write_disables']) === 1) {
    if (node.read(DISABLED) === 1) return 0
    if (
      asked !== known(initial['nr_kcompressd']) ||
      known(tunables['queue_size_per_kcompressd']) !== known(initial['queue_size_per_kcompressd'])
    ) {
      node.write(DISABLED, 1)
      return 0
    }
  }
  return threadCount(asked, known(initial['pstrace.workers']))
}

function threadCount(threads: number, limit: number): number {
  return limit < 0 ? threads : limit
}

/** kfifo_alloc rounds its bytes up to a power of two: 4096 entries of 24 bytes become 131,072 bytes, 5461 entries. The vendor's ring is as long as told. */
function capacityOf(entries: number, vendor: number): number {
  if (vendor === ROUND_ROBIN) return entries
  const bytes = 1 << (32 - Math.clz32(entries * ENTRY_BYTES - 1))
  return Math.floor(bytes / ENTRY_BYTES)
}
