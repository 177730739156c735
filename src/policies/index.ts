import { unknownName } from '../model/names.ts'
import { kcompressd } from './kcompressd.ts'
import { kcompressdUnofficial } from './kcompressd-unofficial.ts'
import { kcompressdV1 } from './kcompressd-v1.ts'
import { kswapd } from './kswapd.ts'
import { parallel } from './parallel.ts'
import type { Policy } from './policy.ts'

export const policies: readonly Policy[] = [
  kswapd,
  kcompressdV1,
  kcompressd,
  kcompressdUnofficial,
  parallel,
]

/** By name or alias; `undefined` when nobody has that name. */
export function findPolicy(name: string): Policy | undefined {
  return policies.find((policy) => policy.name === name || policy.aliases.includes(name))
}

/** By name or alias; throws a PstraceError that names those there are. */
export function lookUpPolicy(name: string): Policy {
  const policy = findPolicy(name)
  if (policy === undefined)
    throw unknownName(
      'policy',
      name,
      policies.flatMap((known) => [known.name, ...known.aliases]),
    )
  return policy
}
