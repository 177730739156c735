import { createRequire } from 'node:module'
import type { SingleBar } from 'cli-progress'
import type { Settings } from '../config/settings.ts'
import { formatCount } from '../model/counted.ts'
import { formatBytes } from './format.ts'

const require = createRequire(import.meta.url)

export interface Progress {
  /** `done` and `total` in the same unit, 0 = nobody knows how much there will be; `note` is one short phrase. */
  update(done: number, total: number, note?: string): void
  stop(): void
}

/** Nothing is shown for work that ends within this time. */
const SILENT_MS = 1000
const PLAIN_EVERY_MS = 2000

export type ProgressUnit = 'bytes' | 'count'

/** Progress on stderr in the way the settings ask for; `what` is a phrase such as `reading trace.dat`. */
export function startProgress(settings: Settings, what: string, unit: ProgressUnit): Progress {
  const mode = settings.quiet ? 'none' : settings.progress
  if (mode === 'bar') return startBar(what, unit, settings.color.stderr)
  if (mode === 'plain' || mode === 'json') return startLines(what, unit, mode)
  return { update: () => undefined, stop: () => undefined }
}

function formatAmount(value: number, unit: ProgressUnit): string {
  return unit === 'bytes' ? formatBytes(value) : formatCount(Math.round(value))
}

/** How far it is: of how much, where that is known. */
function describeAmount(done: number, total: number, unit: ProgressUnit): string {
  const amount = formatAmount(done, unit)
  return total > 0 ? `${amount} of ${formatAmount(total, unit)}` : amount
}

function startBar(what: string, unit: ProgressUnit, color: boolean): Progress {
  const begun = Date.now()
  let bar: SingleBar | undefined
  return {
    update(done, total, note = '') {
      if (bar === undefined) {
        if (Date.now() - begun < SILENT_MS) return
        // Only work that takes long needs it.
        const { SingleBar } = require('cli-progress') as typeof import('cli-progress')
        bar = new SingleBar({
          stream: process.stderr,
          format: `${what} ${total > 0 ? '{bar} {percentage}%  ' : ''}{amount}  {note}`,
          barCompleteChar: color ? '\u2588' : '#',
          barIncompleteChar: color ? '\u2591' : '-',
          barsize: 30,
          hideCursor: true,
          clearOnComplete: true,
        })
        bar.start(Math.max(total, 1), 0, { amount: '', note: '' })
      }
      bar.setTotal(Math.max(total, 1))
      bar.update(Math.min(done, total), {
        amount: describeAmount(done, total, unit),
        note,
      })
    },
    stop() {
      bar?.stop()
    },
  }
}

function startLines(what: string, unit: ProgressUnit, mode: 'plain' | 'json'): Progress {
  let last = Date.now()
  let latest: { done: number; total: number; note: string } | undefined
  const print = () => {
    if (latest === undefined) return
    const { done, total, note } = latest
    const line =
      mode === 'json'
        ? JSON.stringify({
            what,
            done,
            total: total > 0 ? total : null,
            unit,
            ...(note === '' ? {} : { note }),
          })
        : `${what}: ${describeAmount(done, total, unit)}${note === '' ? '' : `, ${note}`}`
    process.stderr.write(`${line}\n`)
    latest = undefined
  }
  return {
    update(done, total, note = '') {
      latest = { done, total, note }
      if (Date.now() - last < PLAIN_EVERY_MS) return
      last = Date.now()
      print()
    },
    // The last state is printed in JSON always, so that a reader sees the end; in plain text only what was slow is worth a line.
    stop() {
      if (mode === 'json') print()
    },
  }
}
