/**
 * The workload: what the device was asked to do, with the recorded policy taken out. Replay reads nothing else. It holds no time of
 * a reclaim span, kswapd wake-up or swap-out: those are results.
 *
 * Units: ns for all times, pages of `machine.pageSize` for all amounts. Arrays are columns; `length` of the first is the number of rows.
 */

/** What a number rests on. */
export type Basis = 'event' | 'snapshot' | 'inferred' | 'default'

export interface Based<T> {
  readonly value: T
  readonly basis: Basis
  /** Samples or events behind it. */
  readonly n?: number
  /** One phrase: how it was obtained. */
  readonly from?: string
}

export interface WorkloadCpu {
  readonly id: number
  readonly node: number
  /** 1 = the fastest recorded CPU, on which every cost is told. */
  readonly speed: number
}

export interface WorkloadZone {
  readonly node: number
  readonly name: string
  readonly managed: number
  readonly min: number
  readonly low: number
  readonly high: number
  /** Free pages when the workload starts; where all zones of a node have it, each is watched for itself, not their sum. */
  readonly freeAtStart?: number
  /** Kept from allocations that could use the node's highest zone (lowmem_reserve; "protection" of zoneinfo). */
  readonly reserve?: number
  readonly basis: Basis
}

export interface WorkloadNode {
  readonly node: number
  /** Free pages when the workload starts. */
  readonly freeAtStart: Based<number>
  /** Pages that a CPU's list was refilled with before the start, where memory was being filled until then; `freeAtStart` is before the next one. */
  readonly refillAtStart?: Based<number>
  /** Free pages in blocks of the kernel's own pages, unmovable and reclaimable, before memory is low; absent = half of `boostBelowFree` each. */
  readonly unmovableFree?: Based<number>
  readonly reclaimableFree?: Based<number>
  /** Of all these, those that lie on the first CPU's lists; absent = none. */
  readonly unmovableListed?: Based<number>
  readonly reclaimableListed?: Based<number>
  /** Lowest pages kept per CPU list or otherwise not reclaimable; subtracts from nothing, printed only. */
  readonly totalPages: number
}

/** A memory cgroup: its pages have LRU lists of their own. Limits and protections are in pages; absent = none. */
export interface WorkloadMemcg {
  readonly name: string
  /** Place in `machine.memcgs`, before its own, of the one it is below; absent = the root, or the cgroup that all tasks are in. */
  readonly parent?: number
  /** memory.min: never taken from outside; memory.low: only when nothing else is left. */
  readonly minPages?: number
  readonly lowPages?: number
  /** memory.high: above it tasks reclaim for themselves and are slowed down; memory.max: at it they reclaim before they go on. */
  readonly highPages?: number
  readonly maxPages?: number
  /** memory.swap.high: with more than this in swap tasks are slowed down. */
  readonly swapHighPages?: number
  /** memory.swap.max: with so much in swap nothing more of it goes there; 0 = nothing at all. */
  readonly swapMaxPages?: number
  /** memory.zswap.max, pages; absent = no limit. */
  readonly zswapMaxPages?: number
  /** memory.zswap.writeback; absent = yes. */
  readonly writeback?: boolean
  /** What its tasks' membership rests on; absent = written by hand. */
  readonly basis?: Basis
}

export interface Machine {
  readonly pageSize: number
  readonly cpus: readonly WorkloadCpu[]
  /** Speed of the slowest, with what all speeds rest on; absent = one CPU, or written by hand. */
  readonly slowestCpu?: Based<number>
  readonly nodes: readonly WorkloadNode[]
  readonly zones: readonly WorkloadZone[]
  readonly lru: Based<'classic' | 'mglru'>
  /** Aging of generations walks page tables; else reclaim alone finds what was accessed. Absent = it does. */
  readonly walksPageTables?: Based<boolean>
  readonly swappiness: Based<number>
  /** Watermark boost: pages added to min, low, high by a fallback allocation, and their ceiling; 0 = none. */
  readonly boostStep: Based<number>
  readonly boostMax: Based<number>
  /** Pool pages taken between two fallback allocations that boost. */
  readonly boostEveryPoolPages: Based<number>
  /** Free pages, at the start, of blocks that movable allocations do not use: taking one of these is a fallback, and boosts; absent = not by this rule. */
  readonly boostBelowFree?: Based<number>
  /** Slab pages (tree nodes, handles, descriptors) that the kernel needs per slot in use; absent = none. */
  readonly recordPagesPerSlot?: Based<number>
  /** Slots of the swap devices; absent = not known. */
  readonly swapSlots?: Based<number>
  /** Slots that a CPU is given together (SWAPFILE_CLUSTER of mm/swapfile.c); absent = a huge page's. */
  readonly swapClusterSlots?: Based<number>
  /** Hard limit of one memory cgroup that all tasks are in: at it they reclaim for themselves; absent = none. */
  readonly memcgLimitPages?: Based<number>
  /** Memory cgroups below that one, which tasks name by their place here; absent = none. */
  readonly memcgs?: readonly WorkloadMemcg[]
  /** Compression holds off preemption (zram up to 6.12 without PREEMPT_RT). */
  readonly storePreemptible: Based<boolean>
  readonly backend: Based<'zram' | 'zswap' | 'disk'>
  readonly codec: Based<string>
  readonly backendParameters: Readonly<Record<string, Based<number | string>>>
  /** Zero pages are caught before the backend and any queue (zero map, 6.12 and later). */
  readonly zeroMap: Based<boolean>
  /** The kernel is built for more than one CPU (CONFIG_SMP), each of which counts for itself first; absent = it is. */
  readonly smp?: Based<boolean>
  /** Its release as kernel.org counts (6.12.95; without the third number where nobody tells it); absent = as the zero map tells. */
  readonly kernel?: Based<string>
  /** Swap-in reads this many pages around the fault (2^page-cluster); 1 = none. */
  readonly readahead: Based<number>
  /** Absent = as a freshly booted kernel with 1000 ticks a second has it. */
  readonly scheduler?: SchedulerInputs
  /** Buffers of the recording; absent = nobody reads them before the end. */
  readonly traceBuffers?: TraceBuffers
}

/** Steps of the replay that write events into the recording. */
export const TRACED_STEPS = [
  'batch',
  'direct',
  'fault',
  'isolate',
  'slab',
  'store',
  'swapOut',
  'switch',
  'wake',
] as const
export type TracedStep = (typeof TRACED_STEPS)[number]
/** A page of a ring buffer less its header (BUF_PAGE_HDR_SIZE, 64 bits). */
export const TRACE_PAGE_BYTES = 4080

/** The ring buffers into which the machine is recorded. */
export interface TraceBuffers {
  /** Bytes of events of a CPU with which its reader is woken. */
  readonly wakesAtBytes: Based<number>
  /** CPU time of the reader for a page of events, without its reclaim. */
  readonly pageNs: Based<number>
  /** What it waits for a page to be written. */
  readonly waitNs: Based<number>
  /** By CPU, from before the workload's start. */
  readonly unreadAtStart: readonly number[]
  /** Of the events that a step writes. */
  readonly bytes: Readonly<Record<TracedStep, number>>
}

/** Shares of newidle looks are of so many (newidle_ratio, kernel/sched/fair.c since 6.12.65 and 6.1.160). */
export const NEWIDLE_SCALE = 1024
/** What a freshly booted kernel expects of newidle looks (sd_init() of the same): every other one helps, and they cost nothing. */
export const FRESH_NEWIDLE: Newidle = { ratio: NEWIDLE_SCALE / 2, costNs: 0 }
/** CONFIG_HZ is 1000 unless something says otherwise. */
export const DEFAULT_TICK_NS = 1_000_000
/** Of `recordPagesPerSlot`, bytes of the swap cache's tree (lib/xarray.c, struct xa_node: 576 bytes for 64 slots). */
export const TREE_BYTES_PER_SLOT = 9

/** What the kernel has learnt of a CPU's looking for work when it becomes idle. */
export interface Newidle {
  /** Of 1,024 looks, those that found a thread: as many are made (NI_RANDOM). */
  readonly ratio: number
  /** What a look cost at most (max_newidle_lb_cost). */
  readonly costNs: number
}

/** What the kernel's scheduler was built with, and what it had learnt. */
export interface SchedulerInputs {
  /** Time between two ticks. */
  readonly tickNs: Based<number>
  /** By CPU; those that are not there are as a freshly booted kernel has them. */
  readonly newidle: readonly Based<Newidle>[]
}

export const PAGE_KINDS = ['anon', 'shmem', 'file'] as const
/** What the recording shows of a page's content. */
export const PAGE_FILLS = ['unknown', 'zero', 'same', 'data'] as const

/** Every page that takes part, by page_id = row. A page is one identity over out and in; never a pfn. */
export interface WorkloadPages {
  readonly length: number
  /** Where it lies if it is resident or in swap at the start; later pages come from the zone list of their task's CPU. */
  readonly node: Uint8Array
  /** Index into PAGE_KINDS. */
  readonly kind: Uint8Array
  /** log2 of base pages. */
  readonly order: Uint8Array
  /**
   * Page with which the folio begins whose base pages have an identity each (2^order of the first, which has the order; the others have 0), -1 =
   * none. It is allocated and swapped out whole and comes back page by page; a folio of one identity comes back as it went. Absent = none.
   */
  readonly folio?: Int32Array
  /** Index into PAGE_FILLS. */
  readonly fill: Uint8Array
  /** Swap offset of its first recorded store; -1 = never stored or unknown. */
  readonly slot: Float64Array
  /** Row in `tasks` of the task that allocates it; -1 = resident when the workload starts. */
  readonly owner: Int32Array
  /** Of pages without an owner: place in `machine.memcgs` of the memory cgroup whose charge they are, -1 = none of them. Absent = all -1. */
  readonly memcg?: Int32Array
  /** 1 = resident (on the LRU) at the start, in the order of `stream`. */
  readonly residentAtStart: Uint8Array
  /** 1 = in swap when the workload starts; absent = none. */
  readonly swappedAtStart?: Uint8Array
  /** Recorded size in the pool; -1 = unknown. Never used as a result, only to calibrate contents. */
  readonly recordedBytes: Int32Array
}

export const TASK_OPS = [
  'alloc',
  'touch',
  'sleep',
  'file',
  'free',
  'exit',
  'mark',
  'reclaim',
  'reference',
] as const
export type TaskOp = (typeof TASK_OPS)[number]

/**
 * One task's demand on its own clock. Row i: spend `cpuNs[i]` on a CPU (at speed 1, interrupts received not included), then do
 * `op[i]` with `arg[i]`:
 * alloc: page_id allocated and written for the first time (-1: an anonymous page without an identity that never comes back);
 * touch: page_id, a swap-in if it is swapped out, a plain reference otherwise; sleep: ns asleep by its own will;
 * file: number of page-cache pages read (clean, reclaimable); free: number of pages it gives back; exit: the task ends and
 * its pages are freed; mark: a phase begins (arg = phase number; 0 = recorded work starts being counted);
 * reclaim: it reclaims for its memory cgroup (memory.high, memory.reclaim), from that and those below, until so many pages are freed, which no global watermark asks for;
 * reference: page_id, a touch that no event tells of, which is no work to be counted.
 */
export interface WorkloadTask {
  readonly taskId: number
  readonly tid: number
  readonly comm: string
  /** Kind of the recording's `tasks` table. `background` tasks only run and sleep: load that competes for CPUs. */
  readonly kind: 'user' | 'kworker' | 'background'
  /** CPUs it may run on; empty = all. */
  readonly cpus: readonly number[]
  /** 1 when its address space takes part in unmapping (a TLB flush interrupts it while it runs). */
  readonly hasMemory: boolean
  /** Of a background task: it is a program, whose page tables take the place of others' on its CPU; absent = no. */
  readonly isProcess?: boolean
  /** Place of its memory cgroup in `machine.memcgs`; absent = none of them. */
  readonly memcg?: number
  readonly op: Uint8Array
  readonly cpuNs: Float64Array
  readonly arg: Float64Array
  /** Start after the workload's start, on the wall clock. */
  readonly startNs: number
}

const ALLOC = TASK_OPS.indexOf('alloc')
const TOUCH = TASK_OPS.indexOf('touch')
const FILE = TASK_OPS.indexOf('file')

/** Pages that one row of a task allocates, touches or reads, by the orders of the pages: the measure of work. */
export function pagesOfRow(op: number, arg: number, orders: Uint8Array): number {
  if (op === TOUCH) return 1
  if (op === ALLOC) return 1 << (orders[arg] ?? 0)
  return op === FILE ? arg : 0
}

/** Those of a whole task. */
export function pagesAsked({ op, arg }: WorkloadTask, orders: Uint8Array): number {
  let pages = 0
  for (let row = 0; row < op.length; row++) pages += pagesOfRow(op[row] ?? 0, arg[row] ?? 0, orders)
  return pages
}

/**
 * An empirical distribution of CPU time, ns, in recorded sequence (costs are correlated in time, so replay resamples blocks).
 * With no samples `fixedNs` holds.
 */
export interface Cost {
  readonly samples: Float64Array
  readonly fixedNs: number
  readonly basis: Basis
  readonly n: number
  readonly from: string
}

export const COSTS = [
  /** Store of one page that is really compressed, by a kernel thread. */
  'store',
  /** The same by a task that reclaims for itself, interruptions not included: its caches hold its own work; none = as `store`. */
  'storeDirect',
  /** Store of a page that is found zero or same-filled. */
  'storeSame',
  /** Scan, unmap and slot allocation of one page that is then written, by a kernel thread; other CPUs idle or in the kernel. */
  'unmap',
  /** The same while another CPU runs a task whose address space is being unmapped. */
  'unmapRemote',
  /** By a task that reclaims its own memory, with all that comes between two pages; none = as by a kernel thread. */
  'unmapDirect',
  /** The same while another CPU runs an owner of that memory. */
  'unmapDirectRemote',
  /** As `unmap`, after a store by the same thread in the same batch: that page leaves the swap cache first, and the caches are full of the codec's work; none = as `unmap`. */
  'unmapAfterStore',
  /** CPU time that a running task loses per page of its address space unmapped elsewhere: the interrupt, and filling the TLB anew. */
  'flushReceived',
  /** One page examined and kept (referenced, or locked). */
  'scanKept',
  /** Reclaim of one clean page (file, or stored earlier). */
  'freeClean',
  /** Isolation and put-back of a batch, apart from its pages. */
  'batch',
  /** One pass over the slab shrinkers, where memory as a whole is short. */
  'slab',
  /** Entry and exit of one direct reclaim, apart from its batches. */
  'directEntry',
  /** Swap-in of one page that is in the pool or on the device, without waiting. */
  'swapIn',
  /** First touch of a page (fault and zeroing) on top of the task's own clock; 0 when the own clock contains it. */
  'fault',
  /** Hand-off of one page to a queue by kswapd. */
  'push',
  /** Wake-up of a sleeping thread, paid by the waker. */
  'wake',
  /** From wake-up to running on an idle CPU. */
  'wakeLatency',
  /** What a task loses when it runs again after another: both halves of the switch, and caches full of other work. */
  'switch',
  /** Entry and exit of one reclaim for a memory cgroup, apart from its batches: all of one in vain; none = as `directEntry`. */
  'memcgEntry',
  /** As `unmapDirect`, while a CPU that runs no owner of that memory has its page tables loaded still; none = as `unmapDirect`. */
  'unmapDirectHeld',
  /** As `unmapAfterStore`, while another CPU runs a task whose address space is being unmapped; none = as `unmapRemote`. */
  'unmapRemoteAfterStore',
  /** Isolation of a batch and putting back the one before it: of `batch`, what a batch of which every page is kept takes too; none = a fifth. */
  'isolate',
  /** As `unmap` and `unmapDirect`, of a page that no task maps: nothing is flushed; none = as of any page. */
  'unmapShared',
  /** What a switch costs besides `switch` after a run of any length, where short runs show it; none = only `switch`, by how long the task had run. */
  'switchAnyRun',
  /** One page that MGLRU passes over because its caller may not have it written; none = a third of `scanKept`. */
  'skip',
  /** As `flushReceived`, by a task that reclaims for itself then; none = as by any other. */
  'flushInReclaim',
] as const
export type CostName = (typeof COSTS)[number]

/**
 * CPU time that the recorded machine did not have: its hypervisor ran something else, or a CPU waited for one that was not run. Seen where
 * a step of reclaim stood still. Load from outside that the host put on the machine at times of its own, an input: costs do not contain it.
 */
export interface StolenTime {
  /** Share of the work that was done when it struck, rising. */
  readonly atWork: Float64Array
  /** Pages that threads of its kind had written since it struck before. */
  readonly pages: Float64Array
  readonly ns: Float64Array
}

/**
 * What requests of the swap device took from issue to completion, in the order in which they were issued: the device's own time, with the
 * queue that it had then. Columns.
 */
export interface DeviceRequests {
  /** 1 = write. */
  readonly isWrite: Uint8Array
  readonly pages: Float64Array
  readonly ns: Float64Array
  /** Most of them under way at once. */
  readonly depth: number
  readonly from: string
}

export interface Residual {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly meaning: string
}

export interface Workload {
  readonly version: 1
  /** Labels for people; replay never reads them. */
  readonly source: Readonly<Record<string, string>>
  /** Policy under which it was recorded, as recognised. */
  readonly recordedPolicy: Based<string>
  /** Its tunables by name, as far as the recording shows them; absent = of none. */
  readonly recordedTunables?: Readonly<Record<string, Based<number>>>
  /** When the workload starts, ns after the trace's start: the first sign of low memory. Work before it is not replayed. */
  readonly startOffsetNs?: Based<number>
  readonly machine: Machine
  readonly pages: WorkloadPages
  readonly tasks: readonly WorkloadTask[]
  /** page_ids in the order in which reclaim first met them (candidates); also the initial LRU order, oldest first. */
  readonly stream: Uint32Array
  readonly costs: Readonly<Record<CostName, Cost>>
  /** From kernel threads; absent = none. */
  readonly stolen?: StolenTime
  /** From tasks that reclaim for themselves; absent = theirs is among the others. */
  readonly stolenDirect?: StolenTime
  /** Absent = no block events of a swap device were recorded. */
  readonly deviceRequests?: DeviceRequests
  /** Share of swapped-out pages that were never seen again (no next touch known). */
  readonly unknownNextTouch: Based<number>
  /** Probability that a page that came back was written before it went out again. */
  readonly dirtiedShare: Based<number>
  readonly residuals: readonly Residual[]
}
