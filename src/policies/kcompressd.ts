import {
  COVERABLE,
  known,
  overridden,
  type Policy,
  PSTRACE_TUNABLES,
  submitters,
  tunable,
} from './policy.ts'

const FIFO = 0
const FIFO_FOLIOS = 256

/** April 2025, in page_io: one thread per node; when its queue is full, kswapd stores the newest folio itself, before 256 older ones. */
export const kcompressd: Policy = {
  name: 'kcompressd',
  aliases: ['kcompressd-v2'],
  models: 'mm: Add Kcompressd for accelerated memory compression (30 April 2025), mm/page_io.c',
  covers: COVERABLE,
  tunables: [
    ...PSTRACE_TUNABLES,
    {
      name: 'pstrace.fifo',
      default: FIFO_FOLIOS,
      min: 1,
      max: 1 << 20,
      meaning: 'folios that the queue holds (KCOMPRESS_FIFO_SIZE)',
      source: 'a constant of the patch, 256',
    },
  ],
  knownDeviations: [
    'the thread is created at boot, with its node',
    'more than one worker per node is not in the patch',
    'pushes are atomic: the patch takes no lock, since kswapd is the only producer; with pstrace.direct it would need one',
    'the prototype of 13 March is not modelled: it queues the first bytes of the folio instead of its address, wakes nobody, and its thread ends after one store',
    "kswapd's node is the folio's; the patch takes the node of the CPU that kswapd runs on, to which it is bound",
  ],
  layout: (_node, tunables) => ({
    global: false,
    queues: [{ name: 'kcompress_fifo', capacity: tunable(tunables, 'pstrace.fifo') }],
    locks: [],
    cells: [],
    workers: Array.from({ length: workerCount(tunable(tunables, 'pstrace.workers')) }, () => ({
      name: 'kcompressd',
      unbound: false,
      memalloc: overridden(tunables, 'pstrace.memalloc', false),
      start: 'boot' as const,
      kworker: false,
    })),
    items: 0,
    gate: 'anon',
    submitters: submitters(tunables, false),
    keepsOrder: false,
    folio: {
      whileQueued: 'locked',
      rotated: overridden(tunables, 'pstrace.rotate', false),
    },
  }),
  *submit(folio, node) {
    const { initial } = node
    const workers = workerCount(known(initial['pstrace.workers']))
    if (workers === 0) return 'inline'
    if (node.length(FIFO) >= known(initial['pstrace.fifo'])) return 'inline'
    if (!node.push(FIFO, folio)) yield
    if (!node.result) return 'inline'
    for (let worker = 0; worker < workers; worker++) {
      if (!node.wake(worker)) yield
      if (node.result) break
    }
    return 'queued'
  },
  *work(_worker, node) {
    for (;;) {
      if (!node.wait(FIFO)) yield
      for (;;) {
        const head = node.pop(FIFO)
        if (head < 0) break
        if (!node.store(head)) yield
      }
    }
  },
}

function workerCount(workers: number): number {
  return workers < 0 ? 1 : workers
}
