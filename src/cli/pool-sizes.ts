import { type Result, toResult } from '../analysis/result.ts'
import { parseCount } from '../config/settings.ts'
import { readTextFile } from '../io/read-failure.ts'
import { describePool, type PoolDescription } from '../memory/pools/describe.ts'
import { POOLS } from '../memory/pools/index.ts'
import { formatCount } from '../model/counted.ts'
import { PstraceError } from '../model/error.ts'
import { unknownName } from '../model/names.ts'
import { unfitError } from './failure.ts'
import { formatBytes } from './format.ts'
import { printLine, printResult, toFormat } from './output.ts'
import type { PoolOptions } from './pool.ts'
import { toSettings } from './settings.ts'

/** What a list of sizes costs, one class of the allocator a row. */
export async function printSizes(file: string, options: PoolOptions): Promise<void> {
  const allocator = options.allocator ?? 'zsmalloc'
  const known = POOLS.map(({ name }) => name)
  if (!known.includes(allocator)) throw unknownName('allocator', allocator, known)
  const pageSize = parseCount('--page-size', options.pageSize ?? '4096', 4096, 65_536)
  const chain = parseCount('--chain', options.chain ?? '8', 1, 16)
  const sizes = readSizes(file)
  if (sizes.length === 0) throw unfitError(`${file}: holds no size`)
  const pool = describePool(allocator, sizes, { chain, pageSize })
  if (toFormat(options) === 'table' && options.output === undefined) {
    const refused = pool.refused > 0 ? `, ${formatCount(pool.refused)} refused` : ''
    await printLine(
      `${allocator}: ${formatCount(pool.objects)} objects${refused}, ${formatBytes(pool.bytes)} in ${formatCount(pool.pages)} pages (${formatBytes(pool.pages * pageSize)}), ${formatBytes(pool.wastedBytes)} unused\n`,
    )
  }
  await printResult(toClasses(pool), options, toSettings(options))
}

function toClasses({ classes }: PoolDescription): Result {
  return toResult(
    [
      { name: 'class_bytes', type: 'integer', unit: 'count' },
      { name: 'objects', type: 'integer', unit: 'count' },
      { name: 'objects_per_group', type: 'integer', unit: 'count' },
      { name: 'pages_per_group', type: 'integer', unit: 'count' },
      { name: 'groups', type: 'integer', unit: 'count' },
      { name: 'pages', type: 'integer', unit: 'count' },
      { name: 'wasted_bytes', type: 'integer', unit: 'bytes' },
    ],
    classes.map(
      ({ size, objects, objectsPerGroup, pagesPerGroup, groups, pages, wastedBytes }) => ({
        class_bytes: size,
        objects,
        objects_per_group: objectsPerGroup,
        pages_per_group: pagesPerGroup,
        groups,
        pages,
        wasted_bytes: wastedBytes,
      }),
    ),
  )
}

const SIZE_COLUMNS = ['stored_bytes', 'compressed_bytes', 'size', 'bytes']

/** Sizes above 0; pages that take no object (zero and same-filled ones) have size 0. */
function readSizes(file: string): number[] {
  const lines = readTextFile(file).split(/\r?\n/)
  const cells = (lines[0] ?? '').split(',').map((cell) => cell.trim())
  const named = SIZE_COLUMNS.map((name) => cells.indexOf(name)).find((index) => index >= 0)
  const column = named ?? 0
  const sizes: number[] = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || (index === 0 && named !== undefined)) continue
    const cell = (line.split(',')[column] ?? '').trim()
    const size = Number(cell)
    if (cell === '' || !Number.isInteger(size) || size < 0)
      throw new PstraceError(
        'bad-size',
        `${file}, line ${index + 1}: found '${line
          .trim()
          .slice(0, 60)
          .replace(
            /[^ -~]/g,
            '?',
          )}', expected a size in bytes (or a CSV header with one of ${SIZE_COLUMNS.join(', ')})`,
        { exitStatus: 3 },
      )
    if (size > 0) sizes.push(size)
  }
  return sizes
}
