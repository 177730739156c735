import { deflateSync } from 'node:zlib'
import type { EventKind } from '../event-kinds.ts'
import type { RecordEncoder } from '../record.ts'
import { ProtoWriter } from './protobuf.ts'
import { type TraceWriter, utf8, type WriterContext } from './writer.ts'

export interface PerfettoStyle {
  /** Unknown events as described messages (`denser_generic_event_encoding`) instead of name and value pairs. */
  readonly dense: boolean
  readonly compactSched: boolean
  /** Packets inside zlib streams. */
  readonly compressed: boolean
}

/** Events that Perfetto has messages for: oneof field of FtraceEvent, and each own field's number. */
const TYPED: Readonly<Record<string, { id: number; fields: Readonly<Record<string, number>> }>> = {
  print: { id: 3, fields: { ip: 1, buf: 2 } },
  sched_switch: {
    id: 4,
    fields: {
      prev_comm: 1,
      prev_pid: 2,
      prev_prio: 3,
      prev_state: 4,
      next_comm: 5,
      next_pid: 6,
      next_prio: 7,
    },
  },
  sched_waking: { id: 20, fields: { comm: 1, pid: 2, prio: 3, success: 4, target_cpu: 5 } },
  mm_vmscan_direct_reclaim_begin: { id: 46, fields: { order: 1, may_writepage: 2, gfp_flags: 3 } },
  mm_vmscan_direct_reclaim_end: { id: 47, fields: { nr_reclaimed: 1 } },
  mm_vmscan_kswapd_wake: { id: 48, fields: { nid: 1, order: 2, zid: 3 } },
  mm_vmscan_kswapd_sleep: { id: 49, fields: { nid: 1 } },
  mm_compaction_begin: {
    id: 99,
    fields: { zone_start: 1, migrate_pfn: 2, free_pfn: 3, zone_end: 4, sync: 5 },
  },
  mm_compaction_end: {
    id: 103,
    fields: { zone_start: 1, migrate_pfn: 2, free_pfn: 3, zone_end: 4, sync: 5, status: 6 },
  },
  mark_victim: { id: 334, fields: { pid: 1 } },
  mm_shrink_slab_start: {
    id: 443,
    fields: {
      cache_items: 1,
      delta: 2,
      gfp_flags: 3,
      lru_pgs: 4,
      nr_objects_to_shrink: 5,
      pgs_scanned: 6,
      shr: 7,
      shrink: 8,
      total_scan: 9,
      nid: 10,
      priority: 11,
    },
  },
  mm_shrink_slab_end: {
    id: 444,
    fields: { new_scan: 1, retval: 2, shr: 3, shrink: 4, total_scan: 5, unused_scan: 6, nid: 7 },
  },
  mm_vmscan_memcg_reclaim_begin: { id: 607, fields: { order: 1, may_writepage: 2, gfp_flags: 3 } },
  mm_vmscan_memcg_reclaim_end: { id: 608, fields: { nr_reclaimed: 1 } },
}
const GENERIC = 327
const FIRST_DENSE = 65_536
const PACKET = {
  ftraceEvents: 1,
  processTree: 2,
  clockSnapshot: 6,
  timestamp: 8,
  sequence: 10,
  ftraceStats: 34,
  compressed: 50,
} as const
const BUNDLE = {
  cpu: 1,
  event: 2,
  lost: 3,
  compactSched: 4,
  descriptors: 11,
} as const
const CLOCK_BOOTTIME = 6
const CLOCK_MONOTONIC = 3
const CLOCK_REALTIME = 1
const BUNDLE_EVENTS = 256
const COMPRESSED_BYTES = 32_768
/** FieldDescriptorProto.Type */
const TYPE = { int64: 3, uint64: 4, string: 9 } as const

interface CompactSched {
  readonly comms: string[]
  readonly switchTs: number[]
  readonly switchState: number[]
  readonly switchPid: number[]
  readonly switchPrio: number[]
  readonly switchComm: number[]
  readonly wakeTs: number[]
  readonly wakePid: number[]
  readonly wakeCpu: number[]
  readonly wakePrio: number[]
  readonly wakeComm: number[]
  lastSwitch: number
  lastWake: number
}

interface Bundle {
  readonly events: ProtoWriter
  count: number
  lost: boolean
  sched: CompactSched
  lostEvents: number
}

/** Writes a Perfetto trace (protos/perfetto/trace of google/perfetto, 2026): ftrace bundles per cpu on the boot clock. */
export class PerfettoWriter implements TraceWriter {
  readonly #context: WriterContext
  readonly #style: PerfettoStyle
  readonly #bundles: readonly Bundle[]
  readonly #denseIds: ReadonlyMap<string, number>
  readonly #event = new ProtoWriter()
  readonly #body = new ProtoWriter()
  readonly #value = new ProtoWriter()
  readonly #pending = new ProtoWriter(COMPRESSED_BYTES * 2)
  readonly #names: ReadonlyMap<RecordEncoder, readonly Uint8Array[]>
  #descriptorsSent = false
  #sawFirst = false

  constructor(context: WriterContext, style: PerfettoStyle) {
    this.#context = context
    this.#style = style
    this.#bundles = context.scenario.cpuNodes.map(() => ({
      events: new ProtoWriter(16_384),
      count: 0,
      lost: false,
      sched: newSched(),
      lostEvents: 0,
    }))
    const generic = [...context.encoders.values()].filter(({ layout }) => !(layout.name in TYPED))
    this.#denseIds = new Map(generic.map(({ layout }, i) => [layout.name, FIRST_DENSE + i]))
    this.#names = new Map(
      generic.map((encoder) => [encoder, encoder.layout.fields.map(({ name }) => utf8(name))]),
    )
    this.#writeProcessTree()
    this.#writeStats(1)
  }

  event(kind: EventKind, tsNs: number, cpu: number, tid: number, args: Float64Array): void {
    const encoder = this.#context.encoders.get(kind)
    const bundle = this.#bundles[cpu]
    if (encoder === undefined || bundle === undefined) return
    if (!this.#sawFirst) {
      this.#sawFirst = true
      this.#writeClocks(tsNs)
    }
    if (this.#style.compactSched && (kind === 'switch' || kind === 'waking'))
      this.#compact(bundle, kind, tsNs, args)
    else {
      this.#event.clear()
      this.#event.int(1, tsNs)
      this.#event.int(2, tid)
      const { name } = encoder.layout
      const typed = TYPED[name]
      if (typed !== undefined) {
        this.#typedBody(encoder, typed.fields, args)
        this.#event.message(typed.id, this.#body)
      } else if (this.#style.dense) {
        this.#denseBody(encoder, args)
        this.#event.message(this.#denseIds.get(name) ?? FIRST_DENSE, this.#body)
      } else {
        this.#genericBody(encoder, args)
        this.#event.message(GENERIC, this.#body)
      }
      bundle.events.message(BUNDLE.event, this.#event)
    }
    if (++bundle.count === BUNDLE_EVENTS) this.#flush(cpu)
  }

  lost(cpu: number, count: number): void {
    const bundle = this.#bundles[cpu]
    if (bundle === undefined) return
    this.#flush(cpu)
    bundle.lost = true
    bundle.lostEvents += count
  }

  finish(): void {
    for (let cpu = 0; cpu < this.#bundles.length; cpu++) this.#flush(cpu)
    this.#writeStats(2)
    this.#flushPackets()
  }

  #typedBody(
    encoder: RecordEncoder,
    numbers: Readonly<Record<string, number>>,
    args: Float64Array,
  ): void {
    this.#body.clear()
    encoder.eachField(args, {
      number: (name, value) => {
        const field = numbers[name]
        if (field !== undefined) this.#body.int(field, value)
      },
      wide: (name, high, low) => {
        const field = numbers[name]
        if (field !== undefined) this.#body.wide(field, high, low)
      },
      text: (name, bytes) => {
        const field = numbers[name]
        if (field !== undefined) this.#body.string(field, bytes)
      },
    })
  }

  #denseBody(encoder: RecordEncoder, args: Float64Array): void {
    this.#body.clear()
    let field = 0
    encoder.eachField(args, {
      number: (_, value) => this.#body.int(++field, value),
      wide: (_, high, low) => this.#body.wide(++field, high, low),
      text: (_, bytes) => this.#body.string(++field, bytes),
    })
  }

  #genericBody(encoder: RecordEncoder, args: Float64Array): void {
    this.#body.clear()
    this.#body.string(1, utf8(encoder.layout.name))
    const names = this.#names.get(encoder) ?? []
    let index = 0
    const add = (write: (signed: boolean) => void): void => {
      this.#value.clear()
      this.#value.string(1, names[index] ?? new Uint8Array(0))
      write(encoder.layout.fields[index]?.signed ?? false)
      index++
      this.#body.message(2, this.#value)
    }
    encoder.eachField(args, {
      number: (_, value) => add((signed) => this.#value.int(signed ? 4 : 5, value)),
      wide: (_, high, low) => add(() => this.#value.wide(5, high, low)),
      text: (_, bytes) => add(() => this.#value.string(3, bytes)),
    })
  }

  #compact(bundle: Bundle, kind: EventKind, ts: number, args: Float64Array): void {
    const { sched } = bundle
    const comm = (index: number | undefined): number => {
      const text = this.#context.strings[index ?? 0] ?? ''
      let at = sched.comms.indexOf(text)
      if (at < 0) at = sched.comms.push(text) - 1
      return at
    }
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0] = args
    if (kind === 'switch') {
      sched.switchTs.push(ts - sched.lastSwitch)
      sched.lastSwitch = ts
      sched.switchState.push(d === -1 ? 0x100 : d)
      sched.switchComm.push(comm(e))
      sched.switchPid.push(f)
      sched.switchPrio.push(g)
    } else {
      sched.wakeTs.push(ts - sched.lastWake)
      sched.lastWake = ts
      sched.wakeComm.push(comm(a))
      sched.wakePid.push(b)
      sched.wakePrio.push(c)
      sched.wakeCpu.push(d)
    }
  }

  #flush(cpu: number): void {
    const bundle = this.#bundles[cpu]
    if (bundle === undefined || bundle.count === 0) return
    const message = new ProtoWriter(bundle.events.length + 1024)
    message.int(BUNDLE.cpu, cpu)
    if (bundle.lost) message.int(BUNDLE.lost, 1)
    if (this.#style.dense && !this.#descriptorsSent) this.#writeDescriptors(message)
    message.raw(bundle.events.borrowBytes())
    if (this.#style.compactSched) this.#writeSched(message, bundle.sched)
    bundle.events.clear()
    bundle.count = 0
    bundle.lost = false
    bundle.sched = newSched()
    this.#packet((packet) => packet.message(PACKET.ftraceEvents, message))
  }

  #writeSched(message: ProtoWriter, sched: CompactSched): void {
    const body = new ProtoWriter(4096)
    for (const comm of sched.comms) body.string(5, utf8(comm))
    if (sched.switchTs.length > 0) {
      body.packed(1, sched.switchTs)
      body.packed(2, sched.switchState)
      body.packed(3, sched.switchPid)
      body.packed(4, sched.switchPrio)
      body.packed(6, sched.switchComm)
    }
    if (sched.wakeTs.length > 0) {
      body.packed(7, sched.wakeTs)
      body.packed(8, sched.wakePid)
      body.packed(9, sched.wakeCpu)
      body.packed(10, sched.wakePrio)
      body.packed(11, sched.wakeComm)
      body.packed(
        12,
        sched.wakeTs.map(() => 0),
      )
    }
    message.message(BUNDLE.compactSched, body)
  }

  #writeDescriptors(message: ProtoWriter): void {
    this.#descriptorsSent = true
    for (const encoder of this.#names.keys()) {
      const { layout } = encoder
      const descriptor = new ProtoWriter()
      descriptor.string(1, utf8(layout.name))
      for (const [i, spec] of layout.fields.entries()) {
        const field = new ProtoWriter()
        field.string(1, utf8(spec.name))
        field.int(3, i + 1)
        const text = 'comm' in spec.source || 'tail' in spec.source
        field.int(5, text ? TYPE.string : spec.signed ? TYPE.int64 : TYPE.uint64)
        descriptor.message(2, field)
      }
      const outer = new ProtoWriter()
      outer.int(1, this.#denseIds.get(layout.name) ?? FIRST_DENSE)
      outer.string(3, utf8(layout.system))
      outer.message(2, descriptor)
      message.message(BUNDLE.descriptors, outer)
    }
  }

  #writeProcessTree(): void {
    const tree = new ProtoWriter()
    const { actors } = this.#context.scenario
    for (const tgid of new Set(actors.map((actor) => actor.tgid))) {
      const process = new ProtoWriter()
      process.int(1, tgid)
      process.int(2, 1)
      process.string(3, utf8(actors.find((actor) => actor.tgid === tgid)?.comm ?? ''))
      tree.message(1, process)
    }
    for (const { tid, tgid, comm } of actors) {
      const thread = new ProtoWriter()
      thread.int(1, tid)
      thread.string(2, utf8(comm.slice(0, 15)))
      thread.int(3, tgid)
      tree.message(2, thread)
    }
    this.#packet((packet) => packet.message(PACKET.processTree, tree))
  }

  /** Boot and monotonic clocks read the same on a machine that never slept. */
  #writeClocks(ns: number): void {
    const snapshot = new ProtoWriter()
    for (const [id, at] of [
      [CLOCK_BOOTTIME, ns],
      [CLOCK_MONOTONIC, ns],
      [CLOCK_REALTIME, 1_700_000_000_000_000_000 + ns],
    ] as const) {
      const clock = new ProtoWriter()
      clock.int(1, id)
      clock.int(2, at)
      snapshot.message(1, clock)
    }
    this.#packet((packet) => {
      packet.message(PACKET.clockSnapshot, snapshot)
      packet.int(PACKET.timestamp, ns)
    })
  }

  #writeStats(phase: 1 | 2): void {
    const stats = new ProtoWriter()
    stats.int(1, phase)
    for (const [cpu, { lostEvents }] of this.#bundles.entries()) {
      const entry = new ProtoWriter()
      entry.int(1, cpu)
      entry.int(3, lostEvents)
      stats.message(2, entry)
    }
    this.#packet((packet) => packet.message(PACKET.ftraceStats, stats))
  }

  #packet(fill: (packet: ProtoWriter) => void): void {
    const packet = new ProtoWriter(1024)
    fill(packet)
    packet.int(PACKET.sequence, 1)
    this.#pending.message(1, packet)
    if (this.#pending.length >= COMPRESSED_BYTES) this.#flushPackets()
  }

  #flushPackets(): void {
    if (this.#pending.length === 0) return
    if (this.#style.compressed) {
      const packet = new ProtoWriter()
      packet.string(PACKET.compressed, deflateSync(this.#pending.borrowBytes()))
      const outer = new ProtoWriter()
      outer.message(1, packet)
      this.#context.output.write(outer.borrowBytes())
    } else this.#context.output.write(this.#pending.borrowBytes())
    this.#pending.clear()
  }
}

function newSched(): CompactSched {
  return {
    comms: [],
    switchTs: [],
    switchState: [],
    switchPid: [],
    switchPrio: [],
    switchComm: [],
    wakeTs: [],
    wakePid: [],
    wakeCpu: [],
    wakePrio: [],
    wakeComm: [],
    lastSwitch: 0,
    lastWake: 0,
  }
}
