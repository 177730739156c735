import type { PoolClassStats } from './pool.ts'

/** A pool whose pages each hold a few objects by themselves. */
interface PagedPool {
  readonly pageSize: number
  readonly pages: number
  readonly bytes: number
  readonly objects: number
}

/** The one class of such a pool: sizes in chunks of so many bytes, at most `objectsPerPage` to a page. */
export function pageStats(
  { pageSize, pages, bytes, objects }: PagedPool,
  chunk: number,
  objectsPerPage: number,
): readonly PoolClassStats[] {
  if (pages === 0) return []
  return [
    {
      size: chunk,
      pagesPerGroup: 1,
      objectsPerGroup: objectsPerPage,
      objects,
      groups: pages,
      pages,
      wastedBytes: pages * pageSize - bytes,
    },
  ]
}

/** How the pool's counts differ from what was found in its pages; `undefined` = not at all. */
export function differenceOf(
  pool: PagedPool,
  found: Omit<PagedPool, 'pageSize'>,
): string | undefined {
  const { pages, bytes, objects } = pool
  if (found.pages === pages && found.bytes === bytes && found.objects === objects) return undefined
  return `counts ${pages} pages, ${bytes} bytes, ${objects} objects but the pages hold ${found.pages}, ${found.bytes}, ${found.objects}`
}
