import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/charts/chart.ts'
import { fontFiles, measureText, readAdvances } from '../../src/charts/font.ts'
import { charts } from '../../src/charts/index.ts'
import { renderPng, renderSvg } from '../../src/charts/render.ts'
import { trueStalls } from '../analysis/truth-stalls.ts'
import { chartNamed, type GeneratedCharts, openCharts } from './generated.ts'
import { sampleRows, sampleSubject } from './rows.ts'

let recording: GeneratedCharts
beforeAll(async () => {
  recording = await openCharts({ scenario: 'phone' })
})
afterAll(() => recording.database.close())

const specOf = (name: string): JsonObject =>
  chartNamed(name).spec(recording.rows.get(name) ?? {}, recording.subject)

// Pictures with several columns, which only replays have: rows of runs are no recording's.

describe.each(charts.map((chart) => [chart.name, chart] as const))('%s as SVG', (_name, chart) => {
  const drawn = renderSvg(chart.spec(sampleRows(), sampleSubject()))

  it('is drawn without a complaint of Vega or Vega-Lite, with marks and text in it', async () => {
    const svg = await drawn
    const marks = svg.match(/class="mark-(rect|line|symbol|rule|bar)[^"]*role-mark/g) ?? []
    expect(marks.length).toBeGreaterThanOrEqual(chart.name === 'kswapd-split' ? 1 : 2)
    expect(svg.match(/<path[^>]* d="M[^"]{4,}"/g)?.length ?? 0).toBeGreaterThan(20)
    expect(svg).toContain('zram-lz4-6.1')
    expect(svg).toContain('contents swap-image')
  })

  it('draws every column it has rows for', async () => {
    const svg = await drawn
    const columns =
      chart.name === 'queue-depth'
        ? ['kcompressd', 'parallel']
        : ['recording', 'kswapd', 'kcompressd', 'parallel']
    for (const column of columns) expect(svg).toMatch(new RegExp(`>${column}(, node 0)?</text>`))
  })
})

describe('a PNG', () => {
  it('has text: the same chart without its letters is a different picture', async () => {
    const spec = specOf('kswapd-split')
    const withText = await renderPng(spec, { scale: 1 })
    const pixels = await pixelsOf(withText)
    const without = await pixelsOf(await renderSvg(spec).then((svg) => drawWithoutFonts(svg)))
    expect(pixels.width).toBe(without.width)
    const dark = (image: { data: Uint8Array }): number => {
      let n = 0
      for (let i = 0; i < image.data.length; i += 4)
        if (
          (image.data[i] ?? 255) < 110 &&
          (image.data[i + 1] ?? 255) < 110 &&
          (image.data[i + 2] ?? 255) < 120
        )
          n++
      return n
    }
    expect(dark(pixels)).toBeGreaterThan(dark(without) + 1500)
  })

  it('is the same twice', async () => {
    const spec = specOf('swap-rates')
    const [one, two] = [await renderPng(spec, { scale: 1 }), await renderPng(spec, { scale: 1 })]
    expect(Buffer.compare(one, two)).toBe(0)
    expect([...one.slice(1, 4)].map((code) => String.fromCharCode(code)).join('')).toBe('PNG')
  })
})

it('puts the longest stall where the axis says it is', async () => {
  const svg = await renderSvg(specOf('stall-distribution'))
  const dot =
    /aria-label="length of a stall[^"]*"[^>]*aria-roledescription="point"[^>]*transform="translate\(([0-9.]+),/.exec(
      svg,
    ) ?? /aria-roledescription="point"[^>]*transform="translate\(([0-9.]+),/.exec(svg)
  const longest = Math.max(...trueStalls(recording).map(({ ns }) => ns)) / 1e6
  // Whole decades from 0.1 to 100 ms over 640 pixels, logarithmic.
  expect(Number(dot?.[1])).toBeCloseTo((640 * (Math.log10(longest) + 1)) / 3, 0)
})

it('refuses a specification that Vega-Lite has to mend', async () => {
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    data: { values: [{ a: 1 }] },
    mark: 'bar',
    encoding: {
      x: { field: 'a', type: 'quantitative' },
      shape: { field: 'a', type: 'quantitative' },
    },
  }
  await expect(renderSvg(spec)).rejects.toThrow(/shape/)
})

it('measures text as the font does: widths of known glyphs in DejaVu Sans 2.37', () => {
  const advance = readAdvances(fontFiles().regular)
  // hmtx of the file: space 651, digits 1303, M 1767 of 2048 units per em.
  expect(measureText(advance, ' ', 2048)).toBe(651)
  expect(measureText(advance, '0', 2048)).toBe(1303)
  expect(measureText(advance, 'M', 2048)).toBe(1767)
  expect(measureText(advance, 'M 0', 2048)).toBe(1767 + 651 + 1303)
})

async function pixelsOf(png: Uint8Array): Promise<{ width: number; data: Uint8Array }> {
  const { Resvg } = await import('@resvg/resvg-js')
  const width = new DataView(png.buffer, png.byteOffset).getUint32(16)
  const height = new DataView(png.buffer, png.byteOffset).getUint32(20)
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><image width="${width}" height="${height}" href="data:image/png;base64,${Buffer.from(png).toString('base64')}"/></svg>`
  const image = new Resvg(svg).render()
  return { width, data: new Uint8Array(image.pixels) }
}

async function drawWithoutFonts(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import('@resvg/resvg-js')
  return new Resvg(svg, { font: { loadSystemFonts: false } }).render().asPng()
}
