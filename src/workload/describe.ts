import {
  type Based,
  COSTS,
  type Cost,
  PAGE_FILLS,
  PAGE_KINDS,
  TASK_OPS,
  type Workload,
} from './types.ts'

/** One number of a workload with what it rests on. */
export interface WorkloadFact {
  readonly part:
    | 'machine'
    | 'demand'
    | 'pages'
    | 'touches'
    | 'costs'
    | 'background'
    | 'policy'
    | 'residual'
  readonly name: string
  readonly value: string | number | boolean
  readonly unit: string
  readonly basis: string
  readonly n: number | null
  readonly from: string
}

/** Every number of the workload as rows for printing, residuals last. */
export function describeWorkload(workload: Workload): WorkloadFact[] {
  const facts: WorkloadFact[] = []
  const { machine, pages, tasks, costs } = workload
  const based = <T extends string | number | boolean>(
    part: WorkloadFact['part'],
    name: string,
    { value, basis, n, from }: Based<T>,
    unit = '',
  ): void => {
    facts.push({ part, name, value, unit, basis, n: n ?? null, from: from ?? '' })
  }
  const counted = (
    part: WorkloadFact['part'],
    name: string,
    value: number,
    unit: string,
    basis: string,
    from: string,
  ): void => {
    facts.push({ part, name, value, unit, basis, n: null, from })
  }
  based('policy', 'recorded_policy', workload.recordedPolicy)
  if (workload.startOffsetNs !== undefined)
    based('machine', 'start_offset', workload.startOffsetNs, 'ns')
  counted('machine', 'page_size', machine.pageSize, 'bytes', 'snapshot', '')
  counted(
    'machine',
    'cpus',
    machine.cpus.length,
    '',
    'event',
    machine.cpus.map(({ id, node, speed }) => `${id}: node ${node} x${speed}`).join(', '),
  )
  for (const { node, freeAtStart, totalPages } of machine.nodes) {
    based('machine', `node${node}.free_at_start`, freeAtStart, 'pages')
    counted('machine', `node${node}.managed`, totalPages, 'pages', 'snapshot', '')
  }
  for (const { node, name, basis, ...zone } of machine.zones)
    for (const mark of ['min', 'low', 'high', 'reserve'] as const) {
      const pages = zone[mark]
      if (pages !== undefined)
        counted('machine', `node${node}.${name}.${mark}`, pages, 'pages', basis, '')
    }
  based('machine', 'lru', machine.lru)
  based('machine', 'swappiness', machine.swappiness)
  based('machine', 'boost_step', machine.boostStep, 'pages')
  based('machine', 'boost_max', machine.boostMax, 'pages')
  based('machine', 'boost_every_pool_pages', machine.boostEveryPoolPages, 'pages')
  if (machine.memcgLimitPages !== undefined)
    based('machine', 'memcg_limit_pages', machine.memcgLimitPages, 'pages')
  for (const { name, zswapMaxPages, writeback } of machine.memcgs ?? []) {
    if (zswapMaxPages !== undefined)
      counted('machine', `memcg.${name}.zswap_max`, zswapMaxPages, 'pages', 'default', '')
    if (writeback === false)
      counted('machine', `memcg.${name}.zswap_writeback`, 0, '', 'default', '')
  }
  based('machine', 'store_preemptible', machine.storePreemptible)
  based('machine', 'backend', machine.backend)
  based('machine', 'codec', machine.codec)
  for (const [name, parameter] of Object.entries(machine.backendParameters))
    based('machine', `backend.${name}`, parameter)
  describeDevice(facts, workload)
  based('machine', 'zero_map', machine.zeroMap)
  based('machine', 'readahead', machine.readahead, 'pages')

  const demand = tasks.filter((task) => task.kind !== 'background')
  for (const task of demand) {
    const sums = TASK_OPS.map(() => ({ rows: 0, arg: 0 }))
    let cpuNs = 0
    for (let row = 0; row < task.op.length; row++) {
      cpuNs += task.cpuNs[row] ?? 0
      const sum = sums[task.op[row] ?? 0]
      if (sum === undefined) continue
      sum.rows++
      sum.arg += task.arg[row] ?? 0
    }
    const of = (op: (typeof TASK_OPS)[number]): { rows: number; arg: number } =>
      sums[TASK_OPS.indexOf(op)] ?? { rows: 0, arg: 0 }
    const name = `${task.comm}(${task.tid})`
    counted(
      'demand',
      `${name}.cpu`,
      cpuNs,
      'ns',
      'event',
      'on CPU outside reclaim, swap-in faults and interruptions',
    )
    counted(
      'demand',
      `${name}.sleep`,
      of('sleep').arg,
      'ns',
      'event',
      `${of('sleep').rows} sleeps by its own will`,
    )
    counted(
      'demand',
      `${name}.allocated`,
      of('alloc').rows,
      'pages',
      'inferred',
      'balance between anchors of free memory',
    )
    if (of('reclaim').rows > 0)
      counted(
        'demand',
        `${name}.memcg_reclaim`,
        of('reclaim').arg,
        'pages',
        'event',
        `${of('reclaim').rows} times for its memory cgroup`,
      )
    if (of('file').rows > 0)
      counted(
        'demand',
        `${name}.file_read`,
        of('file').arg,
        'pages',
        'inferred',
        'page cache taken back by reclaim',
      )
    counted('touches', `${name}.touches`, of('touch').rows, '', 'event', 'swap-ins')
  }
  const countOf = (column: ArrayLike<number>, value: number): number => {
    let count = 0
    for (let i = 0; i < column.length; i++) if (column[i] === value) count++
    return count
  }
  counted('pages', 'pages', pages.length, 'pages', 'inferred', '')
  counted(
    'pages',
    'resident_at_start',
    countOf(pages.residentAtStart, 1),
    'pages',
    'inferred',
    'on the LRU when the workload starts',
  )
  if (pages.swappedAtStart !== undefined)
    counted(
      'pages',
      'swapped_at_start',
      countOf(pages.swappedAtStart, 1),
      'pages',
      'event',
      'came in before any store was seen',
    )
  PAGE_KINDS.forEach((kind, value) => {
    counted(
      'pages',
      `kind.${kind}`,
      countOf(pages.kind, value),
      'pages',
      kind === 'shmem' ? 'snapshot' : 'inferred',
      '',
    )
  })
  PAGE_FILLS.forEach((fill, value) => {
    counted('pages', `fill.${fill}`, countOf(pages.fill, value), 'pages', 'inferred', '')
  })
  counted('pages', 'ever_stored', pages.length - countOf(pages.slot, -1), 'pages', 'event', '')
  based('touches', 'unknown_next_touch', workload.unknownNextTouch)
  based('touches', 'dirtied_share', workload.dirtiedShare)
  for (const name of COSTS) describeCost(facts, name, costs[name])
  for (const task of tasks)
    if (task.kind === 'background') {
      let cpuNs = 0
      for (const ns of task.cpuNs) cpuNs += ns
      counted(
        'background',
        `${task.comm}(${task.tid})`,
        cpuNs,
        'ns',
        'event',
        'CPU time outside the demand',
      )
    }
  counted(
    'background',
    'stolen',
    stolenNs(workload),
    'ns',
    'event',
    'CPU time that the machine did not have while reclaim wrote pages: steps that stood still',
  )
  for (const { name, value, unit, meaning } of workload.residuals)
    counted('residual', name, value, unit, 'event', meaning)
  return facts
}

function describeDevice(facts: WorkloadFact[], { deviceRequests }: Workload): void {
  if (deviceRequests === undefined) return
  const { isWrite, pages, ns, depth, from } = deviceRequests
  const add = (name: string, value: number, unit: string, n: number): void => {
    facts.push({ part: 'machine', name, value: Math.round(value), unit, basis: 'event', n, from })
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

function percentile(sorted: Float64Array, percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}

export function stolenNs({ stolen, stolenDirect }: Workload): number {
  return sumOf(stolen?.ns ?? []) + sumOf(stolenDirect?.ns ?? [])
}

function describeCost(facts: WorkloadFact[], name: string, cost: Cost): void {
  const add = (statistic: string, value: number): void => {
    facts.push({
      part: 'costs',
      name: statistic === '' ? name : `${name}.${statistic}`,
      value: Math.round(value),
      unit: 'ns',
      basis: cost.basis,
      n: cost.n,
      from: cost.from,
    })
  }
  if (cost.samples.length === 0) {
    add('', cost.fixedNs)
    return
  }
  const sorted = Float64Array.from(cost.samples).sort()
  add('mean', sumOf(sorted) / sorted.length)
  for (const percent of [50, 99]) add(`p${percent}`, percentile(sorted, percent))
}
