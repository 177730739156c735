import {
  length,
  overridden,
  type Policy,
  PSTRACE_TUNABLES,
  pop,
  push,
  readTunable,
  store,
  tunable,
  wait,
  wake,
} from './policy.ts'

const FIFO = 0
const FIFO_FOLIOS = 256
const LENGTH = length(FIFO)
const POP = pop(FIFO)
const WAIT = wait(FIFO)
const WORKERS = readTunable('pstrace.workers')
const CAPACITY = readTunable('pstrace.fifo')

/** April 2025, in page_io: one thread per node; when its queue is full, kswapd stores the newest folio itself, before 256 older ones. */
export const kcompressd: Policy = {
  name: 'kcompressd',
  aliases: ['kcompressd-v2'],
  models: 'mm: Add Kcompressd for accelerated memory compression (30 April 2025), mm/page_io.c',
  tunables: [
    ...PSTRACE_TUNABLES,
    {
      name: 'pstrace.fifo',
      default: FIFO_FOLIOS,
      min: 1,
      max: 1 << 20,
      meaning: 'folios that the queue holds (KCOMPRESS_FIFO_SIZE)',
    },
  ],
  knownDeviations: [
    'the thread is created at boot, with its node',
    'more than one worker per node is not in the patch',
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
    folio: {
      whileQueued: 'locked',
      rotated: overridden(tunables, 'pstrace.rotate', false),
    },
  }),
  *submit(folio) {
    const workers = workerCount(yield WORKERS)
    if (workers === 0) return 'inline'
    if ((yield LENGTH) >= (yield CAPACITY)) return 'inline'
    if ((yield push(FIFO, folio)) === 0) return 'inline'
    for (let worker = 0; worker < workers; worker++) if ((yield wake(worker)) === 1) break
    return 'queued'
  },
  *work() {
    for (;;) {
      yield WAIT
      for (;;) {
        const head = yield POP
        if (head < 0) break
        yield store(head)
      }
    }
  },
}

function workerCount(workers: number): number {
  return workers < 0 ? 1 : workers
}
