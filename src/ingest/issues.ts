import type { ImportIssue, Severity } from '../../parsers/reader.ts'
import type { RowBuffer } from '../model/rows.ts'

/** Issues that ingest itself finds, by code. */
export class OwnIssues {
  readonly #byCode = new Map<string, ImportIssue>()

  add(code: string, severity: Severity, message: string, count = 1): void {
    const known = this.#byCode.get(code)
    if (known === undefined)
      this.#byCode.set(code, { code, severity, count, firstPosition: undefined, message })
    else known.count += count
  }

  get list(): readonly ImportIssue[] {
    return [...this.#byCode.values()]
  }

  write(rows: RowBuffer, issues: readonly ImportIssue[]): void {
    for (const issue of issues) {
      const row = rows.add()
      const place = issue.firstPosition
      rows.text(row, 'code', issue.code)
      rows.text(row, 'severity', issue.severity)
      rows.number(row, 'count', issue.count)
      rows.text(
        row,
        'first_position',
        place === undefined ? undefined : `${place.unit} ${place.at}`,
      )
      rows.text(row, 'message', issue.message)
    }
  }
}
