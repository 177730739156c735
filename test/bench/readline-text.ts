// Reads ftrace text as scripts do: readline, one regular expression for the head, one for the fields. The peer of text.bench.ts.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

const path = process.argv[2]
if (path === undefined) throw new Error('usage: readline-text.ts TRACE')
const HEAD = /^\s*(.+)-(\d+)\s+(?:\(.{7}\)\s+)?\[(\d+)\]\s+(?:\S{4,6}\s+)?(\d+\.\d+): (\w+): (.*)$/
const FIELD = /(\w+)=(\S+)/g
let events = 0
let sum = 0
for await (const line of createInterface({ input: createReadStream(path), crlfDelay: 1 })) {
  const head = HEAD.exec(line)
  if (head === null) continue
  const [, , tid, cpu, time, , body] = head
  const fields: Record<string, string> = {}
  for (const [, key, value] of (body ?? '').matchAll(FIELD))
    if (key !== undefined) fields[key] = value ?? ''
  sum += Number(tid) + Number(cpu) + Number(time) + Object.keys(fields).length
  events++
}
const peakMiB = process.resourceUsage().maxRSS / 1024
console.log(JSON.stringify({ events, sum, peakMiB }))
