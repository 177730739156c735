import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Result } from '../../src/analysis/result.ts'
import { toTableText } from '../../src/cli/table.ts'

async function print(result: Result, width?: number): Promise<string> {
  const pieces = (async function* () {
    yield [...result.rows]
  })()
  let text = ''
  for await (const piece of toTableText(
    { columns: result.columns, pieces },
    { color: false, width },
  ))
    text += piece
  return text
}

const column = (name: string) => ({ name, type: 'text' as const })

describe('a table on a terminal', () => {
  const result: Result = {
    columns: ['label', 'stalls', 'longest', 'what it was spent on'].map(column),
    rows: [
      ['recording', '12', '1.18 s', 'runnable 60 %, unmap 39 %'],
      ['kswapd', '9', '903 ms', 'runnable 63 %, unmap 37 %'],
    ],
  }

  it('that fits is one block', async () => {
    expect(await print(result, 80)).toBe(await print(result))
  })

  it('that is too wide goes on below, each row again beginning with what it is about', async () => {
    expect(await print(result, 40)).toBe(
      [
        'label      stalls  longest',
        'recording  12      1.18 s',
        'kswapd     9       903 ms',
        '',
        'label      what it was spent on',
        'recording  runnable 60 %, unmap 39 %',
        'kswapd     runnable 63 %, unmap 37 %',
        '',
      ].join('\n'),
    )
  })

  it('wraps long text where room is left for it', async () => {
    const rows = [['tasks', 'Threads seen in a trace. A tid that is reused is a new task.']]
    expect(await print({ columns: ['name', 'comment'].map(column), rows }, 40)).toBe(
      [
        'name   comment',
        'tasks  Threads seen in a trace. A tid',
        '       that is reused is a new task.',
        '',
      ].join('\n'),
    )
  })

  it('has every cell once, and no line beyond the width unless two columns alone are', async () => {
    const cell = fc.stringMatching(/^[a-z]{1,20}$/)
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 42, max: 100 }),
        fc.array(fc.array(cell, { minLength: 8, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        async (count, width, rows) => {
          const columns = Array.from({ length: count }, (_, i) => column(`column ${i}`))
          const cut = rows.map((row) => row.slice(0, count))
          const text = await print({ columns, rows: cut }, width)
          for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width)
          for (let i = 1; i < count; i++) expect(text.split(`column ${i}`)).toHaveLength(2)
        },
      ),
    )
  })
})
