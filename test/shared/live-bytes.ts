import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')
if (typeof collectGarbage !== 'function') throw new Error('this engine has no gc() to call')
const collect: () => void = () => collectGarbage()

/** Bytes that objects and typed arrays take which something still holds: garbage is collected first. */
export function liveBytes(): number {
  // The second waits for the engine's thread that frees the buffers which the first found.
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
