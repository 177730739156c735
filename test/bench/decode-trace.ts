// Reads a whole trace, all fields to columns, and prints the number of events: the process that benchmarks time.

import { openTrace } from '../../parsers/index.ts'
import { openFileSource } from '../../src/io/file-source.ts'

const path = process.argv[2]
if (path === undefined) throw new Error('usage: decode-trace.ts TRACE')
const source = openFileSource(path)
const reader = await openTrace(source)
let events = 0
let columns = 0
for (let window = reader.read(); window !== undefined; window = reader.read()) {
  events += window.length
  for (const batch of window.batches) columns += batch.columns.length
}
reader.close()
source.close()
console.log(`${events} events, ${columns} columns, ${reader.issues.length} issues`)
