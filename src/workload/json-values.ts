import { PstraceError } from '../model/error.ts'
import type { Based, Basis } from './types.ts'

export type Json = Readonly<Record<string, unknown>>

export const BASES: readonly Basis[] = ['event', 'snapshot', 'inferred', 'default']

/** Reads values out of JSON; each that is not as expected is a `workload_invalid` that names the file and the value's place in it. */
export class JsonValues {
  readonly #file: string

  /** `file` names the place in errors. */
  constructor(file: string) {
    this.#file = file
  }

  /** The named value under its name; nothing, when it is not given. */
  optional<Name extends string, T>(
    json: Json,
    name: Name,
    at: string,
    read: (value: unknown, at: string) => T,
  ): { [K in Name]?: T } {
    const value = json[name]
    return (value === undefined ? {} : { [name]: read(value, at) }) as { [K in Name]?: T }
  }

  object(value: unknown, at: string): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.fail(at, value, 'an object')
    return value as Json
  }

  /** Each object of a list, with its place in it. */
  objects<T>(
    value: unknown,
    at: string,
    read: (json: Json, at: string, index: number) => T,
  ): readonly T[] {
    return this.list(value, at).map((item, index) => {
      const place = `${at}[${index}]`
      return read(this.object(item, place), place, index)
    })
  }

  list(value: unknown, at: string): readonly unknown[] {
    if (!Array.isArray(value)) this.fail(at, value, 'a list')
    return value as readonly unknown[]
  }

  /** Lists of amounts that stand in the JSON itself, all of one length. */
  columns<const Names extends readonly string[]>(
    json: Json,
    at: string,
    names: Names,
  ): { readonly [K in keyof Names]: Float64Array } {
    const columns = names.map((name) =>
      Float64Array.from(this.list(json[name], `${at}.${name}`), (value, row) =>
        this.amount(value, `${at}.${name}[${row}]`),
      ),
    )
    const length = columns[0]?.length ?? 0
    columns.forEach((column, index) => {
      if (column.length !== length)
        this.fail(
          `${at}.${names[index]}`,
          column.length,
          `as many numbers as ${at}.${names[0]} (${length})`,
        )
    })
    return columns as { readonly [K in keyof Names]: Float64Array }
  }

  /** A bare value has the basis `default`. */
  based<T>(value: unknown, at: string, read: (value: unknown, at: string) => T): Based<T> {
    if (typeof value !== 'object' || value === null)
      return { value: read(value, at), basis: 'default' }
    const json = this.object(value, at)
    return {
      value: read(json['value'], `${at}.value`),
      basis: this.oneOf(json['basis'] ?? 'default', `${at}.basis`, BASES),
      ...(json['n'] === undefined ? {} : { n: this.number(json['n'], `${at}.n`) }),
      ...(json['from'] === undefined ? {} : { from: this.text(json['from'], `${at}.from`) }),
    }
  }

  labels(value: unknown): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(this.object(value ?? {}, 'source')).map(([name, label]) => [
        name,
        this.text(label, `source.${name}`),
      ]),
    )
  }

  number(value: unknown, at: string): number {
    if (typeof value !== 'number' || !Number.isFinite(value)) this.fail(at, value, 'a number')
    return value as number
  }

  amount(value: unknown, at: string): number {
    const read = this.number(value, at)
    if (read < 0) this.fail(at, value, 'a number not below 0')
    return read
  }

  share(value: unknown, at: string): number {
    const read = this.number(value, at)
    if (read < 0 || read > 1) this.fail(at, value, 'a number from 0 to 1')
    return read
  }

  text(value: unknown, at: string): string {
    if (typeof value !== 'string') this.fail(at, value, 'a text')
    return value as string
  }

  flag(value: unknown, at: string): boolean {
    if (typeof value !== 'boolean') this.fail(at, value, 'true or false')
    return value as boolean
  }

  oneOf<T extends string>(value: unknown, at: string, names: readonly T[]): T {
    const found = names.find((name) => name === value)
    if (found === undefined) return this.fail(at, value, `one of ${names.join(', ')}`)
    return found
  }

  fail(at: string, found: unknown, expected: string): never {
    const shown = found === undefined ? 'nothing' : JSON.stringify(found)
    throw new PstraceError(
      'workload_invalid',
      `${this.#file}, ${at}: found ${shown.length > 80 ? `${shown.slice(0, 77)}...` : shown}, expected ${expected}`,
    )
  }
}
