/** The kernel's functions by address, from a copy of /proc/kallsyms that is read when the first is asked for. */
export class KernelSymbols {
  readonly #load: () => Uint8Array | undefined
  #text: string | undefined

  /** `load` gives the text, or undefined when it cannot be read. */
  constructor(load: () => Uint8Array | undefined) {
    this.#load = load
  }

  /** Name of the function that begins at the address; `undefined` = not known. */
  nameOf(hi: number, lo: number): string | undefined {
    this.#text ??= new TextDecoder('latin1').decode(this.#load() ?? new Uint8Array(0))
    const low = lo.toString(16).padStart(8, '0')
    // Addresses are written with all digits of a long.
    return (
      this.#find(hi.toString(16).padStart(8, '0') + low) ?? (hi === 0 ? this.#find(low) : undefined)
    )
  }

  /** A line is `ffffffff81134e60 t name`, with a tab and `[module]` behind it where it is in one. */
  #find(address: string): string | undefined {
    const text = this.#text ?? ''
    for (let at = text.indexOf(`${address} `); at >= 0; at = text.indexOf(`${address} `, at + 1)) {
      if (at > 0 && text[at - 1] !== '\n') continue
      const name = /^[0-9a-f]+ \S (\S+)/.exec(text.slice(at, at + 600))?.[1]
      if (name !== undefined) return name
    }
    return undefined
  }
}
