import vm from 'node:vm'

/** Ctrl-C, and what `timeout` and service managers send; not SIGHUP, which nohup has a program ignore. Statuses are a shell's. */
const STATUS = { SIGINT: 130, SIGTERM: 143 } as const

let controller: AbortController | undefined
let status: number = STATUS.SIGINT
const stops: (() => void)[] = []

function endOn(ending: keyof typeof STATUS): void {
  status = STATUS[ending]
  if (controller !== undefined && !controller.signal.aborted) {
    controller.abort()
    return
  }
  for (const stop of stops) stop()
  process.exit(status)
}

const onInterrupt = () => endOn('SIGINT')
const onTermination = () => endOn('SIGTERM')

/** Ctrl-C ends the program, unless a command has asked to finish its work first. A second Ctrl-C always ends it. SIGTERM likewise. */
export function exitOnInterrupt(): void {
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onTermination)
}

/** What the program ends with after an interruption. */
export function interruptedStatus(): number {
  return status
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
    if (own.signal.aborted) process.exitCode = interruptedStatus()
  }
}

/** Ctrl-C came while work was under way that cannot be kept: nothing more is said than the exit status. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

/**
 * Runs work that never returns to the event loop, so that Ctrl-C ends it all the same, with an InterruptedError. The work is stopped
 * where it stands, without its `finally` blocks: what it held is the caller's to clean up. SIGTERM ends the process meanwhile.
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
  const isListening = process.listeners('SIGTERM').includes(onTermination)
  try {
    // A listener would be called when all is over.
    process.off('SIGTERM', onTermination)
    // vm's watchdog thread is the only thing in Node that sees a signal while JavaScript runs.
    vm.runInNewContext('run()', { run }, { breakOnSigint: true })
  } catch (error) {
    throw new InterruptedError('interrupted', { cause: error })
  } finally {
    if (isListening) process.on('SIGTERM', onTermination)
  }
  if (failure !== undefined) throw failure.error
  if (result === undefined) throw new InterruptedError('interrupted')
  return result.value
}

/** For work between two steps: lets a Ctrl-C that came meanwhile be served first. */
export async function throwIfInterrupted(signal?: AbortSignal): Promise<void> {
  // Where one is called from what the loop polled, the next comes before it polls again, which is where signals are read.
  for (let turn = 0; turn < 2; turn++)
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  if (signal?.aborted === true) throw new InterruptedError('interrupted')
}
