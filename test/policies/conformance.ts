import type { Operation, Policy, PolicyLayout, TunableValues } from '../../src/policies/policy.ts'

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

export function conform(policy: Policy, options: ConformanceOptions): Conformance {
  const violations: string[] = []
  const log: string[] = []
  const starts: number[] = []
  const tunables: Record<string, number> = {}
  for (const { name, default: value } of policy.tunables) tunables[name] = value
  Object.assign(tunables, options.tunables)
  const layout: PolicyLayout = policy.layout({ node: 0, cpus: options.cpus }, tunables)
  const setting = { cpus: options.cpus, initial: { ...tunables } }
  const queues: number[][] = layout.queues.map(() => [])
  const owners: (Actor | undefined)[] = layout.locks.map(() => undefined)
  const waiters: Actor[][] = layout.locks.map(() => [])
  const cells = layout.cells.map(() => 0)
  let items = layout.items
  let deepest = 0
  const stores = new Map<number, number>()
  const started = new Map<number, number>()
  const ended = new Set<number>()
  const kswapd: Actor = {
    name: 'kswapd',
    worker: -1,
    program: undefined,
    send: 0,
    waitsFor: undefined,
    folio: -1,
  }
  const actors: Actor[] = [kswapd]
  layout.workers.forEach((worker, index) => {
    if (worker.start === 'item') return
    actors.push({
      name: `worker${index}`,
      worker: index,
      program: policy.work(index, setting),
      send: 0,
      waitsFor: undefined,
      folio: -1,
    })
  })
  let next = 0
  const bad = (text: string): void => {
    if (violations.length < 20) violations.push(text)
  }
  const begin = (folio: number): void => {
    if (started.has(folio)) bad(`folio ${folio} is started twice`)
    started.set(folio, starts.length)
    starts.push(folio)
  }
  // Locks are handed to who waited first: nobody starves beside one who spins.
  const grant = (actor: Actor | undefined): void => {
    if (actor === undefined) return
    actor.waitsFor = undefined
    actor.send = 1
  }
  const isReady = (actor: Actor): boolean => {
    if (actor === kswapd && actor.program === undefined) return next < options.folios
    if (actor.program === undefined) return false
    const { waitsFor } = actor
    if (waitsFor === undefined) return true
    if (waitsFor.lock !== undefined) return false
    return waitsFor.queue === undefined || (queues[waitsFor.queue] ?? []).length > 0
  }
  const perform = (actor: Actor, operation: Operation): number => {
    switch (operation.op) {
      case 'lock':
      case 'tryLock': {
        if (operation.at >= owners.length) bad(`lock ${operation.at} is not declared`)
        if (owners[operation.at] === actor) bad(`${actor.name} locks twice`)
        if (owners[operation.at] !== undefined) return 0
        owners[operation.at] = actor
        return 1
      }
      case 'unlock':
        if (owners[operation.at] !== actor) bad(`${actor.name} unlocks what it does not hold`)
        owners[operation.at] = waiters[operation.at]?.shift()
        grant(owners[operation.at])
        return 0
      case 'push': {
        const queue = queues[operation.at]
        if (queue === undefined) {
          bad(`queue ${operation.at} is not declared`)
          return 0
        }
        if (queue.length >= (layout.queues[operation.at]?.capacity ?? 0)) return 0
        queue.push(operation.folio)
        return 1
      }
      case 'pop': {
        const folio = queues[operation.at]?.shift()
        if (folio === undefined) return -1
        begin(folio)
        return folio
      }
      case 'length':
        return queues[operation.at]?.length ?? 0
      case 'store':
        stores.set(operation.folio, (stores.get(operation.folio) ?? 0) + 1)
        if ((stores.get(operation.folio) ?? 0) > 1) bad(`folio ${operation.folio} is stored twice`)
        return 1
      case 'wake':
        return 0
      case 'wait':
      case 'pause':
        return 0
      case 'queueWork':
        actors.push({
          name: `run${actors.length}`,
          worker: operation.at,
          program: policy.work(operation.at, setting),
          send: 0,
          waitsFor: undefined,
          folio: -1,
        })
        return 0
      case 'allocItem':
        if (items === 0) return 0
        items--
        return 1
      case 'freeItem':
        items++
        if (items > layout.items) bad('more items are freed than taken')
        return 0
      case 'readTunable': {
        const value = tunables[operation.name]
        if (value === undefined) bad(`tunable ${operation.name} is not declared`)
        return value ?? 0
      }
      case 'read':
        return cells[operation.at] ?? 0
      case 'write':
        cells[operation.at] = operation.amount
        return operation.amount
      case 'add':
        cells[operation.at] = (cells[operation.at] ?? 0) + operation.amount
        return cells[operation.at] ?? 0
    }
  }
  let step = 0
  const limit = options.folios * 400 + 10_000
  for (; step < limit; step++) {
    const ready = actors.filter(isReady)
    if (ready.length === 0) break
    const pick = options.schedule[step % options.schedule.length] ?? 0
    // The offset grows with each round, so that no schedule starves anybody for ever.
    const turnOf =
      options.kswapdFirst === true ? 0 : pick + Math.floor(step / options.schedule.length)
    const actor = ready[turnOf % ready.length]
    if (actor === undefined) break
    if (actor.program === undefined) {
      if (next === Math.floor(options.folios / 2)) Object.assign(tunables, options.later)
      actor.folio = next++
      actor.program = policy.submit(actor.folio, setting)
      actor.send = 0
    }
    const turn = actor.program.next(actor.send)
    if (turn.done === true) {
      log.push(`${actor.name} ends ${String(turn.value)}`)
      actor.program = undefined
      if (actor !== kswapd) actors.splice(actors.indexOf(actor), 1)
      else {
        ended.add(actor.folio)
        if (turn.value === 'inline' || turn.value === 'bypass') {
          begin(actor.folio)
          stores.set(actor.folio, (stores.get(actor.folio) ?? 0) + 1)
          if ((stores.get(actor.folio) ?? 0) > 1) bad(`folio ${actor.folio} is stored twice`)
        }
        for (const queue of queues) {
          if (queue.length > deepest) deepest = queue.length
          if (queue.length > options.depth)
            bad(
              `a queue holds ${queue.length} folios after a submit; at most ${options.depth} may wait`,
            )
        }
      }
      continue
    }
    const operation = turn.value
    log.push(`${actor.name} ${JSON.stringify(operation)}`)
    if (operation.op === 'lock' && owners[operation.at] !== undefined) {
      if (owners[operation.at] === actor) bad(`${actor.name} locks twice`)
      actor.waitsFor = { lock: operation.at }
      waiters[operation.at]?.push(actor)
      continue
    }
    actor.waitsFor = operation.op === 'wait' ? { queue: operation.at } : undefined
    actor.send = perform(actor, operation)
  }
  if (step >= limit) bad('the policy does not come to an end')
  if (next < options.folios) bad(`only ${next} of ${options.folios} folios could be submitted`)
  for (let folio = 0; folio < next; folio++) {
    if (!ended.has(folio)) bad(`the submit of folio ${folio} never ended`)
    if ((stores.get(folio) ?? 0) === 0) bad(`folio ${folio} is lost: it was never stored`)
  }
  owners.forEach((owner, lock) => {
    if (owner !== undefined) bad(`${owner.name} still holds lock ${lock}`)
  })
  return { violations, log, starts, deepest }
}
