import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { removeRun } from '../../src/database/states.ts'
import { chromiumPath, launchBrowser, type Visit, visit } from '../report/browser.ts'
import { packageFolder } from '../shared/binary.ts'
import { copyFixtureDatabase } from '../shared/fixture-database.ts'

/** In the built package, so that the builder and the kernel find the installed packages. */
const root = packageFolder()
const folder = join(root, 'notebooks-test')
const device = join(folder, 'device.duckdb')
const site = join(folder, '.observable/dist')
const cli = join(root, 'dist/src/cli/main.js')

const hasJupyter =
  spawnSync('jupyter', ['nbconvert', '--version'], { stdio: 'ignore' }).status === 0
const hasBuilder = existsSync(join(root, 'node_modules/@observablehq/notebook-kit'))

/** What the command line prints: one line per metric, title, unit and the figures of every column. */
let printed: string[][] = []
/** The sentences before that table. */
let answered: string[] = []

function serveNotebooks(...args: string[]): void {
  const script = join(root, 'notebooks/serve.mjs')
  const { status, stderr } = spawnSync(
    process.execPath,
    [script, '--build-only', '--out', folder, ...args],
    { encoding: 'utf8' },
  )
  expect(stderr, 'stderr').not.toMatch(/^notebooks:/m)
  expect(status, stderr).toBe(0)
}

it('are not built outside the project, where the builder finds no fonts', () => {
  const outside = mkdtempSync(join(tmpdir(), 'pstrace-notebooks-'))
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(root, 'notebooks/serve.mjs'), '--build-only', '--out', outside],
    { encoding: 'utf8' },
  )
  expect([status, stderr]).toEqual([
    1,
    `notebooks: --out ${outside}: a folder below ${root} was expected\n`,
  ])
  rmSync(outside, { recursive: true })
})

beforeAll(() => {
  if (!hasBuilder) return
  mkdirSync(folder, { recursive: true })
  copyFixtureDatabase(device)
  serveNotebooks(...(hasJupyter ? ['--execute'] : []))
  const { stdout } = spawnSync(
    process.execPath,
    [cli, 'report', '--db', device, '--format', 'md'],
    { encoding: 'utf8' },
  )
  answered = stdout
    .slice(0, stdout.indexOf('## Recording and runs'))
    .split('\n')
    .filter((line) => /^- [A-Z]/.test(line))
    .map((line) => line.slice(2))
  printed = stdout
    .slice(stdout.indexOf('## Recording and runs'), stdout.indexOf('## Stalls by task'))
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) =>
      line
        .slice(2, -2)
        .split(' | ')
        .map((cell) => cell.trim()),
    )
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

if (!hasBuilder) it('(notebook tests skipped: notebook-kit is not installed)', () => {})
if (chromiumPath === undefined)
  it('(page not opened: no Chromium found; set PSTRACE_CHROMIUM)', () => {})
if (!hasJupyter) it('(Jupyter edition not executed: no jupyter nbconvert found)', () => {})

describe.runIf(hasBuilder)('the numbers of the command line', () => {
  it('are there to compare with: recording and three policies, in more than fifteen metrics', () => {
    expect(printed.length).toBeGreaterThan(15)
    expect(answered).toHaveLength(3)
    for (const line of printed) expect(line).toHaveLength(6)
    expect(printed.find(([title]) => title === 'Direct reclaims (allocstall)')?.[2]).toBe('1,576')
  })
})

describe.runIf(hasBuilder && chromiumPath)(
  'the Observable edition, from localhost without network',
  () => {
    let browser: Browser
    let server: Server
    let seen: Visit
    let origin = ''

    beforeAll(async () => {
      server = createServer((request, response) => {
        const path = join(
          site,
          decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname),
        )
        if (!existsSync(path) || !statSync(path).isFile()) {
          response.writeHead(request.url === '/favicon.ico' ? 204 : 404).end()
          return
        }
        const types: Readonly<Record<string, string>> = {
          '.html': 'text/html',
          '.js': 'text/javascript',
          '.css': 'text/css',
          '.json': 'application/json',
        }
        response.writeHead(200, { 'content-type': types[extname(path)] ?? 'font/woff2' })
        response.end(readFileSync(path))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('no port')
      origin = `http://127.0.0.1:${address.port}`
      browser = await launchBrowser()
      seen = await visit(browser, `${origin}/which-policy.html`, {
        own: (url) => url.startsWith(origin) || url.startsWith('data:') || url.startsWith('blob:'),
      })
      await seen.page.waitForSelector('[data-name=answer]')
      await seen.page.waitForSelector('[data-chart="compressed-sizes"] .role-mark path')
    })
    afterAll(async () => {
      await browser?.close()
      server?.close()
    })

    it('runs without an error, and no request leaves', () => {
      expect(seen.errors).toEqual([])
      expect(seen.foreign).toEqual([])
    })

    it('draws its charts: marks of a visible size, axis titles, a title with the trace in it', async () => {
      const found = (await seen.page.evaluate(`
      [...document.querySelectorAll('[data-chart]')].map((figure) => ({
        name: figure.dataset.chart,
        marks: [...figure.querySelectorAll('.role-mark path')].filter((mark) => {
          const box = mark.getBoundingClientRect()
          return box.width > 0.3 || box.height > 0.3
        }).length,
        axes: figure.querySelectorAll('.role-axis-title text').length,
        title: [...figure.querySelectorAll('.role-title-text')].map((text) => text.textContent).join(' '),
        reading: figure.querySelector('figcaption')?.textContent ?? '',
      }))`)) as {
        name: string
        marks: number
        axes: number
        title: string
        reading: string
      }[]
      expect(found.map(({ name }) => name)).toEqual([
        'policy-comparison',
        'stalls-by-task',
        'timeline',
        'order',
        'queue-depth',
        'compressed-sizes',
      ])
      for (const chart of found) {
        expect(chart.marks, chart.name).toBeGreaterThanOrEqual(20)
        expect(chart.axes, chart.name).toBeGreaterThanOrEqual(1)
        expect(chart.title, chart.name).toContain('zram-lz4-6.1')
        expect(chart.reading.length, chart.name).toBeGreaterThan(20)
      }
    })

    it('shows no red cell', async () => {
      expect(await seen.page.locator('.observablehq--error').allTextContents()).toEqual([])
    })

    it('ends in the numbers that the command line prints', async () => {
      const rows = (await seen.page.evaluate(`
      [...document.querySelectorAll('table[data-name=numbers] tr')].slice(1)
        .map((row) => [...row.cells].map((cell) => cell.textContent))`)) as string[][]
      expect(rows).toEqual(printed)
      const verdict = await seen.page.locator('[data-name=answer] p').allTextContents()
      expect(verdict).toEqual(answered)
    })
  },
)

describe.runIf(hasBuilder && hasJupyter)('the Jupyter edition', () => {
  interface Output {
    readonly output_type: string
    readonly text?: string[]
    readonly data?: Readonly<Record<string, string>>
  }
  interface Cell {
    readonly id: string
    readonly cell_type: string
    readonly outputs?: Output[]
  }
  let cells: Cell[] = []

  beforeAll(() => {
    const text = readFileSync(join(folder, '.observable/which-policy.ipynb'), 'utf8')
    cells = (JSON.parse(text) as { cells: Cell[] }).cells
  })

  const outputs = (id: string): Output[] => cells.find((cell) => cell.id === id)?.outputs ?? []
  const textOf = (id: string): string =>
    outputs(id)
      .map(({ text }) => (text ?? []).join(''))
      .join('')

  it('runs every cell without an error and without silence', () => {
    for (const cell of cells.filter(({ cell_type }) => cell_type === 'code')) {
      expect(cell.outputs?.length, cell.id).toBeGreaterThan(0)
      for (const output of cell.outputs ?? []) expect(output.output_type, cell.id).not.toBe('error')
    }
  })

  it('begins with what its figures rest on', () => {
    expect(textOf('open')).toMatch(/^trace +zram-lz4-6\.1/)
    expect(textOf('open')).toMatch(/^contents +generator/m)
  })

  it('shows its charts as pictures with colours in them', async () => {
    const { Resvg } = await import('@resvg/resvg-js')
    for (const id of ['draw', 'tasks', 'timeline', 'order', 'sizes']) {
      const png = outputs(id)[0]?.data?.['image/png'] ?? ''
      const bytes = Buffer.from(png, 'base64')
      const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]
      expect(width, id).toBeGreaterThan(600)
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><image width="${width}" height="${height}" href="data:image/png;base64,${png}"/></svg>`
      const { pixels } = new Resvg(svg).render()
      let coloured = 0
      for (let i = 0; i < pixels.length; i += 4) {
        const channels = [pixels[i] ?? 0, pixels[i + 1] ?? 0, pixels[i + 2] ?? 0]
        if (Math.max(...channels) - Math.min(...channels) > 60) coloured++
      }
      expect(coloured / (width * height), id).toBeGreaterThan(0.003)
    }
  })

  it('ends in the numbers that the command line prints', () => {
    const rows = textOf('numbers')
      .trim()
      .split('\n')
      .map((line) => line.split(' | '))
    expect(rows).toEqual(printed)
    expect(textOf('answer').trim().split('\n')).toEqual(answered)
  })
})

describe.runIf(hasBuilder)('a rebuilt page', () => {
  it('shows the database as it is now: a run that was deleted is gone', async () => {
    const database = await Database.open(device, { mode: 'write' })
    const [run] = await database.query("SELECT run_id FROM runs WHERE policy = 'parallel'")
    await removeRun(database, Number(run?.['run_id']))
    database.close()
    serveNotebooks()
    const rows = readdirSync(join(site, 'assets'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => readFileSync(join(site, 'assets', name), 'utf8'))
    expect(rows.length).toBeGreaterThan(8)
    expect(rows.join('\n')).toContain('"column":"kcompressd"')
    expect(rows.join('\n')).not.toContain('"column":"parallel"')
  })
})
