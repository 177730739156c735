import type { Command } from 'commander'
import type { Loss } from '../../parsers/index.ts'
import { openTrace } from '../../parsers/index.ts'
import { type Contents, diagnose } from '../analysis/fitness-of-file.ts'
import { type Result, toResult } from '../analysis/result.ts'
import { roleOf } from '../ingest/aliases.ts'
import { openInput } from '../io/input.ts'
import { taskKindOf } from '../model/task-kind.ts'
import { unfitError } from './failure.ts'
import { addExamples, addOutput, type OutputOptions } from './options.ts'
import { printLine, printResult, toFormat } from './output.ts'
import { toSettings } from './settings.ts'
import { formatCount, formatNs } from './table.ts'

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
    const findings = diagnose(contents)
    if (toFormat(options) === 'table' && options.output === undefined) await describe(contents)
    const result: Result = toResult(
      [
        { name: 'question', type: 'text' },
        { name: 'answer', type: 'text' },
        { name: 'confidence', type: 'text' },
        { name: 'add', type: 'text' },
      ],
      findings.map(({ question, answer, confidence, add }) => ({
        question,
        answer,
        confidence,
        add,
      })),
    )
    await printResult(result, options, toSettings({}))
    if (findings.every(({ answer }) => answer === 'no'))
      throw unfitError(`${file}: the trace can answer none of these questions`)
  })
}

async function readContents(file: string): Promise<Contents> {
  const input = await openInput(file)
  try {
    const reader = await openTrace(input.folder ?? input.source)
    try {
      const events = new Map<string, number>()
      const roles = new Set<string>()
      let count = 0
      let first = Number.NaN
      let last = Number.NaN
      for (let window = reader.read(); window !== undefined; window = reader.read()) {
        for (const { format, length } of window.batches) {
          const name = format.system === '' ? format.name : `${format.system}:${format.name}`
          events.set(name, (events.get(name) ?? 0) + length)
          const role = roleOf(format.system, format.name)
          if (role !== undefined) roles.add(role)
        }
        count += window.length
        const at = (k: number) =>
          window.batches[window.batch[k] ?? 0]?.ts[window.row[k] ?? 0] ?? Number.NaN
        if (Number.isNaN(first)) first = at(0)
        last = at(window.length - 1)
      }
      const { info, losses, issues } = reader
      return {
        file,
        format: info.format,
        kernel: info.kernelRelease,
        arch: info.arch,
        clock: info.clock,
        cpus: info.cpus,
        events,
        count,
        lengthNs: Number.isNaN(first) ? 0 : last - first,
        roles,
        described: new Set(
          reader.formats.flatMap(({ system, name }) => roleOf(system, name) ?? []),
        ),
        gaps: losses.length,
        lost: sumOf(losses),
        hasCompressor: [...info.comms.values()].some((comm) => taskKindOf(comm) === 'compressor'),
        issues: issues.map(({ code, severity, count: times, message }) => ({
          code,
          severity,
          count: times,
          message,
        })),
      }
    } finally {
      reader.close()
    }
  } finally {
    input.close()
  }
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
  const { format, kernel, arch, clock, cpus, count, lengthNs, gaps, lost, events } = contents
  await printLine(
    [
      `${contents.file}: ${format}`,
      `kernel ${kernel ?? 'not named'}${arch === undefined ? '' : ` (${arch})`}`,
      `clock ${clock ?? 'not named'}`,
      ...(cpus === undefined ? [] : [`${cpus} CPUs`]),
    ].join(', '),
  )
  const missing = lost === undefined ? 'an unknown number of' : formatCount(lost)
  await printLine(
    `${formatCount(count)} events over ${formatNs(lengthNs)}, ${gaps === 0 ? 'nothing lost' : `${missing} events lost in ${formatCount(gaps)} gaps`}`,
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
