import { type Command, Option } from 'commander'
import { cutToReplayedWork } from '../analysis/replayed-work.ts'
import { createViews } from '../analysis/views.ts'
import {
  addDatabase,
  addExamples,
  addOutputFile,
  addSelectors,
  formatByExtension,
} from './options.ts'
import { remark, writeOut } from './output.ts'
import { type ReadingOptions, withReading } from './reading.ts'

const FORMATS = ['html', 'md', 'lkml'] as const
type Format = (typeof FORMATS)[number]
/** What a file name says by its extension. */
const EXTENSIONS: Readonly<Record<string, Format>> = {
  html: 'html',
  htm: 'html',
  md: 'md',
  txt: 'lkml',
}

export function register(command: Command): void {
  command
    .description(
      'One report on a recording and its runs: who stalled and why, what was reordered, what each figure rests on. As HTML it is a ' +
        'single file with interactive charts that opens without a network; md is Markdown; lkml is plain text of at most 72 columns.',
    )
    .addOption(
      new Option(
        '--format <format>',
        'form of the report (default: by the extension of --output; md on standard output)',
      ).choices([...FORMATS]),
    )
  addOutputFile(command).option('-q, --quiet', 'no remarks')
  addSelectors(addDatabase(command))
  addExamples(
    command,
    `
pstrace report -o report.html
pstrace report --run recording --run parallel -o parallel.html
pstrace report --format lkml`,
  )
  command.action(async (options: ReadingOptions) => {
    const report = await import('../report/index.ts')
    const { refuseOverwrite } = await import('../io/destination.ts')
    const { writeFileWhole } = await import('../io/whole-file.ts')
    const format = toReportFormat(options)
    const force = options.force ?? false
    if (options.output !== undefined) refuseOverwrite(options.output, { force })
    await withReading(options, async (reading) => {
      const { connection, settings } = reading
      await createViews(connection, await cutToReplayedWork(connection, reading.selection))
      const data = await report.readReport(connection, format === 'html' ? {} : { charts: [] })
      const text =
        format === 'html'
          ? await report.toReportHtml(data)
          : format === 'md'
            ? report.toReportMarkdown(data)
            : report.toReportLkml(data)
      if (options.output === undefined) {
        await writeOut(text)
        return
      }
      await writeFileWhole(options.output, { force }, [text])
      remark(settings, `${options.output} written`)
    })
  })
}

function toReportFormat({ format, output }: ReadingOptions): Format {
  const asked = FORMATS.find((known) => known === format)
  return (
    asked ?? formatByExtension(output, EXTENSIONS, { none: output === undefined ? 'md' : 'html' })
  )
}
