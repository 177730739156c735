import type { ChartSubject, Json, JsonObject, Theme } from './chart.ts'

/** Every pair stays apart under deuteranopia and protanopia; marks keep 3:1 against the background of their theme. */
const COLUMN_COLOURS: Readonly<Record<Theme, readonly string[]>> = {
  light: ['#59636e', '#0072b2', '#d55e00', '#00876a', '#a6528a', '#8a6d00', '#2a2f8f', '#a33a2a'],
  dark: ['#b4bec9', '#56b4e9', '#f08a3c', '#35c79c', '#e08fc0', '#e6cf4f', '#9aa2ff', '#ff9d8c'],
}

export const PARTS = [
  'store',
  'scan',
  'unmap',
  'slab',
  'lock',
  'runnable',
  'io',
  'throttle',
  'other',
  'unknown',
] as const
const PART_COLOURS: Readonly<Record<Theme, readonly string[]>> = {
  light: [
    '#d55e00',
    '#0072b2',
    '#56b4e9',
    '#c99700',
    '#7b3f8c',
    '#d68bb3',
    '#00876a',
    '#2b333b',
    '#88919a',
    '#c3cad1',
  ],
  dark: [
    '#f08a3c',
    '#3f97d3',
    '#9bd6f7',
    '#e6cf4f',
    '#b07cc6',
    '#efb3d0',
    '#35c79c',
    '#f2f5f8',
    '#8d98a4',
    '#56616d',
  ],
}

export const TASK_CLASSES = ['application', 'worker', 'other'] as const
const CLASS_COLOURS: Readonly<Record<Theme, readonly string[]>> = {
  light: ['#d55e00', '#0072b2', '#88919a'],
  dark: ['#f08a3c', '#56b4e9', '#8d98a4'],
}

interface Ink {
  readonly background: string
  readonly text: string
  readonly faint: string
  readonly grid: string
  readonly band: string
  readonly line: string
  readonly alarm: string
}
const INK: Readonly<Record<Theme, Ink>> = {
  light: {
    background: '#ffffff',
    text: '#1d2329',
    faint: '#56616d',
    grid: '#e4e8ec',
    band: '#a9cfe8',
    line: '#0072b2',
    alarm: '#b3261e',
  },
  dark: {
    background: '#161b21',
    text: '#e8edf2',
    faint: '#a3afbb',
    grid: '#2b333c',
    band: '#23506b',
    line: '#56b4e9',
    alarm: '#ff8a80',
  },
}

export function inkOf(theme: Theme): Ink {
  return INK[theme]
}

/** Colours by column; the recording is always the neutral one. */
export function columnScale(subject: ChartSubject): JsonObject {
  const colours = COLUMN_COLOURS[subject.theme]
  let next = 1
  const range = subject.columns.map((column) => {
    if (column === 'recording') return colours[0] ?? ''
    const colour = colours[next] ?? colours[colours.length - 1] ?? ''
    next = next + 1 < colours.length ? next + 1 : 1
    return colour
  })
  return { domain: subject.columns, range }
}

/** Colours of the parts of time; those that are absent are in no legend. */
export function partScale(subject: ChartSubject, present: ReadonlySet<unknown>): JsonObject {
  return pick(PARTS, PART_COLOURS[subject.theme], present)
}

/** Colours of task classes; the legend has those that `present` holds. */
export function classScale(subject: ChartSubject, present: ReadonlySet<unknown>): JsonObject {
  return pick(TASK_CLASSES, CLASS_COLOURS[subject.theme], present)
}

function pick(
  names: readonly string[],
  colours: readonly string[],
  present: ReadonlySet<unknown>,
): JsonObject {
  const kept = names.filter((name) => present.has(name))
  return { domain: kept, range: kept.map((name) => colours[names.indexOf(name)] ?? '') }
}

/** Only families whose widths are near DejaVu Sans, with which the layout is measured. */
const FONT = 'DejaVu Sans, Verdana, sans-serif'

/** Vega-Lite's `config`, of every chart. */
export function configOf(theme: Theme): JsonObject {
  const ink = INK[theme]
  return {
    background: ink.background,
    font: FONT,
    padding: 12,
    title: {
      anchor: 'start',
      frame: 'group',
      color: ink.text,
      subtitleColor: ink.faint,
      fontSize: 15,
      subtitleFontSize: 11,
      subtitleLineHeight: 15,
      subtitlePadding: 5,
      offset: 12,
    },
    axis: {
      labelColor: ink.faint,
      titleColor: ink.text,
      gridColor: ink.grid,
      domainColor: ink.faint,
      tickColor: ink.faint,
      labelFontSize: 11,
      titleFontSize: 11,
      titleFontWeight: 'normal',
      titlePadding: 8,
      labelOverlap: 'greedy',
      labelSeparation: 8,
    },
    axisY: { titleAngle: -90 },
    header: {
      labelColor: ink.text,
      titleColor: ink.text,
      labelFontSize: 12,
      labelFontWeight: 'bold',
      titleFontSize: 11,
    },
    legend: {
      labelColor: ink.text,
      titleColor: ink.faint,
      labelFontSize: 11,
      titleFontSize: 11,
      titleFontWeight: 'normal',
      symbolStrokeWidth: 2,
      orient: 'top',
      offset: 14,
      titlePadding: 4,
      labelLimit: 260,
    },
    view: { stroke: null },
    text: { color: ink.text, fontSize: 11 },
    rule: { color: ink.faint },
  }
}

const LINE_PIXELS = 6.3

/** Breaks at spaces so that a line of 11-pixel text stays inside `pixels`. */
function wrapLines(lines: readonly string[], pixels: number): string[] {
  const most = Math.max(30, Math.floor(pixels / LINE_PIXELS))
  const out: string[] = []
  for (const line of lines) {
    let current = ''
    for (const word of line.split(' ')) {
      if (current !== '' && current.length + 1 + word.length > most) {
        out.push(current)
        current = word
      } else current = current === '' ? word : `${current} ${word}`
    }
    if (current !== '') out.push(current)
  }
  return out
}

/** Title with the trace's name, then what the picture rests on. */
export function titleOf(subject: ChartSubject, what: string, notes: readonly string[]): JsonObject {
  return {
    text: wrapLines([`${what}: ${subject.trace}`], subject.width * 0.8),
    subtitle: wrapLines([...notes, ...subject.rests], subject.width + 40),
  }
}

/** Axis unit for times that are held in ms. */
export function timeUnit(largestMs: number): { readonly unit: 's' | 'ms'; readonly perMs: number } {
  return largestMs >= 10_000 ? { unit: 's', perMs: 0.001 } : { unit: 'ms', perMs: 1 }
}

/** `data` of a view: the rows of that dataset. */
export function dataset(name: string): Json {
  return { name }
}
