import type { Row } from '../generate/expected.ts'
import type { GeneratedRecording } from './generated.ts'

/** A stall as the truth has it. */
export interface TrueStall {
  readonly tid: unknown
  readonly comm: unknown
  readonly stalled: string
  readonly kinds: string
  /** null: it began before the recording. */
  readonly startNs: number | null
  readonly endNs: number
  readonly ns: number
  readonly censored: unknown
  readonly rounds: number
  readonly order: number | null
  readonly reclaimed: number
  readonly parts: ReadonlyMap<string, number>
}

const STALLED: Readonly<Record<string, string>> = {
  kworker: 'worker',
  kswapd: 'other',
  kcompactd: 'other',
}

/** The truth's outermost spans by task; throttling and the direct reclaim that it delayed are one stall. */
export function trueStalls({ table, truth }: GeneratedRecording): TrueStall[] {
  const tasks = new Map(table('tasks').map((task) => [task['tid'], task]))
  const parts = table('stall_parts')
  const spans = table('reclaim_spans')
  const stalls: TrueStall[] = []
  for (const [tid, task] of tasks) {
    const islands: { readonly span: Row; readonly index: number }[][] = []
    spans.forEach((span, index) => {
      if (span['tid'] !== tid || span['parent'] !== null) return
      const last = islands.at(-1)?.at(-1)?.span
      if (last?.['kind'] === 'throttle' && last['end_ns'] === span['start_ns'])
        islands.at(-1)?.push({ span, index })
      else islands.push([{ span, index }])
    })
    for (const island of islands) {
      const sums = new Map<string, number>()
      for (const { index } of island)
        for (const part of parts)
          if (part['span'] === index) {
            const name = part['part'] === 'io' ? 'unknown' : String(part['part'])
            sums.set(name, (sums.get(name) ?? 0) + Number(part['ns']))
          }
      const own = island.map(({ span }) => span)
      const start = own[0]?.['start_ns'] ?? null
      const endNs = Number(own.at(-1)?.['end_ns'])
      stalls.push({
        tid,
        comm: task['comm'],
        stalled: STALLED[String(task['kind'])] ?? 'application',
        kinds: [...new Set(own.map(({ kind }) => String(kind)))].sort().join('+'),
        startNs: start === null ? null : Number(start),
        endNs,
        ns: endNs - Number(start ?? truth.startNs),
        censored: own[0]?.['censored'] ?? null,
        rounds: own.filter(({ kind }) => kind === 'direct').length,
        order: own.reduce<number | null>(
          (most, span) =>
            span['alloc_order'] === null ? most : Math.max(most ?? 0, Number(span['alloc_order'])),
          null,
        ),
        reclaimed: own.reduce((sum, span) => sum + Number(span['nr_reclaimed'] ?? 0), 0),
        parts: sums,
      })
    }
  }
  return stalls.sort((a, b) => a.endNs - b.endNs || Number(a.tid) - Number(b.tid))
}

/** The smallest value that at least this share of all is not above. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null
}

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

export function groupBy<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of list) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
