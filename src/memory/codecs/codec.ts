/** A page compressor. Synchronous; holds scratch memory of its own, so one instance serves one thread. */
export interface Codec {
  /** `lz4`, `lzo-rle`, ... : the kernel's name where the kernel has it. */
  readonly name: string
  /** Changes whenever any compressed size may change: implementation, library version and parameters. */
  readonly version: string
  readonly implementation: 'portable' | 'native'
  /** Bytes `compress` may need for `length` bytes of input, so that it never fails. */
  bound(length: number): number
  /** Compresses all of `source` into `target`; returns the compressed length, or 0 when it does not fit in `target`. */
  compress(source: Uint8Array, target: Uint8Array): number
  /** Fills `target` (whose length is the original length); returns bytes written. Throws PstraceError('codec-corrupt') on bad input. */
  decompress(source: Uint8Array, target: Uint8Array): number
  /** Buffers in the codec's own memory: what lies there is (de)compressed without copies. */
  readonly workspace?: CodecWorkspace
}

/** One for all users of a codec: what is in it lasts until the next one works. */
export interface CodecWorkspace {
  /** One page each. */
  readonly page: Uint8Array
  readonly restored: Uint8Array
  /** Two pages, as kernels give their codecs. */
  readonly compressed: Uint8Array
}

/** One entry of the codec list. `open` loads what it needs (WebAssembly, an optional package). */
export interface CodecProvider {
  readonly name: string
  readonly implementation: 'portable' | 'native'
  /** One line for `pstrace codecs`. */
  readonly summary: string
  /** Throws PstraceError('codec-unavailable') with the package to install when an optional package is missing. */
  open(options?: CodecOptions): Promise<Codec>
}

export interface CodecOptions {
  /** Compression level; the kernel's default when absent. */
  readonly level?: number
  /** Largest input; sizes scratch memory. Default 4096. */
  readonly pageSize?: number
  /** Codec-specific switch, named in the provider's summary: `liblz4` for lz4, `zswap` for zstd. */
  readonly variant?: string
  /** Where a WebAssembly codec works; a memory of its own when absent. */
  readonly region?: CodecRegion
}

/** How a codec is opened, as another thread can be told it: each has an instance of its own. */
export interface CodecChoice extends Pick<CodecOptions, 'level' | 'variant'> {
  readonly implementation: 'portable' | 'native'
  readonly pageSize: number
}

/**
 * A part of a shared WebAssembly memory that one codec has to itself. Threads that share the memory and give each codec its own
 * region compress pages lying anywhere in that memory without copying them. Size: `codecRegionBytes(pageSize)`.
 */
export interface CodecRegion {
  readonly memory: { readonly buffer: ArrayBufferLike }
  /** First byte; a multiple of 8. */
  readonly base: number
}
