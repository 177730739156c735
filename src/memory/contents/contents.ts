/** What the bytes of swapped pages are. Traces do not hold them, so every run names its source. Deterministic. */
export interface PageContents {
  readonly source: 'swap-image' | 'corpus' | 'generator'
  /** One line that every figure built on it carries, e.g. `generator seed 1 (7 % zero, 2 % same, 91 % own bytes)`. */
  readonly description: string
  /**
   * Writes one page into `target` (page size bytes). `page` is the workload's page id, `version` counts its rewrites (0 first),
   * `slot` the swap offset it goes to (-1 unknown). Returns a content key: equal keys mean equal bytes, so that compressed sizes
   * may be cached by it.
   */
  fill(page: number, version: number, slot: number, target: Uint8Array): number
  /** Is the page all zero? Undefined where only its bytes can tell. */
  isZero?(page: number, version: number): boolean | undefined
}
