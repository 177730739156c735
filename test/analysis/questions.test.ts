import { afterEach, describe, expect, it } from 'vitest'
import { METRICS } from '../../src/analysis/metrics.ts'
import { type AnsweredQuestion, answerQuestions } from '../../src/analysis/questions/answers.ts'
import { MEASURES, readMeasures } from '../../src/analysis/questions/measures.ts'
import { QUESTIONS, questionsOf } from '../../src/analysis/questions/question.ts'
import { selectEverything } from '../../src/analysis/selection.ts'
import { QUESTION_MODELS, SLOW_MODELS } from '../../src/cli/question-models.ts'
import type { Database } from '../../src/database/database.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import { type RunSummary, replay } from '../../src/replay/replay.ts'
import { CountingBackend, plainContents, plan } from '../replay/build.ts'
import { type HandRow, type HandTables, type HandTrace, openViews } from './hand-made.ts'

let database: Database | undefined
afterEach(() => {
  database?.close()
  database = undefined
})

const KSWAPD = 1
const WORKER = 2
const APP = 3
const TASKS: readonly HandRow[] = [
  { task_id: KSWAPD, tid: 40, comm: 'kswapd0', kind: 'kswapd', node: 0 },
  { task_id: WORKER, tid: 41, comm: 'kcompressd0', kind: 'compressor', node: 0 },
  { task_id: APP, tid: 500, comm: 'app', kind: 'user' },
]

function swapout(id: number, more: HandRow): HandRow {
  return {
    swapout_id: id,
    page_id: id,
    task_id: KSWAPD,
    context: 'kswapd',
    path: 'queued',
    lane: '0/kswapd',
    stored_by: WORKER,
    place: 'zram',
    compressed_bytes: 1000,
    submit_rank: id,
    start_rank: id,
    done_rank: id,
    folio_order: 0,
    swap_type: 0,
    swap_offset: id,
    ...more,
  }
}

function state(
  taskId: number,
  from: number,
  to: number,
  what: 'running' | 'runnable' | 'sleeping' | 'lock',
  doing = 'none',
): HandRow {
  return { task_id: taskId, start_ns: from, end_ns: to, state: what, doing, cpu: 0 }
}

/**
 * Measures of the one run of a trace; the recording is empty. Hand-made: workers, their queue and what it does to pages are
 * replays' alone; what recordings can tell is held to generated ones in truth.test.ts.
 */
async function measure(tables: HandTables, policy = 'parallel'): Promise<Map<string, unknown>> {
  database = await openViews([{ tables: { tasks: TASKS }, runs: [{ policy, tables }] }])
  const subjects = await readMeasures(database.connection)
  const run = subjects.find(({ runId }) => runId !== null)
  return new Map(run?.figures.map(({ metric, value }) => [metric, value]))
}

function someSummary(): RunSummary {
  return replay(plan({ free: 9, min: 1, low: 2, high: 3, tasks: [] }), {
    policy: kswapd,
    backend: new CountingBackend(3),
    contents: plainContents,
  }).summary
}

function toEngineMetric(name: string): string {
  return `engine.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
}

describe('the catalogue', () => {
  it('has every claim C1 to C16 and every question Q1 to Q25 exactly once', () => {
    const claims = Array.from({ length: 16 }, (_, i) => `C${i + 1}`)
    const questions = Array.from({ length: 25 }, (_, i) => `Q${i + 1}`)
    expect(QUESTIONS.map(({ id }) => id)).toEqual([...claims, ...questions])
  })

  it('names only measures, figures and models that exist', () => {
    const known = new Set([...MEASURES.map(({ name }) => name), ...METRICS.map(({ name }) => name)])
    const counted = new Set(Object.keys(someSummary()).map(toEngineMetric))
    const unknown = QUESTIONS.flatMap(({ measures, sweep }) => [
      ...measures,
      ...(sweep?.measures ?? []),
    ]).filter((name) => !known.has(name) && !counted.has(name))
    expect(unknown).toEqual([])
    expect(
      QUESTIONS.flatMap(({ models }) => models ?? []).filter(
        (name) => !(name in QUESTION_MODELS || name in SLOW_MODELS),
      ),
    ).toEqual([])
  })

  it('tells which questions a measure answers', () => {
    expect(questionsOf('store_to_free_p50_ns')).toEqual(['C5', 'Q7', 'Q8'])
    expect(questionsOf('queue_age_max_ns')).toEqual(['Q1'])
  })

  it('names each measure once', () => {
    const names = [...MEASURES, ...METRICS].map(({ name }) => name)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })
})

describe('threads', () => {
  const states = [
    state(KSWAPD, 0, 100, 'running', 'unmap'),
    state(KSWAPD, 100, 130, 'running', 'store'),
    state(KSWAPD, 130, 170, 'runnable'),
    state(KSWAPD, 170, 180, 'lock'),
    state(KSWAPD, 180, 190, 'running', 'slab'),
    state(KSWAPD, 190, 250, 'lock'),
    state(WORKER, 100, 140, 'runnable'),
    state(WORKER, 140, 200, 'running', 'store'),
    state(WORKER, 200, 220, 'running'),
    state(WORKER, 220, 230, 'runnable'),
    state(WORKER, 230, 1000, 'sleeping'),
    state(APP, 150, 160, 'runnable'),
    state(APP, 160, 300, 'running'),
  ]
  const tables = {
    thread_states: states,
    swapouts: [swapout(1, { submit_ns: 10, start_ns: 140, stored_ns: 200 })],
  }

  it('wait for a CPU as the scheduler shows', async () => {
    const values = await measure(tables)
    expect(values.get('worker_runqueue_p50_ns')).toBe(10)
    expect(values.get('worker_runqueue_max_ns')).toBe(40)
    expect(values.get('worker_runqueue_ns')).toBe(50)
    expect(values.get('kswapd_runqueue_ns')).toBe(40)
  })

  it('wait for a lock: kswapd twice', async () => {
    const values = await measure(tables)
    expect(values.get('kswapd_lock_p50_ns')).toBe(10)
    expect(values.get('kswapd_lock_p99_ns')).toBe(60)
    expect(values.get('kswapd_lock_ns')).toBe(70)
    expect(values.get('worker_lock_ns')).toBe(0)
  })

  it('split CPU time into t1, t2 and t3, and give the limit of overlapping', async () => {
    const values = await measure(tables)
    // t1 = 100, t2 = 30 + 60, t3 = 10 + 20.
    expect(values.get('scan_cpu_share')).toBeCloseTo(100 / 220)
    expect(values.get('store_cpu_share')).toBeCloseTo(90 / 220)
    expect(values.get('free_cpu_share')).toBeCloseTo(30 / 220)
    expect(values.get('overlap_limit')).toBeCloseTo(220 / 130)
    expect(values.get('worker_cpu_ns')).toBe(80)
    expect(values.get('worker_idle_cpu_ns')).toBe(20)
    expect(values.get('worker_busy_share')).toBeCloseTo(80 / 1000)
  })

  it('run at the same time: what each does to the other', async () => {
    const values = await measure(tables)
    // kswapd is runnable 130..170, the worker runs 140..220, the application waits 150..160.
    expect(values.get('kswapd_waits_for_worker_ns')).toBe(30)
    expect(values.get('application_waits_for_worker_ns')).toBe(10)
    expect(values.get('workers_at_once_max')).toBe(1)
    expect(values.get('stores_at_once_max')).toBe(1)
  })

  it('switch when running begins after something else, not when its doing changes', async () => {
    const values = await measure(tables)
    // kswapd 2, worker 1, application 1; one page.
    expect(values.get('context_switches')).toBe(4)
    expect(values.get('context_switches_per_page')).toBe(4)
  })

  it('that reclaim for themselves are no workers', async () => {
    const values = await measure({
      thread_states: states.filter(({ task_id: task }) => task !== WORKER),
      swapouts: [
        swapout(1, { path: 'inline', stored_by: KSWAPD, submit_ns: 0, start_ns: 0, stored_ns: 9 }),
      ],
    })
    expect(values.get('workers')).toBeNull()
    expect(values.get('worker_cpu_ns')).toBeNull()
    expect(values.get('kswapd_waits_for_worker_ns')).toBeNull()
  })
})

describe('wake-ups of workers', () => {
  it('are counted per page, and those that led to nothing apart', async () => {
    const woken = (ts: number, task = WORKER): HandRow => ({
      ts_ns: ts,
      task_id: task,
      reason: 'sched',
    })
    const values = await measure({
      // The second report of the wake-up at 100 is the same wake-up.
      wakeups: [
        woken(100),
        woken(100),
        woken(200),
        woken(300),
        woken(50, APP),
        { ...woken(10, KSWAPD), reason: 'kswapd' },
      ],
      swapouts: [
        swapout(1, { submit_ns: 90, start_ns: 110, stored_ns: 120 }),
        swapout(2, { submit_ns: 95, start_ns: 120, stored_ns: 130 }),
        swapout(3, { submit_ns: 290, start_ns: 310, stored_ns: 330 }),
        swapout(4, { submit_ns: 291, start_ns: 330, stored_ns: 350 }),
      ],
    })
    expect(values.get('worker_wakeups')).toBe(3)
    expect(values.get('worker_wakeups_per_page')).toBe(3 / 4)
    expect(values.get('worker_wakeups_empty')).toBe(1)
    expect(values.get('wakeups')).toBe(5)
  })
})

describe('the queue', () => {
  const pages = [
    swapout(1, { submit_ns: 0, start_ns: 100, stored_ns: 150, freed_ns: 400 }),
    swapout(2, {
      submit_ns: 10,
      start_ns: 30,
      stored_ns: 60,
      path: 'displaced',
      stored_by: KSWAPD,
      freed_ns: 100,
    }),
    swapout(3, {
      submit_ns: 20,
      start_ns: 150,
      stored_ns: 151,
      place: 'same',
      compressed_bytes: 0,
      freed_ns: 251,
    }),
    swapout(4, {
      submit_ns: 40,
      start_ns: 40,
      stored_ns: 80,
      path: 'inline',
      stored_by: KSWAPD,
      freed_ns: 80,
    }),
    swapout(5, { submit_ns: 200, start_ns: 220, stored_ns: 240, place: 'disk' }),
    // Direct reclaim never meets the queue.
    swapout(6, {
      submit_ns: 0,
      start_ns: 0,
      stored_ns: 900,
      context: 'direct',
      path: 'bypass',
      lane: '0/direct',
      task_id: APP,
      stored_by: APP,
      freed_ns: 950,
    }),
  ]

  it('ages pages from hand-over to the begin of the store', async () => {
    const values = await measure({ swapouts: pages })
    expect(values.get('queued_pages')).toBe(3)
    // 20, 20, 100, 130.
    expect(values.get('queue_age_p50_ns')).toBe(20)
    expect(values.get('queue_age_max_ns')).toBe(130)
  })

  it('overflows with the newest or the oldest page', async () => {
    const values = await measure({ swapouts: pages })
    expect([values.get('overflow_newest'), values.get('overflow_oldest')]).toEqual([1, 1])
    expect(values.get('overflow_share')).toBeCloseTo(2 / 5)
    expect(values.get('overflow_store_p50_ns')).toBe(30)
  })

  it('holds same-filled pages for nothing', async () => {
    const values = await measure({ swapouts: pages })
    expect(values.get('same_queue_ns')).toBe(130)
    expect(values.get('same_queue_share')).toBeCloseTo(130 / 270)
    expect(values.get('refused_queue_ns')).toBe(20)
  })

  it('is as long as the pages between hand-over and store', async () => {
    const values = await measure({
      swapouts: pages,
      samples: [{ ts_ns: 1000, name: 'free_pages', value: 1 }],
    })
    // Pages 1, 2 and 3 wait at 20..30.
    expect(values.get('backlog_max')).toBe(3)
    expect(values.get('backlog_mean')).toBeCloseTo((100 + 20 + 130 + 20) / 1000)
  })

  it('keeps memory until pages are freed: to the byte and nanosecond', async () => {
    const values = await measure({ swapouts: pages })
    // Held 400 + 90 + 231 + 40 ns, and page 5, never freed, until it was stored: 40 ns.
    expect(values.get('in_flight_byte_seconds')).toBeCloseTo(
      (4096 * (400 + 90 + 231 + 40 + 40)) / 1e9,
    )
    expect(values.get('in_flight_peak_bytes')).toBe(4 * 4096)
    // 0, 40, 100, 250.
    expect(values.get('store_to_free_p50_ns')).toBe(40)
    expect(values.get('store_to_free_max_ns')).toBe(250)
    expect(values.get('not_freed')).toBe(1)
  })

  it('widens what is not known to the end of the run', async () => {
    database = await openViews([
      { tables: { tasks: TASKS }, runs: [{ policy: 'parallel', tables: { swapouts: pages } }] },
    ])
    const subjects = await readMeasures(database.connection)
    const held = subjects.at(-1)?.figures.find(({ metric }) => metric === 'in_flight_byte_seconds')
    // The run ends with its last store, at 900: page 5 counts 700 ns at most.
    expect(held?.hi).toBeCloseTo((4096 * (400 + 90 + 231 + 40 + 700)) / 1e9)
    expect(held?.lo).toBe(held?.value)
  })
})

describe('faults', () => {
  it('that meet the queue are counted per 1000 swap-outs, with what they wait and what cancelling would save', async () => {
    const swapouts = Array.from({ length: 500 }, (_, index) =>
      swapout(index + 1, { submit_ns: index, start_ns: index + 1000, stored_ns: index + 1040 }),
    )
    const met = (id: number, where: string, wait: number): HandRow => ({
      page_id: id,
      swapout_id: id,
      ts_ns: 600 + id,
      end_ns: 900,
      task_id: APP,
      met: where,
      wait_ns: wait,
    })
    const values = await measure({
      swapouts,
      swapins: [
        met(1, 'queued', 70),
        met(2, 'queued', 90),
        met(3, 'storing', 20),
        met(4, 'stored', 0),
        met(5, 'pool', 0),
      ],
    })
    expect(values.get('refaults_met_queue')).toBe(3)
    expect(values.get('refaults_met_per_1000')).toBe(6)
    expect(values.get('refault_wait_p50_ns')).toBe(70)
    expect(values.get('refault_wait_max_ns')).toBe(90)
    expect(values.get('refaults_met_stored')).toBe(1)
    expect(values.get('cancel_saving_ns')).toBe(80)
  })
})

describe('pages', () => {
  it('stored again without a read in between are told from those that came back', async () => {
    const values = await measure({
      swapouts: [
        swapout(1, { page_id: 7, submit_ns: 10, place: 'reject', compressed_bytes: 4096 }),
        swapout(2, { page_id: 7, submit_ns: 20 }),
        swapout(3, { page_id: 7, submit_ns: 40 }),
        swapout(4, { page_id: 8, submit_ns: 50 }),
      ],
      swapins: [{ page_id: 7, ts_ns: 30 }],
    })
    expect(values.get('stores_per_page_max')).toBe(3)
    expect(values.get('restored_unread')).toBe(1)
    expect(values.get('restored_incompressible')).toBe(1)
    expect(values.get('refused_pages')).toBe(1)
  })

  it('in swap are those out and not back in; in zswap each takes a slot', async () => {
    const values = await measure({
      swapouts: [
        swapout(1, { stored_ns: 10, place: 'zswap' }),
        swapout(2, { stored_ns: 20, place: 'zswap' }),
        swapout(3, { stored_ns: 40, place: 'same', compressed_bytes: 0 }),
      ],
      swapins: [{ page_id: 1, ts_ns: 30 }],
    })
    expect(values.get('swapped_peak')).toBe(2)
    expect(values.get('swapped_end')).toBe(2)
    expect(values.get('zswap_slots_peak')).toBe(2)
    expect(values.get('same_pages')).toBe(1)
    expect(values.get('same_stored_bytes')).toBe(0)
    expect(values.get('slots_used')).toBe(3)
  })

  it('go to disk past those in the pool, and hold up what waits behind them', async () => {
    const values = await measure({
      swapouts: [
        swapout(1, { submit_ns: 0, start_ns: 0, stored_ns: 10, place: 'zswap' }),
        swapout(2, { submit_ns: 5, start_ns: 10, stored_ns: 510, place: 'disk' }),
        swapout(3, { submit_ns: 6, start_ns: 510, stored_ns: 520, place: 'zswap' }),
      ],
      pool_moves: [
        {
          ts_ns: 600,
          page_id: 1,
          from_place: 'zswap',
          to_place: 'disk',
          reason: 'writeback',
          age_ns: 590,
        },
      ],
      swapins: [
        { page_id: 2, ts_ns: 700, met: 'disk', refault_distance: 1 },
        { page_id: 3, ts_ns: 700, met: 'pool', refault_distance: 50 },
        { page_id: 1, ts_ns: 800, met: 'disk', refault_distance: 90 },
      ],
    })
    expect(values.get('disk_pages')).toBe(1)
    expect(values.get('disk_pages_by_workers')).toBe(1)
    expect(values.get('disk_store_p50_ns')).toBe(500)
    expect(values.get('behind_disk_age_p50_ns')).toBe(504)
    expect(values.get('written_back')).toBe(1)
    expect(values.get('written_back_age_p50_ns')).toBe(590)
    expect(values.get('refused_age_p50_ns')).toBe(0)
    expect(values.get('disk_young')).toBe(1)
  })

  it('scanned per page reclaimed say how hard reclaim works', async () => {
    const batch = (
      scanned: number,
      reclaimed: number,
      priority: number,
      task = KSWAPD,
    ): HandRow => ({
      ts_ns: 5,
      task_id: task,
      lru: 'inactive_anon',
      nr_scanned: scanned,
      nr_reclaimed: reclaimed,
      priority,
    })
    const values = await measure({
      shrink_batches: [batch(100, 20, 12), batch(50, 30, 3), batch(32, 10, 8, APP)],
      samples: [{ ts_ns: 1_000_000_000, name: 'free_pages', value: 1 }],
    })
    expect(values.get('anon_scans_per_steal')).toBeCloseTo(182 / 60)
    expect(values.get('lowest_priority')).toBe(3)
    expect(values.get('kswapd_scan_per_s')).toBeCloseTo(150)
  })
})

describe('answers', () => {
  async function answer(
    traces: readonly HandTrace[],
    ids: readonly string[] = [],
  ): Promise<AnsweredQuestion[]> {
    database = await openViews(traces)
    const selection = await selectEverything(database.connection)
    return answerQuestions(database.connection, selection, { ids, models: QUESTION_MODELS })
  }

  it('of a recording without anything are reasons, for every question that no model answers', async () => {
    const answered = await answer([{ tables: {} }])
    expect(answered).toHaveLength(41)
    for (const { question, answers, missing } of answered) {
      const known = answers.filter(({ value }) => value !== null)
      if (known.length === 0) expect(missing, question.id).not.toEqual([])
      for (const text of missing) expect(text, question.id).not.toMatch(/undefined|NaN|null/)
      for (const { value, why, metric } of answers) {
        expect(value === null || Number.isFinite(value), `${question.id} ${metric}`).toBe(true)
        expect(value === null, `${question.id} ${metric}`).toBe(why !== null)
      }
    }
  })

  it('compare with the synchronous run, and say when there is none', async () => {
    const run = (policy: string, stolen: number) => ({
      policy,
      tables: {
        shrink_batches: [
          {
            ts_ns: 1,
            task_id: KSWAPD,
            lru: 'inactive_anon',
            nr_scanned: 900,
            nr_reclaimed: stolen,
          },
        ],
        samples: [{ ts_ns: 1_000_000_000, name: 'free_pages', value: 1 }],
      },
    })
    const [both] = await answer(
      [{ tables: { tasks: TASKS }, runs: [run('kswapd', 300), run('parallel', 800)] }],
      ['C1'],
    )
    const ratio = both?.answers.find(({ metric }) => metric === 'pgsteal_anon_per_s_ratio')
    expect([ratio?.label, ratio?.value]).toEqual(['parallel', 800 / 300])
    database?.close()
    const [alone] = await answer(
      [{ tables: { tasks: TASKS }, runs: [run('parallel', 800)] }],
      ['C1'],
    )
    expect(alone?.missing.join()).toContain('pstrace replay --policy kswapd')
  })

  it('of what did not happen say so: kswapd stored nothing, with its scheduling and workers there', async () => {
    const idle = {
      thread_states: [state(APP, 0, 10, 'running')],
      swapouts: [swapout(1, { task_id: APP, context: 'direct', path: 'bypass', lane: '0/direct' })],
    }
    const stored = { thread_states: idle.thread_states, swapouts: [swapout(1, { path: 'inline' })] }
    const reasons = async (tables: HandTables, runs: HandTrace['runs'] = []) => {
      database?.close()
      const answered = await answer(
        [{ tables: { tasks: TASKS, ...tables }, runs: [...runs] }],
        ['C3', 'C6', 'C7', 'Q23'],
      )
      return answered.flatMap(({ missing }) => missing).join('\n')
    }
    const withRun = await reasons(idle, [{ policy: 'parallel', tables: idle }])
    expect(withRun).not.toMatch(/needs (the events sched|a run of a policy with)/)
    expect(withRun).toContain('t2: compress and store: kswapd swapped nothing out\n')
    expect(withRun).toContain('only it hands pages over')
    expect(withRun).toContain("kswapd's lane, at start: kswapd swapped nothing out\n")
    const alone = await reasons(idle)
    expect(alone).toContain('t2: compress and store: kswapd swapped nothing out\n')
    expect(alone).toContain('pstrace replay --policy parallel')
    expect(await reasons({})).toContain('t2: compress and store: needs the events sched')
    expect(alone).toContain('age of pages written back, p50: needs zswap')
    const inZswap = await reasons({ swapouts: [swapout(1, { place: 'zswap' })] })
    expect(inZswap).toContain('age of pages written back, p50: no page was written back from it')
    expect(await reasons(stored, [{ policy: 'kcompressd', tables: stored }])).toContain(
      'overflow: oldest page stored by kswapd: there was none in the runs shown',
    )
  })

  it('from models are those of the kernel: the 16th empty memcg, 8 bytes for a pattern, 24 bytes for a descriptor', async () => {
    const answered = await answer([{ tables: {} }], ['C11', 'C13', 'C14'])
    const values = (id: string) =>
      answered
        .find(({ question }) => question.id === id)
        ?.answers.flatMap(({ label, value }) => (label === 'model' ? [value] : []))
    expect(values('C11')).toEqual([0, 10])
    expect(values('C13')).toEqual([0, 0, 0])
    expect(values('C14')?.map((value) => value?.toFixed(4))).toEqual([
      '0.0059',
      '0.0078',
      '0.0417',
      '0.1250',
    ])
  })

  it('of losses are lower bounds', async () => {
    const [answered] = await answer(
      [
        {
          tables: {
            tasks: TASKS,
            losses: [{ cpu: 0, start_ns: 1, end_ns: 2, events: 5 }],
            thread_states: [
              state(KSWAPD, 0, 10, 'runnable'),
              state(KSWAPD, 10, 20, 'running', 'store'),
            ],
          },
        },
      ],
      ['Q2'],
    )
    const waits = answered?.answers.find(({ metric }) => metric === 'kswapd_runqueue_ns')
    expect([waits?.value, waits?.lo, waits?.hi]).toEqual([10, 10, null])
  })
})
