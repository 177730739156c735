import { type Command, Option } from 'commander'
import { cutToReplayedWork } from '../analysis/replayed-work.ts'
import { toResult } from '../analysis/result.ts'
import { createViews } from '../analysis/views.ts'
import { parseCount } from '../config/settings.ts'
import { unknownName } from '../model/names.ts'
import { unfitError } from './failure.ts'
import {
  addDatabase,
  addExamples,
  addOutputFile,
  addSelectors,
  formatByExtension,
} from './options.ts'
import { printResult, remark, writeOut } from './output.ts'
import { type ReadingOptions, withReading } from './reading.ts'
import { toSettings } from './settings.ts'

const FORMATS = ['svg', 'png', 'html', 'json'] as const
type Format = (typeof FORMATS)[number]
const EXTENSIONS: Readonly<Record<string, Format>> = {
  svg: 'svg',
  png: 'png',
  html: 'html',
  json: 'json',
}

interface ChartOptions extends ReadingOptions {
  readonly theme: 'light' | 'dark'
  readonly width: string
  readonly scale: string
}

export function register(command: Command): void {
  command
    .argument('[name]', 'a chart; without a name the charts are listed')
    .description(
      'Draw one chart of a recording and its runs: as SVG, PNG, a self-contained interactive HTML page, or the Vega-Lite ' +
        'specification with its rows (json).',
    )
    .addOption(
      new Option(
        '--format <format>',
        'form of the chart (default: by the extension of --output; svg on standard output)',
      ).choices([...FORMATS]),
    )
  addOutputFile(command)
    .option('-q, --quiet', 'no remarks')
    .addOption(new Option('--theme <theme>', 'colours').choices(['light', 'dark']).default('light'))
    .option('--width <pixels>', 'width of the plot, axes and legends not included', '720')
    .option('--scale <n>', 'PNG: pixels per point', '2')
  addSelectors(addDatabase(command))
  addExamples(
    command,
    `
pstrace chart
pstrace chart timeline -o timeline.png
pstrace chart order --run kcompressd --run parallel -o order.svg
pstrace chart stalls-by-task --format json > stalls.vl.json`,
  )
  command.action(async (name: string | undefined, options: ChartOptions) => {
    if (name === undefined) await listCharts(options)
    else await drawChart(name, options)
  })
}

async function listCharts(options: ChartOptions): Promise<void> {
  const { charts } = await import('../charts/index.ts')
  const listed = toResult(
    [
      { name: 'name', type: 'text' },
      { name: 'shows', type: 'text' },
    ],
    charts.map((chart) => ({ name: chart.name, shows: chart.summary })),
  )
  await printResult(listed, {}, toSettings(options))
}

async function drawChart(name: string, options: ChartOptions): Promise<void> {
  const { charts, findChart } = await import('../charts/index.ts')
  const chart = findChart(name)
  if (chart === undefined)
    throw unknownName(
      'chart',
      name,
      charts.map((known) => known.name),
    )
  const width = parseCount('--width', options.width, 200, 4000)
  const scale = parseCount('--scale', options.scale, 1, 8)
  const format = toChartFormat(options)
  const force = options.force ?? false
  const { refuseOverwrite } = await import('../io/destination.ts')
  const { writeFileWhole } = await import('../io/whole-file.ts')
  if (options.output !== undefined) refuseOverwrite(options.output, { force })
  const { readChart, toChartSubject } = await import('../report/index.ts')
  await withReading(options, async (reading) => {
    const { connection, settings } = reading
    await createViews(connection, await cutToReplayedWork(connection, reading.selection))
    const { facts, rows } = await readChart(connection, chart)
    if ((rows[chart.main] ?? []).length === 0)
      throw unfitError(`chart ${chart.name}: nothing to draw: ${chart.needs}`)
    const spec = chart.spec(rows, toChartSubject(facts, options.theme, width))
    const drawn = await draw(spec, format, chart.summary, scale)
    if (options.output === undefined) {
      await writeOut(drawn)
      return
    }
    await writeFileWhole(options.output, { force }, [drawn])
    remark(settings, `${options.output} written`)
  })
}

async function draw(
  spec: Parameters<typeof import('../charts/render.ts').renderSvg>[0],
  format: Format,
  title: string,
  scale: number,
): Promise<string | Uint8Array> {
  if (format === 'json') return `${JSON.stringify(spec, null, 1)}\n`
  const { renderHtml, renderPng, renderSvg } = await import('../charts/render.ts')
  if (format === 'svg') return `${await renderSvg(spec)}\n`
  return format === 'png' ? renderPng(spec, { scale }) : renderHtml(spec, title)
}

function toChartFormat({ format, output }: ChartOptions): Format {
  const asked = FORMATS.find((known) => known === format)
  return asked ?? formatByExtension(output, EXTENSIONS, { none: 'svg' })
}
