// Ingests a trace into a new database and prints the number of events: the process that the benchmark times.

import { openTrace } from '../../parsers/index.ts'
import { Database } from '../../src/database/database.ts'
import { compileLater } from '../../src/ingest/compile-later.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { openFileSource } from '../../src/io/file-source.ts'

const [path, databasePath, raw] = process.argv.slice(2)
if (path === undefined || databasePath === undefined || raw === undefined)
  throw new Error('usage: ingest-trace.ts TRACE DATABASE all|none')
compileLater()
const source = openFileSource(path)
const reader = await openTrace(source)
const database = await Database.open(databasePath, { mode: 'write' })
const { events } = await ingestTrace({ database, reader, name: 'bench', path, raw })
database.close()
reader.close()
source.close()
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024)
console.log(JSON.stringify({ events, peakMiB }))
