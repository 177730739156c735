/**
 * The contract of a swap-out policy: what kswapd does with an unmapped anonymous folio, and what the policy's own threads do. A policy is
 * pure: it yields operations from a closed list, an executor performs them (in virtual time or on real threads) and owns every queue, lock,
 * cell and item. A policy keeps nothing across calls and imports nothing but this file.
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

export type Operation =
  | { readonly op: 'lock'; readonly lock: number }
  /** 1 = taken, 0 = somebody holds it. */
  | { readonly op: 'tryLock'; readonly lock: number }
  | { readonly op: 'unlock'; readonly lock: number }
  /** 1 = at the tail, 0 = physically full. */
  | { readonly op: 'push'; readonly queue: number; readonly folio: number }
  /** The head's folio, or -1. */
  | { readonly op: 'pop'; readonly queue: number }
  | { readonly op: 'length'; readonly queue: number }
  /** Turns the folio into its swapped-out form, in the calling thread's time. */
  | { readonly op: 'store'; readonly folio: number }
  /** Wakes the worker if it sleeps in `wait`; 1 = it slept. */
  | { readonly op: 'wake'; readonly worker: number }
  /** Sleeps until the queue holds something; returns at once if it does. */
  | { readonly op: 'wait'; readonly queue: number }
  /** Sleeps by its own will, ns. */
  | { readonly op: 'pause'; readonly ns: number }
  /** Starts one run of `work` on a thread of the pool. */
  | { readonly op: 'queueWork'; readonly worker: number }
  /** Takes an item from the atomic pool; 0 = none. */
  | { readonly op: 'allocItem' }
  | { readonly op: 'freeItem' }
  /** Value of the tunable at this moment. */
  | { readonly op: 'readTunable'; readonly name: string }
  /** CPUs of the node the calling thread runs on. */
  | { readonly op: 'nodeCpus' }
  /** Cells are the policy's flags and counters, 0 at first. All three return the value after the operation. */
  | { readonly op: 'read'; readonly cell: number }
  | { readonly op: 'write'; readonly cell: number; readonly value: number }
  | { readonly op: 'add'; readonly cell: number; readonly value: number }

export const lock = (lock: number): Operation => ({ op: 'lock', lock })
export const tryLock = (lock: number): Operation => ({ op: 'tryLock', lock })
export const unlock = (lock: number): Operation => ({ op: 'unlock', lock })
export const push = (queue: number, folio: number): Operation => ({ op: 'push', queue, folio })
export const pop = (queue: number): Operation => ({ op: 'pop', queue })
export const length = (queue: number): Operation => ({ op: 'length', queue })
export const store = (folio: number): Operation => ({ op: 'store', folio })
export const wake = (worker: number): Operation => ({ op: 'wake', worker })
export const wait = (queue: number): Operation => ({ op: 'wait', queue })
export const pause = (ns: number): Operation => ({ op: 'pause', ns })
export const queueWork = (worker: number): Operation => ({ op: 'queueWork', worker })
export const allocItem: Operation = { op: 'allocItem' }
export const freeItem: Operation = { op: 'freeItem' }
export const readTunable = (name: string): Operation => ({ op: 'readTunable', name })
export const nodeCpus: Operation = { op: 'nodeCpus' }
export const read = (cell: number): Operation => ({ op: 'read', cell })
export const write = (cell: number, value: number): Operation => ({ op: 'write', cell, value })
export const add = (cell: number, value: number): Operation => ({ op: 'add', cell, value })

export interface Tunable {
  /** The kernel's own name, or `pstrace.` and ours. */
  readonly name: string
  readonly default: number
  readonly min: number
  readonly max: number
  readonly meaning: string
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
}

export interface QueueLayout {
  readonly name: string
  /** Physical capacity, folios. */
  readonly capacity: number
  /** Folios at which the policy itself stops queueing; absent = at the capacity. For readers: executors enforce the capacity only. */
  readonly depth?: number
}

/** Per node: every node gets queues, locks, cells, items and workers of its own unless `global`. */
export interface PolicyLayout {
  readonly global: boolean
  readonly queues: readonly QueueLayout[]
  readonly locks: readonly { readonly name: string; readonly kind: 'mutex' | 'spinlock' }[]
  readonly cells: readonly string[]
  readonly workers: readonly WorkerLayout[]
  /** Size of the atomic item pool. */
  readonly items: number
  /** Folios of kswapd that pass: anonymous ones (page_io), or whatever kswapd swaps out, shared memory too (a block driver). */
  readonly gate: 'anon' | 'swap'
  readonly folio: {
    /** `locked`: a fault waits for the store. `writeback`: a fault finds the page and goes on. */
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

export interface Policy {
  readonly name: string
  readonly aliases: readonly string[]
  /** Which code it models, with version. */
  readonly models: string
  readonly tunables: readonly Tunable[]
  readonly knownDeviations: readonly string[]
  layout(node: NodeView, tunables: TunableValues): PolicyLayout
  /** Runs in kswapd for each anonymous folio that passed the gate: locked, unmapped, not zero. */
  submit(folio: number): Generator<Operation, SubmitEnd, number>
  /** One life of a worker; `worker` indexes `layout.workers`. */
  work(worker: number): Generator<Operation, void, number>
}

/** Tunables that every queueing policy has. */
export const PSTRACE_TUNABLES: readonly Tunable[] = [
  {
    name: 'pstrace.workers',
    default: -1,
    min: -1,
    max: 64,
    meaning: 'worker threads per node; -1 = as the policy has, 0 = synchronous as kswapd',
  },
  {
    name: 'pstrace.rotate',
    default: -1,
    min: -1,
    max: 1,
    meaning: 'move a folio to the tail of its list when stored; -1 = as the policy does',
  },
  {
    name: 'pstrace.memalloc',
    default: -1,
    min: -1,
    max: 1,
    meaning: 'workers allocate below the watermarks (PF_MEMALLOC); -1 = as the policy does',
  },
]

/** Value of a tunable that the executor has filled in. */
export function tunable(values: TunableValues, name: string): number {
  const value = values[name]
  if (value === undefined) throw new RangeError(`tunable ${name} has no value`)
  return value
}

/** A `pstrace.` override of one of the policy's own properties. */
export function overridden(values: TunableValues, name: string, own: boolean): boolean {
  const value = tunable(values, name)
  return value < 0 ? own : value !== 0
}
