import vm from 'node:vm'

export const EXIT_INTERRUPTED = 130

let controller: AbortController | undefined
const stops: (() => void)[] = []

/** Ctrl-C ends the program, unless a command has asked to finish its work first. A second Ctrl-C always ends it. */
export function exitOnInterrupt(): void {
  process.on('SIGINT', () => {
    if (controller !== undefined && !controller.signal.aborted) {
      controller.abort()
      return
    }
    for (const stop of stops) stop()
    process.exit(EXIT_INTERRUPTED)
  })
}

/** Work in other threads that the end of the program would wait for. */
export function stopOnInterrupt(stop: () => void): void {
  stops.push(stop)
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

/** Ctrl-C came while work was under way that cannot be kept: nothing more is said than the exit status. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

/**
 * Runs work that never returns to the event loop, so that Ctrl-C ends it all the same, with an InterruptedError. The work is stopped
 * where it stands, without its `finally` blocks: what it held is the caller's to clean up.
 */
export function runInterruptibly<T>(work: () => T): T {
  let result: { readonly value: T } | undefined
  let failure: { readonly error: unknown } | undefined
  const run = () => {
    try {
      result = { value: work() }
    } catch (error) {
      failure = { error }
    }
  }
  try {
    // vm's watchdog thread is the only thing in Node that sees a signal while JavaScript runs.
    vm.runInNewContext('run()', { run }, { breakOnSigint: true })
  } catch (error) {
    throw new InterruptedError('interrupted', { cause: error })
  }
  if (failure !== undefined) throw failure.error
  if (result === undefined) throw new InterruptedError('interrupted')
  return result.value
}

/** For work between two steps: lets a Ctrl-C that came meanwhile be served first. */
export async function throwIfInterrupted(signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
  if (signal?.aborted === true) throw new InterruptedError('interrupted')
}
