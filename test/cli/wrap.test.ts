import { expect, it } from 'vitest'
import { toParagraph } from '../../src/cli/wrap.ts'

it('prose goes on below its beginning, by two deeper, and stays one line where it fits', () => {
  const line = '  deviates: a worker serves the node whose item it runs'
  expect(toParagraph(line, line.length)).toBe(line)
  expect(toParagraph(line, 32)).toBe(
    ['  deviates: a worker serves', '    the node whose item it runs'].join('\n'),
  )
  expect(toParagraph('a-word-longer-than-the-line', 10)).toBe('a-word-longer-than-the-line')
})
