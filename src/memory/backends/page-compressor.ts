import { Buffer } from 'node:buffer'
import { PstraceError } from '../../model/error.ts'
import type { Codec } from '../codecs/codec.ts'
import type { BackendParameter } from './backend.ts'

/** Sizes remembered, a power of two: each content has one place, and the latest of a place stays. What is forgotten is compressed again. */
const PLACES = 1 << 18
const NOTHING = -1

/** Shared by the backends that compress. */
export const VERIFY_PARAMETER: BackendParameter = {
  name: 'verify',
  fallback: 16,
  summary: 'of so many compressed pages one is decompressed again and compared; 1 = every page',
}

/** Compresses pages with one codec, and decompresses some again: a page that does not come back ends the run. */
export class PageCompressor {
  readonly codec: Codec
  readonly #pageSize: number
  readonly #target: Uint8Array
  readonly #back: Uint8Array
  readonly #verifyEvery: number
  #unverified = 0
  readonly #keys = new Float64Array(PLACES).fill(NOTHING)
  readonly #sizes = new Uint32Array(PLACES)

  /** `verifyEvery`: of so many compressed contents one is decompressed again, beginning with the first. */
  constructor(codec: Codec, pageSize: number, verifyEvery: number) {
    this.codec = codec
    this.#verifyEvery = verifyEvery
    this.#pageSize = pageSize
    const { workspace } = codec
    // Kernels give the codec two pages, so that it never fails for want of room.
    const room = Math.max(2 * pageSize, codec.bound(pageSize))
    const fits = workspace?.page.length === pageSize && workspace.compressed.length === room
    this.#target = fits ? workspace.compressed : new Uint8Array(room)
    this.#back = fits ? workspace.restored : new Uint8Array(pageSize)
  }

  /** Compressed length; `key` names the content (-1 = unknown, never remembered). */
  size(page: Uint8Array, key: number): number {
    if (key === NOTHING) return this.#compress(page)
    const place = placeOf(key)
    if (this.#keys[place] === key) return this.#sizes[place] as number
    const size = this.#compress(page)
    this.#keys[place] = key
    this.#sizes[place] = size
    return size
  }

  /** Pages given in this buffer are compressed where they lie. */
  get pageBuffer(): Uint8Array | undefined {
    const page = this.codec.workspace?.page
    return page?.length === this.#pageSize ? page : undefined
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
    if (size <= 0)
      throw new PstraceError('codec-failed', `${this.codec.name}: a page did not fit in two pages`)
    if (this.#unverified-- > 0) return size
    this.#unverified = this.#verifyEvery - 1
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

/** Keys are whole numbers below 2^53 of either sign, with versions in their upper half: neighbouring pages have neighbouring places. */
function placeOf(key: number): number {
  const upper = Math.floor(key / 4_294_967_296)
  return ((key >>> 0) + Math.imul(upper, 0x9e3779b1)) & (PLACES - 1)
}
