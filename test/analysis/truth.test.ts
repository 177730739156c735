import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Figure } from '../../src/analysis/figure.ts'
import { readFigures } from '../../src/analysis/figures.ts'
import { readLaneOrders } from '../../src/analysis/order.ts'
import { readMeasures } from '../../src/analysis/questions/measures.ts'
import { VIEW_NAMES, type ViewName } from '../../src/analysis/views.ts'
import type { Row } from '../generate/expected.ts'
import { type GeneratedRecording, openGenerated } from './generated.ts'
import { groupBy, quantile, sum, type TrueStall, trueStalls } from './truth-stalls.ts'

/** What each view must hold of a recording, from the truth alone, in the view's words. */
type Oracle = (recording: GeneratedRecording) => readonly Row[]

/** A view whose rows no generated recording has, and why. */
const NOT_GENERATED: Partial<Record<ViewName, string>> = {
  pool_classes: 'only runs sample size classes',
  pool_samples: 'only runs sample the pool',
}

const duration = ({ truth }: GeneratedRecording): number => truth.endNs - truth.startNs
const second = (ns: number, recording: GeneratedRecording): number =>
  Math.floor((ns - recording.truth.startNs) / 1e9)
/** What a recording calls the reclaim that node reclaim is. */
const contextOf = (row: Row): string => (row['context'] === 'node' ? 'direct' : `${row['context']}`)
const number = (row: Row, column: string): number => Number(row[column])
const isCensored = ({ censored }: TrueStall): boolean => censored !== null

function spread(values: readonly number[], name: string): Row {
  return {
    [`p50_${name}`]: quantile(values, 0.5),
    [`p99_${name}`]: quantile(values, 0.99),
    [`max_${name}`]: values.length === 0 ? null : Math.max(...values),
  }
}

function summaryOf(stalls: readonly TrueStall[]): Row {
  const lengths = stalls.map(({ ns }) => ns)
  return {
    stalls: stalls.length,
    censored: stalls.filter(isCensored).length,
    rounds: sum(stalls.map(({ rounds }) => rounds)),
    total_ns: sum(lengths),
    ...spread(lengths, 'ns'),
  }
}

/** Positions within a lane at hand-over and when stored. */
function lanesOf({ table }: GeneratedRecording): Map<string, Row[]> {
  const lanes = groupBy(table('swapouts'), ({ lane }) => String(lane))
  for (const [lane, pages] of lanes) {
    const done = [...pages].sort((a, b) => number(a, 'done_rank') - number(b, 'done_rank'))
    const submitted = [...pages].sort((a, b) => number(a, 'submit_rank') - number(b, 'submit_rank'))
    lanes.set(
      lane,
      submitted.map((page, index) => ({
        lane,
        node: page['node'],
        context: contextOf(page),
        path: 'inline',
        submit_ns: page['start_ns'],
        start_ns: page['start_ns'],
        stored_ns: page['stored_ns'],
        submit_position: index + 1,
        start_position: index + 1,
        done_position: done.indexOf(page) + 1,
        start_displacement: 0,
        done_displacement: done.indexOf(page) - index,
      })),
    )
  }
  return lanes
}

/** Devices are told apart from memory only where there are no others. */
const placeOf = ({ scenario }: GeneratedRecording, row: Row): unknown =>
  scenario.swapDevices.length === 1 ? row['place'] : null

const ORACLES: Readonly<Record<Exclude<ViewName, 'pool_classes' | 'pool_samples'>, Oracle>> = {
  stalls: (recording) =>
    trueStalls(recording).map((stall) => ({
      tid: stall.tid,
      comm: stall.comm,
      stalled: stall.stalled,
      kinds: stall.kinds,
      start_ns: stall.startNs ?? recording.truth.startNs,
      end_ns: stall.endNs,
      ns: stall.ns,
      censored: stall.censored,
      rounds: stall.rounds,
      alloc_order: stall.order,
      nr_reclaimed: stall.reclaimed,
    })),
  stall_summary: (recording) =>
    [...groupBy(trueStalls(recording), ({ stalled }) => stalled)].map(([stalled, stalls]) => ({
      stalled,
      tasks: new Set(stalls.map(({ tid }) => tid)).size,
      mean_ns: Math.round(sum(stalls.map(({ ns }) => ns)) / stalls.length),
      ...summaryOf(stalls),
    })),
  stall_tasks: (recording) =>
    [...groupBy(trueStalls(recording), ({ tid }) => String(tid)).values()].map((stalls) => ({
      tid: stalls[0]?.tid,
      comm: stalls[0]?.comm,
      stalled: stalls[0]?.stalled,
      elapsed_share: sum(stalls.map(({ ns }) => ns)) / duration(recording),
      reclaimed_pages: sum(stalls.map(({ reclaimed }) => reclaimed)),
      ...summaryOf(stalls),
    })),
  // Generated tasks are in no control group that a trace tells of.
  stall_cgroups: (recording) =>
    [...groupBy(trueStalls(recording), ({ stalled }) => stalled)].map(([stalled, stalls]) => ({
      cgroup: null,
      stalled,
      tasks: new Set(stalls.map(({ tid }) => tid)).size,
      reclaimed_pages: sum(stalls.map(({ reclaimed }) => reclaimed)),
      ...summaryOf(stalls),
    })),
  stall_causes: (recording) =>
    trueStalls(recording).flatMap(({ tid, stalled, comm, parts }) =>
      [...parts].map(([part, ns]) => ({ tid, comm, stalled, part, ns })),
    ),
  stall_cause_summary: (recording) => {
    const stalls = trueStalls(recording)
    const parts = stalls.flatMap((stall) =>
      [...stall.parts].map(([part, ns]) => ({ stall, part, ns })),
    )
    const whole = groupBy(stalls, ({ stalled }) => stalled)
    return [...groupBy(parts, ({ stall, part }) => `${stall.stalled} ${part}`).values()].map(
      (list) => {
        const stalled = list[0]?.stall.stalled ?? ''
        const total = sum(list.map(({ ns }) => ns))
        return {
          stalled,
          part: list[0]?.part,
          stalls: list.length,
          total_ns: total,
          stall_share: total / sum((whole.get(stalled) ?? []).map(({ ns }) => ns)),
        }
      },
    )
  },
  stall_histogram: (recording) => {
    const bucket = ({ ns }: TrueStall): number => {
      let from = 1000
      while (from * 2 <= ns) from *= 2
      return ns < 1000 ? 0 : from
    }
    return [
      ...groupBy(trueStalls(recording), (stall) => `${stall.stalled} ${bucket(stall)}`).values(),
    ].map((stalls) => {
      const from = stalls[0] === undefined ? 0 : bucket(stalls[0])
      return {
        stalled: stalls[0]?.stalled,
        from_ns: from,
        to_ns: Math.max(1000, 2 * from),
        stalls: stalls.length,
        censored: stalls.filter(isCensored).length,
        total_ns: sum(stalls.map(({ ns }) => ns)),
      }
    })
  },
  oom_scores: (recording) =>
    recording.scenario.name === 'server' ? [{ pid: 1002, oom_score_adj: 200 }] : [],
  kills: (recording) =>
    recording
      .table('markers')
      .filter(({ name }) => name === 'oom kill')
      .map((mark) => {
        const at = number(mark, 'ts_ns')
        return {
          ts_ns: at,
          at_ns: at - recording.truth.startNs,
          killed_by: 'oom',
          pid: mark['tid'],
          oom_score_adj: 200,
          stalls: trueStalls(recording).filter(({ endNs, ns }) => endNs - ns <= at && endNs >= at)
            .length,
        }
      }),
  order_pages: (recording) => [...lanesOf(recording).values()].flat(),
  order_lanes: (recording) =>
    [...lanesOf(recording)].map(([lane, pages]) => {
      const moved = pages.map((page) => Math.abs(number(page, 'done_displacement')))
      return {
        lane,
        pages: pages.length,
        started: pages.length,
        done: pages.length,
        start_displaced: 0,
        start_max: 0,
        done_displaced: moved.filter((size) => size > 0).length,
        done_p50: quantile(moved, 0.5),
        done_p99: quantile(moved, 0.99),
        done_max: Math.max(...moved),
      }
    }),
  // Without probes nothing tells when a page was handed over.
  order_bypass: (recording) =>
    recording.truth.probes === 'full'
      ? []
      : [...groupBy(recording.table('swapouts'), contextOf)].map(([context, pages]) => ({
          lane: pages[0]?.['lane'],
          context,
          pages: pages.length,
        })),
  kswapd_busy: (recording) =>
    recording
      .table('tasks')
      .filter(({ kind }) => kind === 'kswapd')
      .map(({ tid, node, comm }) => {
        const own = recording.table('thread_states').filter((state) => state['tid'] === tid)
        // A task's states are known from its first switch onto a CPU.
        const first = own.findIndex(({ state }) => state === 'running')
        const states = own.slice(first)
        const awake = recording.table('kswapd_spans').filter((span) => span['tid'] === tid)
        const time = (state: string, doing?: string): number | null => {
          const such = states.filter(
            (row) => row['state'] === state && (doing === undefined || row['doing'] === doing),
          )
          return such.length === 0
            ? null
            : sum(such.map((row) => number(row, 'end_ns') - number(row, 'start_ns')))
        }
        const running = Number(time('running'))
        return {
          node,
          tid,
          comm,
          wakes: awake.length,
          awake_ns: sum(awake.map((row) => number(row, 'end_ns') - number(row, 'start_ns'))),
          running_ns: running,
          busy_share: running / duration(recording),
          scan_ns: time('running', 'scan'),
          unmap_ns: time('running', 'unmap'),
          store_ns: time('running', 'store'),
          slab_ns: time('running', 'slab'),
          other_ns: time('running', 'none'),
          store_share: Number(time('running', 'store')) / running,
          runnable_ns: time('runnable'),
          lock_ns: null,
        }
      }),
  kswapd_wakers: (recording) => {
    const tasks = new Map(recording.table('tasks').map((task) => [task['tid'], task]))
    const wakes = recording
      .table('wakeups')
      .filter(({ tid }) => tasks.get(tid)?.['kind'] === 'kswapd')
    const waker = ({ waker_tid: tid }: Row): unknown =>
      tid === 0 ? 'swapper' : tasks.get(tid)?.['comm']
    return [
      ...groupBy(wakes, (row) => `${row['tid']} ${row['reason']} ${waker(row)}`).values(),
    ].map((list) => ({
      kswapd: tasks.get(list[0]?.['tid'])?.['comm'],
      reason: list[0]?.['reason'],
      waker: list[0] === undefined ? null : waker(list[0]),
      wakeups: list.length,
    }))
  },
  pool_places: (recording) =>
    [
      ...groupBy(recording.table('swapouts'), (row) => String(placeOf(recording, row))).values(),
    ].map((pages) => ({
      place: pages[0] === undefined ? null : placeOf(recording, pages[0]),
      swapouts: pages.length,
      pages: pages.length,
      sized: 0,
      compressed_bytes: null,
    })),
  pool_move_summary: ({ table }) =>
    [
      ...groupBy(table('pool_moves'), (row) => `${row['reason']} ${row['from_place']}`).values(),
    ].map((moves) => ({
      reason: moves[0]?.['reason'],
      from_place: moves[0]?.['from_place'],
      to_place: null,
      pages: moves.length,
    })),
  refaults: (recording) => {
    const reads = recording.table('swapins')
    const distances = reads.flatMap(({ refault_distance: distance }) =>
      distance === null ? [] : [Number(distance)],
    )
    const waits = reads.map((read) => number(read, 'end_ns') - number(read, 'fault_ns'))
    if (reads.length === 0) return []
    return [
      {
        met: recording.scenario.swapDevices.length === 1 ? 'pool' : 'unknown',
        swapins: reads.length,
        readahead: 0,
        refaults: distances.length,
        older: reads.length - distances.length,
        ...spread(waits, 'wait_ns'),
        p50_distance: quantile(distances, 0.5),
        p99_distance: quantile(distances, 0.99),
      },
    ]
  },
  swap_rates: (recording) => {
    const out = recording
      .table('swapouts')
      .map((row) => ({ second: second(number(row, 'stored_ns'), recording), is: contextOf(row) }))
    const back = recording
      .table('swapins')
      .map((row) => ({ second: second(number(row, 'fault_ns'), recording), is: 'in' }))
    return [...groupBy([...out, ...back], (move) => String(move.second)).values()].map((moves) => ({
      second: moves[0]?.second,
      swapout_pages: moves.filter(({ is }) => is !== 'in').length,
      kswapd_pages: moves.filter(({ is }) => is === 'kswapd').length,
      direct_pages: moves.filter(({ is }) => is === 'direct').length,
      swapin_pages: moves.filter(({ is }) => is === 'in').length,
    }))
  },
  swapout_costs: (recording) =>
    [...groupBy(recording.table('swapouts'), contextOf)].map(([context, pages]) => ({
      context,
      path: 'inline',
      place: pages[0] === undefined ? null : placeOf(recording, pages[0]),
      swapouts: pages.length,
      max_wait_ns: 0,
      ...spread(
        pages.map((page) => number(page, 'stored_ns') - number(page, 'start_ns')),
        'store_ns',
      ),
      p50_free_ns: null,
    })),
  slot_use: (recording) =>
    [...groupBy(recording.table('swapouts'), (row) => String(row['swap_type'])).values()].map(
      (pages) => {
        const offsets = pages.map((page) => number(page, 'swap_offset'))
        const slots = new Set(offsets).size
        let pairs = 0
        let contiguous = 0
        for (const lane of groupBy(pages, ({ lane }) => String(lane)).values()) {
          const ordered = lane.sort((a, b) => number(a, 'start_ns') - number(b, 'start_ns'))
          for (const [index, page] of ordered.entries()) {
            const previous = ordered[index - 1]
            if (previous === undefined) continue
            pairs++
            if (number(page, 'swap_offset') === number(previous, 'swap_offset') + 1) contiguous++
          }
        }
        return {
          swap_type: pages[0]?.['swap_type'],
          swapouts: pages.length,
          slots,
          clusters: new Set(offsets.map((offset) => Math.floor(offset / 512))).size,
          lowest_offset: Math.min(...offsets),
          highest_offset: Math.max(...offsets),
          reuses: pages.length - slots,
          contiguous_share: contiguous / pairs,
        }
      },
    ),
  slot_clusters: (recording) =>
    [
      ...groupBy(
        recording.table('swapouts'),
        (row) => `${row['swap_type']} ${Math.floor(number(row, 'swap_offset') / 512)}`,
      ).values(),
    ].map((pages) => {
      const times = pages.map((page) => number(page, 'start_ns') - recording.truth.startNs)
      return {
        swap_type: pages[0]?.['swap_type'],
        cluster: Math.floor(Number(pages[0]?.['swap_offset']) / 512),
        swapouts: pages.length,
        slots: new Set(pages.map(({ swap_offset: offset }) => offset)).size,
        first_use_ns: Math.min(...times),
        last_use_ns: Math.max(...times),
      }
    }),
  loss_summary: ({ truth }) =>
    [
      ...groupBy(
        truth.losses.filter(({ beforeNs }) => beforeNs !== undefined),
        ({ cpu }) => String(cpu),
      ).values(),
    ].map((gaps) => ({
      cpu: gaps[0]?.cpu,
      gaps: gaps.length,
      uncounted_gaps: 0,
      lost_events: sum(gaps.map(({ events }) => events)),
      gap_ns: sum(gaps.map((gap) => Number(gap.beforeNs) - Number(gap.afterNs ?? gap.beforeNs))),
    })),
}

/** What the view holds, in the oracle's columns. */
const SELECT: Partial<Record<ViewName, string>> = {
  stall_causes:
    'SELECT tid, comm, stalled, part, CAST(sum(ns) AS BIGINT) AS ns FROM stall_causes GROUP BY stall_id, tid, comm, stalled, part',
  kswapd_wakers: `SELECT kswapd, reason, regexp_replace(waker, '^swapper/.*', 'swapper') AS waker, CAST(sum(wakeups) AS BIGINT) AS wakeups
     FROM kswapd_wakers GROUP BY ALL`,
}

const cell = (value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(9)) : value

function inOrder(rows: readonly Row[], columns: readonly string[]): Row[] {
  const lines = rows.map((row) =>
    JSON.stringify(Object.fromEntries(columns.map((column) => [column, cell(row[column])]))),
  )
  return lines.sort().map((line) => JSON.parse(line) as Row)
}

async function expectView(
  recording: GeneratedRecording,
  view: keyof typeof ORACLES,
): Promise<Row[]> {
  const expected = ORACLES[view](recording)
  const found = await recording.query(SELECT[view] ?? `SELECT * FROM ${view}`)
  const columns = Object.keys(expected[0] ?? found[0] ?? {})
  expect(inOrder(found, columns)).toEqual(inOrder(expected, columns))
  return found
}

const RECORDINGS = {
  phone: { scenario: 'phone' },
  server: {
    scenario: 'server',
    seed: 2,
    beside: new Map([['processes.before', '/proc/1002/oom_score_adj:200\n']]),
  },
  burst: { scenario: 'burst', seed: 3, events: 12_000 },
  late: { scenario: 'late' },
  'phone without probes': { scenario: 'phone', probes: 'stock' },
  'server with losses': { scenario: 'server', seed: 3, events: 8000, loss: 0.1 },
} as const
type Name = keyof typeof RECORDINGS

const recordings = new Map<string, GeneratedRecording>()
const recordingOf = (name: Name): GeneratedRecording => {
  const recording = recordings.get(name)
  if (recording === undefined) throw new Error(`${name} was not generated`)
  return recording
}
beforeAll(async () => {
  for (const [name, choice] of Object.entries(RECORDINGS))
    recordings.set(name, await openGenerated(choice))
})
afterAll(() => {
  for (const { database } of recordings.values()) database.close()
})

const seen = new Set<string>()

describe.each(['phone', 'server', 'burst'] as const)('of the generated %s', (name) => {
  it.each(Object.keys(ORACLES) as (keyof typeof ORACLES)[])(
    'the view %s holds what happened',
    async (view) => {
      if ((await expectView(recordingOf(name), view)).length > 0) seen.add(view)
    },
  )
})

it('a recording without probes holds every swap-out beside the lanes, which it cannot know', async () => {
  const found = await expectView(recordingOf('phone without probes'), 'order_bypass')
  expect(found.length).toBeGreaterThan(0)
  seen.add('order_bypass')
})

it('lost events are counted by CPU as they were lost', async () => {
  const found = await expectView(recordingOf('server with losses'), 'loss_summary')
  expect(found.length).toBeGreaterThan(1)
  seen.add('loss_summary')
})

describe('a recording that begins within stalls', () => {
  it('has them from its start on, and says that their beginning was not seen', async () => {
    const stalls = trueStalls(recordingOf('late'))
    expect(stalls.filter(isCensored).length).toBeGreaterThan(0)
    for (const view of ['stalls', 'stall_summary', 'stall_tasks', 'stall_histogram'] as const)
      await expectView(recordingOf('late'), view)
  })
})

it('every view that recordings fill was compared with a truth that has rows', () => {
  const compared = Object.keys(NOT_GENERATED).concat([...seen])
  expect(compared.sort()).toEqual([...VIEW_NAMES].sort())
})

describe('order', () => {
  it.each(['phone', 'server', 'burst'] as const)(
    'of the generated %s has the inversions that counting all pairs finds',
    async (name) => {
      const recording = recordingOf(name)
      const orders = await readLaneOrders(recording.database.connection)
      const counted = [...lanesOf(recording)].map(([lane, pages]) => {
        let inversions = 0
        for (const [i, page] of pages.entries())
          for (const later of pages.slice(i + 1))
            if (number(later, 'done_position') < number(page, 'done_position')) inversions++
        return { lane, submitted: pages.length, inversions }
      })
      expect(
        orders.map(({ lane, submitted, start, done, bypass }) => {
          expect([start.inversions, bypass]).toEqual([0, 0])
          return { lane, submitted, inversions: done.inversions }
        }),
      ).toEqual(counted.sort((a, b) => (a.lane < b.lane ? -1 : 1)))
      // Tasks that reclaim at once, in one lane, overtake each other; one kswapd cannot overtake itself.
      for (const { lane, inversions } of counted)
        if (lane.endsWith('/kswapd')) expect(inversions).toBe(0)
      if (name === 'phone')
        expect(sum(counted.map(({ inversions }) => inversions))).toBeGreaterThan(20)
    },
  )
})

const valuesOf = (figures: readonly Figure[] | undefined): Map<string, number | null> =>
  new Map(figures?.map(({ metric, value }) => [metric, value]))

describe('the figures that compare prints', () => {
  it.each(['phone', 'server', 'burst'] as const)(
    'of the generated %s are the truth',
    async (name) => {
      const recording = recordingOf(name)
      const [subject] = await readFigures(recording.database.connection)
      const values = valuesOf(subject?.figures)
      const stalls = trueStalls(recording)
      const lengths = stalls.map(({ ns }) => ns)
      const spans = recording.table('reclaim_spans')
      const busy = ORACLES.kswapd_busy(recording)
      const expected: Record<string, number | null> = {
        swapout_pages: recording.table('swapouts').length,
        swapin_pages: recording.table('swapins').length,
        allocstalls: spans.filter(({ kind }) => kind === 'direct').length,
        app_stalls: stalls.length,
        app_stall_ns: sum(lengths),
        app_stall_p50_ns: quantile(lengths, 0.5),
        app_stall_p99_ns: quantile(lengths, 0.99),
        app_stall_max_ns: Math.max(...lengths),
        app_stalls_censored: 0,
        // Whoever is not kswapd never meets its queue.
        bypass_pages: recording.table('swapouts').filter(({ context }) => context !== 'kswapd')
          .length,
        order_start_inversions: 0,
      }
      for (const [metric, value] of Object.entries(expected))
        expect(values.get(metric) ?? 0, metric).toBe(value)
      const share = Math.max(...busy.map((row) => number(row, 'busy_share')))
      if (busy.length === 1) expect(values.get('kswapd_busy_share')).toBeCloseTo(share, 9)
    },
  )
})

describe('the measures of the questions', () => {
  it.each(['phone', 'burst'] as const)('of the generated %s are the truth', async (name) => {
    const recording = recordingOf(name)
    const [subject] = await readMeasures(recording.database.connection)
    const values = valuesOf(subject?.figures)
    const [busy = {}] = ORACLES.kswapd_busy(recording)
    const outs = recording.table('swapouts')
    const batches = recording.table('shrink_batches')
    const total = (column: string): number => sum(batches.map((row) => number(row, column)))
    expect(values.get('kswapd_runqueue_ns')).toBe(busy['runnable_ns'])
    expect(values.get('anon_scans_per_steal')).toBeCloseTo(
      total('nr_scanned') / total('nr_reclaimed'),
    )
    expect(values.get('lowest_priority')).toBe(
      Math.min(...batches.map((row) => number(row, 'priority'))),
    )
    expect(values.get('slots_used')).toBe(new Set(outs.map((row) => row['swap_offset'])).size)
    expect(values.get('context_switches')).toBe(switchesOf(recording))
    // t1 finds and unmaps a page, t2 stores it, t3 is the rest.
    const running = number(busy, 'running_ns')
    const [scan, unmap, store] = ['scan_ns', 'unmap_ns', 'store_ns'].map((it) => number(busy, it))
    expect(values.get('scan_cpu_share')).toBeCloseTo((Number(scan) + Number(unmap)) / running)
    expect(values.get('store_cpu_share')).toBeCloseTo(Number(store) / running)
    expect(values.get('workers')).toBeNull()
  })
})

/** Beginnings of running after something else. */
function switchesOf({ table }: GeneratedRecording): number {
  let switches = 0
  for (const states of groupBy(table('thread_states'), ({ tid }) => String(tid)).values())
    for (const [index, { state }] of states.entries())
      if (state === 'running' && states[index - 1]?.['state'] !== 'running') switches++
  return switches
}
