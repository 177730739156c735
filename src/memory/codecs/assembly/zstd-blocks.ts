// Blocks of zstd frames, one at a time: for files that hold more than memory does. AssemblyScript: compiled by scripts/build-wasm.mjs.
import { beginFrame, readBlock } from './_zstd-decoder'
import { setLengthCodes, setScratch } from './_zstd-layout'

/** `at`: where the tables and a block's literals lie. */
export function init(at: u32): void {
  setScratch(at)
  setLengthCodes()
}

/** Forgets the frame before. */
export function begin(): void {
  beginFrame()
}

/**
 * Decodes the compressed block from `from` to `end` to the bytes from `to` on, of which there may be as many as end at `limit`; matches
 * reach back to `start` at most. The address behind what it wrote, or 0 for a malformed block.
 */
export function decode(from: u32, end: u32, start: u32, to: u32, limit: u32): u32 {
  const behind = readBlock(from, end, start, to, limit)
  return behind == 0xffffffff ? 0 : behind
}
