import { plural } from '../model/counted.ts'
import type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, rowsOf, SCHEMA } from './chart.ts'
import { amount, only, panelTitle } from './encodings.ts'
import { configOf, dataset, titleOf } from './theme.ts'

const CLASSES = ['compressed', 'stored raw', 'same-filled', 'zero', 'on disk'] as const
const COLOURS = {
  light: ['#0072b2', '#d55e00', '#00876a', '#88919a', '#a6528a'],
  dark: ['#56b4e9', '#f08a3c', '#35c79c', '#8d98a4', '#e08fc0'],
} as const

export const compressedSizes: Chart = {
  name: 'compressed-sizes',
  summary: 'How small pages became, by class of content',
  reads: { compressed_sizes: ['column', 'class', 'from_bytes', 'to_bytes', 'pages', 'share'] },
  main: 'compressed_sizes',
  needs:
    'no compressed sizes: the recording has no zs_malloc or zram probe, and no run stored pages',
  reading:
    'Each bar is a range of 128 bytes. "Stored raw" pages did not become small enough and take a whole page.',
  spec: toSpec,
}

function shares(sizes: readonly ChartRow[], column: string): string {
  const own = sizes.filter((row) => row['column'] === column)
  const total = own.reduce((sum, row) => sum + Number(row['pages']), 0)
  const parts = CLASSES.map((name) => {
    const pages = own.reduce((n, row) => (row['class'] === name ? n + Number(row['pages']) : n), 0)
    return pages > 0 ? `${name} ${((100 * pages) / total).toFixed(1)} %` : ''
  })
  return `${plural(total, 'page')}: ${parts.filter((part) => part !== '').join(', ')}`
}

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const sizes = rowsOf(rows, 'compressed_sizes')
  const columns = columnsIn(sizes, subject)
  const colours = classColours(sizes, subject)
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Compressed size of a page', []),
    datasets: { compressed_sizes: sizes },
    vconcat: columns.map(
      (column, index): JsonObject => ({
        title: panelTitle(column, shares(sizes, column)),
        width: subject.width,
        height: 90,
        data: dataset('compressed_sizes'),
        transform: only(column),
        mark: { type: 'bar', binSpacing: 1 },
        encoding: encodingOf(colours, { isLast: index === columns.length - 1 }),
      }),
    ),
    spacing: 12,
    resolve: {
      scale: { x: 'shared', y: 'shared', color: 'shared' },
      legend: { color: 'shared' },
    },
    config: configOf(subject.theme),
  }
}

/** A class keeps its colour when others are absent. */
function classColours(sizes: readonly ChartRow[], { theme }: ChartSubject): JsonObject {
  const present = CLASSES.filter((name) => sizes.some((row) => row['class'] === name))
  return {
    domain: present,
    range: present.map((name) => COLOURS[theme][CLASSES.indexOf(name)] ?? ''),
  }
}

function encodingOf(colours: JsonObject, { isLast }: { readonly isLast: boolean }): JsonObject {
  return {
    x: {
      field: 'from_bytes',
      type: 'quantitative',
      bin: { binned: true, step: 128 },
      scale: { nice: false },
      axis: {
        title: isLast ? 'bytes per page in the pool' : null,
        tickCount: 10,
        values: [0, 512, 1024, 1536, 2048, 2560, 3072, 3584, 4096],
      },
    },
    x2: { field: 'to_bytes' },
    y: {
      field: 'share',
      type: 'quantitative',
      axis: { title: ['share of', 'stored pages'], format: '.0%', tickCount: 4 },
    },
    color: {
      field: 'class',
      type: 'nominal',
      scale: colours,
      legend: { title: null },
    },
    tooltip: [
      { field: 'class', type: 'nominal' },
      amount('from_bytes', 'from, bytes', ','),
      amount('to_bytes', 'to, bytes', ','),
      amount('pages', 'pages', ','),
      amount('share', 'share', '.2%'),
    ],
  }
}
