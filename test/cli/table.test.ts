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

  it('that is too wide repeats what tells its rows apart', async () => {
    const rows = [
      ['recording', '178', 'app-1', '402', '27.8 s of 39.6 s'],
      ['recording', '177', 'app-0', '361', '27.1 s of 39.6 s'],
      ['kswapd', '178', 'app-1', '350', '29.2 s of 35.1 s'],
    ]
    const names = ['label', 'tid', 'comm', 'stalls', 'total']
    expect(await print({ columns: names.map(column), rows }, 36)).toBe(
      [
        'label      tid  comm   stalls',
        'recording  178  app-1  402',
        'recording  177  app-0  361',
        'kswapd     178  app-1  350',
        '',
        'label      tid  total',
        'recording  178  27.8 s of 39.6 s',
        'recording  177  27.1 s of 39.6 s',
        'kswapd     178  29.2 s of 35.1 s',
        '',
      ].join('\n'),
    )
  })

  it('has its longest text wrapped where that keeps its rows in one block', async () => {
    const rows = [
      ['pswpout + zswpout + swpout_zero - zswpwb = pages swapped out', '82,286', 'exact'],
    ]
    const columns = ['equation', 'rows', 'explanation'].map(column)
    expect(await print({ columns, rows }, 60)).toBe(
      [
        'equation                           rows    explanation',
        'pswpout + zswpout + swpout_zero -  82,286  exact',
        'zswpwb = pages swapped out',
        '',
      ].join('\n'),
    )
  })

  it('does not take little for nothing', async () => {
    const columns = [{ name: 'inverted_share', type: 'number', unit: 'share' }] as const
    const text = await print({ columns, rows: [[1e-6], [0], [0.0017]] })
    expect(text.trimEnd().split('\n')).toEqual([
      'inverted share',
      '       <0.01 %',
      '           0 %',
      '        0.17 %',
    ])
  })

  it('has every cell once, and no line beyond the width unless two columns alone are', async () => {
    const cell = fc.stringMatching(/^[a-z]{1,19}$/)
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 42, max: 100 }),
        fc.array(fc.array(cell, { minLength: 8, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        async (count, width, rows) => {
          const columns = Array.from({ length: count }, (_, i) => column(`column ${i}`))
          // The first column tells the rows apart.
          const cut = rows.map((row, i) => [`${i}${row[0]}`, ...row.slice(1, count)])
          const text = await print({ columns, rows: cut }, width)
          for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width)
          for (let i = 1; i < count; i++) expect(text.split(`column ${i}`)).toHaveLength(2)
        },
      ),
    )
  })
})
