import {
  length,
  lock,
  overridden,
  type Policy,
  PSTRACE_TUNABLES,
  pop,
  push,
  readTunable,
  store,
  tunable,
  unlock,
  wait,
  wake,
} from './policy.ts'

const FIFO = 0
const SPINLOCK = 0
const FIFO_FOLIOS = 256
const LENGTH = length(FIFO)
const POP = pop(FIFO)
const WAIT = wait(FIFO)
const LOCK = lock(SPINLOCK)
const UNLOCK = unlock(SPINLOCK)
const DEPTH = readTunable('vm.kcompressd')
const WORKERS = readTunable('pstrace.workers')
const WAKE = wake(0)

/** kcompressd-unofficial 0.5: at the configured depth kswapd queues the new folio first, then stores the oldest itself. */
export const kcompressdUnofficial: Policy = {
  name: 'kcompressd-unofficial',
  aliases: [],
  models: 'firelzrd/kcompressd-unofficial 0.5 for Linux 6.15 to 6.17',
  tunables: [
    {
      name: 'vm.kcompressd',
      default: 24,
      min: 0,
      max: 256,
      meaning: 'folios queued before kswapd stores the oldest itself; 0 = synchronous',
    },
    ...PSTRACE_TUNABLES,
  ],
  knownDeviations: ['folios with private data are not told apart', 'one worker at most'],
  layout: (_node, tunables) => ({
    global: false,
    queues: [
      {
        name: 'kcompress_fifo',
        capacity: FIFO_FOLIOS,
        depth: Math.min(FIFO_FOLIOS, tunable(tunables, 'vm.kcompressd')),
      },
    ],
    locks: [{ name: 'fifo_lock', kind: 'spinlock' }],
    cells: [],
    workers:
      tunable(tunables, 'pstrace.workers') === 0 || tunable(tunables, 'vm.kcompressd') === 0
        ? []
        : [
            {
              name: 'kcompressd',
              unbound: false,
              memalloc: overridden(tunables, 'pstrace.memalloc', true),
              start: 'boot',
              kworker: false,
            },
          ],
    items: 0,
    gate: 'anon',
    folio: {
      whileQueued: 'locked',
      rotated: overridden(tunables, 'pstrace.rotate', false),
    },
  }),
  *submit(folio) {
    const depth = yield DEPTH
    if (depth === 0 || (yield WORKERS) === 0) return 'inline'
    let oldest = -1
    if ((yield LENGTH) >= depth) {
      yield LOCK
      oldest = yield POP
      yield UNLOCK
    }
    // The push is not under the lock: kswapd is the only producer.
    const pushed = yield push(FIFO, folio)
    if (pushed === 1) yield WAKE
    if (oldest >= 0) yield store(oldest)
    return pushed === 1 ? 'queued' : 'bypass'
  },
  *work() {
    for (;;) {
      yield WAIT
      for (;;) {
        yield LOCK
        const head = yield POP
        yield UNLOCK
        if (head < 0) break
        yield store(head)
      }
    }
  },
}
