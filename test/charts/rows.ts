import type { ChartRow, ChartRows, ChartSubject, Theme } from '../../src/charts/chart.ts'
import { PARTS, TASK_CLASSES } from '../../src/charts/theme.ts'

/** Seeded rows for every dataset the charts read, of a recording and three runs: what only replays have, no generated recording. */

export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 4294967296
  }
}

export const COLUMNS = ['recording', 'kswapd', 'kcompressd', 'parallel'] as const

export function sampleSubject(theme: Theme = 'light', width = 640): ChartSubject {
  return {
    trace: 'zram-lz4-6.1',
    columns: COLUMNS,
    rests: [
      'recording: kernel 6.1.0-25-amd64, 0 events lost; runs: virtual clock, demand closed, contents swap-image',
    ],
    theme,
    width,
  }
}

const LONGEST_STALL_MS = 84.25

export function sampleRows(seed = 1): ChartRows {
  const random = seeded(seed)
  const bins = 200
  const end = 12
  const rows: Record<string, ChartRow[]> = {
    columns: [],
    gaps: [{ column: 'recording', start_s: 5, end_s: 5.2, cpu: 1, events: 57 }],
    free_samples: [],
    free_bounds: [],
    watermarks: [],
    kswapd_activity: [],
    stall_activity: [],
    stalls_by_task: [],
    stall_curve: [],
    stall_quantiles: [],
    order_bins: [],
    order_paths: [],
    queue_depth: [],
    queue_bounds: [],
    kswapd_split: [],
    swap_activity: [],
    compressed_sizes: [],
    policy_comparison: [],
  }
  const add = (name: string, row: ChartRow): void => {
    rows[name]?.push(row)
  }
  COLUMNS.forEach((column, which) => {
    const length = column === 'recording' || column === 'kswapd' ? end : end * (0.7 + 0.1 * which)
    add('columns', {
      column,
      description: column === 'recording' ? 'kswapd, as recorded' : `replayed under ${column}`,
      start_s: 0,
      end_s: length,
    })
    const marks = [
      ['min', 2.6],
      ['low', 3.3],
      ['high', 3.9],
    ] as const
    for (const [name, mib] of marks) add('watermarks', { column, name, mib, basis: 'snapshot' })
    if (column !== 'recording') {
      let free = 60
      for (let i = 0; i < 1000; i++) {
        free += (random() - (free > 5 ? 0.7 : 0.45)) * (free > 8 ? 1.5 : 0.5)
        if (free < 1.2) free = 1.3
        add('free_samples', {
          column,
          time_s: (i / 1000) * length,
          free_mib: free,
          zones: 'the zones that reclaim works on',
        })
      }
    }
    for (let i = 0; i < bins; i++) {
      const start_s = (i / bins) * length
      const end_s = ((i + 1) / bins) * length
      const busy = i < 20 ? 0 : Math.min(100, 50 + 60 * Math.sin(i / 9 + which) * random())
      if (busy > 0) add('kswapd_activity', { column, start_s, end_s, busy_percent: busy })
      if (column === 'recording') {
        const direct = busy > 85
        add('free_bounds', {
          column,
          start_s,
          end_s,
          lo_mib: direct ? 0 : busy > 0 ? 2.6 : 3.3,
          hi_mib: direct ? 2.6 : busy > 0 ? 3.9 : null,
          proof: direct
            ? 'direct reclaim: below min'
            : busy > 0
              ? 'kswapd awake'
              : 'kswapd asleep: at least low',
        })
      }
      for (const task_class of TASK_CLASSES) {
        const stalled_tasks = i > 20 && random() < 0.3 / (which + 1) ? random() * 2.2 : 0
        if (stalled_tasks > 0)
          add('stall_activity', { column, start_s, end_s, task_class, stalled_tasks })
      }
      for (const direction of ['swap-out', 'swap-in'] as const) {
        const pages_per_s = i < 20 ? 0 : random() * (direction === 'swap-out' ? 90_000 : 21_000)
        add('swap_activity', {
          column,
          start_s,
          end_s,
          direction,
          pages_per_s,
          signed_per_s: direction === 'swap-out' ? pages_per_s : -pages_per_s,
        })
      }
      if (column === 'kcompressd' || column === 'parallel') {
        const bound = column === 'kcompressd' ? 256 : 6
        const depth_max = Math.floor(bound * Math.min(1, random() * 1.4))
        add('queue_depth', {
          column,
          node: 0,
          start_s,
          end_s,
          depth_mean: depth_max * random(),
          depth_max,
        })
      }
    }
    if (column === 'kcompressd') add('queue_bounds', { column, node: 0, bound: 256, capacity: 256 })
    if (column === 'parallel') add('queue_bounds', { column, node: 0, bound: 6, capacity: 256 })
    for (const [task_class, names] of [
      ['application', ['memhog (812)', 'memhog (813)', 'reader (820)', 'a very long comm (10977)']],
      ['worker', ['kcompressd0 (61)', 'kworker/u8:1 (44)']],
      ['other', ['sshd (402)']],
    ] as const) {
      names.forEach((task, rank) => {
        for (const cause of PARTS)
          if (random() < 0.7)
            add('stalls_by_task', {
              column,
              task_class,
              task,
              cause,
              ms: (random() * 120) / (rank + 1) / (which + 1),
              stalls: 1 + Math.floor(random() * 40),
            })
      })
      if (task_class === 'other') continue
      const p50_ms = 0.4 + random()
      const max_ms =
        column === 'recording' && task_class === 'application'
          ? LONGEST_STALL_MS
          : 20 + 20 * random()
      add('stall_quantiles', {
        column,
        task_class,
        stalls: 120 + which,
        censored: which === 0 ? 2 : 0,
        p50_ms,
        p99_ms: max_ms * 0.6,
        max_ms,
      })
      for (let i = 0; i <= 60; i++) {
        const ms = 0.05 * (max_ms / 0.05) ** (i / 60)
        add('stall_curve', {
          column,
          task_class,
          ms,
          longer_percent: 100 / (1 + (ms / p50_ms) ** 1.6),
        })
      }
    }
    for (const part of ['scan', 'store', 'other'] as const) {
      const share = part === 'scan' ? 0.3 : part === 'store' ? (which < 2 ? 0.6 : 0.08) : 0.1
      const total = which < 2 ? 1 : 0.48
      add('kswapd_split', { column, node: 0, part, ms: share * 4200, share: share / total })
    }
    const reach = column === 'kcompressd' ? 256 : column === 'parallel' ? 6 : 1
    for (let i = 0; i < 120; i++)
      for (let d = 0; d < (reach === 1 ? 1 : 3); d++) {
        const displacement_from = reach === 1 ? -0.5 : Math.floor((random() - 0.3) * reach) - 0.5
        add('order_bins', {
          column,
          submit_from: i * 40,
          submit_to: (i + 1) * 40,
          displacement_from,
          displacement_to: displacement_from + Math.max(1, reach / 40),
          pages: 1 + Math.floor(random() * 40),
        })
      }
    add('order_paths', { column, path: 'inline', pages: 4400, overtaken: 0 })
    if (reach > 1) add('order_paths', { column, path: 'queued', pages: 400, overtaken: reach * 3 })
    add('order_paths', { column, path: 'bypass', pages: 311, overtaken: 0 })
    for (let i = 0; i < 32; i++)
      add('compressed_sizes', {
        column,
        class: i === 31 ? 'stored raw' : i === 0 ? 'same-filled' : 'compressed',
        from_bytes: i * 128,
        to_bytes: (i + 1) * 128,
        pages: 100 + i,
        share: i === 0 ? 0.11 : 0.06 * Math.exp(-(((i - 11) / 5) ** 2)) + (i === 31 ? 0.05 : 0),
      })
    for (const [metric, title, unit, base] of [
      ['stall_total', 'Stall time, applications', 'ms', 1830],
      ['stall_p99', 'Longest stall but one in a hundred', 'ms', 51],
      ['stall_max', 'Longest stall', 'ms', 84.25],
      ['duration', 'Time for the work', 's', 12],
      ['swapouts_rate', 'Swap-outs', 'pages/s', 48_000],
      ['overtaken', 'Pages overtaken', 'pages', 900],
    ] as const) {
      const value = base * (1 - 0.17 * which)
      add('policy_comparison', {
        column,
        metric,
        title,
        unit,
        value,
        lo: value * 0.95,
        hi: value * 1.08,
        said: `${value.toLocaleString('en-US', { maximumFractionDigits: 2 })} ${unit}`,
        basis: column === 'recording' ? 'event' : 'inferred',
      })
    }
  })
  return rows
}
