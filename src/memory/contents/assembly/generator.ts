// Assembles generated pages from pools of class material. AssemblyScript: compiled by scripts/build-wasm.mjs.

// @ts-ignore: decorator
@inline
function mix(a: u32): u32 {
  let x = a
  x = (x ^ (x >>> 16)) * 0x7feb352d
  x = (x ^ (x >>> 15)) * 0x846ca68b
  return x ^ (x >>> 16)
}

/** Copies whole 16-byte units; `bytes` is a multiple of 16, and mostly one chunk of a 4 KiB page. */
// @ts-ignore: decorator
@inline
function copyUnits(to: u32, from: u32, bytes: u32): void {
  if (bytes == 64) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    v128.store(to, v128.load(from, 32), 32)
    v128.store(to, v128.load(from, 48), 48)
    return
  }
  for (let k: u32 = 0; k < bytes; k += 16) v128.store(to + k, v128.load(from + k))
}

// @ts-ignore: decorator
@inline
function zeroUnits(to: u32, bytes: u32): void {
  const zero = i64x2.splat(0)
  if (bytes == 64) {
    v128.store(to, zero)
    v128.store(to, zero, 16)
    v128.store(to, zero, 32)
    v128.store(to, zero, 48)
    return
  }
  for (let k: u32 = 0; k < bytes; k += 16) v128.store(to + k, zero)
}

/** A linear congruence, folded so that its weak low bits do not show. */
// @ts-ignore: decorator
@inline
function randomUnits(to: u32, seed: u32, bytes: u32): void {
  let x = (<u64>seed << 32) | <u64>(seed ^ 0x5851f42d)
  for (let k: u32 = 0; k < bytes; k += 8) {
    x = x * 6364136223846793005 + 1442695040888963407
    store<u64>(to + k, x ^ (x >>> 32) ^ (x << 21))
  }
}

/** A recipe in memory: two pools with the masks of the places where chunks begin in them, and where each kind of material ends. */
@unmanaged
class Recipe {
  firstPool: u32
  firstMask: u32
  firstEnd: u32
  secondPool: u32
  secondMask: u32
  secondEnd: u32
  randomEnd: u32
  commonEnd: u32
}

/**
 * Writes 64 chunks of `chunk` bytes at `to`. In the order of their ranks (a permutation of the chunks that depends on the page)
 * the first bytes are cut from the first pool, those up to `secondEnd` from the second, up to `randomEnd` random bytes, up to
 * `commonEnd` repeats of four stretches of the page's own, the rest zeros; all ends are multiples of 16. Each version gives
 * `changed` non-zero chunks new bytes.
 */
export function fill(
  to: u32,
  chunk: u32,
  seed: u32,
  version: u32,
  changed: u32,
  recipe: Recipe,
): void {
  // Read once: the compiler must take every store to a page for a change of the recipe.
  const firstPool = recipe.firstPool
  const firstMask = recipe.firstMask
  const firstEnd = recipe.firstEnd
  const secondPool = recipe.secondPool
  const secondMask = recipe.secondMask
  const secondEnd = recipe.secondEnd
  const randomEnd = recipe.randomEnd
  const commonEnd = recipe.commonEnd
  const order = mix(seed ^ 0x9e3779b9)
  const stride = (order & 62) | 1
  const offset = order >>> 8
  const used = (commonEnd + chunk - 1) / chunk
  const turns = changed * version
  // Newton's step doubles the bits of an odd number's inverse that are right; a number is its own inverse in three of them.
  let inverse = stride
  inverse *= 2 - stride * inverse
  inverse *= 2 - stride * inverse
  // By rank, so that one kind of material comes after the other: branches that can be foreseen.
  for (let rank: u32 = 0; rank < 64; rank++) {
    const at = to + (((rank - offset) * inverse) & 63) * chunk
    const start = rank * chunk
    if (start >= commonEnd) {
      zeroUnits(at, chunk)
      continue
    }
    // How often this chunk was rewritten: the versions go round the used chunks in the order of rank.
    const tag: u32 = turns > rank ? (turns - 1 - rank) / used + 1 : 0
    const h = mix(seed + rank * 0x9e3779b1 + tag * 0x85ebca77)
    let done: u32 = 0
    if (start < firstEnd) {
      done = min(firstEnd - start, chunk)
      copyUnits(at, firstPool + (h & firstMask), done)
    }
    if (done < chunk && start + done < secondEnd) {
      const bytes = min(secondEnd - start, chunk) - done
      copyUnits(at + done, secondPool + ((h >>> 8) & secondMask), bytes)
      done += bytes
    }
    if (done < chunk && start + done < randomEnd) {
      const bytes = min(randomEnd - start, chunk) - done
      randomUnits(at + done, h, bytes)
      done += bytes
    }
    if (done < chunk && start + done < commonEnd) {
      const bytes = min(commonEnd - start, chunk) - done
      const which = (rank + tag) & 3
      copyUnits(
        at + done,
        firstPool + (mix(seed ^ (which + 1)) & firstMask),
        bytes,
      )
      done += bytes
    }
    if (done < chunk) zeroUnits(at + done, chunk - done)
    // The page's own number, so that no two pages are equal however little fresh material they have.
    if (rank == 0) store<u32>(at, mix(seed) + tag)
  }
}
