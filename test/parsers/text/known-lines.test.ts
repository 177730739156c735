import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toByteSource } from '../../../parsers/cursor.ts'
import { openText } from '../../../parsers/text/open.ts'
import { runs } from '../hostile.ts'
import { eventAt, forEachEvent } from '../open-bytes.ts'

const fixture = (name: string) =>
  readFileSync(
    fileURLToPath(new URL(`../../../fixtures/text/${name}`, import.meta.url)),
    'latin1',
  ).split('\n')
const toPlain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)

/** Everything a reader gives; with `short`, no line is in one piece, so that none is taken as a known one. */
function readAll(text: string, { short }: { short: boolean }): unknown {
  const whole = toByteSource('text', Buffer.from(text, 'latin1'))
  const source = short
    ? {
        ...whole,
        readInto: (at: number, target: Uint8Array) => whole.readInto(at, target.subarray(0, 7)),
      }
    : whole
  const rows: string[] = []
  try {
    const reader = openText(source)
    forEachEvent(reader, (batch, row, seq) =>
      rows.push(JSON.stringify(eventAt(batch, row, seq), toPlain)),
    )
    const { issues, losses, info } = reader
    return { rows, issues, losses, comms: info.comms, tgids: info.tgids, cpus: info.cpus }
  } catch (error) {
    return { rows, error: String(error) }
  }
}

const NASTY = [...' ,:=()[]<>-+.|/\\\t\r0019afxXkBP%~', '==>', ' <- ', 'pid=', '0x', 'ffff', '  ']
const change = fc.record({
  line: fc.nat(),
  at: fc.nat(),
  removed: fc.nat({ max: 3 }),
  added: fc.constantFrom('', ...NASTY),
})

function changed(
  line: string,
  { at, removed, added }: { at: number; removed: number; added: string },
) {
  const place = line.length === 0 ? 0 : at % line.length
  return line.slice(0, place) + added + line.slice(place + removed)
}

describe('lines that look like earlier ones', () => {
  it.each([
    'trace-6.12.txt',
    'trace-tgid-4.9.txt',
    'trace-cmd-report-6.1.txt',
    'trace-cmd-report-raw-6.1.txt',
    'perf-script-6.12.txt',
  ])('of %s give the same rows as lines that are read one by one, also when changed', (name) => {
    const lines = fixture(name)
    const first = lines.findIndex((line) => line.includes(': ') && !line.startsWith('#'))
    fc.assert(
      fc.property(
        fc.nat({ max: lines.length - first - 40 }),
        fc.array(change, { minLength: 1, maxLength: 12 }),
        (from, changes) => {
          // Lines as they are teach what the changed ones look like; those come between others like them.
          const part = lines.slice(first + from, first + from + 30)
          const second = [...part]
          for (const each of changes) {
            const line = each.line % second.length
            second[line] = changed(second[line] ?? '', each)
          }
          const text = `${[...part, ...second, ...part].join('\n')}\n`
          expect(readAll(text, { short: false })).toEqual(readAll(text, { short: true }))
        },
      ),
      runs(60),
    )
  })
})
