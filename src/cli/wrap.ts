/** The text in lines of at most so many characters, unless a word is longer. */
export function wrap(text: string, width: number): string {
  if (text.length <= width) return text
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}

/** A line of prose, indented as it begins, and below its beginning by two more. */
export function toParagraph(line: string, width: number): string {
  if (line.length <= width) return line
  const [indent = ''] = /^ */.exec(line) ?? []
  const hanging = `${indent}  `
  const text = wrap(line.slice(indent.length), width - hanging.length)
  return indent + text.replaceAll('\n', `\n${hanging}`)
}
