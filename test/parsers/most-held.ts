import { type ByteSource, openTrace } from '../../parsers/index.ts'
import { liveBytes } from '../shared/live-bytes.ts'

/** Rows between two measures: each costs a full collection of garbage. */
const MEASURE_EVERY = 1 << 17

/** Most bytes that a reader held while the whole was read, and the rows. */
export async function mostHeld(source: ByteSource): Promise<{ rows: number; bytes: number }> {
  const before = liveBytes()
  const reader = await openTrace(source)
  let rows = 0
  let bytes = 0
  let measureAt = 0
  for (let window = reader.read(); window !== undefined; window = reader.read()) {
    rows += window.length
    if (rows < measureAt) continue
    measureAt = rows + MEASURE_EVERY
    bytes = Math.max(bytes, liveBytes() - before)
  }
  return { rows, bytes }
}
