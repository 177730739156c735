/** What columns that only views have mean; a column of a table means in a view what it means there. */
const MEANINGS: Readonly<Record<string, string>> = {
  stall_id: 'First span of the stall (reclaim_spans.span_id); unique within trace and run.',
  task_kind: 'Kind of the stalled task (tasks.kind).',
  stalled: 'application, worker (kworker or compressor) or other (kswapd, kcompactd).',
  kinds: 'Kinds of the outermost spans, joined by +.',
  at_ns: "Since the recording's start, ns.",
  pid: 'Process (tgid; the thread where its process is not known).',
  rounds: 'Direct reclaims within; the kernel counts allocstall per attempt, retries included.',
  label: 'recording, or the policy of the run.',
  stalls: 'Number of stalls.',
  censored: 'In stalls: which ends were not seen. In sums: stalls with an unseen end.',
  tasks: 'Tasks that stalled.',
  ns: 'Length, ns; at least that where censored.',
  start_ns: "Start, ns in the trace's clock (runs: since the run's start).",
  end_ns: 'End, ns, same clock.',
  node: 'NUMA node.',
  total_ns: 'Sum of lengths, ns.',
  mean_ns: 'Mean length, ns.',
  elapsed_share: 'Share of the time looked at.',
  reclaimed_pages: 'Pages that the task reclaimed for itself.',
  stall_share: 'Share of all stall time of that kind of task.',
  from_ns: 'Least length in the bucket, ns.',
  to_ns: 'First length above the bucket, ns.',
  submit_position: 'Rank of the hand-over within the lane, from 1.',
  start_position: 'Rank of the begin of the store within the lane, from 1.',
  done_position: 'Rank of the completed store within the lane, from 1.',
  start_displacement: 'start_position - submit_position; positive = overtaken.',
  done_displacement: 'done_position - submit_position; positive = overtaken.',
  pages: 'Pages.',
  started: 'Pages whose store began.',
  done: 'Pages whose store ended.',
  start_displaced: 'Pages whose start position differs from the submit position.',
  done_displaced: 'Pages whose done position differs from the submit position.',
  wakes: 'Wake-ups from full sleep.',
  awake_ns: 'From wake-up to full sleep, naps included, ns.',
  running_ns: 'On a CPU, ns.',
  busy_share: 'Share of the time looked at on a CPU.',
  scan_ns: 'Running, scanning, ns.',
  unmap_ns: 'Running, unmapping and allocating slots, ns.',
  store_ns: 'Running, storing pages, ns.',
  slab_ns: 'Running, shrinking slabs, ns.',
  file_ns: 'Running, reclaiming file pages, ns.',
  other_ns: 'Running, explained by no event, ns.',
  store_share: 'Share of running time spent storing.',
  runnable_ns: 'Waiting for a CPU, ns.',
  lock_ns: 'Waiting for a lock, ns.',
  io_ns: 'Waiting uninterruptibly, ns.',
  kswapd: 'The kswapd that was woken.',
  waker: 'Name of the task that woke it.',
  waker_kind: 'Kind of that task.',
  wakeups: 'Number of wake-ups.',
  swapouts: 'Number of swap-outs.',
  sized: 'Swap-outs whose compressed size is known.',
  of_original_share: 'Compressed bytes over original bytes, where the size is known.',
  samples: 'Number of samples.',
  first_value: 'First value.',
  max_value: 'Largest value.',
  last_value: 'Last value.',
  swapins: 'Number of swap-ins.',
  refaults: 'Swap-ins whose swap-out is in the recording or run.',
  older: 'Swap-ins of pages swapped out before it.',
  second: "Second since the subject's start, from 0.",
  swapout_pages: 'Pages swapped out.',
  kswapd_pages: 'Pages swapped out by kswapd.',
  direct_pages: 'Pages swapped out by direct reclaim.',
  swapin_pages: 'Pages swapped in.',
  slots: 'Different slots used.',
  clusters: 'Different clusters of 512 slots used.',
  lowest_offset: 'Lowest slot used.',
  highest_offset: 'Highest slot used.',
  reuses: 'Swap-outs to a slot used before.',
  contiguous_share: 'Share of swap-outs whose slot follows that of the one before in the lane.',
  cluster: 'Number of the cluster: slot / 512.',
  first_use_ns: "First use, ns since the subject's start.",
  last_use_ns: "Last use, ns since the subject's start.",
  gaps: 'Intervals in which events were lost.',
  uncounted_gaps: 'Of those, intervals whose number of events is not known.',
  gap_ns: 'Length of the gaps, ns.',
}

const QUANTITIES: Readonly<Record<string, string>> = {
  '': 'length of the stalls, ns',
  _ns: 'length of the stalls, ns',
  _bytes: 'compressed size, bytes',
  _age_ns: 'time since the store, ns',
  _wait_ns: 'wait, ns',
  _store_ns: 'time of the store, ns',
  _free_ns: 'time from the store to the free frame, ns',
  _distance: 'refault distance, pages',
}
const QUANTILES: Readonly<Record<string, string>> = {
  p50: 'Median',
  p99: '99th percentile',
  max: 'Maximum',
}

/** What a view's column means, or `undefined` for a column that means what it means in its table. */
export function describeViewColumn(name: string): string | undefined {
  const known = MEANINGS[name]
  if (known !== undefined) return known
  const quantile = /^(p50|p99|max)(.*)$/.exec(name)
  const quantity = QUANTITIES[quantile?.[2] ?? '?']
  if (quantile !== null && quantity !== undefined)
    return `${QUANTILES[quantile[1] ?? '']} of the ${quantity}.`
  const displacement = /^(start|done)_(p50|p99|max)$/.exec(name)
  if (displacement === null) return undefined
  return `${QUANTILES[displacement[2] ?? '']} of the displacement at ${displacement[1] === 'start' ? 'the begin of the store' : 'completion'}, pages.`
}
