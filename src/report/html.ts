import { rowsOf } from '../charts/chart.ts'
import type { JsonObject } from '../charts/index.ts'
import { escapeHtml, toInlineScript, toPageHead, toScriptJson } from '../charts/page.ts'
import { readEmbedBundle, renderSvg } from '../charts/render.ts'
import { toAnswer } from './answer.ts'
import type { Figure, Metric } from './comparison.ts'
import { sayNumber } from './comparison.ts'
import type { ReportData } from './data.ts'
import { toCaveats, toChartSubject, toFactLines } from './facts.ts'
import { withoutUnit } from './markdown.ts'
import { STYLE } from './style.ts'

const CHART_WIDTH = 720

/** One file with everything in it: opens from file://, fetches nothing, works (without zoom and tooltips) without scripts. */
export async function toReportHtml(data: ReportData): Promise<string> {
  const script = toInlineScript(readEmbedBundle())
  const figures: string[] = []
  for (const drawn of data.charts) figures.push(await toFigure(data, drawn))
  return `${toPageHead(`Reclaim of ${data.trace.name}`, script)}
<meta name="color-scheme" content="light dark">
<style>${STYLE}</style>
</head>
<body>
${toHeader(data)}
<nav>${toContents(data)}</nav>
<main>
${toComparison(data)}
${toCaveatList(data)}
${figures.join('\n')}
<section id="stalls">
<h2>Stalls by task</h2>
${toStallTable(data)}
</section>
${toEquations(data)}
<section id="checks">
<h2>Sums that have to agree</h2>
${toChecks(data)}
</section>
<section id="issues">
<h2>Import issues and losses</h2>
${toIssues(data)}
</section>
</main>
<script>${script}</script>
</body>
</html>
`
}

function toHeader(data: ReportData): string {
  const facts = toFactLines(data).map(
    ([name, said]) => `<dt>${name}</dt><dd>${escapeHtml(said)}</dd>`,
  )
  return `<header>
<h1>Reclaim of ${escapeHtml(data.trace.name)}</h1>
<dl class="facts">
${facts.join('\n')}
</dl>
<div class="themes"><button type="button" data-set-theme="light">Light</button><button type="button" data-set-theme="dark">Dark</button></div>
</header>`
}

function toComparison(data: ReportData): string {
  const answer = toAnswer(data).map((line) => `<p class="answer">${escapeHtml(line)}</p>`)
  return `<section id="comparison">
<h2>Recording and runs</h2>
${answer.join('')}
${toComparisonTable(data)}
</section>`
}

async function toFigure(
  data: ReportData,
  { chart, rows }: ReportData['charts'][number],
): Promise<string> {
  const id = `chart-${chart.name}`
  const summary = escapeHtml(chart.summary)
  if (rowsOf(rows, chart.main).length === 0)
    return `<section id="${id}"><h2>${summary}</h2><p class="missing">Not drawn: ${escapeHtml(chart.needs)}.</p></section>`
  const light = chart.spec(rows, toChartSubject(data, 'light', CHART_WIDTH))
  const dark = chart.spec(rows, toChartSubject(data, 'dark', CHART_WIDTH))
  return `<section id="${id}">
<h2>${summary}</h2>
<p class="reading">${escapeHtml(chart.reading)}</p>
<div class="chart" data-spec="spec-${chart.name}" data-name="${chart.name}" role="img" aria-label="${summary}">${withOwnIds(await renderSvg(light), chart.name)}</div>
<script type="application/json" id="spec-${chart.name}">${toScriptJson(shareDatasets(light, dark))}</script>
</section>`
}

/** Vega numbers its clips and gradients from 0 in every drawing; several drawings share this page. */
function withOwnIds(svg: string, name: string): string {
  return svg.replaceAll(/\bid="/g, `id="${name}-`).replaceAll('url(#', `url(#${name}-`)
}

/** Both themes draw the same rows: they are written once. */
function shareDatasets(light: JsonObject, dark: JsonObject): JsonObject {
  const { datasets, ...lightSpec } = light
  const { datasets: _same, ...darkSpec } = dark
  return { light: lightSpec, dark: darkSpec, datasets: datasets ?? {} }
}

const SHORT_NAMES: Readonly<Record<string, string>> = {
  'policy-comparison': 'side by side',
  'stalls-by-task': 'who stalled',
  'stall-distribution': 'length of stalls',
  'kswapd-split': 'kswapd',
  'queue-depth': 'queue',
  'swap-rates': 'swap rates',
  'compressed-sizes': 'compressed sizes',
}

function toContents(data: ReportData): string {
  const charts = data.charts.map(({ chart }): [string, string] => [
    `chart-${chart.name}`,
    SHORT_NAMES[chart.name] ?? chart.name,
  ])
  const links: [string, string][] = [
    ['comparison', 'comparison'],
    ...charts,
    ['stalls', 'stalls by task'],
    ...(data.equations.length > 0 ? [['equations', 'equations'] as [string, string]] : []),
    ['checks', 'checks'],
    ['issues', 'issues'],
  ]
  return links.map(([id, name]) => `<a href="#${id}">${escapeHtml(name)}</a>`).join(' ')
}

function toComparisonTable(data: ReportData): string {
  const rows = data.metrics.map((metric) => {
    const base = metric.figures.find(({ column }) => column === 'recording')
    const cells = metric.figures.map((figure) => toFigureCell(metric, figure, base))
    return `<tr><th scope="row">${escapeHtml(metric.title)}</th><td class="unit">${escapeHtml(metric.unit)}</td>${cells.join('')}</tr>`
  })
  const withBase = data.columns.includes('recording') && data.columns.length > 1
  return `<div class="wide"><table class="comparison">
<thead><tr><th scope="col">figure</th><th scope="col">unit</th>${data.columns.map((column) => `<th scope="col" class="number">${escapeHtml(column)}</th>`).join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>
${withBase ? '<p class="note">Small: change against the recording. A figure of the recording comes from its events, a figure of a run from its replay.</p>' : ''}`
}

function toFigureCell(metric: Metric, figure: Figure, base: Figure | undefined): string {
  const said = escapeHtml(withoutUnit(figure.said, metric.unit))
  const n = figure.n === undefined ? '' : `, n = ${sayNumber(figure.n)}`
  const change =
    figure.column === 'recording' || figure.value === undefined || !base?.value
      ? figure.column === 'recording' || base === undefined
        ? ''
        : '<small></small>'
      : `<small>${sayChange(figure.value / base.value)}</small>`
  const unknown = figure.value === undefined ? ' unknown' : ''
  return `<td class="number${unknown}" title="${escapeHtml(`${figure.basis}${n}`)}">${said}${change}</td>`
}

function sayChange(ratio: number): string {
  if (ratio >= 10) return `×${ratio.toFixed(0)}`
  const percent = (ratio - 1) * 100
  const digits = Math.abs(percent) < 10 ? 1 : 0
  const text = Math.abs(percent).toFixed(digits)
  if (Number(text) === 0) return '±0 %'
  return `${percent < 0 ? '−' : '+'}${text} %`
}

function toCaveatList(data: ReportData): string {
  const caveats = toCaveats(data)
  if (caveats.length === 0) return ''
  return `<section id="reading"><h2>What the figures rest on</h2><ul>${caveats.map((line) => `<li>${escapeHtml(line).replaceAll(/`([^`]+)`/g, '<code>$1</code>')}</li>`).join('')}</ul></section>`
}

const MOST_TASK_ROWS = 15

function toStallTable(data: ReportData): string {
  if (data.stallTasks.length === 0) return '<p class="missing">No task stalled.</p>'
  const groups = data.columns.map((column) => {
    const own = data.stallTasks.filter((task) => task.column === column)
    const shown = own.slice(0, MOST_TASK_ROWS)
    const rows = shown.map(
      (task) =>
        `<tr><th scope="row">${escapeHtml(`${task.comm ?? '?'} (${task.tid ?? '?'})`)}</th><td>${escapeHtml(task.stalled)}</td>${[
          sayNumber(task.stalls),
          task.censored === 0 ? '' : sayNumber(task.censored),
          sayNumber(task.total_ms),
          sayNumber(task.p50_ms),
          sayNumber(task.p99_ms),
          sayNumber(task.max_ms),
        ]
          .map((text) => `<td class="number">${text}</td>`)
          .join('')}<td>${escapeHtml(task.longest_cause ?? 'not known')}</td></tr>`,
    )
    const more =
      own.length > shown.length
        ? `<tr><td colspan="9" class="note">${own.length - shown.length} more tasks; pstrace stalls lists all</td></tr>`
        : ''
    const none = own.length === 0 ? '<tr><td colspan="9" class="note">no stall</td></tr>' : ''
    return `<tbody><tr class="group"><th colspan="9" scope="rowgroup">${escapeHtml(column)}</th></tr>${rows.join('')}${more}${none}</tbody>`
  })
  return `<div class="wide"><table>
<thead><tr><th scope="col">task (tid)</th><th scope="col">kind</th><th scope="col" class="number">stalls</th><th scope="col" class="number">censored</th><th scope="col" class="number">total, ms</th><th scope="col" class="number">p50, ms</th><th scope="col" class="number">p99, ms</th><th scope="col" class="number">max, ms</th><th scope="col">most time in</th></tr></thead>
${groups.join('\n')}
</table></div>`
}

function toEquations(data: ReportData): string {
  if (data.equations.length === 0) return ''
  const rows = data.equations.map(
    (row) =>
      `<tr><th scope="row">${escapeHtml(row.column)}</th>${[
        row.t1_ms,
        row.t2_ms,
        row.t3_ms,
        row.sum_ms,
        row.max_ms,
        row.running_ms,
      ]
        .map((value) => `<td class="number">${sayNumber(value)}</td>`)
        .join('')}</tr>`,
  )
  return `<section id="equations"><h2>kswapd's time against t1+t2+t3 and max(t1+t3, t2)</h2>
<p class="reading">t1: scan and unmap; t2: every store, whoever does it (direct reclaim included); t3: the rest of kswapd. One thread needs t1+t2+t3 of CPU time;
with one helper, a free CPU, no hand-off cost and an unbounded queue kswapd would need max(t1+t3, t2). What a run needs beyond that is the price of its bounds.</p>
<div class="wide"><table>
<thead><tr><th scope="col">column</th>${['t1, ms', 't2, ms', 't3, ms', 't1+t2+t3, ms', 'max(t1+t3, t2), ms', 'kswapd on a CPU, ms'].map((name) => `<th scope="col" class="number">${name}</th>`).join('')}</tr></thead>
<tbody>${rows.join('')}</tbody></table></div></section>`
}

function toChecks(data: ReportData): string {
  if (data.checks.length === 0) return '<p class="missing">Nothing to compare.</p>'
  const rows = data.checks.map(
    ({ name, column, one, other, unit, holds }) =>
      `<tr class="${holds ? 'holds' : 'fails'}"><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(column)}</td><td class="number">${sayNumber(one)}</td><td class="number">${sayNumber(other)}</td><td>${escapeHtml(unit)}</td><td>${holds ? 'agrees' : 'differs'}</td></tr>`,
  )
  return `<div class="wide"><table><thead><tr><th scope="col">check</th><th scope="col">column</th><th scope="col" class="number">one side</th><th scope="col" class="number">other side</th><th scope="col">unit</th><th scope="col"></th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function toIssues(data: ReportData): string {
  const losses =
    data.losses.byCpu.length === 0
      ? '<p>No event was lost.</p>'
      : `<div class="wide"><table><thead><tr><th scope="col">CPU</th><th scope="col" class="number">gaps</th><th scope="col" class="number">events lost</th><th scope="col" class="number">gaps of unknown size</th><th scope="col" class="number">time without events, ms</th></tr></thead><tbody>${data.losses.byCpu
          .map(
            (row) =>
              `<tr><th scope="row">${row.cpu}</th>${[row.gaps, row.lostEvents, row.uncountedGaps, row.gapNs / 1e6].map((value) => `<td class="number">${sayNumber(value)}</td>`).join('')}</tr>`,
          )
          .join('')}</tbody></table></div>`
  if (data.issues.length === 0) return `${losses}<p>The import met nothing it could not use.</p>`
  const rows = data.issues.map(
    ({ severity, code, count, first_position, message }) =>
      `<tr class="${severity === 'info' ? '' : 'fails'}"><td>${escapeHtml(severity)}</td><td><code>${escapeHtml(code)}</code></td><td class="number">${sayNumber(count)}</td><td>${escapeHtml(first_position ?? '')}</td><td>${escapeHtml(message)}</td></tr>`,
  )
  return `${losses}<div class="wide"><table><thead><tr><th scope="col">severity</th><th scope="col">code</th><th scope="col" class="number">count</th><th scope="col">first at</th><th scope="col">meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}
