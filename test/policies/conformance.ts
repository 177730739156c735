import type {
  Operations,
  Policy,
  PolicyLayout,
  Program,
  TunableValues,
} from '../../src/policies/policy.ts'

/** A slow, obvious executor: threads are picked by a script of numbers, and others run meanwhile at about every second operation that takes time. It shares no code with the engine. */
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

/** A thread, and what its policy sees and does. */
class Actor implements Operations {
  readonly name: string
  readonly #executor: Executor
  program: Program<unknown> | undefined
  waitsFor: { readonly lock?: number; readonly queue?: number } | undefined
  /** Told to yield, and has not. */
  mustYield = false
  folio = -1
  result = false

  constructor(name: string, executor: Executor) {
    this.name = name
    this.#executor = executor
  }

  get cpus(): number {
    return this.#executor.cpus
  }

  get initial(): TunableValues {
    return this.#executor.initial
  }

  get tunables(): TunableValues {
    return this.#executor.tunables
  }

  length(queue: number): number {
    return this.#executor.queues[queue]?.length ?? 0
  }

  read(cell: number): number {
    return this.#executor.cells[cell] ?? 0
  }

  tryLock(lock: number): boolean {
    this.#note('tryLock', lock)
    return this.#executor.take(this, lock)
  }

  unlock(lock: number): void {
    this.#note('unlock', lock)
    this.#executor.unlock(this, lock)
  }

  pop(queue: number): number {
    this.#note('pop', queue)
    return this.#executor.pop(queue)
  }

  write(cell: number, value: number): void {
    this.#note('write', cell, value)
    this.#executor.setCell(cell, value)
  }

  add(cell: number, value: number): void {
    this.#note('add', cell, value)
    this.#executor.setCell(cell, this.read(cell) + value)
  }

  allocItem(): boolean {
    this.#note('allocItem')
    return this.#executor.takeItem()
  }

  freeItem(): void {
    this.#note('freeItem')
    this.#executor.giveItem()
  }

  lock(lock: number): boolean {
    this.#note('lock', lock)
    if (this.#executor.take(this, lock)) return this.#taking()
    this.waitsFor = { lock }
    this.#executor.waitFor(this, lock)
    return this.#waiting()
  }

  push(queue: number, folio: number): boolean {
    this.#note('push', queue, folio)
    this.result = this.#executor.push(queue, folio)
    return this.#taking()
  }

  store(folio: number): boolean {
    this.#note('store', folio)
    this.#executor.store(folio)
    return this.#taking()
  }

  wake(worker: number): boolean {
    this.#note('wake', worker)
    this.result = false
    return this.#taking()
  }

  wait(queue: number): boolean {
    this.#note('wait', queue)
    if (this.length(queue) > 0) return this.#taking()
    this.waitsFor = { queue }
    return this.#waiting()
  }

  pause(ns: number): boolean {
    this.#note('pause', ns)
    return this.#waiting()
  }

  queueWork(worker: number): boolean {
    this.#note('queueWork', worker)
    this.#executor.queueWork(worker)
    return this.#taking()
  }

  /** It takes time: others may run meanwhile, or nobody does. */
  #taking(): boolean {
    this.mustYield = this.#executor.othersRun()
    return !this.mustYield
  }

  #waiting(): false {
    this.mustYield = true
    return false
  }

  #note(...operation: readonly (string | number)[]): void {
    this.#executor.note(this, operation)
  }
}

export function conform(policy: Policy, options: ConformanceOptions): Conformance {
  return new Executor(policy, options).run()
}

const MOST_VIOLATIONS = 20
const MOST_IN_A_ROW = 7

class Executor {
  readonly #policy: Policy
  readonly #options: ConformanceOptions
  readonly tunables: Record<string, number> = {}
  readonly initial: TunableValues
  readonly cpus: number
  readonly queues: readonly number[][]
  readonly cells: number[]
  readonly #layout: PolicyLayout
  readonly #owners: (Actor | undefined)[]
  readonly #waiters: Actor[][]
  #items: number
  readonly #kswapd = new Actor('kswapd', this)
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
  #operations = 0

  constructor(policy: Policy, options: ConformanceOptions) {
    const { cpus } = options
    this.cpus = cpus
    this.#policy = policy
    this.#options = options
    for (const { name, default: value } of policy.tunables) this.tunables[name] = value
    Object.assign(this.tunables, options.tunables)
    this.initial = { ...this.tunables }
    const layout = policy.layout({ node: 0, cpus }, this.tunables)
    this.#layout = layout
    this.queues = layout.queues.map(() => [])
    this.#owners = layout.locks.map(() => undefined)
    this.#waiters = layout.locks.map(() => [])
    this.cells = layout.cells.map(() => 0)
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
    const actor = new Actor(name, this)
    actor.program = this.#policy.work(worker, actor)
    this.#actors.push(actor)
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
    return waitsFor.queue === undefined || (this.queues[waitsFor.queue] ?? []).length > 0
  }

  /** Runs the actor until it yields or ends. */
  #step(actor: Actor): void {
    actor.program ??= this.#submitNext(actor)
    actor.mustYield = false
    actor.waitsFor = undefined
    const turn = actor.program.next()
    if (turn.done !== true) {
      if (!actor.mustYield) this.#bad(`${actor.name} yields where nothing asks it to`)
      return
    }
    if (actor.mustYield) this.#bad(`${actor.name} ends where it must yield`)
    this.#log.push(`${actor.name} ends ${String(turn.value)}`)
    actor.program = undefined
    if (actor === this.#kswapd) this.#endSubmit(actor.folio, turn.value)
    else this.#actors.splice(this.#actors.indexOf(actor), 1)
  }

  note(actor: Actor, operation: readonly (string | number)[]): void {
    if (actor.mustYield) this.#bad(`${actor.name} goes on where it must yield`)
    this.#log.push(`${actor.name} ${operation.join(' ')}`)
  }

  /** Whether others run before an operation that takes time is over, as the schedule has it; nobody goes on for ever. */
  othersRun(): boolean {
    const { schedule } = this.#options
    const pick = schedule[this.#operations++ % schedule.length] ?? 0
    return pick % 2 === 0 || this.#operations % MOST_IN_A_ROW === 0
  }

  #submitNext(kswapd: Actor): Program<unknown> {
    const { folios, later } = this.#options
    if (this.#next === Math.floor(folios / 2)) Object.assign(this.tunables, later)
    kswapd.folio = this.#next++
    return this.#policy.submit(kswapd.folio, kswapd)
  }

  #endSubmit(folio: number, end: unknown): void {
    this.#ended.add(folio)
    if (end === 'inline' || end === 'bypass') {
      this.#begin(folio)
      this.store(folio)
    }
    const { depth } = this.#options
    for (const { length } of this.queues) {
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

  store(folio: number): void {
    if (this.#stored.has(folio)) this.#bad(`folio ${folio} is stored twice`)
    this.#stored.add(folio)
  }

  pop(queue: number): number {
    const folio = this.queues[queue]?.shift()
    if (folio === undefined) return -1
    this.#begin(folio)
    return folio
  }

  queueWork(worker: number): void {
    this.#startWorker(`run${this.#actors.length}`, worker)
  }

  takeItem(): boolean {
    if (this.#items === 0) return false
    this.#items--
    this.#checkItems()
    return true
  }

  giveItem(): void {
    this.#items++
    if (this.#items > this.#layout.items) this.#bad('more items are freed than taken')
  }

  setCell(at: number, value: number): void {
    const cell = this.#layout.cells[at]
    const { later = {} } = this.#options
    const after = this.#policy.layout({ node: 0, cpus: this.cpus }, { ...this.initial, ...later })
    const most = Math.max(cell?.most ?? 0, after.cells[at]?.most ?? 0)
    if (value > most) this.#bad(`${cell?.name} is ${value}; at most ${most} are allowed`)
    this.cells[at] = value
  }

  /** Each worker that is alive has one item, and the submit under way may have one for the worker that it begins. */
  #checkItems(): void {
    const taken = this.#layout.items - this.#items
    if (taken > this.#actors.length)
      this.#bad(`${taken} items are taken; ${this.#actors.length - 1} workers are alive`)
  }

  take(actor: Actor, at: number): boolean {
    if (at >= this.#owners.length) this.#bad(`lock ${at} is not declared`)
    if (this.#owners[at] === actor) this.#bad(`${actor.name} locks twice`)
    if (this.#owners[at] !== undefined) return false
    this.#owners[at] = actor
    return true
  }

  waitFor(actor: Actor, lock: number): void {
    this.#waiters[lock]?.push(actor)
  }

  /** Locks are handed to who waited first: nobody starves beside one who spins. */
  unlock(actor: Actor, at: number): void {
    if (this.#owners[at] !== actor) this.#bad(`${actor.name} unlocks what it does not hold`)
    const heir = this.#waiters[at]?.shift()
    this.#owners[at] = heir
    if (heir !== undefined) heir.waitsFor = undefined
  }

  push(at: number, folio: number): boolean {
    const queue = this.queues[at]
    if (queue === undefined) {
      this.#bad(`queue ${at} is not declared`)
      return false
    }
    if (queue.length >= (this.#layout.queues[at]?.capacity ?? 0)) return false
    queue.push(folio)
    return true
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
