// What a search finds in a block: its sequences, and its literals one after the other.

/** Literal length, offset value (1 to 3: a repeated offset; else offset + 3), match length - 3; codes of the three. */
export const SEQUENCE_BYTES: u32 = 16

export let sequences: u32 = 0
export let sequenceEnd: u32 = 0
export let literals: u32 = 0
export let literalEnd: u32 = 0

/** Sequences go to `at`, behind them the literals; `shortest`: the shortest match that the search of `n` bytes may find. */
export function openStore(at: u32, n: u32, shortest: u32): void {
  sequences = at
  literals = sequences + (n / shortest + 1) * SEQUENCE_BYTES
  emptyStore()
}

export function emptyStore(): void {
  sequenceEnd = sequences
  literalEnd = literals
}

// @ts-ignore: decorator
@inline
export function putSequence(anchor: u32, literalLength: u32, offset: u32, length: u32): void {
  const stop = literalEnd + literalLength
  let from = anchor
  do {
    v128.store(literalEnd, v128.load(from))
    literalEnd += 16
    from += 16
  } while (literalEnd < stop)
  literalEnd = stop
  store<u32>(sequenceEnd, literalLength)
  store<u32>(sequenceEnd + 4, offset)
  store<u32>(sequenceEnd + 8, length - 3)
  sequenceEnd += SEQUENCE_BYTES
}

/** The literals behind the last match. */
export function putRest(anchor: u32, end: u32): void {
  const length = end - anchor
  memory.copy(literalEnd, anchor, length)
  literalEnd += length
}
