#!/usr/bin/env node
import { exitOnInterrupt } from './interrupt.ts'
import { runProgram } from './program.ts'

/** `pstrace query ... | head`: the reader has seen enough; that is no failure of ours. */
function quitOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
  throw error
}

process.stdout.on('error', quitOnClosedPipe)
process.stderr.on('error', quitOnClosedPipe)
exitOnInterrupt()

process.exitCode = await runProgram(process.argv.slice(2))
