/** Where in the input: a byte offset for binary formats, a line (counted from 1) for text. */
export interface InputPosition {
  readonly unit: 'byte' | 'line'
  readonly at: number
}

/**
 * The input cannot be read further. `message` is complete: source, place, what was found, what was expected.
 * `code` is stable and may be matched by callers.
 */
export class TraceParseError extends Error {
  readonly code: string
  readonly source: string
  readonly position: InputPosition

  constructor(
    code: string,
    source: string,
    position: InputPosition,
    what: string,
    options?: { cause?: unknown },
  ) {
    super(`${source}, ${position.unit} ${position.at}: ${what}`, options)
    this.name = 'TraceParseError'
    this.code = code
    this.source = source
    this.position = position
  }
}
