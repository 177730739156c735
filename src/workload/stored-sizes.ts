import { parseKernelRelease } from '../model/kernel-release.ts'
import { findZswapShare } from './counters.ts'
import { counterRise, readCounter, snapshotText } from './machine.ts'
import type { Recording } from './recording.ts'
import type { TableColumns, WorkloadTables } from './table-columns.ts'
import type { Based, Machine } from './types.ts'

type Parameters = Record<string, Based<number | string>>

/** Stores in one window: a full pool refuses whole windows, pages that do not shrink are a share of every other. */
const WINDOW = 256
const FULL_POOL = 0.5
const FEWEST_WINDOWS = 8

/**
 * What the recording tells of the backend: its settings, and how large pages were in it. Sizes are read only from figures that cover the
 * recorded interval: counters that rose within it, and its own stores.
 */
export async function readBackendFigures(
  tables: WorkloadTables,
  traceId: number,
  recording: Recording,
  machine: Pick<Machine, 'backend' | 'backendParameters' | 'recordPagesPerSlot'>,
): Promise<Parameters> {
  const form = formOf(recording)
  if (machine.backend.value === 'zswap')
    return {
      ...form,
      ...readZswapSettings(recording),
      ...(await readIncompressible(tables, traceId)),
      ...readZswapSizes(recording),
    }
  if (machine.backend.value !== 'zram') return {}
  return {
    ...form,
    ...(wasEmptied(recording) ? sizesAtPeak(recording, machine) : readZramSizes(recording)),
  }
}

/** Kernels before 6.8 have zswap's first form; zram's is told apart at the same place. */
function formOf({ kernelRelease = '' }: Recording): Parameters {
  const release = parseKernelRelease(kernelRelease)
  if (release === undefined) return {}
  return {
    form: {
      value: release.series < 6008 ? '6.1' : '6.12',
      basis: 'event',
      from: `kernel ${kernelRelease}`,
    },
  }
}

const ZSWAP_SETTINGS = ['max_pool_percent', 'accept_threshold_percent', 'zpool', 'shrinker_enabled']

function readZswapSettings(recording: Recording): Parameters {
  const settings = snapshotText(recording, 'zswap.params') ?? ''
  const found: Parameters = {}
  for (const name of ZSWAP_SETTINGS) {
    const value = new RegExp(`${name}[:=\\t ]+(\\S+)`).exec(settings)?.[1]
    if (value === undefined) continue
    const number = value === 'Y' ? 1 : value === 'N' ? 0 : Number(value)
    found[name] = {
      value: Number.isFinite(number) ? number : value,
      basis: 'snapshot',
      from: 'zswap.params',
    }
  }
  return found
}

async function readIncompressible(tables: WorkloadTables, traceId: number): Promise<Parameters> {
  const { columns } = await tables.queryColumns(
    `WITH stores AS (
       SELECT place, row_number() OVER (ORDER BY submit_ns, swapout_id) AS number
       FROM swapouts WHERE trace_id = ${traceId} AND run_id IS NULL AND place IN ('zswap', 'disk')
     ), windows AS (
       SELECT avg(CASE WHEN place = 'disk' THEN 1.0 ELSE 0.0 END) AS refused
       FROM stores GROUP BY number // ${WINDOW} HAVING count(*) = ${WINDOW}
     )
     SELECT avg(refused) FILTER (WHERE refused < ${FULL_POOL}) AS share, count(*) AS windows FROM windows`,
  )
  const share = number(columns, 'share')
  const windows = number(columns, 'windows')
  if (share === undefined || windows === undefined || windows < FEWEST_WINDOWS) return {}
  return {
    incompressible_share: {
      value: share,
      basis: 'event',
      n: windows * WINDOW,
      from: `refused stores, without windows of ${WINDOW} in which the pool was full`,
    },
  }
}

function number(columns: TableColumns['columns'], name: string): number | undefined {
  const value = columns[name]?.[0]
  return typeof value === 'number' && !Number.isNaN(value) ? value : undefined
}

function readZswapSizes(recording: Recording): Parameters {
  const share = findZswapShare(recording)
  return share === undefined ? {} : { pool_share: share }
}

/** zram holds less than this of what went out and did not come back: its user has freed most of it since, and what is left is somebody else's. */
const HELD_SHARE = 0.5

/** Were zram's counters read after the recorded program had ended? */
function wasEmptied(recording: Recording): boolean {
  const original = readCounter(recording, 'mm_stat.orig_data_size')?.last
  const out = counterRise(recording, 'vmstat.pswpout')
  const back = counterRise(recording, 'vmstat.pswpin')
  if (original === undefined || out === undefined || back === undefined) return false
  return original / recording.pageSize < HELD_SHARE * (out - back)
}

/** What tells of the pool while it was in use: its pages per page held, and how many pages it has kept raw since it was set up. */
function sizesAtPeak(
  recording: Recording,
  machine: Pick<Machine, 'backendParameters' | 'recordPagesPerSlot'>,
): Parameters {
  const share = poolPagesPerStored(machine)
  const huge = readCounter(recording, 'mm_stat.huge_pages_since')?.last
  const out = counterRise(recording, 'vmstat.pswpout') ?? 0
  return {
    ...(share === undefined || share.basis === 'default' ? {} : { pool_share: share }),
    ...(huge === undefined || huge >= out
      ? {}
      : {
          huge_share: {
            value: huge / out,
            basis: 'snapshot',
            n: out,
            from: 'mm_stat: huge_pages_since over vmstat: pswpout',
          },
        }),
  }
}

/** Pages that a stored one takes of the pool. What free memory falls by holds the slot's records as well, which a replay charges by itself. */
export function poolPagesPerStored({
  backendParameters,
  recordPagesPerSlot,
}: Pick<Machine, 'backendParameters' | 'recordPagesPerSlot'>): Based<number> | undefined {
  const share = backendParameters['poolPagesPerStoredPage']
  if (typeof share?.value !== 'number') return undefined
  const recordPages = share.basis === 'event' ? (recordPagesPerSlot?.value ?? 0) : 0
  return { ...share, value: share.value - recordPages }
}

function readZramSizes(recording: Recording): Parameters {
  const last = (name: string): number | undefined => readCounter(recording, `mm_stat.${name}`)?.last
  const original = last('orig_data_size')
  const compressed = last('compr_data_size')
  const same = last('same_pages')
  const huge = last('huge_pages')
  if (original === undefined || compressed === undefined || !(compressed > 0)) return {}
  const all = original / recording.pageSize
  const pages = all - (same ?? 0)
  if (!(pages > 0 && compressed < pages * recording.pageSize)) return {}
  const basis = 'snapshot'
  return {
    stored_bytes: { value: compressed / pages, basis, n: pages, from: 'mm_stat: compr_data_size' },
    ...(huge === undefined
      ? {}
      : { huge_share: { value: huge / pages, basis, n: pages, from: 'mm_stat: huge_pages' } }),
    ...(same === undefined
      ? {}
      : { same_share: { value: same / all, basis, n: all, from: 'mm_stat: same_pages' } }),
  }
}
