/** A map that tells what was set since it was last asked. */
export class WatchedMap<K, V> extends Map<K, V> {
  #changed: Set<K> | undefined

  override set(key: K, value: V): this {
    // Map's own constructor may call this before there are fields.
    if (#changed in this) {
      this.#changed ??= new Set()
      this.#changed.add(key)
    }
    return super.set(key, value)
  }

  takeChanges(): [K, V][] {
    const changed = [...(this.#changed ?? [])].flatMap((key): [K, V][] => {
      const value = this.get(key)
      return value === undefined ? [] : [[key, value]]
    })
    this.#changed = undefined
    return changed
  }
}
