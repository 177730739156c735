import { readMemcgIndex } from './json-machine.ts'
import type { Json, JsonValues } from './json-values.ts'
import { type Machine, PAGE_FILLS, PAGE_KINDS, type WorkloadPages } from './types.ts'

/** Columns of `pages` with their defaults, in the order of the Parquet file. */
export const PAGE_COLUMNS = [
  { name: 'node', otherwise: 0, make: (length: number) => new Uint8Array(length) },
  {
    name: 'kind',
    otherwise: 0,
    make: (length: number) => new Uint8Array(length),
    names: PAGE_KINDS,
  },
  { name: 'order', otherwise: 0, make: (length: number) => new Uint8Array(length) },
  {
    name: 'fill',
    otherwise: 0,
    make: (length: number) => new Uint8Array(length),
    names: PAGE_FILLS,
  },
  { name: 'slot', otherwise: -1, make: (length: number) => new Float64Array(length) },
  { name: 'owner', otherwise: -1, make: (length: number) => new Int32Array(length) },
  { name: 'residentAtStart', otherwise: 0, make: (length: number) => new Uint8Array(length) },
  { name: 'swappedAtStart', otherwise: 0, make: (length: number) => new Uint8Array(length) },
  { name: 'recordedBytes', otherwise: -1, make: (length: number) => new Int32Array(length) },
] as const

type PageColumns = Record<string, Uint8Array | Float64Array | Int32Array>

/** The pages of a workload as JSON; `columns` are those that stand beside it. */
export function readPages(
  values: JsonValues,
  json: Json,
  columns: Readonly<Record<string, ArrayLike<number>>> | undefined,
  machine: Machine,
): WorkloadPages {
  const length = values.number(json['length'], 'pages.length')
  const read: PageColumns = {}
  for (const column of PAGE_COLUMNS) {
    const given = columns?.[column.name]
    const filled = column.make(length).fill(column.otherwise)
    if (given !== undefined)
      for (let i = 0; i < length; i++) filled[i] = given[i] ?? column.otherwise
    else if (json[column.name] !== undefined) readColumn(values, json[column.name], column, filled)
    read[column.name] = filled
  }
  checkNodes(values, read['node'] as Uint8Array, machine)
  const folio = values.optional(json, 'folio', 'pages.folio', (list, at) =>
    readFolios(values, list, at, read),
  )
  const memcg = values.optional(json, 'memcg', 'pages.memcg', (list, at) =>
    readMemcgs(values, list, at, { length, memcgs: machine.memcgs?.length ?? 0 }),
  )
  return { length, ...read, ...folio, ...memcg } as unknown as WorkloadPages
}

function readMemcgs(
  values: JsonValues,
  value: unknown,
  place: string,
  { length, memcgs }: { readonly length: number; readonly memcgs: number },
): Int32Array {
  const memcg = Int32Array.from(values.list(value, place), (item, page) =>
    item === -1 ? -1 : readMemcgIndex(values, item, `${place}[${page}]`, memcgs),
  )
  if (memcg.length !== length)
    values.fail(place, `${memcg.length} values`, `${length}, pages.length`)
  return memcg
}

function readColumn(
  values: JsonValues,
  value: unknown,
  column: (typeof PAGE_COLUMNS)[number],
  into: { length: number; [index: number]: number },
): void {
  const place = `pages.${column.name}`
  const list = values.list(value, place)
  if (list.length !== into.length)
    values.fail(place, `${list.length} values`, `${into.length}, pages.length`)
  const names: readonly string[] | undefined = 'names' in column ? column.names : undefined
  list.forEach((item, index) => {
    const at = `${place}[${index}]`
    into[index] =
      names !== undefined && typeof item === 'string'
        ? names.indexOf(values.oneOf(item, at, names))
        : values.number(item, at)
  })
}

function checkNodes(values: JsonValues, node: Uint8Array, machine: Machine): void {
  const known = new Set(machine.nodes.map((item) => item.node))
  node.forEach((each, page) => {
    if (!known.has(each))
      values.fail(`pages.node[${page}]`, each, `a node of the machine (${[...known].join(', ')})`)
  })
}

/** Each folio has as many pages as its order says, all of one owner. */
function readFolios(
  values: JsonValues,
  value: unknown,
  place: string,
  { order, owner }: PageColumns,
): Int32Array {
  const folio = Int32Array.from(values.list(value, place), (item, page) =>
    values.number(item, `${place}[${page}]`),
  )
  const length = order?.length ?? 0
  if (folio.length !== length)
    values.fail(place, `${folio.length} values`, `${length}, pages.length`)
  const members = new Map<number, number>()
  folio.forEach((first, page) => {
    if (first < 0) return
    members.set(first, (members.get(first) ?? 0) + 1)
    if (folio[first] !== first || first > page || owner?.[first] !== owner?.[page])
      values.fail(`${place}[${page}]`, first, 'the first page of a folio, with the same owner')
  })
  for (const [first, count] of members) {
    const most = 1 << (order?.[first] ?? 0)
    if (count !== most) values.fail(`${place}[${first}]`, `${count} pages`, `${most}, by its order`)
  }
  return folio
}
