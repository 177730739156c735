import { PstraceError } from '../model/error.ts'
import type {
  NodeView,
  Operation,
  Policy,
  PolicyLayout,
  SubmitEnd,
  TunableValues,
} from '../policies/policy.ts'
import type { PolicyGate } from './gate.ts'
import { checkQueued } from './invariants.ts'
import type { Kernel } from './kernel.ts'
import { LiveTunables, type TunableChange } from './live-tunables.ts'
import { ANON } from './pages.ts'
import { Domain } from './policy-domain.ts'
import type { PolicyLock } from './policy-lock.ts'
import { Turn } from './policy-turn.ts'
import { KSWAPD_CONTEXT } from './scan.ts'
import type { Scheduler } from './scheduler.ts'
import { resume, type Steps, type StepsTo } from './steps.ts'
import { SLEEPING, type Thread } from './thread.ts'

/** What a turn needs to go on: nothing, it has ended, that others run; the same before its store or the wait for a lock ends; that its store's program does. */
const NOTHING = -1
const ENDED = 0
const OTHERS = 1
const STORING = 2
const PREEMPTED = 3
const HELD = 4
const ENDING = 5

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
  readonly keepsOrder: boolean
  readonly #policy: Policy
  readonly #kernel: Kernel
  readonly #scheduler: Scheduler
  readonly #tunables: LiveTunables
  readonly #domains: Domain[] = []
  readonly #domainOfNode: readonly number[]
  readonly #cpusOfNode: readonly number[]
  readonly #newThread: ThreadMaker
  readonly #gatesAll: boolean
  readonly #allSubmit: boolean

  constructor(
    policy: Policy,
    tunables: TunableValues,
    kernel: Kernel,
    cpusOfNode: readonly number[],
    changes: readonly TunableChange[],
    newThread: ThreadMaker,
  ) {
    this.#policy = policy
    this.#kernel = kernel
    this.#scheduler = kernel.scheduler
    this.#newThread = newThread
    this.#cpusOfNode = cpusOfNode
    this.#tunables = new LiveTunables({
      initial: tunables,
      changes,
      now: () => kernel.scheduler.now,
      onChange: (change, values) => this.#tunableChanged(change, values),
    })
    const layouts = cpusOfNode.map((cpus, node) =>
      widestLayout(policy, { node, cpus }, tunables, changes),
    )
    const first = layouts[0] as PolicyLayout
    this.writebackWhileQueued = first.folio.whileQueued === 'writeback'
    this.rotates = first.folio.rotated
    this.keepsOrder = first.keepsOrder && changes.length === 0
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
    domain.beginSubmit()
    const program = this.#policy.submit(page, domain)
    const turn = new Turn(domain, -1, program, this.#scheduler.now)
    const need = this.#advance(thread, turn)
    return need === ENDED ? (turn.end as SubmitEnd) : this.#perform(thread, turn, need)
  }

  /** Folios waiting, over all queues. */
  get queued(): number {
    let queued = 0
    for (const domain of this.#domains) queued += domain.queued
    return queued
  }

  check(): void {
    const queued: number[] = []
    let inHands = 0
    for (const domain of this.#domains) {
      inHands += domain.inHands
      for (const queue of domain.queues) queued.push(...queue.folios())
    }
    checkQueued(this.#kernel.pages, { policy: this.#policy.name, queued, inHands })
  }

  #tunableChanged({ name, value }: TunableChange, values: TunableValues): void {
    this.#kernel.note('tunable', -1, value, name)
    for (const domain of this.#domains) {
      const { node, cpus } = domain
      domain.resize(this.#policy.layout({ node, cpus }, values))
    }
  }

  #openDomain(node: number, layout: PolicyLayout): Domain {
    const view = { node, cpus: this.#cpusOfNode[node] as number }
    const domain = new Domain(this.#policy.name, view, layout, {
      tunables: this.#tunables,
      scheduler: this.#scheduler,
    })
    layout.workers.forEach((worker, index) => {
      if (worker.start === 'boot') this.#startKthread(domain, index)
    })
    return domain
  }

  #startKthread(domain: Domain, worker: number): Thread {
    const layout = domain.layout.workers[worker] as PolicyLayout['workers'][number]
    const thread = this.#newThread(layout.name, domain.node, layout.unbound, (self) =>
      this.#perform(self, this.#workerTurn(domain, worker)),
    )
    domain.workers[worker] = thread
    if (layout.start === 'boot') {
      // It sleeps in its first wait by the time anything is swapped out.
      this.#scheduler.park(thread)
      domain.waitingFor[worker] = 0
    }
    return thread
  }

  #workerTurn(domain: Domain, worker: number): Turn<void> {
    return new Turn(domain, worker, this.#policy.work(worker, domain), this.#scheduler.now)
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
      const served = this.#servedBy(thread, domain, item.worker)
      this.#scheduler.enter(thread, this.#perform(thread, this.#workerTurn(served, item.worker)))
      yield
    }
  }

  #servedBy(thread: Thread, domain: Domain, worker: number): Domain {
    if (domain.layout.workers[worker]?.serves !== 'cpu') return domain
    const node = this.#scheduler.cpus[thread.cpu]?.node ?? domain.node
    return this.#domains[this.#domainOfNode[node] as number] as Domain
  }

  /** Runs a turn to its end. */
  *#perform<End>(thread: Thread, turn: Turn<End>, first?: number): StepsTo<End> {
    let need = first ?? this.#advance(thread, turn)
    while (need !== ENDED) {
      if (need === ENDING) {
        const { ending } = turn
        need = this.#stored(thread, turn, ending === undefined || (yield* ending))
      } else {
        yield
        need = this.#goOn(thread, turn, need)
      }
      if (need === NOTHING) need = this.#advance(thread, turn)
    }
    return turn.end as End
  }

  /** Others have run. */
  #goOn<End>(thread: Thread, turn: Turn<End>, need: number): number {
    if (need === STORING) return this.#storeSpent(thread, turn)
    if (need === PREEMPTED) return this.#endStore(thread, turn)
    return need === HELD ? this.#lock(thread, turn) : NOTHING
  }

  #store<End>(thread: Thread, turn: Turn<End>, folio: number): number {
    const { pages, stores, swapOuts, zones } = this.#kernel
    turn.give()
    turn.folio = folio
    const layout = turn.worker < 0 ? undefined : turn.domain.layout.workers[turn.worker]
    if (layout === undefined) swapOuts.displaced(folio)
    turn.flight = pages.swapout[folio] as number
    const node = zones.nodeOf(pages.node[folio] as number)
    const memalloc = layout?.memalloc ?? true
    const ns = stores.begin(thread, node, folio, memalloc, layout?.kworker ?? false)
    stores.startWriteback(folio)
    return this.#scheduler.spend(thread, ns) ? this.#storeSpent(thread, turn) : STORING
  }

  #storeSpent<End>(thread: Thread, turn: Turn<End>): number {
    return this.#kernel.stores.isPreempted(thread) ? PREEMPTED : this.#endStore(thread, turn)
  }

  #endStore<End>(thread: Thread, turn: Turn<End>): number {
    const ending = this.#kernel.stores.end(thread)
    if (typeof ending === 'boolean') return this.#stored(thread, turn, ending)
    turn.ending = ending
    return ENDING
  }

  #stored<End>(thread: Thread, turn: Turn<End>, isStored: boolean): number {
    turn.ending = undefined
    if (isStored) this.#kernel.stores.completed(turn.folio, thread.cpu, turn.flight)
    turn.result = isStored ? 1 : 0
    return NOTHING
  }

  /** Performs operations for as long as nobody else has to run first; says what is needed then. */
  #advance<End>(thread: Thread, turn: Turn<End>): number {
    const { pending } = turn
    if (pending !== undefined) {
      turn.pending = undefined
      const need = this.#operate(thread, turn, pending)
      if (need !== NOTHING) return need
    }
    for (;;) {
      const step = resume(turn.program, turn.result)
      if (step.done === true) {
        turn.end = step.value
        if (turn.worker < 0 && step.value !== 'queued') turn.give()
        this.#mustHoldNothing(thread, turn)
        return ENDED
      }
      if (!this.#mayGoOn(thread, turn)) {
        turn.pending = step.value
        return OTHERS
      }
      const need = this.#operate(thread, turn, step.value)
      if (need !== NOTHING) return need
    }
  }

  /** False: the turn has spun for long enough, and time must pass before it goes on. */
  #mayGoOn<End>(thread: Thread, turn: Turn<End>): boolean {
    const { now } = this.#scheduler
    if (now !== turn.instant) {
      turn.instant = now
      turn.operations = 0
      return true
    }
    if (++turn.operations <= OPERATIONS_PER_INSTANT) return true
    turn.operations = 0
    return this.#scheduler.spend(thread, SPIN_NS)
  }

  /** One operation: its result is the turn's. */
  #operate<End>(thread: Thread, turn: Turn<End>, operation: Operation): number {
    const { domain } = turn
    const { at } = operation
    switch (operation.op) {
      case 'store':
        return this.#store(thread, turn, operation.folio)
      case 'push':
        return this.#push(thread, turn, operation)
      case 'pop':
        this.#pop(turn, at)
        return NOTHING
      case 'wake':
        turn.result = this.#wake(domain, at) ? 1 : 0
        return turn.result === 1 ? this.#paid(thread, this.#kernel.costs.wake.draw()) : NOTHING
      case 'wait':
        return this.#wait(thread, turn, operation)
      case 'lock':
        turn.result = 1
        turn.lock = domain.lockAt(at)
        return turn.lock.tryTake(thread) ? NOTHING : this.#lock(thread, turn)
      case 'tryLock':
        turn.result = domain.lockAt(at).tryTake(thread) ? 1 : 0
        return NOTHING
      case 'unlock':
        this.#unlock(domain.lockAt(at), thread)
        return NOTHING
      case 'pause':
        this.#scheduler.sleepUntil(thread, this.#scheduler.now + operation.amount, SLEEPING)
        return OTHERS
      case 'queueWork':
        this.#queueWork(domain, at)
        return this.#paid(thread, this.#kernel.costs.wake.draw())
      case 'allocItem':
        turn.result = domain.takeItem()
        return NOTHING
      case 'freeItem':
        domain.giveItem(turn.worker)
        return NOTHING
      case 'write':
        turn.result = domain.setCell(at, operation.amount)
        return NOTHING
      case 'add':
        turn.result = domain.setCell(at, domain.read(at) + operation.amount)
        return NOTHING
    }
  }

  #paid(thread: Thread, ns: number): number {
    return this.#scheduler.spend(thread, ns) ? NOTHING : OTHERS
  }

  #push<End>(thread: Thread, turn: Turn<End>, { at, folio }: Operation): number {
    const kernel = this.#kernel
    const { domain } = turn
    const queue = domain.queueAt(at)
    turn.result = queue.push(folio) ? 1 : 0
    if (turn.result === 0) return NOTHING
    const { name, length, limit } = queue
    const { tally } = kernel
    if (length > tally.queuePeak) tally.queuePeak = length
    if (length > limit)
      throw new PstraceError(
        'replay-invariant',
        `policy ${this.#policy.name} lets ${length} folios wait in ${name} at ${this.#scheduler.now} ns; its depth is ${limit}`,
      )
    turn.give()
    kernel.note('push', folio, length, name)
    if (kernel.recorder.recordsRows) kernel.swapOuts.queueChanged(domain.node, this.queued)
    return this.#paid(thread, kernel.costs.push.draw())
  }

  #pop<End>(turn: Turn<End>, at: number): void {
    const kernel = this.#kernel
    const { domain } = turn
    const queue = domain.queueAt(at)
    if (queue.length === 0) {
      turn.result = -1
      return
    }
    const folio = queue.pop()
    turn.result = folio
    turn.take()
    kernel.note('pop', folio, queue.length, queue.name)
    kernel.swapOuts.popped(folio)
    if (kernel.recorder.recordsRows) kernel.swapOuts.queueChanged(domain.node, this.queued)
  }

  #wait<End>(thread: Thread, turn: Turn<End>, operation: Operation): number {
    this.#mustHoldNothing(thread, turn)
    const { domain, worker } = turn
    if (domain.length(operation.at) > 0) {
      domain.waitingFor[worker] = -1
      return NOTHING
    }
    domain.waitingFor[worker] = operation.at
    this.#scheduler.block(thread, SLEEPING)
    turn.pending = operation
    return OTHERS
  }

  #mustHoldNothing<End>(thread: Thread, turn: Turn<End>): void {
    turn.mustHoldNothing(this.#policy.name, thread, this.#scheduler.now)
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

  /** Another has the lock, or had it when others ran. */
  #lock<End>(thread: Thread, turn: Turn<End>): number {
    const { lock } = turn
    if (lock === undefined) return NOTHING
    if (Number.isNaN(turn.waitsSince)) {
      turn.waitsSince = this.#scheduler.now
      this.#kernel.note('lock-wait', -1, 0, lock.name)
    }
    if (!lock.takeOrWait(thread)) return HELD
    this.#kernel.note('lock-got', -1, this.#scheduler.now - turn.waitsSince, lock.name)
    turn.waitsSince = Number.NaN
    return NOTHING
  }

  #unlock(lock: PolicyLock, thread: Thread): void {
    if (!lock.release(thread))
      throw new PstraceError(
        'policy-lock',
        `policy ${this.#policy.name}: ${thread.name} unlocks what it does not hold`,
      )
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
