import type { Memcg } from './memcgs.ts'

/** MEMCG_CHARGE_BATCH of include/linux/memcontrol.h, 6.1 and later: pages that are charged at a time, and the most that a CPU keeps of them. */
export const CHARGE_BATCH = 64

interface Stock {
  memcg: Memcg | undefined
  pages: number
}

/**
 * What each CPU was charged for ahead of use, for one cgroup at a time (memcg_stock_pcp of mm/memcontrol.c, 6.1 to 6.12). It counts against the
 * limits of that cgroup. Here the other CPUs' stocks are returned at once, not by work items.
 */
export class MemcgStocks {
  readonly #stocks: readonly Stock[]

  constructor(cpus: number) {
    this.#stocks = Array.from({ length: cpus }, () => ({ memcg: undefined, pages: 0 }))
  }

  /** consume_stock: false = there is not so much. */
  take(cpu: number, memcg: Memcg, pages: number): boolean {
    const stock = this.#of(cpu)
    if (stock.memcg !== memcg || stock.pages < pages) return false
    stock.pages -= pages
    memcg.stocked -= pages
    return true
  }

  /** refill_stock, of pages that are charged already. */
  put(cpu: number, memcg: Memcg, pages: number): void {
    const stock = this.#of(cpu)
    if (stock.memcg !== memcg) {
      drain(stock)
      stock.memcg = memcg
    }
    stock.pages += pages
    memcg.stocked += pages
    if (stock.pages > CHARGE_BATCH) drain(stock)
  }

  /** drain_all_stock: of the cgroup and those below. */
  drainBelow({ index, end }: Memcg): void {
    for (const stock of this.#stocks) {
      const at = stock.memcg?.index ?? -1
      if (at >= index && at < end) drain(stock)
    }
  }

  #of(cpu: number): Stock {
    return this.#stocks[cpu] as Stock
  }
}

function drain(stock: Stock): void {
  const { memcg, pages } = stock
  if (memcg === undefined || pages === 0) return
  stock.pages = 0
  memcg.stocked -= pages
  memcg.count(-pages)
}
