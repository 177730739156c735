import type { Finding } from '../analysis/fitness.ts'
import { printLine } from './output.ts'

const WIDTH = 80
const INDENT = '          '

/** Each question with its answer, what that rests on, and (`add`) what would make it better. */
export async function printFindings(
  findings: readonly Finding[],
  options: { readonly add: boolean },
): Promise<void> {
  for (const { question, answer, confidence, add } of findings) {
    await printLine(`  ${answer.padEnd(7)} ${question}`)
    for (const line of wrap(confidence)) await printLine(`${INDENT}${line}`)
    if (!options.add) continue
    for (const each of add.split('; ').filter((part) => part !== ''))
      for (const [i, line] of wrap(each, 2).entries())
        await printLine(`${INDENT}${i === 0 ? '+ ' : '  '}${line}`)
  }
}

function wrap(text: string, mark = 0): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && INDENT.length + mark + line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
