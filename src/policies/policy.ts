/**
 * The contract of a swap-out policy: what kswapd does with an unmapped anonymous folio, and what the policy's own threads do. A policy is
 * pure: what it does, it does by operations from a closed list, which an executor performs (in virtual time or on real threads), and the
 * executor owns every queue, lock, cell and item. A policy keeps nothing across calls and imports nothing but this file.
 */

/** What becomes of the folio that was submitted. */
export type SubmitEnd =
  /** It waits in a queue; the reclaimer goes on and meets it again later. */
  | 'queued'
  /** The reclaimer stores it now. In kswapd's lane: it may overtake queued folios. */
  | 'inline'
  /** The same, because the queue could not be used at all: counted apart, never an inversion. */
  | 'bypass'
  /** It goes back to the active list. */
  | 'activate'

/** Yields where the operation before it returned false, and nowhere else. */
export type Program<End> = Generator<undefined, End, undefined>

export interface Tunable {
  /** The kernel's own name, or `pstrace.` and ours. */
  readonly name: string
  readonly default: number
  readonly min: number
  readonly max: number
  readonly meaning: string
  /** Where name, default and range come from. */
  readonly source: string
}

export interface WorkerLayout {
  readonly name: string
  /** Runs on any CPU of any node (an unbound kworker) or on its node's only. */
  readonly unbound: boolean
  /** Allocates below the watermarks. Without it a store below min reclaims for itself, and may start no write. */
  readonly memalloc: boolean
  /** A kthread that starts at boot, one created at its first wake, or a pool thread started per queued item. */
  readonly start: 'boot' | 'lazy' | 'item'
  /** Kworkers sleep a tick between fruitless reclaim rounds. */
  readonly kworker: boolean
  /** Whose queues, locks and cells a pool thread works on: those of the node that queued its item (default), or of the CPU it happens to run on. */
  readonly serves?: 'item' | 'cpu'
}

export interface QueueLayout {
  readonly name: string
  /** Physical capacity, folios. */
  readonly capacity: number
  /** Folios at which the policy itself stops queueing; absent = at the capacity. For readers: executors enforce the capacity only. */
  readonly depth?: number
}

export interface CellLayout {
  readonly name: string
  /** It never holds more, but what it held before a tunable was lowered. */
  readonly most: number
}

/** Per node: every node gets queues, locks, cells, items and workers of its own unless `global`. */
export interface PolicyLayout {
  readonly global: boolean
  readonly queues: readonly QueueLayout[]
  readonly locks: readonly { readonly name: string; readonly kind: 'mutex' | 'spinlock' }[]
  readonly cells: readonly CellLayout[]
  readonly workers: readonly WorkerLayout[]
  /** Size of the atomic item pool. */
  readonly items: number
  /** Folios of kswapd that pass: anonymous ones (page_io), or whatever kswapd swaps out, shared memory too (a block driver). */
  readonly gate: 'anon' | 'swap'
  /** Who may submit: kswapd alone, or direct reclaimers too. */
  readonly submitters: 'kswapd' | 'all'
  /** Of the folios of one kswapd no store begins before that of an older one, as long as no tunable changes. */
  readonly keepsOrder: boolean
  readonly folio: {
    /** `locked`: a fault waits until zram begins the store, or zswap has ended it. `writeback`: a fault finds the page and goes on. */
    readonly whileQueued: 'locked' | 'writeback'
    /** Moved to the list's tail when stored, so that the next scan frees it. */
    readonly rotated: boolean
  }
}

export interface NodeView {
  readonly node: number
  readonly cpus: number
}

/** Tunables by name, complete. */
export type TunableValues = Readonly<Record<string, number>>

/** What a policy sees and does. To look changes nothing, takes no time, and nobody else runs meanwhile. */
export interface Operations {
  /** CPUs of the node that its queues belong to. */
  readonly cpus: number
  /** Tunables at the start; those named `pstrace.` keep these values. */
  readonly initial: TunableValues
  /** Tunables at this moment. */
  readonly tunables: TunableValues
  /** Folios that wait in the queue. */
  length(queue: number): number
  /** What the cell holds. */
  read(cell: number): number

  // These take no time either: in virtual time nobody else runs meanwhile.

  /** False: somebody holds it. */
  tryLock(lock: number): boolean
  unlock(lock: number): void
  /** The head's folio, or -1. */
  pop(queue: number): number
  /** Cells are the policy's flags and counters: 32-bit integers, 0 at first. */
  write(cell: number, value: number): void
  add(cell: number, value: number): void
  /** Takes an item from the atomic pool; false = none. */
  allocItem(): boolean
  freeItem(): void

  // These can take time or have to wait. False: the program must yield before it does anything else.

  lock(lock: number): boolean
  /** To the queue's tail; `result`: is it there? False = the queue is physically full. */
  push(queue: number, folio: number): boolean
  /** Turns the folio into its swapped-out form, in the calling thread's time. */
  store(folio: number): boolean
  /** Wakes the worker if it sleeps in `wait`; `result`: did it sleep? */
  wake(worker: number): boolean
  /** Sleeps until the queue holds something; does not if it does. */
  wait(queue: number): boolean
  /** Sleeps by its own will. */
  pause(ns: number): boolean
  /** Starts one run of `work` on a thread of the pool. */
  queueWork(worker: number): boolean
  /** Of the program's latest `push` or `wake`. */
  readonly result: boolean
}

export const COVERABLE = ['zram', 'zswap'] as const

export interface Policy {
  readonly name: string
  readonly aliases: readonly string[]
  /** Which code it models, with version. */
  readonly models: string
  /** Backends for which its gate lets folios pass; on others the reclaimer stores them all. */
  readonly covers: readonly (typeof COVERABLE)[number][]
  readonly tunables: readonly Tunable[]
  readonly knownDeviations: readonly string[]
  layout(node: NodeView, tunables: TunableValues): PolicyLayout
  /** Runs in the reclaimer for each folio that passed the gate: locked, unmapped, not zero. */
  submit(folio: number, node: Operations): Program<SubmitEnd>
  /** One life of a worker; `worker` indexes `layout.workers`. */
  work(worker: number, node: Operations): Program<void>
}

/** Of a tunable that no kernel has. */
export const OWN = 'pstrace'

/** Tunables that every queueing policy has. */
export const PSTRACE_TUNABLES: readonly Tunable[] = [
  {
    name: 'pstrace.workers',
    default: -1,
    min: -1,
    max: 64,
    meaning: 'worker threads per node; -1 = as the policy has, 0 = synchronous as kswapd',
    source: OWN,
  },
  {
    name: 'pstrace.rotate',
    default: -1,
    min: -1,
    max: 1,
    meaning: 'move a folio to the tail of its list when stored; -1 = as the policy does',
    source: OWN,
  },
  {
    name: 'pstrace.memalloc',
    default: -1,
    min: -1,
    max: 1,
    meaning: 'workers allocate below the watermarks (PF_MEMALLOC); -1 = as the policy does',
    source: OWN,
  },
  {
    name: 'pstrace.direct',
    default: -1,
    min: -1,
    max: 1,
    meaning:
      'direct reclaimers may queue too, which no posted patch allows; -1 = as the policy does',
    source: OWN,
  },
]

/** Who may submit, by `pstrace.direct`. */
export function submitters(values: TunableValues, ownAll: boolean): PolicyLayout['submitters'] {
  return overridden(values, 'pstrace.direct', ownAll) ? 'all' : 'kswapd'
}

/** Value of a tunable that the executor has filled in. */
export function tunable(values: TunableValues, name: string): number {
  return known(values[name])
}

/** The same where the name is written out, which is a fast load: for what every folio asks. */
export function known(value: number | undefined): number {
  if (value === undefined) throw new RangeError('a tunable has no value')
  return value
}

/** A `pstrace.` override of one of the policy's own properties. */
export function overridden(values: TunableValues, name: string, own: boolean): boolean {
  const value = tunable(values, name)
  return value < 0 ? own : value !== 0
}
