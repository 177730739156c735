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
  #values: TunableValues
  readonly #changes: readonly TunableChange[]
  readonly #now: () => number
  readonly #onChange: (change: TunableChange, values: TunableValues) => void
  #changed = 0

  constructor(of: {
    readonly initial: TunableValues
    readonly changes: readonly TunableChange[]
    readonly now: () => number
    readonly onChange: (change: TunableChange, values: TunableValues) => void
  }) {
    this.initial = of.initial
    this.#values = of.initial
    this.#changes = of.changes
    this.#now = of.now
    this.#onChange = of.onChange
  }

  get values(): TunableValues {
    if (this.#changed < this.#changes.length) this.#applyChanges()
    return this.#values
  }

  #applyChanges(): void {
    const now = this.#now()
    for (
      let change = this.#changes[this.#changed];
      change !== undefined && change.ns <= now;
      change = this.#changes[++this.#changed]
    ) {
      this.#values = { ...this.#values, [change.name]: change.value }
      this.#onChange(change, this.#values)
    }
  }
}
