import { type CostSamplers, openCosts } from '../../src/replay/costs.ts'
import { TASK_OPS, type Workload } from '../../src/workload/types.ts'

/**
 * The machine once more, slow and obvious: objects, arrays, linear searches, policies written out by hand. It takes what a small case needs:
 * one node, anonymous memory only, the classic lists with swappiness 200, a CPU for every thread, a pool that takes a page for every so many
 * stored ones. Costs are input: drawn from the same samplers in the same order of time.
 */
export type SlowPolicy =
  | { readonly name: 'kswapd' }
  | { readonly name: 'kcompressd'; readonly fifo: number; readonly memalloc: boolean }
  | { readonly name: 'kcompressd-unofficial'; readonly depth: number }
  | { readonly name: 'kcompressd-v1'; readonly threads: number; readonly capacity: number }
  | { readonly name: 'parallel'; readonly workers: number; readonly factor: number }

export interface SlowOptions {
  readonly policy: SlowPolicy
  readonly seed: number
  readonly perPoolPage: number
  readonly refaultsWrite: boolean
}

export interface SlowSwapout {
  readonly id: number
  readonly page: number
  readonly slot: number
  readonly by: string
  readonly context: 'kswapd' | 'direct'
  readonly submit: number
  path: 'inline' | 'queued' | 'displaced' | 'bypass'
  start: number | null
  stored: number | null
  freed: number | null
  handed: number | null
  storedBy: string | null
  submitRank: number | null
  startRank: number | null
  doneRank: number | null
}

export interface SlowResult {
  readonly swapouts: readonly SlowSwapout[]
  readonly swapins: readonly {
    readonly page: number
    readonly met: string
    readonly from: number
    readonly to: number
  }[]
  readonly spans: readonly {
    readonly kind: string
    readonly task: string
    readonly from: number
    readonly to: number
    readonly reclaimed: number
  }[]
  readonly kswapdSpans: readonly (readonly [number, number])[]
  readonly endNs: number
  /** Pairs of events of different threads at one instant: their order is nobody's to tell. */
  readonly ties: number
}

/** The case left what this engine has: an out-of-memory kill, a pool without any page, more threads than CPUs. */
export class OutsideCase extends Error {}

interface Folio {
  readonly id: number
  /** Base pages, each with a frame and a slot. */
  readonly pages: number
  state: 'free' | 'resident' | 'queued' | 'storing' | 'stored' | 'swapped'
  accessed: boolean
  referenced: boolean
  active: boolean
  locked: boolean
  writeback: boolean
  cleanCopy: boolean
  /** Written while a store of it was queued. */
  stale: boolean
  slot: number
  evictedAt: number
  swapout: SlowSwapout | undefined
  waiters: Thread[]
}

type Wait =
  | { readonly spend: number }
  | { readonly sleepUntil: number }
  | { readonly spin: true }
  | { readonly block: true }
type Program<End = void> = Generator<Wait, End, undefined>

interface Thread {
  readonly name: string
  readonly kind: 'kswapd' | 'task' | 'worker'
  readonly cpus: readonly number[]
  readonly hasMemory: boolean
  program: Program
  state: 'running' | 'waking' | 'asleep' | 'ended'
  cpu: number
  /** Its next turn, or the end of its sleep. */
  at: number | undefined
}

interface Scan {
  readonly thread: Thread
  readonly context: 'kswapd' | 'direct'
  readonly mayWrite: boolean
  priority: number
  target: number
  reclaimed: number
  scanned: number
  mayDeactivate: boolean
  force: boolean
}

interface Mutex {
  owner: Thread | undefined
  spinners: Thread[]
  sleepers: Thread[]
  /** The first sleeper gets it next, whoever else wants it. */
  promised: boolean
  readonly spins: boolean
}

const CLUSTER = 32
const TICK = 1_000_000
const NAP = 100_000_000
const LIST_HIGH = 4
const ROTATE = 31

export function runSlowly(workload: Workload, options: SlowOptions): SlowResult {
  const { machine } = workload
  const costs: CostSamplers = openCosts(workload, options.seed, {})
  const [zone] = machine.zones
  const [memory] = machine.nodes
  if (zone === undefined || memory === undefined) throw new Error('one node is needed')
  const { min, low, high } = zone
  const cpuCount = machine.cpus.length
  let now = 0
  let ties = 0
  let stopped = false
  let current: Thread | undefined
  const threads: Thread[] = []
  const folios: Folio[] = []
  const inactive: Folio[] = []
  const active: Folio[] = []
  let free = memory.freeAtStart.value
  const listed = machine.cpus.map(() => 0)
  const freedOf = machine.cpus.map(() => 0)
  const rotating: Folio[][] = machine.cpus.map(() => [])
  let age = 0
  let activations = 0
  let seenActivations = 0
  let failures = 0
  let kswapdAsleep = true
  let throttled: Thread[] = []
  let storedSlots = 0
  let nextSlot = 0
  const freeSlots: number[] = []
  const swapouts: SlowSwapout[] = []
  const swapins: SlowResult['swapins'][number][] = []
  const spans: SlowResult['spans'][number][] = []
  const kswapdSpans: (readonly [number, number])[] = []
  let submitted = 0
  let started = 0
  let done = 0

  // ---- time and CPUs

  function addThread(
    given: Pick<Thread, 'name' | 'kind' | 'cpus' | 'hasMemory'>,
    program: (self: Thread) => Program,
  ): Thread {
    const thread: Thread = {
      ...given,
      program: nothing(),
      state: 'asleep',
      cpu: given.cpus[0] ?? 0,
      at: undefined,
    }
    thread.program = program(thread)
    threads.push(thread)
    return thread
  }

  function isIdle(cpu: number): boolean {
    return !threads.some(
      (thread) => thread.cpu === cpu && (thread.state === 'running' || thread.state === 'waking'),
    )
  }

  function wake(thread: Thread): boolean {
    if (thread.state !== 'asleep') return false
    if (!isIdle(thread.cpu)) {
      const cpu = thread.cpus.find(isIdle)
      if (cpu === undefined) throw new OutsideCase('a thread without a CPU')
      thread.cpu = cpu
    }
    thread.state = 'waking'
    thread.at = now + costs.wakeLatency.draw()
    return true
  }

  function turn(thread: Thread): void {
    if (thread.state === 'asleep') {
      wake(thread)
      return
    }
    thread.state = 'running'
    thread.at = undefined
    current = thread
    for (;;) {
      const step = thread.program.next()
      if (stopped) return
      if (step.done === true) {
        thread.state = 'ended'
        break
      }
      const wait = step.value
      if ('spend' in wait) {
        if (wait.spend <= 0) continue
        thread.at = now + wait.spend
        break
      }
      if ('spin' in wait) break
      thread.state = 'asleep'
      if ('sleepUntil' in wait) thread.at = wait.sleepUntil
      break
    }
    current = undefined
  }

  function run(): void {
    while (!stopped) {
      let first: Thread | undefined
      for (const thread of threads)
        if (thread.at !== undefined && (first?.at === undefined || thread.at < first.at))
          first = thread
      if (first?.at === undefined) return
      for (const thread of threads) if (thread !== first && thread.at === first.at) ties++
      now = first.at
      first.at = undefined
      turn(first)
    }
  }

  // ---- free memory: the zone and the CPUs' lists, one page at a time

  function myCpu(): number {
    return current?.cpu ?? 0
  }

  function give(count: number): void {
    const cpu = myCpu()
    for (let page = 0; page < count; page++) {
      const length = (listed[cpu] ?? 0) + 1
      listed[cpu] = length
      if ((freedOf[cpu] ?? 0) < 32) freedOf[cpu] = (freedOf[cpu] ?? 0) + 1
      if (length < LIST_HIGH) continue
      const back = Math.min(length, Math.max(1, Math.min(freedOf[cpu] ?? 0, LIST_HIGH - 1)))
      listed[cpu] = length - back
      free += back
    }
  }

  function drain(): void {
    for (let cpu = 0; cpu < cpuCount; cpu++) {
      free += listed[cpu] ?? 0
      listed[cpu] = 0
    }
  }

  function take(): void {
    const cpu = myCpu()
    if (free <= 0 && listed[cpu] === 0) drain()
    if (listed[cpu] === 0) {
      free--
      listed[cpu] = 1
    }
    listed[cpu] = (listed[cpu] ?? 0) - 1
    freedOf[cpu] = Math.floor((freedOf[cpu] ?? 0) / 2)
  }

  function poolPages(slots: number): number {
    return Math.ceil(slots / options.perPoolPage)
  }

  function dropSlot(folio: Folio): void {
    if (folio.slot < 0) return
    for (let slot = folio.slot; slot < folio.slot + folio.pages; slot++) {
      const before = poolPages(storedSlots)
      if (holds.delete(slot)) storedSlots--
      give(before - poolPages(storedSlots))
      freeSlots.push(slot)
    }
    folio.slot = -1
  }

  /** Slots in a row, aligned; those that are skipped serve single pages. */
  function takeSlots(count: number): number {
    if (count === 1) return freeSlots.pop() ?? nextSlot++
    while (nextSlot % count !== 0) freeSlots.push(nextSlot++)
    nextSlot += count
    return nextSlot - count
  }

  function sum(count: number, draw: () => number): number {
    return Array.from({ length: count }, draw).reduce((all, ns) => all + ns, 0)
  }

  function pagesOn(list: readonly Folio[]): number {
    return list.reduce((all, { pages }) => all + pages, 0)
  }
  const holds = new Set<number>()

  function* allocate(thread: Thread, count: number): Program {
    const more = count - 1
    if (free - more > low) {
      for (let page = 0; page < count; page++) take()
      return
    }
    let fruitless = 0
    for (;;) {
      if (free - more <= low) wakeKswapd()
      if (free - more > min) break
      yield* throttle(thread)
      const reclaimed = yield* directReclaim(thread, true)
      if (free - more <= min) drain()
      if (reclaimed > 0) fruitless = 0
      else if (++fruitless >= 16) throw new OutsideCase('nothing can be freed')
    }
    for (let page = 0; page < count; page++) take()
  }

  // ---- kswapd and direct reclaim

  function wakeKswapd(): void {
    if (failures >= 16 || !kswapdAsleep || free > high) return
    wake(kswapd)
  }

  function mayReclaimDirectly(): boolean {
    return failures >= 16 || free > Math.floor(min / 2)
  }

  function* throttle(thread: Thread): Program {
    if (mayReclaimDirectly()) return
    const from = now
    while (!mayReclaimDirectly()) {
      wakeKswapd()
      throttled.push(thread)
      yield { block: true }
    }
    spans.push({ kind: 'throttle', task: thread.name, from, to: now, reclaimed: 0 })
  }

  function letThrottledGo(): void {
    const waiting = throttled
    throttled = []
    for (const thread of waiting) wake(thread)
  }

  function newScan(thread: Thread, context: Scan['context'], mayWrite: boolean): Scan {
    return {
      thread,
      context,
      mayWrite,
      priority: 12,
      target: CLUSTER,
      reclaimed: 0,
      scanned: 0,
      mayDeactivate: true,
      force: false,
    }
  }

  function* kswapdMain(thread: Thread): Program {
    for (;;) {
      kswapdAsleep = false
      const from = now
      for (;;) {
        yield* balance(thread)
        if (!maySleep()) continue
        const until = now + NAP
        kswapdAsleep = true
        yield { sleepUntil: until }
        kswapdAsleep = false
        if (now >= until && maySleep()) break
      }
      kswapdSpans.push([from, now])
      kswapdAsleep = true
      yield { block: true }
    }
  }

  function maySleep(): boolean {
    letThrottledGo()
    return free > high || failures >= 16
  }

  function* balance(thread: Thread): Program {
    const scan = newScan(thread, 'kswapd', true)
    let total = 0
    while (scan.priority >= 1) {
      if (free > high) break
      if (inactiveIsLow()) yield* shrinkActive(scan, CLUSTER)
      scan.reclaimed = 0
      scan.scanned = 0
      scan.target = Math.max(high, CLUSTER)
      yield* shrinkNode(scan)
      total += scan.reclaimed
      if (throttled.length > 0 && mayReclaimDirectly()) letThrottledGo()
      if (scan.scanned < scan.target || scan.reclaimed === 0) scan.priority--
    }
    if (scan.priority < 1 && total === 0) failures++
    seenActivations = activations
  }

  function* directReclaim(thread: Thread, mayWrite: boolean): Program<number> {
    const from = now
    const scan = newScan(thread, 'direct', mayWrite)
    yield { spend: costs.directEntry.draw() }
    for (let round = 0; round < 3; round++) {
      for (scan.priority = 12; scan.priority >= 0; scan.priority--) {
        scan.scanned = 0
        yield* shrinkNode(scan)
        if (scan.reclaimed >= CLUSTER) break
      }
      seenActivations = activations
      if (scan.reclaimed > 0) break
      scan.force = true
    }
    const { reclaimed } = scan
    spans.push({ kind: 'direct', task: thread.name, from, to: now, reclaimed })
    return reclaimed
  }

  // ---- the classic lists

  function inactiveIsLow(): boolean {
    return pagesOn(inactive) < pagesOn(active)
  }

  function* shrinkNode(scan: Scan): Program {
    const before = scan.reclaimed
    scan.mayDeactivate = scan.force || activations !== seenActivations || inactiveIsLow()
    const share = 2 ** scan.priority
    let inactiveQuota = Math.floor(pagesOn(inactive) / share)
    let activeQuota = Math.floor(pagesOn(active) / share)
    const wholeQuota = scan.context === 'direct' && scan.priority === 12
    while (inactiveQuota > 0) {
      const count = Math.min(inactiveQuota, CLUSTER)
      inactiveQuota -= count
      yield* shrinkInactive(scan, count)
      if (activeQuota > 0) {
        const some = Math.min(activeQuota, CLUSTER)
        activeQuota -= some
        if (scan.mayDeactivate) yield* shrinkActive(scan, some)
      }
      if (scan.reclaimed - before >= scan.target && !wholeQuota) break
    }
    if (inactiveIsLow()) yield* shrinkActive(scan, CLUSTER)
    const slab = costs.slab.draw()
    yield { spend: scan.mayWrite ? slab : Math.floor(slab / 8) }
    if (scan.reclaimed > before) failures = 0
  }

  function isolate(list: Folio[], count: number): Folio[] {
    rotateNow(myCpu())
    const batch: Folio[] = []
    while (pagesOn(batch) < count) {
      const folio = list.pop()
      if (folio === undefined) break
      batch.push(folio)
    }
    return batch
  }

  function putBack(folio: Folio): void {
    if (folio.state === 'swapped' || folio.state === 'free') return
    ;(folio.active ? active : inactive).unshift(folio)
  }

  function remove(folio: Folio): boolean {
    for (const list of [inactive, active]) {
      const place = list.indexOf(folio)
      if (place < 0) continue
      list.splice(place, 1)
      return true
    }
    return false
  }

  function isListed(folio: Folio): boolean {
    return inactive.includes(folio) || active.includes(folio)
  }

  function* shrinkActive(scan: Scan, count: number): Program {
    void scan
    const batch = isolate(active, count)
    for (const folio of batch) {
      folio.accessed = false
      folio.active = false
      yield { spend: costs.scanKept.draw() }
    }
    for (const folio of batch) putBack(folio)
  }

  function* shrinkInactive(scan: Scan, count: number): Program {
    const batch = isolate(inactive, count)
    if (batch.length === 0) return
    const own = costs.batch.draw()
    const isolating = Math.floor(own * 0.2)
    yield { spend: isolating }
    const kept: Folio[] = []
    for (const folio of batch) {
      if (folio.locked) {
        kept.push(folio)
        yield { spend: costs.scanKept.draw() }
      } else if (!(yield* shrinkFolio(scan, folio))) kept.push(folio)
    }
    for (const folio of kept) putBack(folio)
    const freed = pagesOn(batch) - pagesOn(kept)
    if (freed > 0) yield { spend: own - isolating }
    give(freed)
    scan.reclaimed += freed
    scan.scanned += pagesOn(batch)
  }

  /** True: freed. */
  function* shrinkFolio(scan: Scan, folio: Folio): Program<boolean> {
    if (folio.writeback) {
      folio.active = true
      yield { spend: costs.scanKept.draw() }
      return false
    }
    if (folio.accessed) {
      folio.accessed = false
      if (folio.referenced) {
        folio.active = true
        activations++
        age += folio.pages
      } else folio.referenced = true
      yield { spend: costs.scanKept.draw() }
      return false
    }
    if (folio.state === 'stored' || folio.cleanCopy) {
      folio.locked = true
      yield { spend: costs.freeClean.draw() }
      evict(folio)
      unlock(folio)
      return true
    }
    if (!scan.mayWrite) {
      yield { spend: costs.scanKept.draw() }
      return false
    }
    return yield* swapOut(scan, folio)
  }

  function evict(folio: Folio): void {
    age += folio.pages
    folio.referenced = false
    folio.active = false
    folio.cleanCopy = false
    folio.evictedAt = age
    folio.state = 'swapped'
    if (folio.swapout !== undefined) folio.swapout.freed = now
    folio.swapout = undefined
  }

  function unlock(folio: Folio): void {
    folio.locked = false
    const waiting = folio.waiters
    folio.waiters = []
    for (const thread of waiting) wake(thread)
  }

  function* lockOut(thread: Thread, folio: Folio): Program {
    while (folio.locked) {
      folio.waiters.push(thread)
      yield { block: true }
    }
  }

  /** Waiting PG_reclaim folios move to the tail together, a batch of a CPU at a time. */
  function rotateNow(cpu: number): void {
    for (const folio of rotating[cpu] ?? []) {
      if (folio.locked || !remove(folio)) continue
      folio.active = false
      inactive.push(folio)
    }
    rotating[cpu] = []
  }

  // ---- swap-out

  function others(thread: Thread): Thread[] {
    return threads.filter(
      (other) => other !== thread && other.hasMemory && other.state === 'running',
    )
  }

  function* swapOut(scan: Scan, folio: Folio): Program<boolean> {
    const { thread } = scan
    const slot = takeSlots(folio.pages)
    folio.locked = true
    folio.slot = slot
    const remote = others(thread).length > 0
    const { unmap, unmapRemote } = costs
    yield { spend: sum(folio.pages, () => (remote ? unmapRemote : unmap).draw()) }
    if (remote) {
      const byCpu = others(thread).sort((a, b) => a.cpu - b.cpu)
      for (const other of byCpu) {
        const ns = costs.flushReceived.draw()
        if (other.at !== undefined) other.at += ns
      }
    }
    folio.referenced = false
    const row: SlowSwapout = {
      id: swapouts.length + 1,
      page: folio.id + 1,
      slot,
      by: thread.name,
      context: scan.context,
      submit: now,
      path: 'bypass',
      start: null,
      stored: null,
      freed: null,
      handed: null,
      storedBy: null,
      submitRank: null,
      startRank: null,
      doneRank: null,
    }
    swapouts.push(row)
    folio.swapout = row
    if (scan.context === 'direct') return yield* storeHere(thread, folio)
    row.submitRank = ++submitted
    if (options.policy.name === 'kswapd') {
      row.path = 'inline'
      return yield* storeHere(thread, folio)
    }
    row.path = 'queued'
    folio.state = 'queued'
    if (queuesUnderWriteback) {
      folio.writeback = true
      unlock(folio)
    }
    const end = yield* submit(thread, folio)
    if (end === 'queued') {
      if (folio.swapout === row && row.handed === null) row.handed = now
      return false
    }
    folio.state = 'resident'
    if (queuesUnderWriteback) {
      folio.writeback = false
      folio.locked = true
    }
    row.path = end
    if (end === 'bypass') {
      submitted--
      row.submitRank = null
    }
    return yield* storeHere(thread, folio)
  }

  function* storeHere(thread: Thread, folio: Folio): Program<boolean> {
    const row = folio.swapout
    if (row === undefined) throw new Error('a store without a swap-out')
    if (row.submitRank !== null) row.startRank = ++started
    yield* store(thread, folio, true, false)
    row.handed = now
    if (folio.state !== 'stored') {
      unlock(folio)
      return false
    }
    evict(folio)
    unlock(folio)
    return true
  }

  function* store(thread: Thread, folio: Folio, memalloc: boolean, isKworker: boolean): Program {
    const row = folio.swapout
    if (row === undefined || (folio.state !== 'queued' && folio.state !== 'resident'))
      throw new Error(`folio ${folio.id} is stored twice`)
    folio.state = 'storing'
    row.start = now
    row.storedBy = thread.name
    if (memalloc && free + (listed[thread.cpu] ?? 0) <= 0) throw new OutsideCase('no page left')
    const taken = poolPages(storedSlots + folio.pages) - poolPages(storedSlots)
    storedSlots += folio.pages
    for (let page = 0; page < folio.pages; page++) holds.add(folio.slot + page)
    yield { spend: sum(folio.pages, () => costs.store.draw()) }
    if (!memalloc && taken > 0 && free <= min) {
      yield* reclaimForWorker(thread, isKworker)
      yield { spend: sum(folio.pages, () => costs.store.draw()) }
    }
    row.stored = now
    if (row.submitRank !== null) row.doneRank = ++done
    for (let page = 0; page < taken; page++) take()
    folio.state = 'stored'
    if (folio.stale) {
      folio.stale = false
      folio.swapout = undefined
      dropSlot(folio)
      folio.state = 'resident'
    }
  }

  function* reclaimForWorker(thread: Thread, isKworker: boolean): Program {
    let fruitless = 0
    while (free <= min) {
      wakeKswapd()
      const reclaimed = yield* directReclaim(thread, false)
      if (reclaimed > 0 && free <= min) drain()
      if (free > min) return
      fruitless = reclaimed > 0 ? 0 : fruitless + 1
      if (fruitless >= 200) throw new OutsideCase('nobody frees anything')
      if (isKworker) yield { sleepUntil: now + TICK }
    }
  }

  /** A store that the policy asked for is done. */
  function complete(thread: Thread, folio: Folio): void {
    folio.writeback = false
    unlock(folio)
    if (!rotates || !isListed(folio)) return
    const batch = rotating[thread.cpu] ?? []
    batch.push(folio)
    rotating[thread.cpu] = batch
    if (batch.length === ROTATE) rotateNow(thread.cpu)
  }

  // ---- what tasks do

  const otherPages = workload.pages.order.reduce((all, order) => all + (1 << order) - 1, 0)

  function newFolio(order: number): Folio {
    const folio: Folio = {
      // The other pages of folios have content ids too, after those of the workload's.
      id: folios.length < workload.pages.length ? folios.length : folios.length + otherPages,
      pages: 1 << order,
      state: 'free',
      accessed: false,
      referenced: false,
      active: false,
      locked: false,
      writeback: false,
      cleanCopy: false,
      stale: false,
      slot: -1,
      evictedAt: 0,
      swapout: undefined,
      waiters: [],
    }
    folios.push(folio)
    return folio
  }

  function* faultNew(thread: Thread, wanted: Folio | undefined): Program {
    const count = wanted?.pages ?? 1
    yield* allocate(thread, count)
    yield { spend: sum(count, () => costs.fault.draw()) }
    const folio = wanted ?? newFolio(0)
    folio.state = 'resident'
    folio.accessed = true
    inactive.unshift(folio)
  }

  function* touch(thread: Thread, folio: Folio): Program {
    const from = now
    let met: string | undefined
    const arrived = (how: string) => swapins.push({ page: folio.id + 1, met: how, from, to: now })
    while (folio.state !== 'free') {
      if (folio.locked) {
        if (folio.state === 'queued' || folio.state === 'storing') met ??= folio.state
        yield* lockOut(thread, folio)
        continue
      }
      if (folio.state === 'resident') {
        folio.accessed = true
        if (met !== undefined) arrived(met)
        return
      }
      if (folio.state === 'queued' || folio.state === 'storing') {
        folio.accessed = true
        if (options.refaultsWrite) folio.stale = true
        arrived(met ?? folio.state)
        return
      }
      if (folio.state === 'stored') {
        folio.swapout = undefined
        folio.state = 'resident'
        folio.accessed = true
        if (options.refaultsWrite) dropSlot(folio)
        else folio.cleanCopy = true
        arrived(met ?? 'stored')
        return
      }
      folio.locked = true
      yield* allocate(thread, folio.pages)
      yield { spend: sum(folio.pages, () => costs.swapIn.draw()) }
      dropSlot(folio)
      folio.state = 'resident'
      folio.accessed = true
      // workingset_refault: what the active list could have held was thrown out too early.
      if (age - folio.evictedAt <= pagesOn(active)) {
        folio.active = true
        activations++
        age += folio.pages
      }
      putBack(folio)
      unlock(folio)
      arrived(met ?? 'pool')
      return
    }
  }

  // ---- policies

  const { policy } = options
  const queuesUnderWriteback = policy.name === 'kcompressd-v1'
  const rotates = policy.name === 'kcompressd-v1'
  const everyCpu = machine.cpus.map(({ id }) => id)
  const newWorker = (name: string, program: (self: Thread) => Program): Thread =>
    addThread({ name, kind: 'worker', cpus: everyCpu, hasMemory: false }, program)

  const fifos: Folio[][] = []
  const sleepers: (Thread | undefined)[] = []
  const isWaiting: boolean[] = []
  const mutex: Mutex = {
    owner: undefined,
    spinners: [],
    sleepers: [],
    promised: false,
    spins: policy.name !== 'parallel',
  }
  let writerWaiting = false
  let runningWorkers = 0
  let pendingWork = 0
  const idleKworkers: Thread[] = []
  let kworkers = 0

  function pop(fifo: Folio[]): Folio | undefined {
    const folio = fifo.shift()
    if (folio?.swapout !== undefined && folio.swapout.submitRank !== null)
      folio.swapout.startRank = ++started
    return folio
  }

  function* lock(thread: Thread): Program {
    let slept = false
    while (mutex.owner !== thread) {
      const owner: Thread | undefined = mutex.owner
      if (owner === undefined) {
        mutex.owner = thread
      } else if (mutex.spins || owner.state === 'running') {
        // Woken in vain: whoever has it hands it over.
        if (mutex.sleepers[0] === thread) mutex.promised = true
        if (!mutex.spinners.includes(thread)) mutex.spinners.push(thread)
        yield { spin: true }
      } else {
        if (slept && mutex.sleepers[0] === thread) mutex.promised = true
        if (!slept) mutex.sleepers.push(thread)
        slept = true
        yield { block: true }
      }
    }
    mutex.spinners = mutex.spinners.filter((other) => other !== thread)
    if (!slept) return
    mutex.sleepers = mutex.sleepers.filter((other) => other !== thread)
    mutex.promised = false
  }

  function release(): void {
    const [sleeper] = mutex.sleepers
    const next = mutex.promised ? sleeper : mutex.spinners[0]
    mutex.owner = next
    mutex.spinners = mutex.spinners.filter((other) => other !== next)
    if (next?.state === 'running') next.at = now
    else if (next !== undefined) wake(next)
    if (sleeper !== undefined && sleeper !== next) wake(sleeper)
  }

  function* wakeWorker(index: number, program: (self: Thread) => Program): Program<boolean> {
    let thread = sleepers[index]
    let slept: boolean
    if (thread === undefined) {
      thread = newWorker(`worker${index}`, program)
      sleepers[index] = thread
      slept = wake(thread)
    } else slept = isWaiting[index] === true && wake(thread)
    if (slept) yield { spend: costs.wake.draw() }
    return slept
  }

  function* worker(thread: Thread, index: number, memalloc: boolean, locks: boolean): Program {
    const fifo = fifos[index] ?? []
    for (;;) {
      while (fifo.length === 0) {
        isWaiting[index] = true
        yield { block: true }
      }
      isWaiting[index] = false
      for (;;) {
        if (locks) yield* lock(thread)
        const folio = pop(fifo)
        if (locks) release()
        if (folio === undefined) break
        yield* store(thread, folio, memalloc, false)
        complete(thread, folio)
      }
    }
  }

  function* kworker(thread: Thread): Program {
    const fifo = fifos[0] ?? []
    for (;;) {
      if (pendingWork === 0) {
        idleKworkers.push(thread)
        yield { block: true }
        continue
      }
      pendingWork--
      for (;;) {
        yield* lock(thread)
        if (writerWaiting) {
          release()
          continue
        }
        const folio = pop(fifo)
        if (folio === undefined) break
        release()
        yield* store(thread, folio, false, true)
        complete(thread, folio)
      }
      runningWorkers--
      release()
    }
  }

  function* storePopped(thread: Thread, folio: Folio): Program {
    if (folio.swapout !== undefined) folio.swapout.path = 'displaced'
    yield* store(thread, folio, true, false)
    complete(thread, folio)
  }

  /** What kswapd does with a folio, written out for each policy. */
  function* submit(thread: Thread, folio: Folio): Program<'queued' | 'inline' | 'bypass'> {
    switch (policy.name) {
      case 'kswapd':
        return 'inline'
      case 'kcompressd': {
        const fifo = fifos[0] ?? []
        if (fifo.length >= policy.fifo) return 'inline'
        fifo.push(folio)
        yield { spend: costs.push.draw() }
        yield* wakeWorker(0, nothing)
        return 'queued'
      }
      case 'kcompressd-unofficial': {
        const fifo = fifos[0] ?? []
        let oldest: Folio | undefined
        if (fifo.length >= policy.depth) {
          yield* lock(thread)
          oldest = pop(fifo)
          release()
        }
        fifo.push(folio)
        yield { spend: costs.push.draw() }
        yield* wakeWorker(0, nothing)
        if (oldest !== undefined) yield* storePopped(thread, oldest)
        return 'queued'
      }
      case 'kcompressd-v1': {
        for (let index = 0; index < policy.threads; index++) {
          const fifo = fifos[index] ?? []
          if (fifo.length >= policy.capacity) continue
          fifo.push(folio)
          yield { spend: costs.push.draw() }
          yield* wakeWorker(index, (self) => worker(self, index, true, false))
          return 'queued'
        }
        return 'inline'
      }
      case 'parallel': {
        const fifo = fifos[0] ?? []
        writerWaiting = true
        yield* lock(thread)
        writerWaiting = false
        const isNeeded = runningWorkers < policy.workers
        if (fifo.length >= Math.min(256, policy.workers * policy.factor)) {
          const oldest = pop(fifo)
          if (oldest !== undefined) yield* storePopped(thread, oldest)
        }
        fifo.push(folio)
        yield { spend: costs.push.draw() }
        if (isNeeded) {
          pendingWork++
          const idle = idleKworkers.pop()
          if (idle !== undefined) wake(idle)
          else if (kworkers < Math.max(1, cpuCount - 1)) {
            wake(newWorker(`kworker${kworkers++}`, kworker))
          }
          yield { spend: costs.wake.draw() }
          runningWorkers++
        }
        release()
        return 'queued'
      }
    }
  }

  // ---- the run

  for (const order of workload.pages.order) newFolio(order)
  for (const folio of folios) {
    if (workload.pages.residentAtStart[folio.id] !== 1) continue
    folio.state = 'resident'
    folio.accessed = true
    inactive.unshift(folio)
  }
  const kswapd = addThread(
    { name: 'kswapd0', kind: 'kswapd', cpus: everyCpu, hasMemory: false },
    kswapdMain,
  )
  const queueCount = policy.name === 'kcompressd-v1' ? policy.threads : 1
  for (let queue = 0; queue < queueCount; queue++) fifos.push([])
  if (policy.name === 'kcompressd' || policy.name === 'kcompressd-unofficial') {
    const isOfficial = policy.name === 'kcompressd'
    const memalloc = isOfficial ? policy.memalloc : true
    sleepers[0] = newWorker('worker0', (self) => worker(self, 0, memalloc, !isOfficial))
    isWaiting[0] = true
  }
  let running = workload.tasks.length
  for (const task of workload.tasks) {
    const cpus = task.cpus.length === 0 ? everyCpu : task.cpus
    const hasMemory = task.hasMemory
    const thread = addThread({ name: task.comm, kind: 'task', cpus, hasMemory }, function* (self) {
      for (let row = 0; row < task.op.length; row++) {
        const arg = task.arg[row] ?? 0
        yield { spend: task.cpuNs[row] ?? 0 }
        const op = TASK_OPS[task.op[row] ?? 0]
        if (op === 'alloc') {
          const wanted = arg < 0 ? undefined : folios[arg]
          yield* faultNew(self, wanted?.state === 'free' ? wanted : undefined)
        } else if (op === 'touch') yield* touch(self, folios[arg] as Folio)
        else if (op === 'sleep') yield { sleepUntil: now + arg }
        else throw new Error(`a case has no ${op}`)
      }
      if (--running === 0) stopped = true
    })
    thread.at = task.startNs
  }
  if (free <= low) wakeKswapd()
  run()
  return { swapouts, swapins, spans, kswapdSpans, endNs: now, ties }
}

function* nothing(): Program {}
