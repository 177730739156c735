/** Every event of the log, with what `page` (-1: none), `value` and `detail` are. The first line of a log file holds this list. */
export const LOG_EVENTS = {
  begin: 'The run begins; value: seed; detail: policy.',
  end: 'The run is over.',
  wake: 'The thread is woken; value: task id of who wakes it, 0 = a timer or an interrupt.',
  switch: 'The thread gets a CPU that another had, or nobody; value: number of the CPU.',
  low: 'An allocation finds free memory at or below low, and wakes kswapd; value: free pages.',
  min: 'An allocation finds free memory at or below min: it reclaims for itself; value: free pages.',
  'throttle-begin': 'The task waits for kswapd before it reclaims for itself.',
  throttle: 'The wait is over; value: ns it took.',
  'direct-begin': 'Direct reclaim begins.',
  round:
    "A round of direct reclaim begins: the kernel's allocstall counter; value: the round, from 0.",
  direct: 'Direct reclaim ends; value: ns it took.',
  'kswapd-begin': 'kswapd begins to balance its node.',
  'kswapd-end': 'kswapd sleeps; value: ns it was up.',
  isolate: 'A batch leaves its list; value: pages taken; detail: the list.',
  batch:
    'The batch is looked through: what was not freed goes back; value: pages freed; detail: the list.',
  split:
    'A folio for which there are no slots in a row becomes single pages; value: how many others they are.',
  'swap-out':
    'The page has a slot and is unmapped; value: swap-out id; detail: context, kswapd or direct.',
  submit: "kswapd's page enters its lane; value: submit rank.",
  withdraw:
    'The queue could not be used for the page, its rank is given again; value: submit rank.',
  push: 'The page is queued; value: pages in the queue then; detail: the queue.',
  pop: 'The page leaves the queue; value: pages in the queue then; detail: the queue.',
  start: 'The page is popped, or its store by kswapd itself begins; value: submit rank.',
  displaced: 'The reclaimer itself stores a page that it popped from the full queue.',
  store: 'A store begins.',
  stored: 'The store is done; value: compressed bytes; detail: where to.',
  refused:
    'The page stays: the backend or the policy refused it, or no page was left for the pool; value: 1 = it goes to the active list.',
  tunable: 'A tunable has another value from now on; value: the value; detail: its name.',
  zero: 'The page is all zero: nothing is stored.',
  complete:
    'A store of the policy is done with the folio: it is unlocked; value: 1 = it will be moved to the tail of its list.',
  freed: 'The frame of a swapped-out page is free; value: swap-out id.',
  'file-refault': 'A page of a file that was evicted before its reader came to it is read again.',
  load: 'The copy of a page that a task waits for is read; value: pages; detail: where from (pool, disk).',
  'swap-in':
    'A page is back; value: ns it took; detail: what the fault met (queued, storing, stored, pool, disk).',
  'lock-wait': 'The thread waits for a lock; page: whose lock it is; detail: folio, or the lock.',
  'lock-got': 'The wait is over; value: ns it took; detail: folio, or the lock.',
} as const

export type LogEventName = keyof typeof LOG_EVENTS

/** A line of the event log: what happened, when, to which thread (task id and name) and page (page_id of the tables). */
export interface ReplayLogEvent {
  readonly ns: number
  readonly event: LogEventName
  readonly task: number
  readonly thread: string
  readonly page: number
  readonly value: number
  readonly detail?: string
}

export type LogSink = (event: ReplayLogEvent) => void
