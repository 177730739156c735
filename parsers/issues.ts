import type { InputPosition } from './error.ts'
import type { ImportIssue, Severity } from './reader.ts'

/** What a reader met that did not stop it: one entry per code and subject, counted. */
export class IssueLog {
  readonly list: ImportIssue[] = []
  /** The file of a folder that positions are in; empty when there is only one. */
  place = ''
  readonly #byKey = new Map<string, ImportIssue>()
  readonly #unit: InputPosition['unit']

  constructor(unit: InputPosition['unit'] = 'byte') {
    this.#unit = unit
  }

  /** `subject` tells entries of one code apart (an event id, a cpu); the first message and position are kept. */
  add(
    code: string,
    severity: Severity,
    at: number | undefined,
    message: string,
    subject: string | number = '',
  ): void {
    const key = `${code} ${this.place} ${subject}`
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      known.count++
      return
    }
    const firstPosition: InputPosition | undefined =
      at === undefined ? undefined : { unit: this.#unit, at }
    const where = this.place === '' ? '' : `${this.place}: `
    const issue: ImportIssue = {
      code,
      severity,
      count: 1,
      firstPosition,
      message: `${where}${message}`,
    }
    this.#byKey.set(key, issue)
    this.list.push(issue)
  }
}
