import { Buffer } from 'node:buffer'
import { PstraceError } from '../../model/error.ts'
import type { Codec } from '../codecs/codec.ts'

/** Sizes remembered at most; the map is emptied when full, which changes no size. */
const CACHED_SIZES = 1 << 20

/**
 * Compresses pages with one codec. Each content that is not in the cache is decompressed again and compared, so every size that a run
 * uses belongs to bytes that gave their page back.
 */
export class PageCompressor {
  readonly codec: Codec
  readonly #pageSize: number
  readonly #target: Uint8Array
  readonly #back: Uint8Array
  readonly #sizes = new Map<number, number>()
  /** Runs of the codec on a page, verification apart. */
  runs = 0

  constructor(codec: Codec, pageSize: number) {
    this.codec = codec
    this.#pageSize = pageSize
    const { workspace } = codec
    // Kernels give the codec two pages, so that it never fails for want of room.
    const room = Math.max(2 * pageSize, codec.bound(pageSize))
    const fits = workspace?.page.length === pageSize && workspace.compressed.length === room
    this.#target = fits ? workspace.compressed : new Uint8Array(room)
    this.#back = fits ? workspace.restored : new Uint8Array(pageSize)
  }

  /** Compressed length; `key` names the content (negative = unknown, never cached). */
  size(page: Uint8Array, key: number): number {
    const known = key < 0 ? undefined : this.#sizes.get(key)
    if (known !== undefined) return known
    const size = this.#compress(page)
    if (key >= 0) {
      if (this.#sizes.size === CACHED_SIZES) this.#sizes.clear()
      this.#sizes.set(key, size)
    }
    return size
  }

  copyCompressed(page: Uint8Array): Uint8Array {
    return this.#target.slice(0, this.#compress(page))
  }

  decompress(bytes: Uint8Array, target: Uint8Array): void {
    this.codec.decompress(bytes, target)
  }

  #compress(page: Uint8Array): number {
    if (page.length !== this.#pageSize)
      throw new PstraceError(
        'page-size',
        `${this.codec.name}: page is ${page.length} bytes; expected ${this.#pageSize}`,
      )
    const size = this.codec.compress(page, this.#target)
    this.runs++
    if (size <= 0)
      throw new PstraceError('codec-failed', `${this.codec.name}: a page did not fit in two pages`)
    this.codec.decompress(this.#target.subarray(0, size), this.#back)
    if (Buffer.compare(page, this.#back) !== 0) this.#reportDamage(page)
    return size
  }

  #reportDamage(page: Uint8Array): never {
    const at = page.findIndex((byte, i) => byte !== this.#back[i])
    throw new PstraceError(
      'codec-roundtrip',
      `${this.codec.name}: byte ${at} of a page is ${this.#back[at]} after decompression; it was ${page[at]}`,
    )
  }
}
