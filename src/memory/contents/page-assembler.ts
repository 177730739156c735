import { createSharedMemory, instantiate } from '../wasm.ts'
import { fillMaterial, MATERIALS, type Material } from './material.ts'
import { mix32 } from './pseudo-random.ts'
import { generatorWasm } from './wasm/generator.wasm.ts'

interface GeneratorExports {
  fill(
    to: number,
    chunk: number,
    seed: number,
    version: number,
    changed: number,
    pool: number,
    poolMask: number,
    classBytes: number,
    randomEnd: number,
    commonEnd: number,
  ): void
}

const POOL_BYTES = 32_768
/** A chunk of a 64 KiB page may begin at the last place of a pool. */
const POOL_TAIL = 4096
/** Starts on multiples of 8, as objects do. */
const POOL_MASK = (POOL_BYTES - 1) & ~7

/** Puts pages together from pools of class material, in WebAssembly: a page takes a tenth of the time of its compression. */
export class PageAssembler {
  /** The page made last. */
  readonly page: Uint8Array
  readonly #fill: GeneratorExports['fill']
  readonly #at: number
  readonly #chunk: number
  readonly #changed: number

  constructor(seed: number, pageSize: number, changedChunks: number) {
    const stride = POOL_BYTES + POOL_TAIL
    this.#at = MATERIALS.length * stride
    this.#chunk = pageSize >>> 6
    this.#changed = changedChunks
    const memory = createSharedMemory(this.#at + pageSize)
    const bytes = new Uint8Array(memory.buffer)
    this.page = bytes.subarray(this.#at, this.#at + pageSize)
    this.#fill = instantiate<GeneratorExports>(generatorWasm, memory).fill
    MATERIALS.forEach((material, index) => {
      const pool = bytes.subarray(index * stride, (index + 1) * stride)
      fillMaterial(material, mix32(seed + index), pool)
    })
  }

  /** Makes one page; the three ends are multiples of 16, each at least the one before. */
  assemble(
    pool: number,
    own: number,
    version: number,
    classBytes: number,
    randomEnd: number,
    commonEnd: number,
  ): void {
    this.#fill(
      this.#at,
      this.#chunk,
      own,
      version,
      this.#changed,
      pool,
      POOL_MASK,
      classBytes,
      randomEnd,
      commonEnd,
    )
  }
}

/** Where a material's pool lies, for `assemble`. */
export function poolOf(material: Material): number {
  return MATERIALS.indexOf(material) * (POOL_BYTES + POOL_TAIL)
}
