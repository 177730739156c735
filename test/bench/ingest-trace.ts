// Ingests a trace into a new database, as the command line does, and prints the number of events: the process that the benchmark times.

import { openWriter } from '../../src/database/thread-writer.ts'
import { compileLater } from '../../src/ingest/compile-later.ts'

const [path, databasePath, raw] = process.argv.slice(2)
if (path === undefined || databasePath === undefined || raw === undefined)
  throw new Error('usage: ingest-trace.ts TRACE DATABASE all|none')
compileLater()
const writer = await openWriter(databasePath)
const [{ openTrace }, { writeTrace }, { openFileSource }] = await Promise.all([
  import('../../parsers/index.ts'),
  import('../../src/ingest/ingest.ts'),
  import('../../src/io/file-source.ts'),
])
const source = openFileSource(path)
const reader = await openTrace(source)
const { size } = source
const { events } = await writeTrace(writer, { reader, name: 'bench', path, size, raw })
await writer.close()
reader.close()
source.close()
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024)
console.log(JSON.stringify({ events, peakMiB }))
