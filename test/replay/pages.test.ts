import { expect, it } from 'vitest'
import * as P from '../../src/replay/pages.ts'
import { Random } from '../../src/replay/random.ts'
import { plan } from './build.ts'

const COUNT = 12
/** Base pages of folio 5. */
const LARGE = 4

/** Some on the active list, some not; one folio of several pages; all isolated. */
function isolatedPages(): P.Pages {
  const { pages } = plan({ free: 1, min: 0, low: 0, high: 0, pages: COUNT, tasks: [] })
  const made = new P.Pages(pages, 1, { multiGeneration: false })
  for (const page of [2, 3, 7]) made.set(page, P.ACTIVE)
  made.order[5] = Math.log2(LARGE)
  return made
}

/** Every list from head to tail, read both ways, and its size. */
function listsOf(pages: P.Pages) {
  return Array.from(pages.heads, (head, list) => {
    const down: number[] = []
    for (let page = head; page >= 0; page = pages.next[page] as number) down.push(page)
    const up: number[] = []
    for (let page = pages.tails[list] as number; page >= 0; page = pages.previous[page] as number)
      up.push(page)
    return { down, up, size: pages.sizes[list] }
  })
}

it('puts folios on their lists together as one after the other', () => {
  const random = new Random(3, 0)
  for (let round = 0; round < 50; round++) {
    const folios = Int32Array.from({ length: COUNT }, (_, page) => page)
    for (let place = COUNT - 1; place > 0; place--) {
      const other = random.below(place + 1)
      const page = folios[place] as number
      folios[place] = folios[other] as number
      folios[other] = page
    }
    const from = random.below(4)
    const together = isolatedPages()
    const singly = isolatedPages()
    for (const [at, page] of folios.entries()) {
      singly.addHead(page)
      if (at < from) together.addHead(page)
    }
    together.addHeads(folios, from, COUNT)
    expect(listsOf(together)).toEqual(listsOf(singly))
  }
})

it('takes from the tail until there are enough base pages, and leaves a whole list', () => {
  const pages = isolatedPages()
  const folios = Int32Array.of(0, 1, 4, 5, 6, 8)
  pages.addHeads(folios, 0, folios.length)
  const taken = new Int32Array(COUNT)
  expect(pages.takeTails(P.INACTIVE_ANON, 4, taken)).toBe(4)
  expect(Array.from(taken.subarray(0, 4))).toEqual([0, 1, 4, 5])
  expect(Array.from(taken.subarray(0, 4), (page) => pages.isOnList(page))).not.toContain(true)
  expect(listsOf(pages)[P.INACTIVE_ANON]).toEqual({ down: [8, 6], up: [6, 8], size: 2 })
  expect(pages.takeTails(P.INACTIVE_ANON, 4, taken)).toBe(2)
  expect(listsOf(pages)[P.INACTIVE_ANON]).toEqual({ down: [], up: [], size: 0 })
  expect(pages.takeTails(P.INACTIVE_ANON, 4, taken)).toBe(0)
})

it('refuses to put a folio on a second list', () => {
  const pages = isolatedPages()
  expect(() => pages.addHeads(Int32Array.of(1, 4, 1), 0, 3)).toThrow(/page 1 is put on a second/)
})
