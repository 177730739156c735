/** Moments that somebody asked for, in order of time: a device completes in order, so a new one is nearly always the last. */
export class Moments {
  readonly #moments: { readonly time: number; readonly value: number }[] = []

  /** When the next one comes; undefined when none is left. */
  get next(): number | undefined {
    return this.#moments[0]?.time
  }

  add(time: number, value: number): void {
    const moments = this.#moments
    let place = moments.length
    while (place > 0 && (moments[place - 1] as { time: number }).time > time) place--
    moments.splice(place, 0, { time, value })
  }

  /** Takes out one that has come by `now`: its value. */
  take(now: number): number | undefined {
    const [first] = this.#moments
    if (first === undefined || first.time > now) return undefined
    this.#moments.shift()
    return first.value
  }
}
