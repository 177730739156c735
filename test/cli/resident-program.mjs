// Runs the command line again and again: arguments come as JSON, a line each, on descriptor 3; exit statuses go to descriptor 4.
import { createReadStream, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

const { runProgram } = await import(process.argv[2])
for await (const line of createInterface({ input: createReadStream('', { fd: 3 }) })) {
  process.exitCode = undefined
  writeSync(4, `${await runProgram(JSON.parse(line))}\n`)
}
process.exit(0)
