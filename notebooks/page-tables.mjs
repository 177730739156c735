import { rmSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'
import {
  charts,
  openRecording,
  readReport,
  toAnswer,
  toChartSubject,
  toFactLines,
} from '../dist/src/index.js'

/** Charts of the page, in its order. */
const SHOWN = [
  'policy-comparison',
  'timeline',
  'stalls-by-task',
  'order',
  'queue-depth',
  'compressed-sizes',
]

/** Writes what the page's SQL cells read: facts, figures, one table per dataset of a chart, and the charts' specifications. */
export async function writePageTables(device, page) {
  const recording = await openRecording(device)
  const shown = charts.filter(({ name }) => SHOWN.includes(name))
  const data = await readReport(recording.connection, { charts: shown })
  recording.close()
  for (const end of ['', '.wal']) rmSync(page + end, { force: true })
  const instance = await DuckDBInstance.create(page)
  const connection = await instance.connect()
  try {
    await insert(
      connection,
      'facts',
      toFactLines(data).map(([name, said], place) => ({ place, name, said })),
    )
    await insert(
      connection,
      'figures',
      data.metrics.flatMap(({ metric, title, unit, figures }, place) =>
        figures.map(({ column, value, said, basis }) => ({
          place,
          metric,
          title,
          unit,
          column,
          value: value ?? null,
          said,
          basis,
        })),
      ),
    )
    await insert(
      connection,
      'answer',
      toAnswer(data).map((said, place) => ({ place, said })),
      ['place', 'said'],
    )
    const subject = toChartSubject(data, 'light', 640)
    const specs = []
    const done = new Set()
    for (const { chart, rows } of data.charts) {
      if ((rows[chart.main] ?? []).length === 0) continue
      const { datasets, ...spec } = chart.spec(rows, subject)
      specs.push({ name: chart.name, reading: chart.reading, spec: JSON.stringify(spec) })
      for (const [dataset, list] of Object.entries(datasets)) {
        if (done.has(dataset)) continue
        done.add(dataset)
        await insert(connection, dataset, list, chart.reads[dataset])
      }
    }
    await insert(connection, 'specs', specs)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** `fields` are the columns of a table without rows: a query of the page must not fail because nothing happened. */
async function insert(connection, table, rows, fields = []) {
  const names = rows.length === 0 ? fields : [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const isText = names.map((name) => rows.some((row) => typeof row[name] === 'string'))
  const columns = names.map((name, i) => `"${name}" ${isText[i] ? 'VARCHAR' : 'DOUBLE'}`)
  await connection.run(`CREATE TABLE "${table}" (${columns.join(', ')})`)
  for (let from = 0; from < rows.length; from += 500) {
    const values = rows
      .slice(from, from + 500)
      .map((row) => `(${names.map((name) => literal(row[name])).join(', ')})`)
    await connection.run(`INSERT INTO "${table}" VALUES ${values.join(', ')}`)
  }
}

function literal(value) {
  if (value === null || value === undefined) return 'NULL'
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'NULL'
  return `'${String(value).replaceAll("'", "''")}'`
}
