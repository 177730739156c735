import { PstraceError } from '../../model/error.ts'
import type { BackendOptions, BackendParameter } from './backend.ts'

const KIB = 1024
const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['K', KIB],
  ['M', KIB * KIB],
  ['G', KIB * KIB * KIB],
  ['T', KIB * KIB * KIB * KIB],
])

/** Reads a backend's parameters against its own list, so that a default is written once. */
export class Parameters {
  readonly #backend: string
  readonly #known: readonly BackendParameter[]
  readonly #given: Readonly<Record<string, number | string>>

  constructor(backend: string, known: readonly BackendParameter[], options: BackendOptions) {
    this.#backend = backend
    this.#known = known
    this.#given = options.parameters ?? {}
  }

  number(name: string, least: number, most: number): number {
    const raw = this.#value(name)
    const value = typeof raw === 'number' ? raw : Number(raw)
    if (raw === '' || !(value >= least && value <= most))
      throw this.#wrong(name, raw, `a number from ${least} to ${most}`)
    return value
  }

  /** As the kernel reads sizes (memparse): 64M are 64 MiB. */
  bytes(name: string): number {
    const raw = this.#value(name)
    const [, digits, unit = ''] = /^(\d+)([KMGT]?)$/i.exec(String(raw)) ?? []
    const value = Number(digits) * (UNITS.get(unit.toUpperCase()) ?? Number.NaN)
    if (!Number.isSafeInteger(value))
      throw this.#wrong(name, raw, 'a number of bytes, or one with K, M, G or T')
    return value
  }

  switch(name: string): boolean {
    const raw = String(this.#value(name))
    if (raw === '1' || raw === 'Y' || raw === 'true') return true
    if (raw === '0' || raw === 'N' || raw === 'false') return false
    throw this.#wrong(name, raw, '0 or 1')
  }

  word<W extends string>(name: string, words: readonly W[]): W {
    const raw = String(this.#value(name))
    const word = words.find((each) => each === raw)
    if (word === undefined) throw this.#wrong(name, raw, words.join(', '))
    return word
  }

  /** A comma-separated list of integers; empty = none. */
  list(name: string, least: number, most: number): readonly number[] {
    const raw = String(this.#value(name))
    if (raw === '') return []
    return raw.split(',').map((part) => {
      const value = Number(part)
      if (part.trim() === '' || !Number.isInteger(value) || value < least || value > most)
        throw this.#wrong(name, raw, `integers from ${least} to ${most}, separated by commas`)
      return value
    })
  }

  #value(name: string): number | string {
    const given = this.#given[name]
    if (given !== undefined) return given
    const known = this.#known.find((each) => each.name === name)
    if (known === undefined)
      throw new PstraceError('backend-parameter', `${this.#backend}: there is no parameter ${name}`)
    return known.fallback
  }

  #wrong(name: string, found: number | string, expected: string): PstraceError {
    return new PstraceError(
      'backend-parameter',
      `${this.#backend}: ${name} is "${found}"; expected ${expected}`,
      { exitStatus: 2 },
    )
  }
}
