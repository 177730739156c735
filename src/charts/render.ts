import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PstraceError } from '../model/error.ts'
import type { JsonObject } from './chart.ts'
import { fontFiles, measureText, readAdvances } from './font.ts'
import { toStandalonePage } from './page.ts'

/** Vega and its fonts load only when something is drawn. */
let vega: Promise<typeof import('vega')> | undefined

async function loadVega(): Promise<typeof import('vega')> {
  vega ??= import('vega').then((module) => {
    const files = fontFiles()
    const regular = readAdvances(files.regular)
    const bold = readAdvances(files.bold)
    // Exported by vega (from vega-scenegraph), absent from its type declarations.
    const { textMetrics } = module as unknown as { textMetrics: TextMetrics }
    textMetrics.width = (item: TextItem, text: unknown): number => {
      const heavy = item.fontWeight === 'bold' || Number(item.fontWeight) >= 600
      return measureText(heavy ? bold : regular, String(text ?? ''), item.fontSize ?? 11)
    }
    return module
  })
  return vega
}

interface TextMetrics {
  width: (item: TextItem, text: unknown) => number
}

interface TextItem {
  readonly fontSize?: number
  readonly fontWeight?: string | number
}

/** Vega-Lite's complaints about the specification (a scale it had to change, a dropped encoding) are errors of ours: it throws. */
export async function renderSvg(spec: JsonObject): Promise<string> {
  const [engine, lite] = await Promise.all([loadVega(), import('vega-lite')])
  const complaints: string[] = []
  const compiled = lite.compile(spec as unknown as import('vega-lite').TopLevelSpec, {
    logger: recordingLogger(complaints),
  })
  const view = new engine.View(engine.parse(compiled.spec), { renderer: 'none' })
  view.logger(recordingLogger(complaints))
  try {
    const svg = await view.toSVG()
    if (complaints.length > 0)
      throw new PstraceError('chart-invalid', `chart: ${complaints.join('; ')}`)
    return svg
  } finally {
    view.finalize()
  }
}

interface Logger {
  level(): number
  level(value: number): Logger
  error(...args: readonly unknown[]): Logger
  warn(...args: readonly unknown[]): Logger
  info(...args: readonly unknown[]): Logger
  debug(...args: readonly unknown[]): Logger
}

function recordingLogger(complaints: string[]): Logger & import('vega').LoggerInterface {
  const record = (...args: readonly unknown[]): Logger => {
    const text = args.map((arg) => (arg instanceof Error ? arg.message : String(arg))).join(' ')
    // Zoom listens to the window, which is absent here and present in the reader's browser.
    if (text !== 'Can not resolve event source: window') complaints.push(text)
    return logger
  }
  const pass = (): Logger => logger
  const logger = {
    level: () => 2,
    error: record,
    warn: record,
    info: pass,
    debug: pass,
  } as unknown as Logger & import('vega').LoggerInterface
  return logger
}

/** PNG of a drawn chart; `scale` 2 suits screens with two pixels per point. */
export async function renderPng(
  spec: JsonObject,
  options: { scale?: number } = {},
): Promise<Uint8Array> {
  const svg = await renderSvg(spec)
  const { Resvg } = await import('@resvg/resvg-js')
  const files = fontFiles()
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: options.scale ?? 2 },
    font: {
      fontFiles: [files.regular, files.bold],
      loadSystemFonts: false,
      defaultFontFamily: 'DejaVu Sans',
      sansSerifFamily: 'DejaVu Sans',
    },
  })
  return image.render().asPng()
}

/** One page with the interactive chart and nothing to load. */
export async function renderHtml(spec: JsonObject, title: string): Promise<string> {
  return toStandalonePage(title, await renderSvg(spec), spec, readEmbedBundle())
}

/** The browser's part (Vega, Vega-Lite, Vega-Embed), bundled by `npm run build`. */
export function readEmbedBundle(): string {
  for (const place of ['./embed.bundle.js', '../../dist/src/charts/embed.bundle.js']) {
    const path = fileURLToPath(new URL(place, import.meta.url))
    if (existsSync(path)) return readFileSync(path, 'utf8')
  }
  throw new PstraceError(
    'bundle-missing',
    'charts: embed.bundle.js is not beside the program; an installed pstrace has it, a checkout makes it with `npm run build`',
  )
}
