import { PstraceError } from '../../model/error.ts'
import { createSharedMemory, instantiate } from '../wasm.ts'
import { zstdWasm } from './wasm/zstd.wasm.ts'

interface FrameExports {
  init(scratch: number): void
  decompress(from: number, length: number, to: number, room: number): number
}

/** Tables and one block's literals. */
const SCRATCH = 262_144
/** What WebAssembly's 32-bit addresses and signed lengths leave. */
const LONGEST = 2_000_000_000

/**
 * Decodes a zstd file of one frame that states its size (as `zstd FILE` writes it), whatever its window. The result is a view of
 * WebAssembly memory: drop it to give the memory back.
 */
export function decodeZstdFrame(frame: Uint8Array, name: string): Uint8Array {
  const bad = (what: string): never => {
    throw new PstraceError('zstd-frame', `${name}: ${what}`, { exitStatus: 3 })
  }
  const size = contentSize(frame)
  if (size === undefined) {
    return bad('the zstd frame does not state its size; compress the file itself, not a pipe')
  }
  if (size + frame.length > LONGEST) return bad(`${size} bytes are too many to decompress at once`)
  const to = SCRATCH + ((frame.length + 64 + 7) & ~7)
  const memory = createSharedMemory(to + size + 64)
  const bytes = new Uint8Array(memory.buffer)
  bytes.set(frame, SCRATCH)
  const { init, decompress } = instantiate<FrameExports>(zstdWasm, memory)
  init(0)
  const length = decompress(SCRATCH, frame.length, to, size)
  if (length !== size) {
    return bad(
      `the zstd frame is damaged or is followed by another one; ${size} bytes were expected`,
    )
  }
  return bytes.subarray(to, to + size)
}

/** RFC 8878, 3.1.1.1: the frame content size, undefined where it is absent. */
function contentSize(frame: Uint8Array): number | undefined {
  if (frame.length < 6) return undefined
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const descriptor = view.getUint8(4)
  const single = (descriptor & 32) !== 0
  const form = descriptor >>> 6
  const at = 5 + (single ? 0 : 1)
  const width = form === 0 ? (single ? 1 : 0) : 1 << form
  if (width === 0 || at + width > frame.length) return undefined
  if (width === 1) return view.getUint8(at)
  if (width === 2) return view.getUint16(at, true) + 256
  if (width === 4) return view.getUint32(at, true)
  return Number(view.getBigUint64(at, true))
}
