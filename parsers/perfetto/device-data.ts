import type { IssueLog } from '../issues.ts'
import { MEMINFO_NAMES, PSI_NAMES, VMSTAT_NAMES } from './counter-names.ts'
import { type EventDecoder, textOf } from './event-decoder.ts'
import type { Sequence } from './sequences.ts'
import { SAMPLE, type SideRows } from './side-rows.ts'
import { BYTES, FieldWalker } from './wire.ts'

const MAX_CPUS = 4096
const MAX_NAMES = 1 << 20
const MAX_FACT_CHARS = 1 << 20
const MAX_TASKS = 1 << 20
const MAX_COMM_CHARS = 64

/** What a trace says of the device, its tasks and their counters beside the events. */
export class DeviceData {
  readonly comms = new Map<number, string>()
  readonly tgids = new Map<number, number>()
  readonly facts = new Map<string, string>()
  kernelRelease: string | undefined
  arch: string | undefined
  cpus: number | undefined
  pageSize: number | undefined
  readonly #side: SideRows
  readonly #decoder: EventDecoder
  readonly #issues: IssueLog
  readonly #counterNames = new Map<string, number>()
  readonly #a = new FieldWalker()
  readonly #b = new FieldWalker()

  constructor(side: SideRows, decoder: EventDecoder, issues: IssueLog) {
    this.#side = side
    this.#decoder = decoder
    this.#issues = issues
  }

  /** Less than 0, and no text, are not known. */
  setTask(tid: number, tgid: number, comm: string): void {
    if (tgid >= 0) this.#remember(this.tgids, tid, tgid)
    if (comm !== '') this.#remember(this.comms, tid, comm.slice(0, MAX_COMM_CHARS))
  }

  #remember<T>(tasks: Map<number, T>, tid: number, value: T): void {
    if (tasks.has(tid) || tasks.size < MAX_TASKS) tasks.set(tid, value)
    else
      this.#issues.add(
        'too_many_tasks',
        'info',
        undefined,
        `The trace has more than ${MAX_TASKS} tasks; names and processes of the rest are not known.`,
      )
  }

  /** ProcessTree (ps/process_tree.proto). */
  parseProcessTree(bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#a
    const part = this.#b
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.wire !== BYTES) continue
      let id = -1
      let tgid = -1
      let uid = ''
      let name = ''
      part.begin(bytes, walker.start, walker.end)
      if (walker.field === 1) {
        while (part.next()) {
          if (part.field === 1) id = part.lo
          else if (part.field === 5) uid = `${part.lo}`
          else if (part.field === 3 && part.wire === BYTES && name === '') name = textOf(part)
        }
        if (id < 0) continue
        this.setTask(id, id, '')
        if (name === '') continue
        this.#addFact('processes', `${id}\t${uid}\t${name}`)
        // TASK_COMM_LEN; the kernel's own name follows if a scheduler event or the thread's entry has it.
        if (!this.comms.has(id)) this.setTask(id, -1, baseName(name).slice(0, 15))
      } else if (walker.field === 2) {
        while (part.next()) {
          if (part.field === 1) id = part.lo
          else if (part.field === 3) tgid = part.lo
          else if (part.field === 2 && part.wire === BYTES) name = textOf(part)
        }
        if (id < 0) continue
        this.setTask(id, tgid, name)
      }
    }
  }

  /** ProcessStats (ps/process_stats.proto). */
  parseProcessStats(bytes: Uint8Array, start: number, end: number, ns: number): void {
    const walker = this.#a
    const part = this.#b
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field !== 1 || walker.wire !== BYTES) continue
      let pid = -1
      part.begin(bytes, walker.start, walker.end)
      while (part.next()) {
        if (part.field === 1) pid = part.lo
        else {
          const name = PROCESS_STATS[part.field]
          if (name !== undefined && pid >= 0 && part.wire !== BYTES)
            this.#addSample(`process.${pid}.${name}`, ns, part.hi, part.lo)
        }
      }
    }
  }

  /** SysStats (sys_stats/sys_stats.proto). */
  parseSysStats(bytes: Uint8Array, start: number, end: number, ns: number): void {
    const walker = this.#a
    const part = this.#b
    walker.begin(bytes, start, end)
    while (walker.next()) {
      const counters = SYS_STATS[walker.field]
      if (counters === undefined || walker.wire !== BYTES) continue
      let key = 0
      let hi = 0
      let lo = 0
      let valued = false
      part.begin(bytes, walker.start, walker.end)
      while (part.next()) {
        if (part.field === 1) key = part.lo
        else if (part.field === 2) {
          hi = part.hi
          lo = part.lo
          valued = true
        }
      }
      if (valued)
        this.#addSample(
          `${counters.prefix}${counters.names[key] ?? key}${counters.suffix}`,
          ns,
          hi,
          lo,
        )
    }
  }

  #addSample(name: string, ns: number, hi: number, lo: number): void {
    let code = this.#counterNames.get(name)
    if (code === undefined) {
      code = this.#side.internText(name)
      if (this.#counterNames.size < MAX_NAMES) this.#counterNames.set(name, code)
    }
    this.#side.add({ ts: ns, kind: SAMPLE, phase: 0, name: code, track: -1, hi, lo })
  }

  /** FtraceStats (ftrace/ftrace_stats.proto): the kernel's own counters at start and end. */
  parseFtraceStats(
    state: Sequence,
    bytes: Uint8Array,
    start: number,
    end: number,
    at: number,
  ): void {
    const walker = this.#a
    let phase = 0
    const lost: [number, number][] = []
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field === STATS.phase) phase = walker.lo
      else if (walker.field === STATS.parseErrors) this.#reportParseErrors(at)
      else if (walker.wire !== BYTES) continue
      else if (walker.field === STATS.cpu) lost.push(this.#lostOfCpu(walker))
      else if (walker.field === STATS.kprobes) this.#reportMissedProbes(walker, phase, at)
      else this.#reportNotRecorded(walker, at)
    }
    for (const [cpu, events] of lost) {
      if (state.counters.size >= MAX_CPUS) break
      const counter = state.counters.get(cpu) ?? { start: undefined, end: undefined }
      if (phase === START_OF_TRACE) counter.start ??= events
      else if (phase === END_OF_TRACE) counter.end = events
      state.counters.set(cpu, counter)
    }
  }

  /** FtraceCpuStats: the cpu, and its events that found no place. */
  #lostOfCpu(walker: FieldWalker): [number, number] {
    const part = this.#b
    let cpu = 0
    let events = 0
    part.begin(walker.bytes, walker.start, walker.end)
    while (part.next())
      if (part.field === 1) cpu = part.lo
      // overrun, commit_overrun, dropped_events
      else if (part.field === 3 || part.field === 4 || part.field === 8) events += part.value
    return [cpu, events]
  }

  #reportParseErrors(at: number): void {
    this.#issues.add(
      'ftrace_error',
      'data_loss',
      at,
      "Perfetto could not read part of the kernel's buffers.",
      'stats',
    )
  }

  /** FtraceKprobeStats: hits 1, misses 2. */
  #reportMissedProbes(walker: FieldWalker, phase: number, at: number): void {
    const part = this.#b
    let misses = 0
    part.begin(walker.bytes, walker.start, walker.end)
    while (part.next()) if (part.field === 2) misses = part.value
    if (misses > 0 && phase === END_OF_TRACE)
      this.#issues.add(
        'probes_missed',
        'data_loss',
        at,
        `The kernel left out ${misses} events of probes, because others were still being handled.`,
      )
  }

  /** Texts of FtraceStats. */
  #reportNotRecorded(walker: FieldWalker, at: number): void {
    const { field } = walker
    if (field === STATS.atraceErrors || field === STATS.exclusiveError)
      this.#issues.add(
        'atrace_error',
        'info',
        at,
        `${field === STATS.atraceErrors ? 'atrace' : 'Perfetto'} reported: ${textOf(walker).slice(0, 200)}`,
        field,
      )
    else if (field === STATS.unknownEvents || field === STATS.failedEvents) {
      const event = textOf(walker).slice(0, 100)
      this.#issues.add(
        'event_not_recorded',
        'error',
        at,
        `The device ${field === STATS.unknownEvents ? 'does not have' : 'refused to record'} event ${event}.`,
        event,
      )
    }
  }

  /** TraceStats (common/trace_stats.proto): what the tracing service itself could not keep. */
  parseTraceStats(bytes: Uint8Array, start: number, end: number, at: number): void {
    const walker = this.#a
    const part = this.#b
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field !== TRACE_STATS.buffer || walker.wire !== BYTES) continue
      part.begin(bytes, walker.start, walker.end)
      while (part.next()) {
        if (part.wire === BYTES || part.value === 0) continue
        const what = BUFFER_LOSSES[part.field]
        if (what !== undefined)
          this.#issues.add('service_loss', 'data_loss', at, `Perfetto ${what}.`, part.field)
      }
    }
  }

  /** SystemInfo (common/system_info.proto). */
  parseSystemInfo(bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#a
    const part = this.#b
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field === 1 && walker.wire === BYTES) {
        part.begin(bytes, walker.start, walker.end)
        while (part.next()) {
          if (part.wire !== BYTES) continue
          if (part.field === 3) this.kernelRelease = textOf(part)
          else if (part.field === 4) this.arch = textOf(part)
        }
      } else if (walker.field === 2 && walker.wire === BYTES)
        this.#addFact('fingerprint', textOf(walker))
      else if (walker.field === 6) this.pageSize = walker.lo
      else if (walker.field === 8) this.cpus = walker.lo
    }
  }

  /** TraceConfig.data_sources.config.ftrace_config.ftrace_events: `group/name`. */
  parseConfig(bytes: Uint8Array, start: number, end: number): void {
    const path = [2, 1, 100]
    const visit = (from: number, to: number, depth: number): void => {
      const walker = new FieldWalker()
      walker.begin(bytes, from, to)
      while (walker.next()) {
        if (walker.wire !== BYTES) continue
        if (depth < path.length) {
          if (walker.field === path[depth]) visit(walker.start, walker.end, depth + 1)
        } else if (walker.field === 1) {
          const [group = '', name] = textOf(walker).split('/')
          if (name !== undefined && name !== '*' && this.#decoder.groups.size < MAX_NAMES)
            this.#decoder.groups.set(name, group)
        }
      }
    }
    visit(start, end, 0)
  }

  /** PackagesList (android/packages_list.proto). */
  parsePackages(bytes: Uint8Array, start: number, end: number): void {
    const walker = this.#a
    const part = this.#b
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field !== 1 || walker.wire !== BYTES) continue
      let name = ''
      let uid = 0
      part.begin(bytes, walker.start, walker.end)
      while (part.next()) {
        if (part.field === 1 && part.wire === BYTES) name = textOf(part)
        else if (part.field === 2) uid = part.lo
      }
      this.#addFact('packages', `${uid} ${name}`)
    }
  }

  #addFact(name: string, line: string): void {
    const known = this.facts.get(name)
    if (known === undefined) this.facts.set(name, line)
    else if (known.length + line.length < MAX_FACT_CHARS) this.facts.set(name, `${known}\n${line}`)
  }
}

/** FtraceStats, and its phases. */
const STATS = {
  phase: 1,
  cpu: 2,
  atraceErrors: 5,
  unknownEvents: 6,
  failedEvents: 7,
  parseErrors: 9,
  kprobes: 10,
  exclusiveError: 13,
} as const
const START_OF_TRACE = 1
const END_OF_TRACE = 2
/** TraceStats, and of its BufferStats what means that recorded data is missing from the middle of a trace. */
const TRACE_STATS = { buffer: 1 } as const
const BUFFER_LOSSES: Readonly<Record<number, string>> = {
  9: 'met data of a writer that breaks its protocol and left it out',
  18: 'discarded data that came when its buffer was full',
  19: 'lost packets of writers whose shared memory was full',
}
/** ProcessStats.Process, the counters that memory pressure moves. */
const PROCESS_STATS: Readonly<Record<number, string>> = {
  3: 'vm_rss_kb',
  4: 'rss_anon_kb',
  5: 'rss_file_kb',
  6: 'rss_shmem_kb',
  7: 'vm_swap_kb',
  10: 'oom_score_adj',
}
const SYS_STATS: Readonly<
  Record<number, { prefix: string; suffix: string; names: readonly string[] }>
> = {
  1: { prefix: 'meminfo.', suffix: '', names: MEMINFO_NAMES },
  2: { prefix: 'vmstat.', suffix: '', names: VMSTAT_NAMES },
  14: { prefix: 'psi.', suffix: '.total_ns', names: PSI_NAMES },
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
