import { PstraceError } from '../../model/error.ts'
import type { BackendOptions, BackendProvider, SwapBackend } from './backend.ts'
import { disk } from './disk.ts'
import { zram } from './zram.ts'
import { zswap } from './zswap.ts'

/** Every backend; a new one is one file and one line here. */
export const BACKENDS: readonly BackendProvider[] = [zram, zswap, disk]

/** Throws a PstraceError that names those there are. */
export function openBackend(name: string, options: BackendOptions): SwapBackend {
  const provider = BACKENDS.find((backend) => backend.name === name)
  if (provider === undefined)
    throw new PstraceError(
      'backend-unknown',
      `backend "${name}" is unknown; known are ${BACKENDS.map((backend) => backend.name).join(', ')}`,
      { exitStatus: 2 },
    )
  return provider.open(options)
}
