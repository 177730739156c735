import type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, rowsOf, SCHEMA } from './chart.ts'
import { amount, word } from './encodings.ts'
import { configOf, dataset, inkOf, PARTS, partScale, timeUnit, titleOf } from './theme.ts'

export const kswapdSplit: Chart = {
  name: 'kswapd-split',
  summary: "Where kswapd's time went: scanning, storing, other",
  reads: { kswapd_split: ['column', 'node', 'part', 'ms', 'share'] },
  main: 'kswapd_split',
  needs: 'kswapd did not run, or neither its wake-ups nor the swap-out probes were recorded',
  reading: 'One bar per node and column; its length is the time kswapd was awake.',
  spec: toSpec,
}

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const given = rowsOf(rows, 'kswapd_split')
  const { unit, perMs } = timeUnit(longestMs(given))
  const split = given.map((row) => ({
    ...row,
    rank: (PARTS as readonly string[]).indexOf(String(row['part'])),
    label: `${row['column']}, node ${row['node']}`,
    amount: Number(row['ms']) * perMs,
  }))
  const columns = columnsIn(split, subject)
  const order = [...new Set(split.map((row) => row.label))].sort(
    (a, b) => rankOf(a, columns) - rankOf(b, columns) || a.localeCompare(b),
  )
  const y = {
    field: 'label',
    type: 'nominal',
    sort: order,
    axis: { title: null, labelLimit: 240, ticks: false, domain: false, labelOverlap: false },
  }
  const parts = partScale(subject, new Set(given.map((row) => row['part'])))
  return {
    $schema: SCHEMA,
    title: titleOf(subject, "Where kswapd's time went", []),
    datasets: { kswapd_split: split },
    data: dataset('kswapd_split'),
    width: subject.width,
    height: { step: 30 },
    layer: [
      partBars(y, parts, unit),
      sharesWithin(y, lightOn(subject)),
      totals(y, unit, inkOf(subject.theme).faint),
    ],
    config: configOf(subject.theme),
  }
}

/** Of all bars. */
function longestMs(split: readonly ChartRow[]): number {
  const bars = new Map<string, number>()
  for (const row of split) {
    const key = `${row['column']}, ${row['node']}`
    bars.set(key, (bars.get(key) ?? 0) + Number(row['ms']))
  }
  return Math.max(0, ...bars.values())
}

function partBars(y: JsonObject, parts: JsonObject, unit: string): JsonObject {
  return {
    mark: { type: 'bar', height: { band: 0.66 } },
    encoding: {
      x: {
        field: 'amount',
        type: 'quantitative',
        stack: 'zero',
        axis: { title: `time awake, ${unit}`, tickCount: 8 },
      },
      y,
      color: {
        field: 'part',
        type: 'nominal',
        scale: parts,
        legend: { title: null, columns: 10 },
      },
      order: { field: 'rank', type: 'quantitative' },
      tooltip: [
        word('label', 'kswapd'),
        word('part', 'time in'),
        amount('ms', 'ms', ',.3f'),
        amount('share', 'share', '.1%'),
      ],
    },
  }
}

/** Percentages, on the parts that are wide enough for one. */
function sharesWithin(y: JsonObject, isLight: string): JsonObject {
  return {
    transform: [
      { filter: 'datum.share >= 0.12' },
      { calculate: "format(datum.share, '.0%')", as: 'said' },
    ],
    mark: { type: 'text', fontSize: 10, fontWeight: 'bold' },
    encoding: {
      x: { field: 'amount', type: 'quantitative', stack: 'zero', bandPosition: 0.5 },
      y,
      detail: { field: 'part', type: 'nominal' },
      color: {
        condition: { test: isLight, value: '#ffffff' },
        value: '#101418',
      },
      order: { field: 'rank', type: 'quantitative' },
      text: { field: 'said', type: 'nominal' },
    },
  }
}

/** All the time awake, at the end of the bar. */
function totals(y: JsonObject, unit: string, color: string): JsonObject {
  return {
    transform: [
      { aggregate: [{ op: 'sum', field: 'amount', as: 'total' }], groupby: ['label'] },
      { calculate: `format(datum.total, ',.1f') + ' ${unit}'`, as: 'total_said' },
    ],
    mark: { type: 'text', align: 'left', dx: 4, fontSize: 10, color },
    encoding: {
      x: { field: 'total', type: 'quantitative' },
      y,
      text: { field: 'total_said', type: 'nominal' },
    },
  }
}

/** Parts whose colour carries white letters better than black ones. */
function lightOn(subject: ChartSubject): string {
  return subject.theme === 'light'
    ? "datum.part === 'scan' || datum.part === 'lock' || datum.part === 'throttle' || datum.part === 'io'"
    : "datum.part === 'unknown'"
}

function rankOf(label: string, columns: readonly string[]): number {
  return columns.findIndex((column) => label.startsWith(`${column}, node `))
}
