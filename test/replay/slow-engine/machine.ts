import { type CostSamplers, openCosts } from '../../../src/replay/costs.ts'
import type { Workload } from '../../../src/workload/types.ts'
import type { SlowOptions } from './case.ts'
import { Clock, type Program, type Thread } from './clock.ts'
import { type Folio, newFolio } from './folio.ts'
import { Frames } from './frames.ts'
import { type Group, openGroups } from './groups.ts'
import { Kswapd } from './kswapd.ts'
import { Lists } from './lists.ts'
import { Log } from './log.ts'
import { openPolicy, type Policy } from './policies/index.ts'
import { Slots } from './slots.ts'

/** All state of a run. */
export class Machine {
  readonly clock: Clock
  readonly costs: CostSamplers
  readonly cpus: readonly number[]
  readonly marks: { readonly min: number; readonly low: number; readonly high: number }
  readonly frames: Frames
  readonly slots: Slots
  readonly lists: Lists
  readonly folios: Folio[] = []
  readonly log = new Log()
  readonly kswapd: Kswapd
  /** By task: pages charged above memory.high. */
  readonly overHigh = new Map<string, number>()
  readonly policy: Policy | undefined
  readonly refaultsWrite: boolean
  /** By CPU: when its last pass over the slab shrinkers ended. */
  readonly lastPasses = new Map<number, number>()
  /** By CPU: when its last direct reclaim ended, for whoever needed memory. */
  readonly lastReclaims = new Map<number, number>()
  /** Threads that reclaim for themselves now. */
  readonly reclaiming = new Set<Thread>()
  /** The root group, and those of the workload by their places and one. */
  readonly root: Group
  readonly #groups: readonly Group[]
  readonly #workload: Workload

  constructor(workload: Workload, options: SlowOptions) {
    const { cpus, nodes, zones } = workload.machine
    const [zone] = zones
    const [memory] = nodes
    if (zone === undefined || memory === undefined) throw new Error('one node is needed')
    this.#workload = workload
    this.costs = openCosts(workload, options.seed, {})
    this.clock = new Clock(() => this.costs.wakeLatency.draw())
    this.cpus = cpus.map(({ id }) => id)
    this.marks = zone
    this.frames = new Frames(this.clock, cpus.length, memory.freeAtStart.value)
    this.clock.onIdle = (cpu) => this.frames.addUp(cpu)
    this.setPressure(false)
    this.slots = new Slots(this.clock, this.frames, options.perPoolPage)
    this.lists = new Lists(cpus.length)
    this.refaultsWrite = options.refaultsWrite
    this.#groups = openGroups(workload.machine.memcgs ?? [], this.folios)
    this.root = this.#group(undefined)
    for (const order of workload.pages.order) this.addFolio(order)
    for (const folio of this.folios)
      if (workload.pages.residentAtStart[folio.id] === 1 && this.#firstOf(folio.id) === folio.id) {
        folio.group = this.#group(workload.pages.memcg?.[folio.id])
        folio.group.arriving += folio.pages
        this.makeResident(folio)
      }
    this.kswapd = new Kswapd(this)
    this.policy = openPolicy(this, options.policy)
  }

  /** calculate_pressure_threshold and calculate_normal_threshold: small machines have less than 128 MiB. */
  setPressure(isUp: boolean): void {
    const cpus = this.cpus.length
    const { low, min } = this.marks
    this.frames.threshold =
      isUp && cpus > 1
        ? Math.min(125, Math.max(1, Math.floor((low - min) / cpus)))
        : 2 * cpus.toString(2).length
  }

  /** By the place of the workload; none: the root. */
  #group(place = -1): Group {
    const group = this.#groups[place + 1]
    if (group === undefined) throw new Error(`no group ${place}`)
    return group
  }

  /** Of a task of the workload. */
  groupOf({ name }: Thread): Group {
    return this.#group(this.#workload.tasks.find(({ comm }) => comm === name)?.memcg)
  }

  addKernelThread(name: string, program: (self: Thread) => Program): Thread {
    return this.clock.add({ name, cpus: this.cpus, hasMemory: false }, program)
  }

  addFolio(order: number): Folio {
    const { pages } = this.#workload
    const place = this.folios.length
    // The other pages of folios have content ids too, after those of the workload's.
    const others = pages.order.reduce(
      (all, each, page) => all + ((pages.folio?.[page] ?? -1) < 0 ? (1 << each) - 1 : 0),
      0,
    )
    const folio = newFolio(place < pages.length ? place : place + others, 1 << order, this.root)
    this.folios.push(folio)
    return folio
  }

  /** What the page is in now: a folio that went to swap is single pages there, if they have names. */
  folioOf(page: number): Folio | undefined {
    const first = this.folios[this.#firstOf(page)]
    if (first?.state === 'swapped' && first.pages > 1) this.#split(first)
    return first === undefined || first.pages > 1 || first.state === 'free'
      ? first
      : this.folios[page]
  }

  #firstOf(page: number): number {
    const first = this.#workload.pages.folio?.[page] ?? -1
    return first < 0 ? page : first
  }

  #membersOf(first: Folio): readonly Folio[] {
    return this.folios.filter(
      ({ id }) => this.#workload.pages.folio?.[id] === first.id && id !== first.id,
    )
  }

  #split(first: Folio): void {
    const members = this.#membersOf(first)
    if (members.length === 0) return
    first.pages = 1
    members.forEach((member, place) => {
      member.state = 'swapped'
      member.slot = first.slot + place + 1
      member.evictedAt = first.evictedAt
      member.group = first.group
      member.evictedBy = first.evictedBy
    })
  }

  /** One in memory that cannot go to swap as a whole: the other pages are the next to be looked at. */
  splitOnList(first: Folio): void {
    for (const member of this.#membersOf(first)) {
      member.state = 'resident'
      member.group = first.group
      member.evictedBy = first.evictedBy
      member.accessed = first.accessed
      member.referenced = first.referenced
      first.group.inactive.push(member)
    }
    first.pages = 1
  }

  makeResident(folio: Folio): void {
    folio.state = 'resident'
    folio.accessed = true
    folio.group.arriving -= folio.pages
    this.lists.add(folio)
  }
}
