import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Where a Chromium is, or `undefined`: tests that need one say that they were skipped. */
export const chromiumPath = [
  process.env['PSTRACE_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && path !== '' && existsSync(path))

/** Of each step of a browser: it ends what hangs. */
const PATIENCE_MS = 120_000

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath ?? '',
    timeout: PATIENCE_MS,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface Visit {
  readonly page: Page
  /** Errors of scripts and of the console, refused requests of the content policy included. */
  readonly errors: readonly string[]
  /** Addresses that the page asked for, apart from the ones that `own` accepts. */
  readonly foreign: readonly string[]
}

/** Opens a page in a fresh profile. Requests that `own` does not accept are recorded and refused. */
export async function visit(
  browser: Browser,
  url: string,
  options: { own: (url: string) => boolean; scheme?: 'light' | 'dark'; width?: number },
): Promise<Visit> {
  const context = await browser.newContext({
    colorScheme: options.scheme ?? 'light',
    viewport: { width: options.width ?? 1200, height: 900 },
  })
  context.setDefaultTimeout(PATIENCE_MS)
  const page = await context.newPage()
  const errors: string[] = []
  const foreign: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  await page.route('**/*', async (route) => {
    const address = route.request().url()
    if (options.own(address)) return route.continue()
    foreign.push(address)
    return route.abort()
  })
  await page.goto(url)
  return { page, errors, foreign }
}
