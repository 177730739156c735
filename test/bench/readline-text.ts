// Reads ftrace text as scripts do: readline, one regular expression for the head, one for the fields, and a column per field of each
// event. The peer of text.bench.ts.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

interface Table {
  length: number
  readonly ts: number[]
  readonly cpu: number[]
  readonly tid: number[]
  readonly fields: Map<string, (number | string)[]>
}

const path = process.argv[2]
if (path === undefined) throw new Error('usage: readline-text.ts TRACE')
const HEAD = /^\s*(.+)-(\d+)\s+(?:\(.{7}\)\s+)?\[(\d+)\]\s+(?:\S{4,6}\s+)?(\d+\.\d+): (\w+): (.*)$/
const FIELD = /(\w+)=(\S+)/g
/** Columns are given on, as ours, after so many events, so that memory stays bounded. */
const WINDOW = 16_384
const comms = new Map<number, string>()
let tables = new Map<string, Table>()
let events = 0
let columns = 0

function newTable(): Table {
  return { length: 0, ts: [], cpu: [], tid: [], fields: new Map() }
}

function give(): void {
  for (const table of tables.values()) columns += table.fields.size
  tables = new Map()
}

for await (const line of createInterface({ input: createReadStream(path), crlfDelay: 1 })) {
  const head = HEAD.exec(line)
  if (head === null) continue
  const [, comm = '', tidText, cpu, time, name = '', body = ''] = head
  const tid = Number(tidText)
  comms.set(tid, comm)
  let table = tables.get(name)
  if (table === undefined) {
    table = newTable()
    tables.set(name, table)
  }
  table.ts.push(Number(time))
  table.cpu.push(Number(cpu))
  table.tid.push(tid)
  for (const [, key = '', value = ''] of body.matchAll(FIELD)) {
    let column = table.fields.get(key)
    if (column === undefined) {
      column = []
      table.fields.set(key, column)
    }
    const number = Number(value)
    column[table.length] = Number.isNaN(number) ? value : number
  }
  table.length++
  if (++events % WINDOW === 0) give()
}
give()
const peakMiB = process.resourceUsage().maxRSS / 1024
console.log(JSON.stringify({ events, columns, comms: comms.size, peakMiB }))
