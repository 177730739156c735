import { PstraceError } from '../model/error.ts'
import type {
  NodeView,
  Operation,
  Policy,
  PolicyLayout,
  Setting,
  SubmitEnd,
  TunableValues,
} from '../policies/policy.ts'
import type { PolicyGate } from './gate.ts'
import type { Kernel } from './kernel.ts'
import { ANON } from './pages.ts'
import { PolicyLock } from './policy-lock.ts'
import { KSWAPD_CONTEXT } from './scan.ts'
import { type Scheduler, SLEEPING, type Thread } from './scheduler.ts'
import type { Steps, StepsTo } from './steps.ts'

interface Queue {
  readonly name: string
  readonly folios: Int32Array
  head: number
  length: number
  /** How many the policy lets wait; what the present submit may leave: more only where more waited before, since the depth was lowered. */
  depth: number
  limit: number
}

/** A tunable that gets another value while the run goes on, as by sysctl. */
export interface TunableChange {
  readonly ns: number
  readonly name: string
  readonly value: number
}

interface Item {
  readonly worker: number
  readonly node: number
}

/** What the executor owns of one node (or of the machine, for a global policy). */
interface Domain {
  readonly node: number
  readonly layout: PolicyLayout
  readonly queues: readonly Queue[]
  readonly locks: readonly PolicyLock[]
  readonly cells: Float64Array
  items: number
  /** Kthreads by worker index; pool threads are in `pool`. */
  readonly workers: (Thread | undefined)[]
  readonly waitingFor: Int32Array
  readonly pool: Thread[]
  readonly idlePool: Thread[]
  readonly pending: Item[]
  readonly setting: Setting
}

/** A policy's program under way: one submission, or a worker's. */
interface Turn<End> {
  readonly domain: Domain
  readonly worker: number
  readonly program: Generator<Operation, End, number>
  /** What the program's latest operation gave. */
  result: number
  /** Once it has ended. */
  end: End | undefined
  /** An operation that is to be performed (again) when the thread goes on. */
  pending: Operation | undefined
  /** To be stored, and to be waited for, by what `advance` says. */
  folio: number
  lock: PolicyLock | undefined
  instant: number
  operations: number
  /** Folios in the program's hands: the submitted one, what it popped and has neither stored nor queued. */
  holding: number
}

/** What a turn needs to go on: nothing any more, that others run, a folio stored, a lock that another holds. */
const ENDED = 0
const OTHERS = 1
const STORE = 2
const HELD = 3

/** A policy whose turn lets no time pass for this many operations spins on something only others can change. */
const OPERATIONS_PER_INSTANT = 64
const SPIN_NS = 1000

export type ThreadMaker = (
  name: string,
  node: number,
  unbound: boolean,
  program: (thread: Thread) => Steps,
) => Thread

/** Runs a policy in virtual time: performs its operations, owns its queues, locks, cells and worker threads. */
export class VirtualGate implements PolicyGate {
  readonly writebackWhileQueued: boolean
  readonly rotates: boolean
  readonly #policy: Policy
  readonly #kernel: Kernel
  readonly #scheduler: Scheduler
  readonly #tunables: Record<string, number>
  readonly #domains: Domain[] = []
  readonly #domainOfNode: readonly number[]
  readonly #cpusOfNode: readonly number[]
  readonly #newThread: ThreadMaker
  readonly #gatesAll: boolean
  readonly #allSubmit: boolean
  readonly #initial: TunableValues
  readonly #readTunable: (name: string) => number
  readonly #changes: readonly TunableChange[]
  #changed = 0

  constructor(
    policy: Policy,
    tunables: TunableValues,
    kernel: Kernel,
    cpusOfNode: readonly number[],
    changes: readonly TunableChange[],
    newThread: ThreadMaker,
  ) {
    this.#changes = changes
    this.#policy = policy
    this.#kernel = kernel
    this.#scheduler = kernel.scheduler
    this.#tunables = { ...tunables }
    this.#initial = tunables
    this.#newThread = newThread
    this.#cpusOfNode = cpusOfNode
    this.#readTunable = (name) => {
      this.#applyChanges()
      const value = this.#tunables[name]
      if (value === undefined)
        throw new PstraceError(
          'policy-tunable',
          `policy ${policy.name} reads tunable ${name}, which it does not declare`,
        )
      return value
    }
    const layouts = cpusOfNode.map((cpus, node) =>
      widestLayout(policy, { node, cpus }, tunables, changes),
    )
    const first = layouts[0] as PolicyLayout
    this.writebackWhileQueued = first.folio.whileQueued === 'writeback'
    this.rotates = first.folio.rotated
    this.#gatesAll = first.gate === 'swap'
    this.#allSubmit = first.submitters === 'all'
    this.#domainOfNode = layouts.map((_layout, node) => (first.global ? 0 : node))
    const count = first.global ? 1 : layouts.length
    for (let node = 0; node < count; node++)
      this.#domains.push(this.#openDomain(node, layouts[node] as PolicyLayout))
  }

  admits(page: number, context: number): boolean {
    return (
      (context === KSWAPD_CONTEXT || this.#allSubmit) &&
      (this.#gatesAll || this.#kernel.pages.kind[page] === ANON)
    )
  }

  submit(thread: Thread, page: number, node: number): SubmitEnd | StepsTo<SubmitEnd> {
    const domain = this.#domains[this.#domainOfNode[node] as number] as Domain
    for (const queue of domain.queues) queue.limit = Math.max(queue.depth, queue.length)
    const turn = this.#openTurn(domain, -1, this.#policy.submit(page, domain.setting))
    const need = this.#advance(thread, turn)
    return need === ENDED ? (turn.end as SubmitEnd) : this.#perform(thread, turn, need)
  }

  /** Folios waiting, over all queues. */
  get queued(): number {
    let queued = 0
    for (const domain of this.#domains) for (const queue of domain.queues) queued += queue.length
    return queued
  }

  check(): void {
    for (const { queues } of this.#domains)
      for (const queue of queues)
        if (queue.length < 0 || queue.length > queue.folios.length)
          throw new PstraceError(
            'replay-invariant',
            `a queue of ${this.#policy.name} holds ${queue.length} folios; its capacity is ${queue.folios.length}`,
          )
  }

  #openDomain(node: number, layout: PolicyLayout): Domain {
    const domain: Domain = {
      node,
      layout,
      queues: layout.queues.map(({ name, capacity, depth }) => ({
        name,
        depth: depth ?? capacity,
        limit: depth ?? capacity,
        folios: new Int32Array(capacity),
        head: 0,
        length: 0,
      })),
      locks: layout.locks.map(({ name, kind }) => new PolicyLock(name, kind, this.#scheduler)),
      cells: new Float64Array(layout.cells.length),
      items: layout.items,
      workers: [],
      waitingFor: new Int32Array(Math.max(1, layout.workers.length)).fill(-1),
      pool: [],
      idlePool: [],
      pending: [],
      setting: { cpus: this.#cpusOfNode[node] as number, initial: this.#initial },
    }
    layout.workers.forEach((worker, index) => {
      if (worker.start === 'boot') this.#startKthread(domain, index)
    })
    return domain
  }

  #startKthread(domain: Domain, worker: number): Thread {
    const layout = domain.layout.workers[worker] as PolicyLayout['workers'][number]
    const thread = this.#newThread(layout.name, domain.node, layout.unbound, (self) =>
      this.#perform(
        self,
        this.#openTurn(domain, worker, this.#policy.work(worker, domain.setting)),
      ),
    )
    domain.workers[worker] = thread
    if (layout.start === 'boot') {
      // It sleeps in its first wait by the time anything is swapped out.
      this.#scheduler.park(thread)
      domain.waitingFor[worker] = 0
    }
    return thread
  }

  *#poolThread(thread: Thread, domain: Domain): Steps {
    for (;;) {
      const item = domain.pending.shift()
      if (item === undefined) {
        domain.idlePool.push(thread)
        this.#scheduler.block(thread, SLEEPING)
        yield
        continue
      }
      const { worker } = item
      const served = this.#servedBy(thread, domain, worker)
      yield* this.#perform(
        thread,
        this.#openTurn(served, worker, this.#policy.work(worker, served.setting)),
      )
    }
  }

  #servedBy(thread: Thread, domain: Domain, worker: number): Domain {
    if (domain.layout.workers[worker]?.serves !== 'cpu') return domain
    const node = this.#scheduler.cpus[thread.cpu]?.node ?? domain.node
    return this.#domains[this.#domainOfNode[node] as number] as Domain
  }

  /** Worker -1 is the submitter. */
  #openTurn<End>(
    domain: Domain,
    worker: number,
    program: Generator<Operation, End, number>,
  ): Turn<End> {
    return {
      domain,
      worker,
      program,
      result: 0,
      end: undefined,
      pending: undefined,
      folio: -1,
      lock: undefined,
      instant: this.#scheduler.now,
      operations: 0,
      holding: worker < 0 ? 1 : 0,
    }
  }

  /** Runs a turn to its end. Programs below it are entered directly: each one between would be walked through whenever time passes. */
  *#perform<End>(thread: Thread, turn: Turn<End>, first?: number): StepsTo<End> {
    let need = first ?? this.#advance(thread, turn)
    while (need !== ENDED) {
      if (need === STORE) {
        const { folio } = turn
        const { pages, stores, swapOuts, zones } = this.#kernel
        const layout = turn.worker < 0 ? undefined : turn.domain.layout.workers[turn.worker]
        if (layout === undefined) swapOuts.displaced(folio)
        const flight = pages.swapout[folio] as number
        const ns = stores.begin(
          thread,
          zones.nodeOf(pages.node[folio] as number),
          folio,
          layout?.memalloc ?? true,
          layout?.kworker ?? false,
        )
        if (!this.#scheduler.spend(thread, ns)) yield
        if (stores.isPreempted(thread)) yield
        const ending = stores.end(thread)
        const stored = typeof ending === 'boolean' ? ending : yield* ending
        if (stored) stores.completed(folio, thread.cpu, flight)
        turn.result = stored ? 1 : 0
      } else if (need === HELD) yield* this.#waitForLock(thread, turn.lock as PolicyLock)
      else yield
      need = this.#advance(thread, turn)
    }
    return turn.end as End
  }

  /** Performs operations for as long as nobody else has to run first; says what is needed then. */
  #advance<End>(thread: Thread, turn: Turn<End>): number {
    const { domain, worker, program } = turn
    const scheduler = this.#scheduler
    const kernel = this.#kernel
    for (;;) {
      let operation = turn.pending
      if (operation === undefined) {
        const step = program.next(turn.result)
        if (step.done === true) {
          turn.end = step.value
          if (worker < 0 && step.value !== 'queued') turn.holding--
          if (turn.holding !== 0) throw this.#dropped(thread, turn.holding)
          return ENDED
        }
        operation = step.value
        if (scheduler.now !== turn.instant) {
          turn.instant = scheduler.now
          turn.operations = 0
        } else if (++turn.operations > OPERATIONS_PER_INSTANT) {
          turn.operations = 0
          if (!scheduler.spend(thread, SPIN_NS)) {
            turn.pending = operation
            return OTHERS
          }
        }
      } else turn.pending = undefined
      switch (operation.op) {
        case 'lock': {
          const lock = this.#lockOf(domain, operation.at)
          turn.result = 1
          if (!lock.tryTake(thread)) {
            turn.lock = lock
            return HELD
          }
          break
        }
        case 'tryLock':
          turn.result = this.#lockOf(domain, operation.at).tryTake(thread) ? 1 : 0
          break
        case 'unlock':
          this.#unlock(this.#lockOf(domain, operation.at), thread)
          break
        case 'push': {
          const queue = this.#queueOf(domain, operation.at)
          const { folios } = queue
          turn.result = queue.length < folios.length ? 1 : 0
          if (turn.result === 1) {
            folios[(queue.head + queue.length) % folios.length] = operation.folio
            queue.length++
            const { tally } = kernel
            if (queue.length > tally.queuePeak) tally.queuePeak = queue.length
            if (queue.length > queue.limit) throw this.#tooDeep(queue)
            turn.holding--
            kernel.note('push', operation.folio, queue.length, queue.name)
            if (kernel.recorder.recordsRows) kernel.swapOuts.queueChanged(domain.node, this.queued)
            if (!scheduler.spend(thread, kernel.costs.push.draw())) return OTHERS
          }
          break
        }
        case 'pop': {
          const queue = this.#queueOf(domain, operation.at)
          if (queue.length === 0) turn.result = -1
          else {
            const folio = queue.folios[queue.head] as number
            turn.result = folio
            queue.head = (queue.head + 1) % queue.folios.length
            queue.length--
            turn.holding++
            kernel.note('pop', folio, queue.length, queue.name)
            kernel.swapOuts.popped(folio)
            if (kernel.recorder.recordsRows) kernel.swapOuts.queueChanged(domain.node, this.queued)
          }
          break
        }
        case 'length':
          turn.result = this.#queueOf(domain, operation.at).length
          break
        case 'store':
          turn.folio = operation.folio
          turn.holding--
          return STORE
        case 'wake':
          turn.result = 0
          if (this.#wake(domain, operation.at)) {
            turn.result = 1
            if (!scheduler.spend(thread, kernel.costs.wake.draw())) return OTHERS
          }
          break
        case 'wait': {
          if (turn.holding !== 0) throw this.#dropped(thread, turn.holding)
          const queue = this.#queueOf(domain, operation.at)
          if (queue.length === 0) {
            domain.waitingFor[worker] = operation.at
            scheduler.block(thread, SLEEPING)
            turn.pending = operation
            return OTHERS
          }
          domain.waitingFor[worker] = -1
          break
        }
        case 'pause':
          scheduler.sleepUntil(thread, scheduler.now + operation.amount, SLEEPING)
          return OTHERS
        case 'queueWork':
          this.#queueWork(domain, operation.at)
          if (!scheduler.spend(thread, kernel.costs.wake.draw())) return OTHERS
          break
        case 'allocItem':
          turn.result = domain.items > 0 ? 1 : 0
          domain.items -= turn.result
          break
        case 'freeItem':
          domain.items++
          // mempool_free keeps what fits and gives the rest back to the slab, whoever allocated it.
          if (domain.layout.workers[worker]?.serves === 'cpu')
            domain.items = Math.min(domain.items, domain.layout.items)
          if (domain.items > domain.layout.items)
            throw new PstraceError(
              'replay-invariant',
              `policy ${this.#policy.name} frees more items than it took`,
            )
          break
        case 'readTunable':
          turn.result = this.#readTunable(operation.name)
          break
        case 'read':
          turn.result = domain.cells[operation.at] as number
          break
        case 'write':
          domain.cells[operation.at] = operation.amount
          turn.result = operation.amount
          break
        case 'add':
          turn.result = (domain.cells[operation.at] as number) + operation.amount
          domain.cells[operation.at] = turn.result
          break
      }
    }
  }

  /** Tunables are only ever seen by reading them: that is when changes due by now are made. */
  #applyChanges(): void {
    const { now } = this.#scheduler
    for (
      let change = this.#changes[this.#changed];
      change !== undefined && change.ns <= now;
      change = this.#changes[++this.#changed]
    ) {
      this.#tunables[change.name] = change.value
      this.#kernel.note('tunable', -1, change.value, change.name)
      for (const { node, queues } of this.#domains) {
        const cpus = this.#cpusOfNode[node] as number
        const layout = this.#policy.layout({ node, cpus }, this.#tunables)
        queues.forEach((queue, index) => {
          const { depth, capacity } = layout.queues[index] ?? { capacity: 0 }
          queue.depth = Math.min(depth ?? capacity, queue.folios.length)
          queue.limit = Math.max(queue.limit, queue.depth)
        })
      }
    }
  }

  #tooDeep({ name, length, limit }: Queue): PstraceError {
    return new PstraceError(
      'replay-invariant',
      `policy ${this.#policy.name} lets ${length} folios wait in ${name} at ${this.#scheduler.now} ns; its depth is ${limit}`,
    )
  }

  #dropped(thread: Thread, holding: number): PstraceError {
    return new PstraceError(
      'replay-invariant',
      holding > 0
        ? `policy ${this.#policy.name} drops ${holding} folio(s): ${thread.name} has neither queued nor stored what it held at ${this.#scheduler.now} ns`
        : `policy ${this.#policy.name} gives away ${-holding} folio(s) more than it had: ${thread.name} at ${this.#scheduler.now} ns`,
    )
  }

  #wake(domain: Domain, worker: number): boolean {
    let thread = domain.workers[worker]
    if (thread === undefined) {
      const layout = domain.layout.workers[worker]
      if (layout === undefined || layout.start !== 'lazy') return false
      thread = this.#startKthread(domain, worker)
      this.#scheduler.start(thread, this.#scheduler.now)
      return true
    }
    if ((domain.waitingFor[worker] as number) < 0) return false
    return this.#scheduler.wake(thread)
  }

  #queueWork(domain: Domain, worker: number): void {
    domain.pending.push({ worker, node: domain.node })
    const idle = domain.idlePool.pop()
    if (idle !== undefined) {
      this.#scheduler.wake(idle)
      return
    }
    const layout = domain.layout.workers[worker] as PolicyLayout['workers'][number]
    const limit = Math.max(1, (this.#cpusOfNode[domain.node] as number) - 1)
    if (domain.pool.length >= limit) return
    const thread = this.#newThread(layout.name, domain.node, layout.unbound, (self) =>
      this.#poolThread(self, domain),
    )
    domain.pool.push(thread)
    this.#scheduler.start(thread, this.#scheduler.now)
  }

  *#waitForLock(thread: Thread, lock: PolicyLock): Steps {
    const start = this.#scheduler.now
    this.#kernel.note('lock-wait', -1, 0, lock.name)
    yield* lock.wait(thread)
    this.#kernel.note('lock-got', -1, this.#scheduler.now - start, lock.name)
  }

  #unlock(lock: PolicyLock, thread: Thread): void {
    if (!lock.release(thread))
      throw new PstraceError(
        'policy-lock',
        `policy ${this.#policy.name}: ${thread.name} unlocks what it does not hold`,
      )
  }

  #lockOf(domain: Domain, lock: number): PolicyLock {
    const found = domain.locks[lock]
    if (found === undefined) throw unknownObject(this.#policy, 'lock', lock)
    return found
  }

  #queueOf(domain: Domain, queue: number): Queue {
    const found = domain.queues[queue]
    if (found === undefined) throw unknownObject(this.#policy, 'queue', queue)
    return found
  }
}

/** The layout at the moment at which the policy has most workers: threads that a later value needs are there from the start. */
export function widestLayout(
  policy: Policy,
  node: NodeView,
  tunables: TunableValues,
  changes: readonly TunableChange[],
): PolicyLayout {
  let values = tunables
  let widest = policy.layout(node, values)
  for (const { name, value } of changes) {
    values = { ...values, [name]: value }
    const layout = policy.layout(node, values)
    if (layout.workers.length > widest.workers.length) widest = layout
  }
  return widest
}

function unknownObject(policy: Policy, kind: string, index: number): PstraceError {
  return new PstraceError(
    'policy-layout',
    `policy ${policy.name} uses ${kind} ${index}, which its layout does not declare`,
  )
}
