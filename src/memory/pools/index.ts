import { PstraceError } from '../../model/error.ts'
import type { Pool, PoolOptions, PoolProvider } from './pool.ts'
import { z3fold } from './z3fold.ts'
import { zbud } from './zbud.ts'
import { zsmalloc } from './zsmalloc.ts'

/** Every allocator; a new one is one file and one line here. */
export const POOLS: readonly PoolProvider[] = [zsmalloc, zbud, z3fold]

/** Throws a PstraceError that names those there are. */
export function openPool(name: string, options?: PoolOptions): Pool {
  const provider = POOLS.find((pool) => pool.name === name)
  if (provider === undefined)
    throw new PstraceError(
      'pool-unknown',
      `allocator "${name}" is unknown; known are ${POOLS.map((pool) => pool.name).join(', ')}`,
      { exitStatus: 2 },
    )
  return provider.open(options)
}
