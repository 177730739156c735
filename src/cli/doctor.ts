import type { Command } from 'commander'
import type { EventBatch, ImportIssue, Loss, TraceInfo, TraceReader } from '../../parsers/index.ts'
import { findColumn, openTrace } from '../../parsers/index.ts'
import { diagnose, type Evidence, recordedRoles } from '../analysis/fitness.ts'
import { toResult } from '../analysis/result.ts'
import { VMSTAT_PREFIX } from '../analysis/whole-counters.ts'
import { roleOf } from '../ingest/aliases.ts'
import { kernelOf } from '../ingest/kernel.ts'
import { swapDevicesOf } from '../ingest/snapshot.ts'
import { openInput } from '../io/input.ts'
import { readSnapshots } from '../io/snapshots.ts'
import { formatCount, plural } from '../model/counted.ts'
import { taskKindOf } from '../model/task-kind.ts'
import { unfitError } from './failure.ts'
import { printFindings } from './findings.ts'
import { snapshotFolder } from './ingest-files.ts'
import { describeEvents, describeWholeness } from './lost-events.ts'
import { addExamples, addOutput, type OutputOptions } from './options.ts'
import { printLine, printResult, toFormat } from './output.ts'
import { toSettings } from './settings.ts'

/** What reading a file gave, before any table is made of it. */
interface Contents {
  readonly file: string
  readonly info: TraceInfo
  /** Events by `system:name`. */
  readonly events: ReadonlyMap<string, number>
  readonly count: number
  readonly lengthNs: number
  readonly evidence: Evidence
  readonly issues: readonly ImportIssue[]
}

interface DoctorOptions extends OutputOptions {
  readonly quiet?: boolean
}

const BEST_EVENTS = 12

export function register(command: Command): void {
  command
    .argument('<file>', 'a trace, or a folder copied from tracefs')
    .description(
      'Read a trace without a database and tell what it is, what it holds, what was lost, and which questions it can answer with what ' +
        'confidence; for each that it cannot, the event or probe to add. Ends with status 3 when it can answer none.',
    )
  addOutput(command)
  addExamples(
    command,
    '\npstrace doctor trace.dat\npstrace doctor --format json phone.perfetto-trace',
  )
  command.action(async (file: string, options: DoctorOptions) => {
    const contents = await readContents(file)
    const findings = diagnose(contents.evidence)
    if (toFormat(options) === 'table' && options.output === undefined) {
      await describe(contents)
      await printFindings(findings, { add: true })
    } else
      await printResult(
        toResult(
          ['question', 'answer', 'confidence', 'add'].map((name) => ({ name, type: 'text' })),
          findings.map((finding) => ({ ...finding })),
        ),
        options,
        toSettings({}),
      )
    if (findings.every(({ answer }) => answer === 'no'))
      throw unfitError(`${file}: the trace can answer none of these questions`)
  })
}

/** Reads the whole trace (`-` = standard input) and counts; throws where it is no trace. */
export async function readContents(file: string): Promise<Contents> {
  const input = await openInput(file)
  try {
    const reader = await openTrace(input.folder ?? input.source)
    try {
      const { events, count, firstNs, lastNs, hasWholeCounters } = readEvents(reader)
      const { info, losses, issues } = reader
      const kinds = reader.formats.map((format) => ({
        system: format.system,
        name: format.name,
        fields: format.fields.map(({ name }) => name),
        count: events.get(toFullName(format)) ?? 0,
      }))
      const folder = file === '-' ? undefined : snapshotFolder(file)
      const snapshots = folder === undefined ? new Map<string, string>() : readSnapshots(folder)
      return {
        file,
        info: { ...info, ...kernelOf(info, snapshots) },
        events,
        count,
        lengthNs: Number.isNaN(firstNs) ? 0 : lastNs - firstNs,
        evidence: {
          roles: recordedRoles(kinds, roleOf),
          gaps: losses.length,
          lost: sumOf(losses),
          hasCompressor: [...info.comms.values()].some((comm) => taskKindOf(comm) === 'compressor'),
          hasZoneinfo: snapshots.has('zoneinfo.before') || snapshots.has('zoneinfo.after'),
          hasVmstat:
            hasWholeCounters || (snapshots.has('vmstat.before') && snapshots.has('vmstat.after')),
          hasDisk: swapDevicesOf(snapshots).some(({ kind }) => kind !== 'zram'),
        },
        issues,
      }
    } finally {
      reader.close()
    }
  } finally {
    input.close()
  }
}

interface Events {
  /** Number by `system:name`. */
  readonly events: ReadonlyMap<string, number>
  readonly count: number
  /** NaN without events. */
  readonly firstNs: number
  readonly lastNs: number
  /** Counters of /proc/vmstat were read before all other events and after them. */
  readonly hasWholeCounters: boolean
}

function readEvents(reader: TraceReader): Events {
  const events = new Map<string, number>()
  const counters = new CounterTimes()
  let count = 0
  let firstNs = Number.NaN
  let lastNs = Number.NaN
  for (let window = reader.read(); window !== undefined; window = reader.read()) {
    for (const batch of window.batches) {
      const name = toFullName(batch.format)
      events.set(name, (events.get(name) ?? 0) + batch.length)
      if (name === 'pstrace:sample') counters.add(batch)
    }
    count += window.length
    const at = (k: number) =>
      window.batches[window.batch[k] ?? 0]?.ts[window.row[k] ?? 0] ?? Number.NaN
    if (Number.isNaN(firstNs)) firstNs = at(0)
    lastNs = at(window.length - 1)
  }
  return { events, count, firstNs, lastNs, hasWholeCounters: counters.span(firstNs, lastNs) }
}

/** When each counter of /proc/vmstat was read that a trace holds itself. */
class CounterTimes {
  readonly #times = new Map<string, { readonly first: number; last: number }>()

  add(batch: EventBatch): void {
    const names = findColumn(batch, 'name')
    if (names?.kind !== 'string') return
    for (let row = 0; row < batch.length; row++) {
      const name = names.dictionary.get(names.codes[row] ?? 0)
      if (!name.startsWith(VMSTAT_PREFIX)) continue
      const ts = batch.ts[row] ?? Number.NaN
      const known = this.#times.get(name)
      if (known === undefined) this.#times.set(name, { first: ts, last: ts })
      else known.last = ts
    }
  }

  /** True where one was read before and after whatever lies between these times. */
  span(firstNs: number, lastNs: number): boolean {
    for (const { first, last } of this.#times.values())
      if (first < last && first <= firstNs && last >= lastNs) return true
    return false
  }
}

function toFullName({ system, name }: { system: string; name: string }): string {
  return system === '' ? name : `${system}:${name}`
}

function sumOf(losses: readonly Loss[]): number | undefined {
  let sum = 0
  for (const { events } of losses) {
    if (events === undefined) return undefined
    sum += events
  }
  return sum
}

async function describe(contents: Contents): Promise<void> {
  const { info, count, lengthNs, events } = contents
  const { gaps, lost } = contents.evidence
  const arch = info.arch === undefined ? '' : ` (${info.arch})`
  await printLine(
    [
      `${contents.file}: ${info.format}`,
      `kernel ${info.kernelRelease ?? 'not named'}${arch}`,
      `clock ${info.clock ?? 'not named'}`,
      ...(info.cpus === undefined ? [] : [plural(info.cpus, 'CPU')]),
    ].join(', '),
  )
  const isIncomplete = contents.issues.some(({ severity }) => severity === 'data_loss')
  await printLine(
    `${describeEvents(count, lengthNs)}, ${describeWholeness({ gaps, events: lost ?? null }, isIncomplete)}`,
  )
  const sorted = [...events].sort((a, b) => b[1] - a[1])
  for (const [name, number] of sorted.slice(0, BEST_EVENTS))
    await printLine(`  ${formatCount(number).padStart(12)}  ${name}`)
  if (sorted.length > BEST_EVENTS)
    await printLine(`  and ${sorted.length - BEST_EVENTS} more kinds`)
  for (const issue of contents.issues)
    if (issue.severity !== 'info')
      await printLine(
        `  ${issue.severity} ${issue.code} (${formatCount(issue.count)}): ${issue.message}`,
      )
  await printLine('')
}
