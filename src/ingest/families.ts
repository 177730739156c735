import type { EventFormat } from '../../parsers/batch.ts'
import { KernelSymbols } from '../../parsers/kernel-symbols.ts'
import type { Loss, TraceReader } from '../../parsers/reader.ts'
import { type EventRole, roleOf } from './aliases.ts'
import { WAKING_SEEN, ZRAM_AREA } from './assembly/_layout.ts'
import { Clock } from './clock.ts'
import type { EventHandler, IngestContext } from './context.ts'
import { print } from './events/atrace.ts'
import { blockIos } from './events/block-ios.ts'
import { cgroupAttach, kill, oomScore, signal } from './events/kills.ts'
import { kprobe } from './events/kprobe.ts'
import { kswapdSleep, kswapdWake, wakeupKswapd } from './events/kswapd.ts'
import {
  compactionBegin,
  compactionEnd,
  reclaimBegin,
  reclaimEnd,
  throttled,
} from './events/reclaim.ts'
import { retryZone } from './events/retry-zone.ts'
import {
  blockedReason,
  fork,
  newTask,
  schedSwitch,
  schedWakeup,
  schedWaking,
} from './events/sched.ts'
import {
  isolate,
  shrinkActive,
  shrinkInactive,
  slabBegin,
  slabEnd,
  toHex,
} from './events/shrink.ts'
import { sample, slice } from './events/side.ts'
import {
  fault,
  faultEnd,
  gate,
  gateEnd,
  pageFree,
  slotFree,
  store,
  storeEnd,
  swapRead,
  writeFolio,
  zswapLoadEnd,
  zswapStoreEnd,
  zswapWriteback,
} from './events/swap.ts'
import type { FinishOptions } from './finish.ts'
import { type FollowHost, Following } from './follow-kernel.ts'
import { PageIdentities } from './identities.ts'
import { KernelEvent } from './kernel-event.ts'
import { KswapdSpans } from './kswapd.ts'
import { Processes, threadsOf } from './processes.ts'
import { type SnapshotFiles, SYMBOLS_FILE } from './snapshot.ts'
import { Spans } from './spans.ts'
import { KCOMPRESSD, POLICY_KCOMPRESSD, readSwapSetting, type SwapSetting } from './swap-setting.ts'
import { Swapins } from './swapins.ts'
import { Swapouts } from './swapouts.ts'
import { Tables } from './tables.ts'
import type { Task } from './task.ts'
import { Tasks } from './tasks.ts'
import { Timeline } from './timeline.ts'

/** The event families of one import: their common state, and a handler for each event format. */
export class Families {
  readonly following: Following
  readonly tables: Tables
  readonly clock: Clock
  readonly tasks: Tasks
  readonly processes: Processes
  readonly swapouts: Swapouts
  readonly identities: PageIdentities
  readonly counts = { writeFolio: 0 }
  readonly #setting: SwapSetting
  readonly #context: IngestContext
  readonly #timeline: Timeline
  readonly #spans: Spans
  readonly #kswapd: KswapdSpans
  readonly #ios: ReturnType<typeof blockIos>
  readonly #blindUntil: number[] = []
  /** Name of the kernel function that begins at an address, where the trace has the kernel's symbols. */
  readonly #symbolOf: (hi: number, lo: number) => string | undefined
  readonly #kernelEvents = new Map<number, KernelEvent>()
  #startNs = 0

  constructor(reader: TraceReader, files: SnapshotFiles) {
    const { info } = reader
    this.following = new Following(reader.memory)
    this.tables = new Tables(this.following)
    this.clock = new Clock(this.following)
    const setting = readSwapSetting(reader, files)
    this.#setting = setting
    const { freesRecorded, zramArea } = setting
    this.identities = new PageIdentities(this.following, { freesRecorded })
    this.tasks = new Tasks(this.following, this.clock, info.comms, [info.tgids, threadsOf(files)])
    this.processes = new Processes(info.facts, files)
    const { buffers } = this.tables
    this.#timeline = new Timeline(this.following, [this.tables.states, this.tables.statePairs])
    this.swapouts = new Swapouts(this.following, this.clock, setting.swapouts)
    const blindUntil = (cpu: number): number => this.#blindUntil[cpu] ?? this.#startNs
    const lostUntil = (cpu: number): number => this.#blindUntil[cpu] ?? Number.NaN
    this.#spans = new Spans(
      this.clock,
      buffers.reclaim_spans,
      buffers.stall_parts,
      this.#timeline,
      (task) => blindUntil(task.lastCpu),
      (task) => lostUntil(task.lastCpu),
    )
    this.#kswapd = new KswapdSpans(buffers.kswapd_spans, this.tables.wakeups)
    const symbols = new KernelSymbols(() => files.get(SYMBOLS_FILE))
    this.following.words[ZRAM_AREA / 4] = zramArea
    this.#symbolOf = (hi, lo) => reader.symbolOf?.(hi, lo) ?? symbols.nameOf(hi, lo)
    this.#context = {
      following: this.following,
      clock: this.clock,
      tables: this.tables,
      tasks: this.tasks,
      processes: this.processes,
      timeline: this.#timeline,
      spans: this.#spans,
      swapouts: this.swapouts,
      swapins: new Swapins(
        this.following,
        this.clock,
        setting.swapins,
        buffers.swapins,
        this.identities,
      ),
      identities: this.identities,
      blindUntil,
      lostUntil,
    }
    this.#ios = blockIos(this.#context)
  }

  /** Every row says already that its folio is one page. */
  get singlePagesKnown(): boolean {
    return this.#setting.swapouts.singlePages
  }

  /** What the final statement on swap-outs needs. */
  get queue(): Omit<FinishOptions, 'singlePages' | 'hiddenSinceNs'> {
    const { policy, queueDepth, swapouts } = this.#setting
    const byName = this.tasks.all.some(({ comm }) => comm.startsWith(KCOMPRESSD))
    return {
      asynchronous: this.swapouts.asynchronous,
      queueDepth,
      devicePlace: swapouts.devicePlace,
      storesNewestWhenFull: policy === undefined ? byName : policy === POLICY_KCOMPRESSD,
    }
  }

  /** What the kernel asks for, but for what concerns the order of events. */
  get host(): Omit<FollowHost, 'handle' | 'lose' | 'keepMoment' | 'moreCpus'> {
    const { tasks, identities } = this
    const { swapins, blindUntil, lostUntil } = this.#context
    return {
      ...this.swapouts.host,
      entry: (key) => identities.addressOf(key),
      freeSparse: (key) => identities.freeSparse(key),
      readWithin: (index, cpu, type, offset) =>
        swapins.read(tasks.withIndex(index), cpu, type, offset),
      slotFreed: (index, key) => swapins.slotFreed(tasks.withIndex(index), key),
      blindUntil,
      lostUntil,
      activeKswapd: (index, cpu) => {
        const task = tasks.withIndex(index)
        this.#kswapd.active(task, task.node, blindUntil(cpu))
      },
      slowedDown: (index, cpu) => this.#spans.slowedDown(tasks.withIndex(index), cpu),
      shrinkerCode: (low, high) => {
        const [lo, hi] = [low >>> 0, high >>> 0]
        const name = this.#symbolOf(hi, lo) ?? toHex(lo, hi)
        return this.tables.buffers.slab_shrinks.code('shrinker', name)
      },
      meet: (tid, cpu) => tasks.meet(tid, cpu),
      name: (index, event, field, code) => {
        const comm = this.#kernelEvents.get(event)?.textOf(field, code)
        if (comm !== undefined) tasks.rename(tasks.withIndex(index), comm)
      },
      end: (index) => {
        const task = tasks.withIndex(index)
        this.#drop(task)
        tasks.retire(task.tid)
      },
      stateShape: (rows, task, cpu, state, doing) =>
        this.#timeline.shapeOf(rows, task, cpu, state, doing),
    }
  }

  start(ts: number): void {
    this.#startNs = ts
    const { samples } = this.tables.buffers
    for (const [pid, score] of this.processes.firstScores) {
      const row = samples.add()
      samples.number(row, 'ts_ns', ts)
      samples.text(row, 'name', `process.${pid}.oom_score_adj`)
      samples.number(row, 'value', score)
    }
  }

  lose(loss: Loss): void {
    this.#blindUntil[loss.cpu] = Math.max(loss.endNs, this.#blindUntil[loss.cpu] ?? 0)
    this.swapouts.lostUntilNs = Math.max(loss.endNs, this.swapouts.lostUntilNs)
    this.clock.now = loss.startNs
    for (const task of this.tasks.all)
      if (task.lastCpu === loss.cpu && task.firstNs <= loss.startNs) this.#drop(task)
  }

  /** Closes everything that is open at the trace's end, and writes the tasks. */
  finish(ts: number): void {
    this.clock.now = ts
    for (const task of this.tasks.all) {
      this.#spans.censor(task)
      this.#kswapd.censor(task, ts)
      this.#context.swapins.abandon(task)
      this.#timeline.finish(task)
    }
    this.swapouts.finish(this.tasks.all)
    this.#kswapd.finish(this.tasks.all)
    const rows = this.tables.buffers.tasks
    for (const task of this.tasks.all) {
      const row = rows.add()
      rows.number(row, 'task_id', task.id)
      rows.number(row, 'tid', task.tid)
      rows.number(row, 'tgid', task.tgid)
      rows.text(row, 'comm', task.comm === '' ? undefined : task.comm)
      rows.text(row, 'kind', task.kind)
      rows.number(row, 'node', task.node)
      const process = this.processes.of(task)
      rows.text(row, 'process', process.name)
      rows.text(row, 'package', process.package)
      rows.text(row, 'cgroup', this.processes.cgroupOf(task))
      rows.number(row, 'oom_score_adj', process.oomScoreAdj ?? Number.NaN)
      const killed = this.processes.killOf(task)
      rows.number(row, 'killed_ns', killed?.ts ?? Number.NaN)
      rows.text(row, 'killed_by', killed?.by)
      rows.number(row, 'first_ns', task.firstNs)
      rows.number(row, 'last_ns', task.lastNs)
    }
  }

  #drop(task: Task): void {
    this.#spans.censor(task)
    this.#kswapd.censor(task, this.clock.now)
    this.#context.swapins.abandon(task)
    this.swapouts.lose(task)
    this.#timeline.lose(task)
    task.faultNs = Number.NaN
    task.faultAddress = Number.NaN
  }

  /** A new handler for rows of this format; undefined when no table comes from it. */
  handlerOf(format: EventFormat): EventHandler | undefined {
    const role = roleOf(format.system, format.name)
    const handler = role === undefined ? undefined : this.#make(role)
    if (handler instanceof KernelEvent) this.#kernelEvents.set(handler.place, handler)
    return handler
  }

  #make(role: EventRole): EventHandler {
    const context = this.#context
    const kswapd = this.#kswapd
    switch (role) {
      case 'direct_begin':
        return reclaimBegin(context, 'direct')
      case 'direct_end':
        return reclaimEnd(context, 'direct')
      case 'memcg_begin':
        return reclaimBegin(context, 'memcg')
      case 'memcg_end':
        return reclaimEnd(context, 'memcg')
      case 'softlimit_begin':
        return reclaimBegin(context, 'memcg_softlimit')
      case 'softlimit_end':
        return reclaimEnd(context, 'memcg_softlimit')
      case 'node_begin':
        return reclaimBegin(context, 'node')
      case 'node_end':
        return reclaimEnd(context, 'node')
      case 'throttled':
        return throttled(context)
      case 'compaction_begin':
        return compactionBegin(context)
      case 'compaction_end':
        return compactionEnd(context)
      case 'kswapd_wake':
        return kswapdWake(context, kswapd)
      case 'kswapd_sleep':
        return kswapdSleep(context, kswapd)
      case 'wakeup_kswapd':
        return wakeupKswapd(context, kswapd)
      case 'isolate':
        return isolate(context)
      case 'shrink_inactive':
        return shrinkInactive(context)
      case 'shrink_active':
        return shrinkActive(context)
      case 'slab_begin':
        return slabBegin(context)
      case 'slab_end':
        return slabEnd(context)
      case 'write_folio':
        return writeFolio(context, ({ length }) => {
          this.counts.writeFolio += length
        })
      case 'gate':
        return gate(context)
      case 'gate_end':
        return gateEnd(context)
      case 'store':
        return store(context)
      case 'store_end':
        return storeEnd(context)
      case 'zswap_store_end':
        return zswapStoreEnd(context)
      case 'zswap_load_end':
        return zswapLoadEnd(context)
      case 'zswap_writeback':
        return zswapWriteback(context)
      case 'swap_read':
        return swapRead(context)
      case 'fault':
        return fault(context)
      case 'fault_end':
        return faultEnd(context)
      case 'slot_free':
        return slotFree(context)
      case 'page_free':
        return pageFree(context)
      case 'sched_switch':
        return schedSwitch(context, () => {
          this.#timeline.scheduled = true
        })
      case 'waking':
        return schedWaking(context, () => {
          this.following.words[WAKING_SEEN / 4] = 1
        })
      case 'wakeup':
        return schedWakeup(context)
      case 'fork':
        return fork(context)
      case 'new_task':
        return newTask(context)
      case 'blocked_reason':
        return blockedReason(context)
      case 'retry_zone':
        return retryZone(context)
      case 'block_issue':
        return this.#ios.issue()
      case 'block_complete':
        return this.#ios.complete()
      case 'print':
        return print(context)
      case 'sample':
        return sample(context)
      case 'slice':
        return slice(context)
      case 'oom_kill':
        return kill(context, 'oom')
      case 'lmk_kill':
        return kill(context, 'lowmemorykiller')
      case 'signal':
        return signal(context)
      case 'oom_score':
        return oomScore(context)
      case 'cgroup_attach':
        return cgroupAttach(context)
      case 'kprobe':
        return kprobe((each) => this.#make(each))
    }
  }
}
