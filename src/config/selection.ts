import type { Selection } from '../model/selection.ts'
import { parseCount } from './settings.ts'
import { parseTime } from './time.ts'

export interface SelectionOptions {
  readonly trace?: string
  readonly run?: readonly string[]
  readonly from?: string
  readonly to?: string
  readonly cpu?: readonly string[]
  readonly tid?: readonly string[]
  readonly comm?: readonly string[]
  readonly node?: readonly string[]
  readonly window?: string
}

/** The selection that the options make, its times in ns; throws a usage error for what is no number or time. */
export function resolveSelection(options: SelectionOptions): Selection {
  return {
    ...(options.trace === undefined ? {} : { trace: options.trace }),
    runs: options.run ?? [],
    ...(options.from === undefined ? {} : { fromNs: parseTime('--from', options.from) }),
    ...(options.to === undefined ? {} : { toNs: parseTime('--to', options.to) }),
    cpus: toCounts('--cpu', options.cpu),
    tids: toCounts('--tid', options.tid),
    comms: options.comm ?? [],
    nodes: toCounts('--node', options.node),
    ...(options.window === undefined ? {} : { window: options.window }),
  }
}

function toCounts(option: string, values: readonly string[] | undefined): number[] {
  return (values ?? []).flatMap((value) =>
    value.split(',').map((part) => parseCount(option, part.trim(), 0, 2 ** 31 - 1)),
  )
}
