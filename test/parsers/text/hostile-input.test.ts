import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sniffFormat } from '../../../parsers/index.ts'
import type { LiveStream } from '../../../parsers/reader.ts'
import { itReadsPieces, itSurvivesDamage, readHostile, readHostileBytes, runs } from '../hostile.ts'

const folder = fileURLToPath(new URL('../../../fixtures/text/', import.meta.url))
const FILES = readdirSync(folder)
  .filter((name) => !name.endsWith('.json'))
  .map((name) => {
    const bytes = new Uint8Array(readFileSync(join(folder, name)))
    // Enough of each form; its lines are whole.
    const end = bytes.lastIndexOf(10, Math.min(bytes.length, 9000)) + 1
    return [name, bytes.slice(0, end)] as const
  })

function inPieces(bytes: Uint8Array, sizes: readonly number[]): LiveStream {
  let at = 0
  let piece = 0
  return {
    name: 'hostile',
    wait: () => Promise.resolve(),
    next() {
      if (at >= bytes.length) return undefined
      const size = sizes[piece++ % sizes.length] ?? 1
      at += size
      return bytes.slice(at - size, at)
    },
  }
}

describe.each(FILES)('%s', (name, file) => {
  const format = sniffFormat(file)?.name

  itReadsPieces(file, {
    mostBytes: 5000,
    runs: 15,
    async also(sizes, whole) {
      if (format === 'ftrace text')
        expect((await readHostile(inPieces(file, sizes))).rows).toEqual(whole.rows)
    },
  })
  itSurvivesDamage(file, {
    from: 0,
    runs: 60,
    mostRows: file.length / 20,
    values: [...' \n=:-[]0'].map((character) => character.charCodeAt(0)),
  })

  it('cut at any byte gives a beginning of its rows and says that it is cut', async () => {
    const whole = await readHostileBytes(file)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: file.length - 1 }), async (length) => {
        const { rows, issues } = await readHostileBytes(file.subarray(0, length))
        expect(whole.rows.slice(0, rows.length)).toEqual(rows)
        if (file[length - 1] !== 10 && name.endsWith('.txt'))
          expect(issues.length).toBeGreaterThan(0)
      }),
      runs(60),
    )
  })
})

describe('hostile lines', () => {
  it('of any shape end in rows, issues or one positioned error, whatever the format asked for', async () => {
    const word = fc.constantFrom(
      'a-1 ',
      '[000] ',
      '(-------) ',
      '1.000000: ',
      '99999999999999999999: ',
      'x: ',
      'sched:sched_switch: ',
      'k=',
      'comm=',
      '==> ',
      '0x',
      '-',
      '18446744073709551616',
      '[',
      ']',
      '(',
      ')',
      '<- ',
      '\n',
      '\r\n',
      '\t',
      ' ',
      '#',
      'CPU:1 [LOST 99999999999999999999 EVENTS]\n',
      'mm_shrink_slab_start: ',
      'nid: ',
      'block_rq_issue: ',
      '8,0 ',
      '+ ',
      '\u0000',
      'é',
      '<script class="trace-data">\n',
      '</script>',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { maxLength: 60 }),
        fc.constantFrom('ftrace text', 'perf script', 'systrace', undefined),
        async (words, format) => {
          const head = format === 'systrace' ? '<html>trace-data' : ''
          const bytes = new TextEncoder().encode(head + words.join(''))
          await readHostileBytes(bytes, format === undefined ? {} : { format })
        },
      ),
      runs(600),
    )
  })

  it('of enormous length are left out, and said to be', async () => {
    const line = '  a-1 [000] ....  1.000000: x: n=1\n'
    const long = `  a-1 [000] ....  2.000000: x: n=${'1'.repeat(3 << 20)}\n`
    const { rows, issues } = await readHostileBytes(new TextEncoder().encode(line + long + line))
    expect([rows.length, issues]).toEqual([2, ['line_too_long 1']])
  })

  it('with ever new events and keys take bounded memory', async () => {
    let text = ''
    for (let i = 0; i < 6000; i++) text += `  a-1 [000] ....  1.000000: e${i}: k${i}=${i} z=${i}\n`
    const { rows, issues } = await readHostileBytes(new TextEncoder().encode(text))
    expect([rows.length, issues]).toEqual([4096, ['too_many_events 1904']])
  })
})
