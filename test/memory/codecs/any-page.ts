import fc from 'fast-check'

const piece = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(fc.nat(255), fc.nat(900)).map(([byte, count]) => new Uint8Array(count).fill(byte)),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.nat(60))
    .map(([unit, times]) => Buffer.concat(Array.from({ length: times }, () => unit))),
)

/** 1 to 8192 bytes: noise, runs and repeated patterns in any order. */
export const anyPage: fc.Arbitrary<Uint8Array> = fc
  .array(piece, { maxLength: 8 })
  .map((pieces) => new Uint8Array(Buffer.concat(pieces).subarray(0, 8192)))
  .filter((page) => page.length > 0)
