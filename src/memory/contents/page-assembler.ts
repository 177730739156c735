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
    recipe: number,
  ): void
}

/**
 * What a page is made of, in 256ths of it: material of two kinds, random bytes, repeats of four stretches of the first kind; the rest is
 * zeros.
 */
export interface Recipe {
  readonly first: Material
  readonly firstParts: number
  readonly second: Material
  readonly secondParts: number
  readonly randomParts: number
  readonly repeatParts: number
}

const POOL_BYTES = 32_768
/** A chunk of a 64 KiB page may begin at the last place of a pool. */
const POOL_TAIL = 4096
const STRIDE = POOL_BYTES + POOL_TAIL
/** Eight 32-bit numbers, as the WebAssembly module reads them. */
const RECIPE_WORDS = 8
const PARTS = 256

/** Puts pages together from pools of material, in WebAssembly: a page takes a tenth of the time of its compression. */
export class PageAssembler {
  /** The page made last. */
  readonly page: Uint8Array
  readonly #fill: GeneratorExports['fill']
  readonly #at: number
  readonly #recipesAt: number
  readonly #chunk: number
  readonly #changed: number

  /** `recipes` are what `assemble` chooses from, by index. */
  constructor(seed: number, pageSize: number, changedChunks: number, recipes: readonly Recipe[]) {
    this.#at = MATERIALS.length * STRIDE
    this.#recipesAt = this.#at + pageSize
    this.#chunk = pageSize >>> 6
    this.#changed = changedChunks
    const memory = createSharedMemory(this.#recipesAt + recipes.length * RECIPE_WORDS * 4)
    const bytes = new Uint8Array(memory.buffer)
    this.page = bytes.subarray(this.#at, this.#at + pageSize)
    this.#fill = instantiate<GeneratorExports>(generatorWasm, memory).fill
    const units = MATERIALS.map((material, index) =>
      fillMaterial(
        material,
        mix32(seed + index),
        bytes.subarray(index * STRIDE, (index + 1) * STRIDE),
      ),
    )
    const words = new Uint32Array(memory.buffer, this.#recipesAt)
    const put = (at: number, material: Material): void => {
      const index = MATERIALS.indexOf(material)
      words[at] = index * STRIDE
      words[at + 1] = POOL_BYTES - (units[index] ?? 8)
    }
    recipes.forEach((recipe, index) => {
      const at = index * RECIPE_WORDS
      const part = pageSize / PARTS
      put(at, recipe.first)
      put(at + 3, recipe.second)
      const first = Math.min(recipe.firstParts, PARTS)
      const second = Math.min(first + recipe.secondParts, PARTS)
      const random = Math.min(second + recipe.randomParts, PARTS)
      words[at + 2] = first * part
      words[at + 5] = second * part
      words[at + 6] = random * part
      // A page with nothing in it would be a zero page: every data page has something in its first chunk.
      words[at + 7] = Math.max(Math.min(random + recipe.repeatParts, PARTS), 1) * part
    })
  }

  /** Makes one page of a recipe. */
  assemble(recipe: number, own: number, version: number): void {
    this.#fill(
      this.#at,
      this.#chunk,
      own,
      version,
      this.#changed,
      this.#recipesAt + recipe * RECIPE_WORDS * 4,
    )
  }
}
