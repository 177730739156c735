import type { Command } from 'commander'
import type { Disorder, LaneOrder } from '../analysis/order.ts'
import { type Result, type ResultColumn, toResult } from '../analysis/result.ts'
import { unfitError } from './failure.ts'
import { addDatabase, addExamples, addOutput, addSelectors } from './options.ts'
import { toFormat } from './output.ts'
import {
  printSections,
  type Reading,
  type ReadingOptions,
  readSection,
  type Section,
  withReading,
} from './reading.ts'

const ASPECTS = ['lane', 'bypass', 'refault', 'page'] as const

interface OrderOptions extends ReadingOptions {
  readonly by?: string
}

export function register(command: Command): void {
  command
    .description(
      'Was the order of reclaim kept? Measured per lane = node and submitting context: submit is the hand-over of the page, ' +
        'start the begin of its store, done the stored page. Inversions are exact counts of pairs; displacement is position ' +
        'minus submit position. What never met a queue (direct reclaim, zero and same pages, fallbacks) is bypass: counted ' +
        'apart, never an inversion. In the direct lane several tasks store at the same time, so pages overtake each other at completion under every policy.',
    )
    .option(
      '--by <aspect>',
      `one table: ${ASPECTS.join(', ')} (default: an overview; lane in machine formats)`,
    )
  addOutput(addSelectors(addDatabase(command)))
  addExamples(
    command,
    `
pstrace order
pstrace order --run kcompressd --run parallel
pstrace order --by page --format csv > positions.csv`,
  )
  command.action(async (options: OrderOptions) => {
    const { unknownName } = await import('../model/names.ts')
    const aspect = ASPECTS.find((known) => known === options.by)
    if (options.by !== undefined && aspect === undefined)
      throw unknownName('aspect', options.by, ASPECTS)
    await withReading(options, async (reading) => {
      const isOverview =
        aspect === undefined && toFormat(options) === 'table' && options.output === undefined
      const sections = isOverview
        ? await readOverview(reading)
        : [await SECTIONS[aspect ?? 'lane'](reading)]
      await printSections(sections, options, reading)
    })
  })
}

const SECTIONS: Readonly<Record<(typeof ASPECTS)[number], (of: Reading) => Promise<Section>>> = {
  lane: readLanes,
  bypass: (reading) =>
    readSection(reading, 'Bypass (never met a queue)', 'SELECT * FROM order_bypass', 'none'),
  refault: (reading) =>
    readSection(
      reading,
      'Swap-ins by where they met the page',
      'SELECT * FROM refaults',
      'no swap-in was recorded',
    ),
  page: (reading) =>
    readSection(
      reading,
      'Pages',
      'SELECT * FROM order_pages ORDER BY trace_id, run_id NULLS FIRST, lane, submit_position',
    ),
}

async function readOverview(reading: Reading): Promise<Section[]> {
  return [
    await readLanes(reading),
    await readOvertaking(reading),
    await SECTIONS.bypass(reading),
    await SECTIONS.refault(reading),
  ]
}

async function readLanes({ connection }: Reading): Promise<Section> {
  const { readLaneOrders } = await import('../analysis/order.ts')
  const orders = await readLaneOrders(connection)
  if (orders.length === 0)
    throw unfitError('order: no swap-out was recorded in this part of the trace')
  return { title: 'Order per lane', result: toLanes(orders) }
}

async function readOvertaking({ connection, selection }: Reading): Promise<Section> {
  const { readCrossLaneInversions } = await import('../analysis/order.ts')
  const across = await readCrossLaneInversions(connection)
  const labelOf = (traceId: number, runId: number | null): string | null =>
    selection.subjects.find((s) => s.traceId === traceId && s.runId === runId)?.label ?? null
  return {
    title: 'Overtaking across lanes (pairs, at completion)',
    result: toResult(
      [
        { name: 'label', type: 'text' },
        { name: 'inversions', type: 'integer', unit: 'count' },
      ],
      across.map(({ traceId, runId, inversions }) => ({
        label: labelOf(traceId, runId),
        inversions,
      })),
    ),
    empty: 'times of hand-over and store are not recorded',
  }
}

const COLUMNS: readonly ResultColumn[] = [
  { name: 'trace_id', type: 'integer' },
  { name: 'run_id', type: 'integer' },
  { name: 'label', type: 'text' },
  { name: 'lane', type: 'text' },
  { name: 'submitted', type: 'integer', unit: 'count' },
  { name: 'bypass', type: 'integer', unit: 'count' },
  { name: 'moment', type: 'text' },
  { name: 'pages', type: 'integer', unit: 'count' },
  { name: 'inversions', type: 'integer', unit: 'count' },
  { name: 'inverted_share', type: 'number', unit: 'share' },
  { name: 'displaced', type: 'integer', unit: 'count' },
  { name: 'mean_displacement', type: 'number' },
  { name: 'p50_displacement', type: 'integer', unit: 'count' },
  { name: 'p99_displacement', type: 'integer', unit: 'count' },
  { name: 'max_displacement', type: 'integer', unit: 'count' },
]

function toLanes(orders: readonly LaneOrder[]): Result {
  return toResult(
    COLUMNS,
    orders.flatMap((order) =>
      (['start', 'done'] as const).map((moment) => ({
        trace_id: order.traceId,
        run_id: order.runId,
        label: order.label,
        lane: order.lane,
        submitted: order.submitted,
        bypass: order.bypass,
        moment,
        ...toCells(order[moment]),
      })),
    ),
  )
}

/** Nothing is said of a sequence that was not recorded. */
function toCells(disorder: Disorder): Record<string, number | null> {
  if (disorder.pages === 0) return { pages: 0 }
  return {
    pages: disorder.pages,
    inversions: disorder.inversions,
    inverted_share: disorder.pairs === 0 ? 0 : disorder.inversions / disorder.pairs,
    displaced: disorder.displaced,
    mean_displacement: disorder.meanDisplacement ?? null,
    p50_displacement: disorder.p50Displacement ?? null,
    p99_displacement: disorder.p99Displacement ?? null,
    max_displacement: disorder.maxDisplacement ?? null,
  }
}
