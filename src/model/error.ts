/** The program cannot go on. `code` is stable; `exitStatus` is what the command line ends with (design: 1 failed, 2 usage, 3 unfit data). */
export class PstraceError extends Error {
  readonly code: string
  readonly exitStatus: 1 | 2 | 3

  constructor(
    code: string,
    message: string,
    options?: { cause?: unknown; exitStatus?: 1 | 2 | 3 },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'PstraceError'
    this.code = code
    this.exitStatus = options?.exitStatus ?? 1
  }
}
