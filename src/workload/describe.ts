import { percentile } from './numbers.ts'
import {
  type Based,
  type Basis,
  COSTS,
  type Cost,
  type CostName,
  type Machine,
  NEWIDLE_SCALE,
  PAGE_FILLS,
  PAGE_KINDS,
  TASK_OPS,
  type TaskOp,
  type Workload,
  type WorkloadPages,
  type WorkloadTask,
} from './types.ts'

type Part =
  | 'machine'
  | 'demand'
  | 'pages'
  | 'touches'
  | 'costs'
  | 'background'
  | 'policy'
  | 'residual'

/** One number of a workload with what it rests on. */
export interface WorkloadFact {
  readonly part: Part
  readonly name: string
  readonly value: string | number | boolean
  readonly unit: string
  readonly basis: Basis
  readonly n: number | null
  readonly from: string
}

/** Every number of the workload as rows for printing, residuals last. */
export function describeWorkload(workload: Workload): WorkloadFact[] {
  const facts = new FactList()
  const { machine, pages, tasks, costs } = workload
  facts.based('policy', 'recorded_policy', workload.recordedPolicy)
  for (const [name, tunable] of Object.entries(workload.recordedTunables ?? {}))
    facts.based('policy', `recorded_policy.${name}`, tunable)
  if (workload.startOffsetNs !== undefined)
    facts.based('machine', 'start_offset', workload.startOffsetNs, 'ns')
  describeMemory(facts, machine)
  describeReclaim(facts, machine)
  describeMemcgs(facts, workload)
  describeSwap(facts, workload)
  describeScheduler(facts, workload.machine)
  describeBuffers(facts, workload.machine)
  for (const task of tasks) if (task.kind !== 'background') describeDemand(facts, task)
  describeTotal(facts, workload)
  describePages(facts, pages, costs.unmapShared.n > 0 ? 'inferred' : 'snapshot')
  facts.based('touches', 'unknown_next_touch', workload.unknownNextTouch)
  facts.based('touches', 'dirtied_share', workload.dirtiedShare)
  for (const name of COSTS) describeCost(facts, name, costs[name], costs.store)
  describeBackground(facts, workload)
  for (const { name, value, unit, meaning } of workload.residuals)
    facts.add('residual', name, value, unit, 'event', meaning)
  return facts.list
}

/** Names of inputs by what they rest on. */
export type InputsByBasis = Readonly<Record<Basis, readonly string[]>>

/** Weakest last. */
const BASES: readonly Basis[] = ['event', 'snapshot', 'inferred', 'default']

/** What replays of these workloads rest on: each input under the weakest basis that it has in any of them. */
export function inputsByBasis(workloads: readonly Workload[]): InputsByBasis {
  const weakest = new Map<string, Basis>()
  for (const fact of workloads.flatMap(describeWorkload)) {
    const input = inputOf(fact)
    if (input === undefined) continue
    const known = weakest.get(input) ?? 'event'
    weakest.set(input, BASES.indexOf(fact.basis) > BASES.indexOf(known) ? fact.basis : known)
  }
  const inputs: Record<Basis, string[]> = { event: [], snapshot: [], inferred: [], default: [] }
  for (const [input, basis] of weakest) inputs[basis].push(input)
  return inputs
}

/** The input that a fact belongs to, whichever task or statistic it tells; undefined = not an input. */
function inputOf({ part, name }: WorkloadFact): string | undefined {
  if (part === 'policy' || part === 'residual') return undefined
  if (part === 'costs') return `cost ${name.replace(/\.(mean|p50|p99|in_stores)$/, '')}`
  if (part === 'background') return name.endsWith(')') ? 'background load' : `background ${name}`
  return part === 'machine' ? name : `${part} ${name.replace(/^.*\)\./, '')}`
}

class FactList {
  readonly list: WorkloadFact[] = []

  add(
    part: Part,
    name: string,
    value: WorkloadFact['value'],
    unit: string,
    basis: Basis,
    from = '',
    n: number | null = null,
  ): void {
    this.list.push({ part, name, value, unit, basis, n, from })
  }

  based(
    part: Part,
    name: string,
    { value, basis, n, from }: Based<WorkloadFact['value']>,
    unit = '',
  ): void {
    this.add(part, name, value, unit, basis, from, n ?? null)
  }

  /** What not every machine has. */
  known(name: string, given: Based<WorkloadFact['value']> | undefined, unit: string): void {
    if (given !== undefined) this.based('machine', name, given, unit)
  }
}

function describeMemory(
  facts: FactList,
  { pageSize, cpus, slowestCpu, nodes, zones }: Machine,
): void {
  facts.add('machine', 'page_size', pageSize, 'bytes', 'snapshot')
  const places = cpus.map(({ id, node, speed }) => `${id}: node ${node} x${speed}`)
  facts.add('machine', 'cpus', cpus.length, '', 'event', places.join(', '))
  facts.known('cpus.slowest', slowestCpu, 'of the fastest')
  for (const { node, freeAtStart, refillAtStart, totalPages, ...free } of nodes) {
    facts.based('machine', `node${node}.free_at_start`, freeAtStart, 'pages')
    facts.known(`node${node}.refill_at_start`, refillAtStart, 'pages')
    facts.known(`node${node}.unmovable_free`, free.unmovableFree, 'pages')
    facts.known(`node${node}.reclaimable_free`, free.reclaimableFree, 'pages')
    facts.known(`node${node}.unmovable_listed`, free.unmovableListed, 'pages')
    facts.known(`node${node}.reclaimable_listed`, free.reclaimableListed, 'pages')
    facts.add('machine', `node${node}.managed`, totalPages, 'pages', 'snapshot')
  }
  for (const { node, name, basis, ...zone } of zones)
    for (const mark of ['min', 'low', 'high', 'reserve'] as const) {
      const pages = zone[mark]
      if (pages !== undefined)
        facts.add('machine', `node${node}.${name}.${mark}`, pages, 'pages', basis)
    }
}

function describeReclaim(facts: FactList, machine: Machine): void {
  facts.based('machine', 'lru', machine.lru)
  facts.known('walks_page_tables', machine.walksPageTables, '')
  facts.based('machine', 'swappiness', machine.swappiness)
  facts.based('machine', 'boost_step', machine.boostStep, 'pages')
  facts.based('machine', 'boost_max', machine.boostMax, 'pages')
  facts.based('machine', 'boost_every_pool_pages', machine.boostEveryPoolPages, 'pages')
  facts.known('boost_below_free', machine.boostBelowFree, 'pages')
  facts.known('memcg_limit_pages', machine.memcgLimitPages, 'pages')
}

/** The memory cgroups, with their settings and what is theirs. */
function describeMemcgs(facts: FactList, { machine, pages, tasks }: Workload): void {
  const placeOf = (page: number): number => {
    const owner = pages.owner[page] ?? -1
    return owner < 0 ? (pages.memcg?.[page] ?? -1) : (tasks[owner]?.memcg ?? -1)
  }
  const owned = new Map<number, number>()
  if (machine.memcgs !== undefined)
    for (let page = 0; page < pages.length; page++)
      owned.set(placeOf(page), (owned.get(placeOf(page)) ?? 0) + 1)
  machine.memcgs?.forEach((memcg, place) => {
    const at = `memcg.${memcg.name}`
    const { basis = 'default', parent } = memcg
    const above = parent === undefined ? 'the root' : (machine.memcgs?.[parent]?.name ?? '')
    const members = tasks.filter((task) => task.memcg === place).length
    facts.add('machine', `${at}.tasks`, members, 'tasks', basis, `of the demand; below ${above}`)
    facts.add('machine', `${at}.pages`, owned.get(place) ?? 0, 'pages', basis, 'pages with a name')
    const settings = [
      ['min', memcg.minPages],
      ['low', memcg.lowPages],
      ['high', memcg.highPages],
      ['max', memcg.maxPages],
      ['swap_high', memcg.swapHighPages],
      ['swap_max', memcg.swapMaxPages],
      ['zswap_max', memcg.zswapMaxPages],
    ] as const
    // Recordings have them from files beside the trace alone.
    const saved = memcg.basis === undefined ? 'default' : 'snapshot'
    for (const [name, value] of settings)
      if (value !== undefined) facts.add('machine', `${at}.${name}`, value, 'pages', saved)
    if (memcg.writeback === false) facts.add('machine', `${at}.zswap_writeback`, 0, '', basis)
  })
}

function describeSwap(facts: FactList, workload: Workload): void {
  const { machine } = workload
  facts.based('machine', 'store_preemptible', machine.storePreemptible)
  facts.based('machine', 'backend', machine.backend)
  facts.based('machine', 'codec', machine.codec)
  for (const [name, parameter] of Object.entries(machine.backendParameters))
    facts.based('machine', `backend.${name}`, parameter)
  describeDevice(facts, workload)
  facts.known('record_pages_per_slot', machine.recordPagesPerSlot, 'pages')
  facts.known('swap_slots', machine.swapSlots, 'slots')
  facts.known('swap_cluster', machine.swapClusterSlots, 'slots')
  facts.known('kernel', machine.kernel, '')
  facts.known('smp', machine.smp, '')
  facts.based('machine', 'zero_map', machine.zeroMap)
  facts.based('machine', 'readahead', machine.readahead, 'pages')
}

function describeBuffers(facts: FactList, { traceBuffers }: Workload['machine']): void {
  if (traceBuffers === undefined) return
  facts.based('machine', 'recorder.wakes_at', traceBuffers.wakesAtBytes, 'bytes')
  facts.based('machine', 'recorder.page', traceBuffers.pageNs, 'ns')
  facts.based('machine', 'recorder.wait', traceBuffers.waitNs, 'ns')
}

function describeScheduler(facts: FactList, { scheduler }: Workload['machine']): void {
  if (scheduler === undefined) return
  facts.based('machine', 'scheduler.tick', scheduler.tickNs, 'ns')
  scheduler.newidle.forEach(({ value, ...source }, cpu) => {
    const at = `scheduler.cpu${cpu}.newidle`
    facts.based('machine', `${at}.share`, { ...source, value: value.ratio / NEWIDLE_SCALE })
    facts.based('machine', `${at}.cost`, { ...source, value: value.costNs }, 'ns')
  })
}

function describeDemand(facts: FactList, task: WorkloadTask): void {
  const name = `${task.comm}(${task.tid})`
  const sleeps = sumRows(task, 'sleep')
  const reclaims = sumRows(task, 'reclaim')
  const reads = sumRows(task, 'file')
  const own = 'on CPU outside reclaim, swap-in faults and interruptions'
  facts.add('demand', `${name}.cpu`, sumOf(task.cpuNs), 'ns', 'event', own)
  const slept = `${sleeps.rows} sleeps by its own will`
  facts.add('demand', `${name}.sleep`, sleeps.arg, 'ns', 'event', slept)
  const allocated = sumRows(task, 'alloc').rows
  const balanced = 'balance between anchors of free memory'
  facts.add('demand', `${name}.allocated`, allocated, 'pages', 'inferred', balanced)
  if (reclaims.rows > 0) {
    const times = `${reclaims.rows} times for its memory cgroup`
    facts.add('demand', `${name}.memcg_reclaim`, reclaims.arg, 'pages', 'event', times)
  }
  if (reads.rows > 0) {
    const taken = 'page cache taken back by reclaim'
    facts.add('demand', `${name}.file_read`, reads.arg, 'pages', 'inferred', taken)
  }
  const touches = sumRows(task, 'touch').rows
  facts.add('touches', `${name}.touches`, touches, '', 'event', 'swap-ins')
  const unseen = sumRows(task, 'reference').rows
  if (unseen > 0) {
    const returned = 'in memory, as often as the pages evicted last came back'
    facts.add('touches', `${name}.unseen_touches`, unseen, '', 'inferred', returned)
  }
}

/** Where a workload begins, and with how much free, is when somebody first met low memory: recordings of one activity agree in what is asked for beyond that. */
function describeTotal(facts: FactList, { machine, tasks }: Workload): void {
  const total = (name: string, value: number, from: string): void =>
    facts.add('demand', name, value, 'pages', 'inferred', from)
  const allocated = tasks.reduce((pages, task) => pages + sumRows(task, 'alloc').rows, 0)
  total('allocated', allocated, 'by all tasks')
  total('allocated_beyond_free', allocated - freePages(machine), 'less what is free at the start')
}

/** Free pages of all nodes when the workload starts. */
export function freePages({ nodes }: Pick<Machine, 'nodes'>): number {
  return nodes.reduce((pages, { freeAtStart }) => pages + freeAtStart.value, 0)
}

/** How often a task does it, and the sum of its arguments. */
function sumRows(task: WorkloadTask, wanted: TaskOp): { rows: number; arg: number } {
  const op = TASK_OPS.indexOf(wanted)
  const sum = { rows: 0, arg: 0 }
  for (let row = 0; row < task.op.length; row++) {
    if (task.op[row] !== op) continue
    sum.rows++
    sum.arg += task.arg[row] ?? 0
  }
  return sum
}

/** `shared`: what tells the pages of shared memory. */
function describePages(facts: FactList, pages: WorkloadPages, shared: Basis): void {
  const count = (name: string, value: number, basis: Basis, from = ''): void =>
    facts.add('pages', name, value, 'pages', basis, from)
  count('pages', pages.length, 'inferred')
  const resident = countOf(pages.residentAtStart, 1)
  count('resident_at_start', resident, 'inferred', 'on the LRU when the workload starts')
  if (pages.swappedAtStart !== undefined) {
    const swapped = countOf(pages.swappedAtStart, 1)
    count('swapped_at_start', swapped, 'event', 'came in before any store was seen')
  }
  for (const [value, kind] of PAGE_KINDS.entries())
    count(`kind.${kind}`, countOf(pages.kind, value), kind === 'shmem' ? shared : 'inferred')
  for (const [value, fill] of PAGE_FILLS.entries())
    count(`fill.${fill}`, countOf(pages.fill, value), 'inferred')
  describeFolios(count, pages)
  count('ever_stored', pages.length - countOf(pages.slot, -1), 'event')
}

/** By order, those that were swapped out whole. */
function describeFolios(
  count: (name: string, value: number, basis: Basis, from?: string) => void,
  { folio, order }: WorkloadPages,
): void {
  if (folio === undefined) return
  const orders = order.filter((_, page) => folio[page] === page)
  for (const each of [...new Set(orders)].sort((a, b) => a - b))
    count(
      `folios.order${each}`,
      countOf(orders, each) << each,
      'event',
      `${countOf(orders, each)} folios by their order at the gate, allocated and swapped out whole`,
    )
}

function countOf(column: ArrayLike<number>, value: number): number {
  let count = 0
  for (let i = 0; i < column.length; i++) if (column[i] === value) count++
  return count
}

function describeBackground(facts: FactList, workload: Workload): void {
  for (const task of workload.tasks) {
    if (task.kind !== 'background') continue
    const name = `${task.comm}(${task.tid})`
    const from = 'CPU time outside the demand'
    facts.add('background', name, sumOf(task.cpuNs), 'ns', 'event', from)
  }
  facts.add(
    'background',
    'stolen',
    stolenNs(workload),
    'ns',
    'event',
    'CPU time that the machine did not have while reclaim wrote pages: steps that stood still',
  )
}

function describeDevice(facts: FactList, { deviceRequests }: Workload): void {
  if (deviceRequests === undefined) return
  const { isWrite, pages, ns, depth, from } = deviceRequests
  const add = (name: string, value: number, unit: string, n: number): void => {
    facts.add('machine', name, Math.round(value), unit, 'event', from, n)
  }
  add('device.depth', depth, 'requests', ns.length)
  for (const [write, op] of ['read', 'write'].entries()) {
    const own = (column: Float64Array): Float64Array =>
      column.filter((_, row) => isWrite[row] === write)
    const times = own(ns)
    if (times.length === 0) continue
    add(`device.${op}.pages`, sumOf(own(pages)), 'pages', times.length)
    add(`device.${op}.mean`, sumOf(times) / times.length, 'ns', times.length)
    for (const percent of [50, 99])
      add(`device.${op}.p${percent}`, percentile(times.sort(), percent), 'ns', times.length)
  }
}

function sumOf(values: Float64Array | readonly number[]): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}

function stolenNs({ stolen, stolenDirect }: Workload): number {
  return sumOf(stolen?.ns ?? []) + sumOf(stolenDirect?.ns ?? [])
}

function describeCost(facts: FactList, name: CostName, cost: Cost, store: Cost): void {
  const add = (statistic: string, value: number): void => {
    const full = statistic === '' ? name : `${name}.${statistic}`
    facts.add('costs', full, Math.round(value), 'ns', cost.basis, cost.from, cost.n)
  }
  if (cost.samples.length === 0) add('', cost.fixedNs)
  else {
    const sorted = Float64Array.from(cost.samples).sort()
    add('mean', sumOf(sorted) / sorted.length)
    for (const percent of [50, 99]) add(`p${percent}`, percentile(sorted, percent))
  }
  const usualNs = medianCost(store)
  if (name === 'store' || cost.basis !== 'event' || !(usualNs > 0)) return
  // A host's speed is in every cost: of recordings made at different speeds the shares compare, not the times.
  const share = Math.round((medianCost(cost) / usualNs) * 1000) / 1000
  facts.add(
    'costs',
    `${name}.in_stores`,
    share,
    '',
    'event',
    'median over the median store',
    cost.n,
  )
}

/** ns; of a fixed cost itself. */
export function medianCost({ samples, fixedNs }: Cost): number {
  return samples.length === 0 ? fixedNs : percentile(Float64Array.from(samples).sort(), 50)
}
