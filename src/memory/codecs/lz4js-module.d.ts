/** The part of lz4js that is used; the package has no declarations of its own. */
declare module 'lz4js' {
  /** Returns 0 when the page has no match. The caller owns the table (65,536 entries) and must clear it before each block. */
  export function compressBlock(
    source: Uint8Array,
    target: Uint8Array,
    start: number,
    length: number,
    table: Uint32Array,
  ): number
  /** Checks nothing: the block must be known to be well formed. */
  export function decompressBlock(
    source: Uint8Array,
    target: Uint8Array,
    start: number,
    length: number,
    at: number,
  ): number
}
