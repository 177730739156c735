import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { charts } from '../../src/charts/index.ts'
import { renderHtml } from '../../src/charts/render.ts'
import { readReport } from '../../src/report/data.ts'
import { toReportHtml } from '../../src/report/html.ts'
import { sampleRows, sampleSubject } from '../charts/rows.ts'
import { chromiumPath, launchBrowser, type Visit, visit } from './browser.ts'
import { openSample, selectSample, TRUTH } from './sample-database.ts'

const folder = mkdtempSync(join(tmpdir(), 'pstrace-report-'))
const file = join(folder, 'report.html')
let html = ''

beforeAll(async () => {
  if (!existsSync('dist/src/charts/embed.bundle.js'))
    execFileSync(process.execPath, ['scripts/bundle-embed.mjs'])
  const database = await openSample()
  await selectSample(database)
  html = await toReportHtml(await readReport(database.connection))
  database.close()
  writeFileSync(file, html)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Drawn {
  readonly name: string
  readonly interactive?: string
  readonly failed?: string
  readonly marks: number
  readonly titles: readonly string[]
  readonly title: string
  readonly width: number
}

describe('the report as a file', () => {
  it('says trace, kernel, losses, contents and demand before anything else', () => {
    const body = html.slice(html.indexOf('<body>'), html.indexOf('<nav>'))
    const facts = [...body.matchAll(/<dt>([a-z]+)<\/dt><dd>([^<]*)<\/dd>/g)].map(
      ([, name, said]) => [name, said],
    )
    expect(facts.slice(0, 5).map(([name]) => name)).toEqual([
      'trace',
      'kernel',
      'losses',
      'contents',
      'demand',
    ])
    expect(facts[1]?.[1]).toContain('6.1.0-25-amd64')
    expect(facts[2]?.[1]).toBe('no event lost')
    expect(facts[3]?.[1]).toContain('swap-image')
    expect(facts[4]?.[1]).toBe('closed')
  })

  it('lets a name from the trace neither open an element nor end the data', () => {
    expect(html).toContain("busy &lt;'phone'&gt; &amp; co")
    expect(html).not.toContain("<'phone'>")
  })

  it('points at no address: no link, script, style or image is loaded from anywhere', () => {
    const outside = html
      .replaceAll(/<script[\s\S]*?<\/script>/g, '')
      .replaceAll(/xmlns(:xlink)?="[^"]*"/g, '')
    expect(outside.match(/https?:\/\/|\/\/cdn|src="|<link|@import|url\((?!#)/g) ?? []).toEqual([])
  })
})

if (chromiumPath === undefined)
  it('(browser tests skipped: no Chromium found; set PSTRACE_CHROMIUM or install chromium)', () => {})

describe.runIf(chromiumPath)('the report in a browser, from file:// without network', () => {
  let browser: Browser
  let seen: Visit

  beforeAll(async () => {
    browser = await launchBrowser()
    seen = await open({})
  })
  afterAll(async () => browser?.close())

  async function open(options: { scheme?: 'light' | 'dark'; width?: number }): Promise<Visit> {
    const result = await visit(browser, pathToFileURL(file).href, {
      own: (url) => url.startsWith('file:') || url.startsWith('data:'),
      ...options,
    })
    await result.page.waitForFunction("'ready' in document.documentElement.dataset")
    return result
  }

  it('runs without an error, and no request leaves', () => {
    expect(seen.errors).toEqual([])
    expect(seen.foreign).toEqual([])
  })

  it('makes every chart interactive: marks of a visible size, axis titles and a title', async () => {
    const found = (await seen.page.evaluate(`
      [...document.querySelectorAll('.chart')].map((element) => {
        const marks = [...element.querySelectorAll('.role-mark path, .role-mark line')]
        const sized = marks.filter((mark) => {
          const box = mark.getBoundingClientRect()
          return box.width > 0.3 || box.height > 0.3
        })
        return {
          name: element.dataset.name,
          interactive: element.dataset.interactive,
          failed: element.dataset.failed,
          marks: sized.length,
          titles: [...element.querySelectorAll('.role-axis-title text')].map((text) => text.textContent),
          title: [...element.querySelectorAll('.role-title-text')].map((text) => text.textContent).join(' '),
          width: element.querySelector('svg')?.getBoundingClientRect().width ?? 0,
        }
      })`)) as Drawn[]
    expect(found.map(({ name }) => name)).toEqual(charts.map(({ name }) => name))
    for (const chart of found) {
      expect(chart.failed, chart.name).toBeUndefined()
      expect(chart.interactive, chart.name).toBe('light')
      expect(chart.marks, chart.name).toBeGreaterThanOrEqual(10)
      expect(chart.titles.length, chart.name).toBeGreaterThanOrEqual(1)
      expect(chart.title, chart.name).toContain('phone')
      expect(chart.width, chart.name).toBeGreaterThan(500)
    }
  })

  it('shows the longest stall of the recording, throttle and direct reclaim together, in the table', async () => {
    const row = await seen.page
      .locator('#comparison tr', { hasText: 'Application stall, longest' })
      .locator('td')
      .nth(1)
      .textContent()
    expect(row).toBe(String(TRUTH.longestStallMs))
  })

  it('answers the pointer with a tooltip', async () => {
    const bar = seen.page
      .locator('[data-name="policy-comparison"] .mark-rect.role-mark path')
      .first()
    await bar.hover()
    await seen.page.waitForSelector('#vg-tooltip-element.visible')
    expect(await seen.page.locator('#vg-tooltip-element').textContent()).toContain('recording')
  })

  it('zooms every panel of the time axis with the wheel', async () => {
    const chart = seen.page.locator('[data-name="timeline"]')
    const shapes = async (): Promise<(string | null)[]> =>
      Promise.all(
        [0, 1, 2, 3].map((panel) =>
          chart.locator(`.kswapd_${panel}_marks path`).last().getAttribute('d'),
        ),
      )
    const labels = async (): Promise<string> =>
      (await chart.locator('.role-axis-label text').allTextContents()).join(' ')
    const [before, shapesBefore] = [await labels(), await shapes()]
    const panel = chart.locator('.kswapd_0_marks path').first()
    await panel.scrollIntoViewIfNeeded()
    const box = await panel.boundingBox()
    await seen.page.mouse.move((box?.x ?? 0) + 4, (box?.y ?? 0) + 4)
    await seen.page.mouse.wheel(0, -600)
    await expect.poll(labels).not.toEqual(before)
    const after = await shapes()
    after.forEach((shape, i) => {
      expect(shape).not.toBe(shapesBefore[i])
    })
  })

  it('follows the dark scheme, and a button overrides it', async () => {
    const dark = await open({ scheme: 'dark' })
    const paint = (): Promise<{ page: string; chart: string | null }> =>
      dark.page.evaluate(`({
        page: getComputedStyle(document.body).backgroundColor,
        chart: getComputedStyle(document.querySelector('.chart svg')).backgroundColor,
      })`)
    expect(await paint()).toEqual({ page: 'rgb(22, 27, 33)', chart: 'rgb(22, 27, 33)' })
    await dark.page.getByRole('button', { name: 'Light' }).click()
    await expect.poll(paint).toEqual({ page: 'rgb(255, 255, 255)', chart: 'rgb(255, 255, 255)' })
    expect(dark.errors).toEqual([])
  })

  it('is no wider than a phone: wide charts and tables scroll inside themselves', async () => {
    const narrow = await open({ width: 420 })
    const width = await narrow.page.evaluate('document.documentElement.scrollWidth')
    expect(width).toBeLessThanOrEqual(420)
  })

  it('shows its charts whole on a desk: none is wider than its place', async () => {
    const desk = await open({ width: 940 })
    const cut = await desk.page.evaluate(
      `[...document.querySelectorAll('.chart')].filter((chart) => chart.scrollWidth > chart.clientWidth).map((chart) => chart.dataset.name)`,
    )
    expect(cut).toEqual([])
  })

  it('keeps its charts where scripts are off', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false })
    const page = await context.newPage()
    await page.goto(pathToFileURL(file).href)
    expect(await page.locator('.chart > svg').count()).toBe(charts.length)
    await context.close()
  })

  it('opens a single chart written as HTML in the same way', async () => {
    const chart = charts[0]
    if (chart === undefined) throw new Error('no chart')
    const path = join(folder, 'chart.html')
    writeFileSync(path, await renderHtml(chart.spec(sampleRows(), sampleSubject()), 'one chart'))
    const result = await visit(browser, pathToFileURL(path).href, {
      own: (url) => url.startsWith('file:'),
    })
    await result.page.waitForSelector('[data-interactive]')
    expect(result.errors).toEqual([])
    expect(result.foreign).toEqual([])
  })
})
