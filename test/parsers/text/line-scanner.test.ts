import { describe, expect, it } from 'vitest'
import { LineScanner } from '../../../parsers/text/line-scanner.ts'

function linesOf(pieces: readonly string[]): { lines: string[]; behind: (number | undefined)[] } {
  const left = [...pieces]
  const scanner = new LineScanner({
    name: 'pieces',
    next: () => {
      const piece = left.shift()
      return piece === undefined ? undefined : new TextEncoder().encode(piece)
    },
  })
  const lines: string[] = []
  const behind: (number | undefined)[] = []
  while (scanner.next()) {
    const { bytes, start, end } = scanner
    lines.push(new TextDecoder().decode(bytes.subarray(start, end)))
    behind.push(bytes[end])
  }
  return { lines, behind }
}

describe('lines', () => {
  it('that lie across pieces are whole, and end as others do: not with what an older line had there', () => {
    const { lines, behind } = linesOf(['first=====', '=====\nse', 'cond\r\nthi', 'rd'])
    expect(lines).toEqual(['first==========', 'second', 'third'])
    expect(behind).toEqual([10, 13, 10])
  })

  it('have an end also where they fill the room for what lies across pieces', () => {
    const { lines, behind } = linesOf(['x'.repeat(4096), '\n'])
    expect(lines).toEqual(['x'.repeat(4096)])
    expect(behind).toEqual([10])
  })
})
