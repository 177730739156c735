import { readdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { BenchModule, BenchRow } from './row.ts'

// npm run bench -- [--json FILE] [NAME...]: every `*.bench.ts` here, or those whose file name contains a NAME.
const { values, positionals } = parseArgs({
  options: { json: { type: 'string' } },
  allowPositionals: true,
})
const folder = new URL('.', import.meta.url)
const rows: BenchRow[] = []
for (const file of readdirSync(folder).sort()) {
  if (!file.endsWith('.bench.ts')) continue
  if (positionals.length > 0 && !positionals.some((name) => file.includes(name))) continue
  const module: BenchModule = await import(new URL(file, folder).href)
  for (const row of await module.bench()) {
    rows.push(row)
    console.log(line(row))
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)

function line(row: BenchRow): string {
  const number = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 4 })
  const verdict =
    row.goal === undefined
      ? ''
      : `, goal ${row.better === 'lower' ? 'at most' : 'at least'} ${row.goal}: ${meets(row, row.goal) ? 'met' : 'MISSED'}`
  const peak = row.peakMiB === undefined ? '' : `, peak ${number(row.peakMiB)} MiB`
  return (
    `${row.name}: ours ${number(row.ours)} ${row.unit}, ${row.peerName} ${number(row.peer)} ${row.unit}, ` +
    `ratio ${number(row.ratio)} (spread ${Math.round(row.spread * 100)} %, n ${row.n})${peak}${verdict}`
  )
}

function meets(row: BenchRow, goal: number): boolean {
  return row.better === 'lower' ? row.ratio <= goal : row.ratio >= goal
}
