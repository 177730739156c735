import type {
  NodeView,
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
import { PolicyOperations, type PolicyThreads } from './policy-operations.ts'
import {
  ENDED,
  ENDING,
  HELD,
  NONE,
  NOTHING,
  PREEMPTED,
  QUEUEING,
  STORING,
  Turn,
} from './policy-turn.ts'
import { KSWAPD_CONTEXT } from './scan.ts'
import type { Scheduler } from './scheduler.ts'
import { resume, type Steps, type StepsTo } from './steps.ts'
import { SLEEPING, type Thread } from './thread.ts'

export type ThreadMaker = (
  name: string,
  node: number,
  unbound: boolean,
  program: (thread: Thread) => Steps,
) => Thread

/** Runs a policy in virtual time: performs its operations, owns its queues, locks, cells and worker threads. */
export class VirtualGate implements PolicyGate, PolicyThreads {
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
  readonly #operations: PolicyOperations
  /** Of a submission that is over: one is needed for every folio, and seldom two at a time. */
  #idleTurn: Turn | undefined
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
    this.#operations = new PolicyOperations(policy.name, kernel, this, () => this.queued)
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
    const turn = this.#idleTurn ?? new Turn(this.#operations)
    this.#idleTurn = undefined
    turn.begin(domain, -1, thread)
    turn.program = this.#policy.submit(page, turn)
    const need = this.#advance(turn)
    if (need !== ENDED) return this.#awaitEnd(turn, need)
    this.#idleTurn = turn
    return turn.end as SubmitEnd
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
      this.#perform(this.#workerTurn(domain, worker, self)),
    )
    domain.workers[worker] = thread
    if (layout.start === 'boot') {
      // It sleeps in its first wait by the time anything is swapped out.
      this.#scheduler.park(thread)
      domain.waitingFor[worker] = 0
    }
    return thread
  }

  #workerTurn(domain: Domain, worker: number, thread: Thread): Turn {
    const turn = new Turn(this.#operations)
    turn.begin(domain, worker, thread)
    turn.program = this.#policy.work(worker, turn)
    return turn
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
      this.#scheduler.enter(thread, this.#perform(this.#workerTurn(served, item.worker, thread)))
      yield
    }
  }

  #servedBy(thread: Thread, domain: Domain, worker: number): Domain {
    if (domain.layout.workers[worker]?.serves !== 'cpu') return domain
    const node = this.#scheduler.cpus[thread.cpu]?.node ?? domain.node
    return this.#domains[this.#domainOfNode[node] as number] as Domain
  }

  *#awaitEnd(turn: Turn, need: number): StepsTo<SubmitEnd> {
    yield* this.#perform(turn, need)
    this.#idleTurn = turn
    return turn.end as SubmitEnd
  }

  /** Runs a turn to its end. */
  *#perform(turn: Turn, first?: number): Steps {
    let need = first ?? this.#advance(turn)
    while (need !== ENDED) {
      if (need === ENDING) {
        const { ending } = turn
        need = this.#operations.stored(turn, ending === undefined || (yield* ending))
      } else {
        yield
        need = this.#goOn(turn, need)
      }
      if (need === NOTHING) need = this.#advance(turn)
    }
  }

  /** Others have run. */
  #goOn(turn: Turn, need: number): number {
    if (need === STORING) return this.#operations.storeSpent(turn)
    if (need === PREEMPTED) return this.#operations.endStore(turn)
    if (need === QUEUEING) return this.#operations.workQueued(turn)
    return need === HELD ? this.#operations.takeLock(turn) : NOTHING
  }

  /** Runs the program for as long as nobody else has to run first; says what is needed then. */
  #advance(turn: Turn): number {
    if (turn.pending !== NONE) {
      const need = turn.performPending()
      if (need !== NOTHING) return need
    }
    turn.need = NOTHING
    const step = resume(turn.program, undefined)
    const { need } = turn
    if (step.done !== true) return need === NOTHING ? this.#operations.yieldsInVain(turn) : need
    if (need !== NOTHING) this.#operations.failsToYield(turn)
    if (turn.worker < 0) {
      turn.end = step.value as SubmitEnd
      if (turn.end !== 'queued') turn.give()
    }
    this.#operations.mustHoldNothing(turn)
    return ENDED
  }

  wake(domain: Domain, worker: number): boolean {
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

  queueWork(domain: Domain, worker: number): void {
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
}

/**
 * The layout at the moment at which the policy has most workers, with each queue as large as it ever is: threads and room that a later
 * value needs are there from the start.
 */
export function widestLayout(
  policy: Policy,
  node: NodeView,
  tunables: TunableValues,
  changes: readonly TunableChange[],
): PolicyLayout {
  let values = tunables
  const first = policy.layout(node, values)
  const layouts = [first]
  for (const { name, value } of changes) {
    values = { ...values, [name]: value }
    layouts.push(policy.layout(node, values))
  }
  const widest = layouts.reduce((most, layout) =>
    layout.workers.length > most.workers.length ? layout : most,
  )
  return {
    ...widest,
    queues: widest.queues.map((queue, index) => {
      const { depth, capacity } = first.queues[index] ?? queue
      return {
        ...queue,
        depth: depth ?? capacity,
        capacity: Math.max(...layouts.map(({ queues }) => queues[index]?.capacity ?? 0)),
      }
    }),
  }
}
