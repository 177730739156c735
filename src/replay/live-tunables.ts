import { PstraceError } from '../model/error.ts'
import type { TunableValues } from '../policies/policy.ts'

/** A tunable that gets another value while the run goes on, as by sysctl. */
export interface TunableChange {
  readonly ns: number
  readonly name: string
  readonly value: number
}

/** Tunables at this moment. They are only ever seen by asking for one: that is when changes due by now are made. */
export class LiveTunables {
  readonly initial: TunableValues
  readonly #policy: string
  readonly #values: Map<string, number>
  readonly #changes: readonly TunableChange[]
  readonly #now: () => number
  readonly #onChange: (change: TunableChange, values: TunableValues) => void
  #changed = 0

  constructor(
    policy: string,
    of: {
      readonly initial: TunableValues
      readonly changes: readonly TunableChange[]
      readonly now: () => number
      readonly onChange: (change: TunableChange, values: TunableValues) => void
    },
  ) {
    this.#policy = policy
    this.initial = of.initial
    this.#values = new Map(Object.entries(of.initial))
    this.#changes = of.changes
    this.#now = of.now
    this.#onChange = of.onChange
  }

  valueOf(name: string): number {
    if (this.#changed < this.#changes.length) this.#applyChanges()
    const value = this.#values.get(name)
    if (value === undefined)
      throw new PstraceError(
        'policy-tunable',
        `policy ${this.#policy} reads tunable ${name}, which it does not declare`,
      )
    return value
  }

  #applyChanges(): void {
    const now = this.#now()
    for (
      let change = this.#changes[this.#changed];
      change !== undefined && change.ns <= now;
      change = this.#changes[++this.#changed]
    ) {
      this.#values.set(change.name, change.value)
      this.#onChange(change, Object.fromEntries(this.#values))
    }
  }
}
