import { openPool } from './index.ts'
import type { PoolClassStats, PoolOptions } from './pool.ts'

export interface PoolDescription {
  readonly allocator: string
  /** Objects that the allocator took, and how many sizes it refused. */
  readonly objects: number
  readonly refused: number
  readonly pages: number
  readonly bytes: number
  /** pages * page size - bytes. */
  readonly wastedBytes: number
  readonly classes: readonly PoolClassStats[]
}

/** What a list of object sizes costs when they are allocated in this order and nothing is freed. */
export function describePool(
  allocator: string,
  sizes: Iterable<number>,
  options: PoolOptions = {},
): PoolDescription {
  const pool = openPool(allocator, options)
  let refused = 0
  for (const size of sizes) if (pool.alloc(size) < 0) refused++
  return {
    allocator,
    objects: pool.objects,
    refused,
    pages: pool.pages,
    bytes: pool.bytes,
    wastedBytes: pool.pages * pool.pageSize - pool.bytes,
    classes: pool.stats(),
  }
}
