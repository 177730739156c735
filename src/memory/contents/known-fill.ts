import { mix32 } from './pseudo-random.ts'

/** Indexes into PAGE_FILLS (workload): what the recording showed of a page's bytes. */
export const FILL_UNKNOWN = 0
export const FILL_ZERO = 1
export const FILL_SAME = 2
export const FILL_DATA = 3

/** Content key of all zero pages. */
export const ZERO_KEY = -1

/** 32 bits of the page's own, others under another seed. */
export function hashOf(seed: number, page: number): number {
  return mix32(mix32(seed) ^ Math.imul(page + 1, 0x9e3779b1))
}
