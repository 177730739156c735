import { ZSTDDecoder } from 'zstddec/stream'

/** Unpacks one or more whole zstd frames; throws when they are damaged or do not have `size` bytes unpacked. */
export type Unpack = (packed: Uint8Array, size: number) => Uint8Array

let loading: Promise<ZSTDDecoder> | undefined

async function load(): Promise<ZSTDDecoder> {
  const decoder = new ZSTDDecoder()
  await decoder.init()
  return decoder
}

async function loadOnce(): Promise<ZSTDDecoder> {
  loading ??= load()
  return await loading
}

/** Compiles the decoder (once per process): the only asynchronous step. */
export async function loadZstd(): Promise<Unpack> {
  const decoder = await loadOnce()
  return (packed, size) => {
    const bytes = size === 0 ? new Uint8Array(0) : decoder.decode(packed, size)
    // The library returns an empty array where libzstd reported an error.
    if (bytes.length !== size)
      throw new Error(`zstd data gave ${bytes.length} bytes, ${size} were expected`)
    return bytes
  }
}

/** Unpacks a stream of frames piece by piece; throws on damage. Outputs are copies of at most 128 KiB. */
export async function loadZstdStream(): Promise<
  (packed: Iterable<Uint8Array>) => Generator<Uint8Array, void>
> {
  const decoder = await loadOnce()
  return function* (packed) {
    let empty = 0
    let inputs = 0
    const counted = (function* () {
      for (const piece of packed) {
        inputs++
        yield piece
      }
    })()
    let seen = 0
    for (const bytes of decoder.decodeStreaming(counted)) {
      if (bytes.length > 0) {
        empty = 0
        yield bytes
      } else {
        // The library repeats a failed step forever; a good step gives no output at most once per input.
        empty = inputs === seen ? empty + 1 : 1
        if (empty > 2) throw new Error('zstd data is damaged')
      }
      seen = inputs
    }
  }
}
