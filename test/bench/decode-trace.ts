// Reads a whole trace, all fields to columns, and prints what it did as JSON: the process that trace-dat.bench.ts times.
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
const peakMiB = process.resourceUsage().maxRSS / 1024
console.log(JSON.stringify({ events, columns, issues: reader.issues.length, peakMiB }))
