export const EXIT_INTERRUPTED = 130

let controller: AbortController | undefined

/** Ctrl-C ends the program, unless a command has asked to finish its work first. A second Ctrl-C always ends it. */
export function exitOnInterrupt(): void {
  process.on('SIGINT', () => {
    if (controller === undefined || controller.signal.aborted) process.exit(EXIT_INTERRUPTED)
    controller.abort()
  })
}

/** While `work` runs, Ctrl-C only raises the signal it is given, so that what is done can be kept; the exit status is then 130. */
export async function finishOnInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const own = new AbortController()
  controller = own
  try {
    return await work(own.signal)
  } finally {
    controller = undefined
    if (own.signal.aborted) process.exitCode = EXIT_INTERRUPTED
  }
}

/** From here on Ctrl-C ends the process at once, as it does by default; for work that never returns to the event loop. */
export function killOnInterrupt(): void {
  process.removeAllListeners('SIGINT')
}
