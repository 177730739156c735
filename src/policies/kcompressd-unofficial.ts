import {
  COVERABLE,
  known,
  OWN,
  overridden,
  type Policy,
  PSTRACE_TUNABLES,
  submitters,
  tunable,
} from './policy.ts'

const FIFO = 0
const SPINLOCK = 0
const FIFO_FOLIOS = 256
const WORKER = 0
/** Releases by their last digit; 0.2a is the backport of parallel-swapper's rule. */
const RELEASE_0_2A = 2
const RELEASE_0_5 = 5

/** kcompressd-unofficial 0.5: at the configured depth kswapd queues the new folio first, then stores the oldest itself. */
export const kcompressdUnofficial: Policy = {
  name: 'kcompressd-unofficial',
  aliases: [],
  models: 'firelzrd/kcompressd-unofficial 0.5 for Linux 6.15 to 6.17',
  covers: COVERABLE,
  tunables: [
    {
      name: 'vm.kcompressd',
      default: 24,
      min: 0,
      max: 256,
      meaning: 'folios queued before kswapd stores the oldest itself; 0 = synchronous',
      source: 'sysctl of the patch with its range; default 24 since 0.3, 6 in 0.2a',
    },
    {
      name: 'pstrace.release',
      default: RELEASE_0_5,
      min: RELEASE_0_2A,
      max: RELEASE_0_5,
      meaning:
        '5 = 0.5; 3 and 4 = 0.3 and 0.4: the thread has no PF_MEMALLOC; 2 = 0.2a: nor that, and the oldest is stored before the new folio is queued (set vm.kcompressd=6 too)',
      source: OWN,
    },
    ...PSTRACE_TUNABLES,
  ],
  knownDeviations: [
    'folios with private data are not told apart (0.4 and later do not queue them)',
    'one worker at most',
    'the missing reference to a queued folio (before 0.5) has no effect: no folio is freed under the queue',
    'PF_KSWAPD of the worker has no effect of its own: with PF_MEMALLOC it never reclaims',
  ],
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
              memalloc: overridden(
                tunables,
                'pstrace.memalloc',
                tunable(tunables, 'pstrace.release') >= RELEASE_0_5,
              ),
              start: 'boot',
              kworker: false,
            },
          ],
    items: 0,
    gate: 'anon',
    submitters: submitters(tunables, false),
    keepsOrder: true,
    folio: {
      whileQueued: 'locked',
      rotated: overridden(tunables, 'pstrace.rotate', false),
    },
  }),
  *submit(folio, node) {
    const { initial } = node
    const depth = known(node.tunables['vm.kcompressd'])
    if (depth === 0 || known(initial['pstrace.workers']) === 0) return 'inline'
    let oldest = -1
    if (node.length(FIFO) >= depth) {
      if (!node.lock(SPINLOCK)) yield
      oldest = node.pop(FIFO)
      node.unlock(SPINLOCK)
    }
    const storesFirst = known(initial['pstrace.release']) === RELEASE_0_2A
    if (storesFirst && oldest >= 0 && !node.store(oldest)) yield
    // The push is not under the lock: kswapd is the only producer.
    if (!node.push(FIFO, folio)) yield
    const isQueued = node.result
    if (isQueued && !node.wake(WORKER)) yield
    if (!storesFirst && oldest >= 0 && !node.store(oldest)) yield
    return isQueued ? 'queued' : 'bypass'
  },
  *work(_worker, node) {
    for (;;) {
      if (!node.wait(FIFO)) yield
      for (;;) {
        if (!node.lock(SPINLOCK)) yield
        const head = node.pop(FIFO)
        node.unlock(SPINLOCK)
        if (head < 0) break
        if (!node.store(head)) yield
      }
    }
  },
}
