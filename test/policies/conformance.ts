import type {
  Operation,
  Policy,
  PolicyLayout,
  Setting,
  TunableValues,
} from '../../src/policies/policy.ts'

/** A slow, obvious executor: one operation at a time, threads picked by a script of numbers. It shares no code with the engine. */
export interface Conformance {
  readonly violations: readonly string[]
  /** Operations in the order in which they were performed, by thread. */
  readonly log: readonly string[]
  /** Folios in the order in which their stores began. */
  readonly starts: readonly number[]
  readonly deepest: number
}

export interface ConformanceOptions {
  readonly folios: number
  readonly cpus: number
  readonly tunables?: TunableValues
  /** Tunables that change once half of the folios are submitted. */
  readonly later?: TunableValues
  /** Picks who goes next: any whole numbers. */
  readonly schedule: readonly number[]
  /** kswapd goes whenever it can. */
  readonly kswapdFirst?: boolean
  /** The deepest a queue may be after a submit. */
  readonly depth: number
}

interface Actor {
  readonly name: string
  readonly worker: number
  program: Generator<Operation, unknown, number> | undefined
  send: number
  waitsFor: { readonly lock?: number; readonly queue?: number } | undefined
  folio: number
}

function newActor(name: string, worker: number, program?: Actor['program']): Actor {
  return { name, worker, program, send: 0, waitsFor: undefined, folio: -1 }
}

export function conform(policy: Policy, options: ConformanceOptions): Conformance {
  return new Executor(policy, options).run()
}

const MOST_VIOLATIONS = 20

class Executor {
  readonly #policy: Policy
  readonly #options: ConformanceOptions
  readonly #tunables: Record<string, number> = {}
  readonly #setting: Setting
  readonly #layout: PolicyLayout
  readonly #queues: number[][]
  readonly #owners: (Actor | undefined)[]
  readonly #waiters: Actor[][]
  readonly #cells: number[]
  #items: number
  readonly #kswapd = newActor('kswapd', -1)
  readonly #actors: Actor[] = [this.#kswapd]
  readonly #violations: string[] = []
  readonly #log: string[] = []
  readonly #starts: number[] = []
  readonly #started = new Set<number>()
  /** Folios whose submit is over. */
  readonly #ended = new Set<number>()
  readonly #stored = new Set<number>()
  /** The folio that kswapd submits next. */
  #next = 0
  #deepest = 0

  constructor(policy: Policy, options: ConformanceOptions) {
    const { cpus } = options
    this.#policy = policy
    this.#options = options
    for (const { name, default: value } of policy.tunables) this.#tunables[name] = value
    Object.assign(this.#tunables, options.tunables)
    this.#setting = {
      cpus,
      initial: { ...this.#tunables },
      tunables: this.#tunables,
      length: (queue) => this.#queues[queue]?.length ?? 0,
      read: (cell) => this.#cells[cell] ?? 0,
    }
    const layout = policy.layout({ node: 0, cpus }, this.#tunables)
    this.#layout = layout
    this.#queues = layout.queues.map(() => [])
    this.#owners = layout.locks.map(() => undefined)
    this.#waiters = layout.locks.map(() => [])
    this.#cells = layout.cells.map(() => 0)
    this.#items = layout.items
    for (const [worker, { start }] of layout.workers.entries())
      if (start !== 'item') this.#startWorker(`worker${worker}`, worker)
  }

  run(): Conformance {
    const limit = this.#options.folios * 400 + 10_000
    let step = 0
    for (; step < limit; step++) {
      const actor = this.#pick(step)
      if (actor === undefined) break
      this.#step(actor)
    }
    if (step >= limit) this.#bad('the policy does not come to an end')
    this.#checkEnd()
    return {
      violations: this.#violations,
      log: this.#log,
      starts: this.#starts,
      deepest: this.#deepest,
    }
  }

  #bad(text: string): void {
    if (this.#violations.length < MOST_VIOLATIONS) this.#violations.push(text)
  }

  #startWorker(name: string, worker: number): void {
    this.#actors.push(newActor(name, worker, this.#policy.work(worker, this.#setting)))
  }

  #pick(step: number): Actor | undefined {
    const { schedule, kswapdFirst } = this.#options
    const ready = this.#actors.filter((actor) => this.#isReady(actor))
    const pick = schedule[step % schedule.length] ?? 0
    // The offset grows with each round, so that no schedule starves anybody for ever.
    const turnOf = kswapdFirst === true ? 0 : pick + Math.floor(step / schedule.length)
    return ready[turnOf % ready.length]
  }

  #isReady(actor: Actor): boolean {
    if (actor.program === undefined)
      return actor === this.#kswapd && this.#next < this.#options.folios
    const { waitsFor } = actor
    if (waitsFor === undefined) return true
    if (waitsFor.lock !== undefined) return false
    return waitsFor.queue === undefined || (this.#queues[waitsFor.queue] ?? []).length > 0
  }

  /** One operation of the actor, or its end. */
  #step(actor: Actor): void {
    actor.program ??= this.#submitNext(actor)
    const turn = actor.program.next(actor.send)
    if (turn.done === true) {
      this.#log.push(`${actor.name} ends ${String(turn.value)}`)
      actor.program = undefined
      if (actor === this.#kswapd) this.#endSubmit(actor.folio, turn.value)
      else this.#actors.splice(this.#actors.indexOf(actor), 1)
      return
    }
    const operation = turn.value
    this.#log.push(`${actor.name} ${JSON.stringify(operation)}`)
    if (operation.op === 'lock' && this.#owners[operation.at] !== undefined) {
      if (this.#owners[operation.at] === actor) this.#bad(`${actor.name} locks twice`)
      actor.waitsFor = { lock: operation.at }
      this.#waiters[operation.at]?.push(actor)
      return
    }
    actor.waitsFor = operation.op === 'wait' ? { queue: operation.at } : undefined
    actor.send = this.#perform(actor, operation)
  }

  #submitNext(kswapd: Actor): Generator<Operation, unknown, number> {
    const { folios, later } = this.#options
    if (this.#next === Math.floor(folios / 2)) Object.assign(this.#tunables, later)
    kswapd.folio = this.#next++
    kswapd.send = 0
    return this.#policy.submit(kswapd.folio, this.#setting)
  }

  #endSubmit(folio: number, end: unknown): void {
    this.#ended.add(folio)
    if (end === 'inline' || end === 'bypass') {
      this.#begin(folio)
      this.#store(folio)
    }
    const { depth } = this.#options
    for (const { length } of this.#queues) {
      if (length > this.#deepest) this.#deepest = length
      if (length > depth)
        this.#bad(`a queue holds ${length} folios after a submit; at most ${depth} may wait`)
    }
  }

  #begin(folio: number): void {
    if (this.#started.has(folio)) this.#bad(`folio ${folio} is started twice`)
    this.#started.add(folio)
    this.#starts.push(folio)
  }

  #store(folio: number): void {
    if (this.#stored.has(folio)) this.#bad(`folio ${folio} is stored twice`)
    this.#stored.add(folio)
  }

  /** What the policy gets for the operation. */
  #perform(actor: Actor, operation: Operation): number {
    switch (operation.op) {
      case 'lock':
      case 'tryLock':
        return this.#lock(actor, operation.at)
      case 'unlock':
        return this.#unlock(actor, operation.at)
      case 'push':
        return this.#push(operation.at, operation.folio)
      case 'pop': {
        const folio = this.#queues[operation.at]?.shift()
        if (folio === undefined) return -1
        this.#begin(folio)
        return folio
      }
      case 'store':
        this.#store(operation.folio)
        return 1
      case 'wake':
      case 'wait':
      case 'pause':
        return 0
      case 'queueWork':
        this.#startWorker(`run${this.#actors.length}`, operation.at)
        return 0
      case 'allocItem':
        if (this.#items === 0) return 0
        this.#items--
        this.#checkItems()
        return 1
      case 'freeItem':
        this.#items++
        if (this.#items > this.#layout.items) this.#bad('more items are freed than taken')
        return 0
      case 'write':
        return this.#setCell(operation.at, operation.amount)
      case 'add':
        return this.#setCell(operation.at, (this.#cells[operation.at] ?? 0) + operation.amount)
    }
  }

  #setCell(at: number, value: number): number {
    const cell = this.#layout.cells[at]
    const { later = {} } = this.#options
    const after = this.#policy.layout(
      { node: 0, cpus: this.#options.cpus },
      { ...this.#setting.initial, ...later },
    )
    const most = Math.max(cell?.most ?? 0, after.cells[at]?.most ?? 0)
    if (value > most) this.#bad(`${cell?.name} is ${value}; at most ${most} are allowed`)
    this.#cells[at] = value
    return value
  }

  /** Each worker that is alive has one item, and the submit under way may have one for the worker that it begins. */
  #checkItems(): void {
    const taken = this.#layout.items - this.#items
    if (taken > this.#actors.length)
      this.#bad(`${taken} items are taken; ${this.#actors.length - 1} workers are alive`)
  }

  #lock(actor: Actor, at: number): number {
    if (at >= this.#owners.length) this.#bad(`lock ${at} is not declared`)
    if (this.#owners[at] === actor) this.#bad(`${actor.name} locks twice`)
    if (this.#owners[at] !== undefined) return 0
    this.#owners[at] = actor
    return 1
  }

  /** Locks are handed to who waited first: nobody starves beside one who spins. */
  #unlock(actor: Actor, at: number): number {
    if (this.#owners[at] !== actor) this.#bad(`${actor.name} unlocks what it does not hold`)
    const heir = this.#waiters[at]?.shift()
    this.#owners[at] = heir
    if (heir !== undefined) {
      heir.waitsFor = undefined
      heir.send = 1
    }
    return 0
  }

  #push(at: number, folio: number): number {
    const queue = this.#queues[at]
    if (queue === undefined) {
      this.#bad(`queue ${at} is not declared`)
      return 0
    }
    if (queue.length >= (this.#layout.queues[at]?.capacity ?? 0)) return 0
    queue.push(folio)
    return 1
  }

  #checkEnd(): void {
    const { folios } = this.#options
    if (this.#next < folios) this.#bad(`only ${this.#next} of ${folios} folios could be submitted`)
    for (let folio = 0; folio < this.#next; folio++) {
      if (!this.#ended.has(folio)) this.#bad(`the submit of folio ${folio} never ended`)
      if (!this.#stored.has(folio)) this.#bad(`folio ${folio} is lost: it was never stored`)
    }
    if (this.#items !== this.#layout.items)
      this.#bad(`${this.#layout.items - this.#items} items were never given back`)
    for (const [lock, owner] of this.#owners.entries())
      if (owner !== undefined) this.#bad(`${owner.name} still holds lock ${lock}`)
  }
}
