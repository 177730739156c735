import {
  COVERABLE,
  known,
  type Operations,
  OWN,
  overridden,
  type Policy,
  type Program,
  PSTRACE_TUNABLES,
  type SubmitEnd,
  submitters,
  tunable,
} from './policy.ts'

const FIFO = 0
/** SWAP_ASYNC_FIFO_SIZE: folios per node. */
const FIFO_FOLIOS = 256
const MUTEX = 0
const WRITER_WAITING = 0
const RUNNING = 1
const WORKER = 0
const FIRST_RELEASE = 1

/** parallel-swapper 0.2a: kworkers drain a shallow queue; at its depth kswapd stores the oldest folio itself, holding the mutex. */
export const parallel: Policy = {
  name: 'parallel',
  aliases: ['parallel-swapper'],
  models: 'firelzrd/parallel-swapper 0.2a for Linux 6.15',
  covers: COVERABLE,
  tunables: [
    {
      name: 'vm.parallel_swap',
      default: 1,
      min: 0,
      max: 0x7fffffff,
      meaning: 'workers per node, at most its CPUs less one; 0 = synchronous',
      source: 'sysctl of the patch with its range (0 to INT_MAX)',
    },
    {
      name: 'vm.parallel_swap_factor',
      default: 6,
      min: 1,
      max: 0x7fffffff,
      meaning: 'folios queued per worker before kswapd stores the oldest itself',
      source: 'sysctl of the patch with its range (1 to INT_MAX); default 6 since 0.2a, 1 in 0.2',
    },
    {
      name: 'pstrace.release',
      default: 2,
      min: 1,
      max: 2,
      meaning:
        '2 = 0.2a; 1 = 0.1: one work item per folio and no queue, so that kswapd stores the newest when all workers are busy',
      source: OWN,
    },
    {
      name: 'pstrace.cpu_node',
      default: 0,
      min: 0,
      max: 1,
      meaning:
        '1 = a worker serves the node of the CPU that it runs on, as the patch does, and another node waits where they differ; 0 = the node that queued its work',
      source: OWN,
    },
    ...PSTRACE_TUNABLES,
  ],
  knownDeviations: [
    '0.1 reads the folio after its worker may have freed it; here nothing is read',
    'a worker serves the node whose item it runs, not the node of the CPU it happens to run on, unless pstrace.cpu_node is set',
    'an item comes from the pool of CPUs less one; the kernel asks kmalloc first and takes from the pool when that fails',
    'the queues are not leaked: the patch allocates those of all nodes once per node, and frees none',
    'the missing reference to a queued folio has no effect: no folio is freed under the queue',
  ],
  layout: (node, tunables) => {
    const workers = workerCount(
      tunable(tunables, 'pstrace.workers'),
      tunable(tunables, 'vm.parallel_swap'),
      node.cpus,
    )
    const isFirst = tunable(tunables, 'pstrace.release') === FIRST_RELEASE
    const factor = isFirst ? 1 : tunable(tunables, 'vm.parallel_swap_factor')
    return {
      global: false,
      queues: [
        {
          name: 'swapout_fifo',
          capacity: FIFO_FOLIOS,
          depth: Math.min(FIFO_FOLIOS, queueDepth(workers, factor)),
        },
      ],
      locks: [{ name: 'swapout_mutex', kind: 'mutex' }],
      cells: [
        { name: 'writer_waiting', most: 1 },
        { name: 'running_workers', most: Math.max(0, workers) },
      ],
      workers:
        workers <= 0
          ? []
          : [
              {
                name: 'kworker/swapout',
                unbound: true,
                memalloc: overridden(tunables, 'pstrace.memalloc', false),
                start: 'item',
                kworker: true,
                serves: tunable(tunables, 'pstrace.cpu_node') === 1 ? 'cpu' : 'item',
              },
            ],
      items: Math.max(1, node.cpus - 1),
      gate: 'anon',
      submitters: submitters(tunables, false),
      keepsOrder: !isFirst,
      folio: {
        whileQueued: 'locked',
        rotated: overridden(tunables, 'pstrace.rotate', false),
      },
    }
  },
  submit: (folio, node) => {
    const workers = workersAtWork(node)
    return known(node.initial['pstrace.release']) === FIRST_RELEASE
      ? submitItem(folio, node, workers)
      : submitToQueue(folio, node, workers)
  },
  *work(_worker, node) {
    if (known(node.initial['pstrace.release']) === FIRST_RELEASE) {
      const folio = node.pop(FIFO)
      if (folio >= 0 && !node.store(folio)) yield
      node.add(RUNNING, -1)
      node.freeItem()
      return
    }
    for (;;) {
      if (!node.lock(MUTEX)) yield
      if (node.read(WRITER_WAITING) === 1) {
        node.unlock(MUTEX)
        continue
      }
      const head = node.pop(FIFO)
      if (head < 0) break
      node.unlock(MUTEX)
      if (!node.store(head)) yield
    }
    node.add(RUNNING, -1)
    node.unlock(MUTEX)
    node.freeItem()
  },
}

/** 0.1 */
function* submitItem(folio: number, node: Operations, workers: number): Program<SubmitEnd> {
  // No lock: kswapd is the only one that counts up, and it counts after it has queued.
  if (workers <= 0 || node.read(RUNNING) >= workers) return 'inline'
  if (!node.allocItem()) return 'bypass'
  if (!node.push(FIFO, folio)) yield
  if (!node.queueWork(WORKER)) yield
  node.add(RUNNING, 1)
  return 'queued'
}

/** 0.2a */
function* submitToQueue(folio: number, node: Operations, workers: number): Program<SubmitEnd> {
  if (workers <= 0) return 'inline'
  node.write(WRITER_WAITING, 1)
  if (!node.lock(MUTEX)) yield
  node.write(WRITER_WAITING, 0)
  const isWorkerNeeded = node.read(RUNNING) < workers
  if (isWorkerNeeded && !node.allocItem()) {
    node.unlock(MUTEX)
    return 'bypass'
  }
  const depth = queueDepth(workers, known(node.tunables['vm.parallel_swap_factor']))
  if (node.length(FIFO) >= depth) {
    const oldest = node.pop(FIFO)
    // Stored before the new folio is queued, and under the mutex: workers wait meanwhile.
    if (oldest >= 0 && !node.store(oldest)) yield
  }
  if (!node.push(FIFO, folio)) yield
  if (!node.result) {
    if (isWorkerNeeded) node.freeItem()
    node.unlock(MUTEX)
    return 'bypass'
  }
  if (isWorkerNeeded) {
    if (!node.queueWork(WORKER)) yield
    node.add(RUNNING, 1)
  }
  node.unlock(MUTEX)
  return 'queued'
}

/** Of the node at this moment. */
function workersAtWork({ cpus, initial, tunables }: Operations): number {
  return workerCount(known(initial['pstrace.workers']), known(tunables['vm.parallel_swap']), cpus)
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
