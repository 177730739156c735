import {
  add,
  allocItem,
  freeItem,
  length,
  lock,
  nodeCpus,
  overridden,
  type Policy,
  PSTRACE_TUNABLES,
  pop,
  push,
  queueWork,
  read,
  readTunable,
  store,
  tunable,
  unlock,
  write,
} from './policy.ts'

const FIFO = 0
/** SWAP_ASYNC_FIFO_SIZE: folios per node. */
const FIFO_FOLIOS = 256
const MUTEX = 0
const WRITER_WAITING = 0
const RUNNING = 1
const LENGTH = length(FIFO)
const POP = pop(FIFO)
const LOCK = lock(MUTEX)
const UNLOCK = unlock(MUTEX)
const WORKERS = readTunable('vm.parallel_swap')
const FACTOR = readTunable('vm.parallel_swap_factor')
const LIMIT = readTunable('pstrace.workers')
const QUEUE_WORK = queueWork(0)
const RELEASE = readTunable('pstrace.release')
const FIRST_RELEASE = 1

/** parallel-swapper 0.2a: kworkers drain a shallow queue; at its depth kswapd stores the oldest folio itself, holding the mutex. */
export const parallel: Policy = {
  name: 'parallel',
  aliases: ['parallel-swapper'],
  models: 'firelzrd/parallel-swapper 0.2a for Linux 6.15',
  tunables: [
    {
      name: 'vm.parallel_swap',
      default: 1,
      min: 0,
      max: 0x7fffffff,
      meaning: 'workers per node, at most its CPUs less one; 0 = synchronous',
    },
    {
      name: 'vm.parallel_swap_factor',
      default: 6,
      min: 1,
      max: 0x7fffffff,
      meaning: 'folios queued per worker before kswapd stores the oldest itself',
    },
    {
      name: 'pstrace.release',
      default: 2,
      min: 1,
      max: 2,
      meaning:
        '2 = 0.2a; 1 = 0.1: one work item per folio and no queue, so that kswapd stores the newest when all workers are busy',
    },
    ...PSTRACE_TUNABLES,
  ],
  knownDeviations: [
    '0.1 reads the folio after its worker may have freed it; here nothing is read',
    'a worker serves the node whose item it runs, not the node of the CPU it happens to run on',
    'the queues are not leaked at initialisation',
  ],
  layout: (node, tunables) => ({
    global: false,
    queues: [
      {
        name: 'swapout_fifo',
        capacity: FIFO_FOLIOS,
        depth: Math.min(
          FIFO_FOLIOS,
          queueDepth(
            workerCount(
              tunable(tunables, 'pstrace.workers'),
              tunable(tunables, 'vm.parallel_swap'),
              node.cpus,
            ),
            tunable(tunables, 'pstrace.release') === FIRST_RELEASE
              ? 1
              : tunable(tunables, 'vm.parallel_swap_factor'),
          ),
        ),
      },
    ],
    locks: [{ name: 'swapout_mutex', kind: 'mutex' }],
    cells: ['writer_waiting', 'running_workers'],
    workers:
      workerCount(
        tunable(tunables, 'pstrace.workers'),
        tunable(tunables, 'vm.parallel_swap'),
        node.cpus,
      ) <= 0
        ? []
        : [
            {
              name: 'kworker/swapout',
              unbound: true,
              memalloc: overridden(tunables, 'pstrace.memalloc', false),
              start: 'item',
              kworker: true,
            },
          ],
    items: Math.max(1, node.cpus - 1),
    gate: 'anon',
    folio: {
      whileQueued: 'locked',
      rotated: overridden(tunables, 'pstrace.rotate', false),
    },
  }),
  *submit(folio) {
    const workers = workerCount(yield LIMIT, yield WORKERS, yield nodeCpus)
    if (workers <= 0) return 'inline'
    if ((yield RELEASE) === FIRST_RELEASE) {
      // No lock: kswapd is the only one that counts up, and it counts after it has queued.
      if ((yield read(RUNNING)) >= workers) return 'inline'
      if ((yield allocItem) === 0) return 'bypass'
      yield push(FIFO, folio)
      yield QUEUE_WORK
      yield add(RUNNING, 1)
      return 'queued'
    }
    yield write(WRITER_WAITING, 1)
    yield LOCK
    yield write(WRITER_WAITING, 0)
    let item = 0
    if ((yield read(RUNNING)) < workers) {
      item = yield allocItem
      if (item === 0) {
        yield UNLOCK
        return 'bypass'
      }
    }
    const depth = queueDepth(workers, yield FACTOR)
    if ((yield LENGTH) >= depth) {
      const oldest = yield POP
      // Stored before the new folio is queued, and under the mutex: workers wait meanwhile.
      if (oldest >= 0) yield store(oldest)
    }
    if ((yield push(FIFO, folio)) === 0) {
      if (item === 1) yield freeItem
      yield UNLOCK
      return 'bypass'
    }
    if (item === 1) {
      yield QUEUE_WORK
      yield add(RUNNING, 1)
    }
    yield UNLOCK
    return 'queued'
  },
  *work() {
    if ((yield RELEASE) === FIRST_RELEASE) {
      const folio = yield POP
      if (folio >= 0) yield store(folio)
      yield add(RUNNING, -1)
      yield freeItem
      return
    }
    for (;;) {
      yield LOCK
      if ((yield read(WRITER_WAITING)) === 1) {
        yield UNLOCK
        continue
      }
      const head = yield POP
      if (head < 0) break
      yield UNLOCK
      yield store(head)
    }
    yield add(RUNNING, -1)
    yield UNLOCK
    yield freeItem
  },
}

/** The kernel multiplies in 32-bit ints: a negative product compares as unsigned, so the depth is never reached. */
function queueDepth(workers: number, factor: number): number {
  const product = Math.imul(workers, factor)
  return product < 0 ? Number.POSITIVE_INFINITY : Math.min(FIFO_FOLIOS, product)
}

/** One CPU is always left to kswapd: on a node with one there is no worker. */
function workerCount(limit: number, wanted: number, cpus: number): number {
  return Math.min(limit < 0 ? wanted : limit, cpus - 1)
}
