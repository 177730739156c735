#!/usr/bin/env node
import { cannotWrite } from '../io/destination.ts'
import { describeFailure } from './failure.ts'
import { exitOnInterrupt } from './interrupt.ts'
import { runProgram } from './program.ts'

/** Of standard output. `pstrace query ... | head`: the reader has seen enough; that is no failure of ours. */
function endOnFailedWrite(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
  process.stderr.write(`${describeFailure(cannotWrite('standard output', error))}\n`)
  process.exit(1)
}

process.stdout.on('error', endOnFailedWrite)
// There is nowhere left to tell it.
process.stderr.on('error', ({ code }: NodeJS.ErrnoException) =>
  process.exit(process.exitCode ?? (code === 'EPIPE' ? 0 : 1)),
)
exitOnInterrupt()

process.exitCode = await runProgram(process.argv.slice(2))
