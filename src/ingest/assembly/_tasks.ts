// Tasks by tid, and what their names are. See tasks.ts, which makes them.
import { fieldOf, wordAt } from './_fields'
import { meet, name, now, trace } from './_host'
import {
  FIELD_HIGH, FIELD_KIND, FIELD_VALUES, IDLE_TASKS, IN_KSWAPD, KIND, KSWAPD, LAST_NS, MOST_IDLE_TASKS, MOST_TIDS, NAME, NAME_CODE,
  NAME_FROM, NAME_HIGH, NAME_LOW, NOBODY, PROACTIVE, SPANS, SPAN_CONTEXT, STORES, TASK_INDEX, TID_BITS, TID_PAGES, WAKER,
} from './_layout'

/** The task that the event of this moment is of or names. */
@inline export function taskAt(tid: i32, cpu: i32): u32 {
  if (tid < 0) return load<u32>(trace, NOBODY)
  let task = find(tid, cpu)
  if (task == 0) task = meet(tid, cpu)
  store<f64>(task, now(), LAST_NS)
  return task
}

/** 0 = none that a table has. */
@inline function find(tid: i32, cpu: i32): u32 {
  if (tid == 0) return <u32>cpu < <u32>MOST_IDLE_TASKS ? load<u32>(load<u32>(trace, IDLE_TASKS) + (cpu << 2)) : 0
  if (tid >= MOST_TIDS) return 0
  const page = load<u32>(load<u32>(trace, TID_PAGES) + ((tid >>> TID_BITS) << 2))
  return page == 0 ? 0 : load<u32>(page + ((tid & ((1 << TID_BITS) - 1)) << 2))
}

/** Gives the task the name in a field, if it is not the one that it was given last. */
@inline export function nameTask(task: u32, event: u32, field: u32, row: u32): void {
  const place = fieldOf(event, field)
  if (load<i32>(place, FIELD_KIND) == NAME) nameByBytes(task, event, field, load<u32>(place, FIELD_VALUES) + row)
  else nameByCode(task, event, field, row)
}

@inline function nameByBytes(task: u32, event: u32, field: u32, bytes: u32): void {
  const low = load<i64>(bytes)
  const high = load<i64>(bytes, 8)
  if (load<i64>(task, NAME_LOW) == low && load<i64>(task, NAME_HIGH) == high) return
  name(load<i32>(task, TASK_INDEX), event, field, bytes)
  store<i64>(task, low, NAME_LOW)
  store<i64>(task, high, NAME_HIGH)
}

function nameByCode(task: u32, event: u32, field: u32, row: u32): void {
  // Comparing codes is cheaper than strings, which are equal but mostly not the same object.
  const code = wordAt(event, field, row, 0)
  const dictionary = load<i32>(fieldOf(event, field), FIELD_HIGH)
  if (load<i32>(task, NAME_CODE) == code && load<i32>(task, NAME_FROM) == dictionary) return
  name(load<i32>(task, TASK_INDEX), event, field, code)
  store<i32>(task, code, NAME_CODE)
  store<i32>(task, dictionary, NAME_FROM)
}

/** Reclaiming, or storing for others: its time on CPU is split by what it is for. */
@inline export function reclaims(task: u32): bool {
  return load<i32>(task, SPANS) > 0 || load<i32>(task, KIND) == KSWAPD || load<i32>(task, STORES) != 0
}

/** What its swap-outs are done for. */
@inline export function contextOf(task: u32): i32 {
  const within = load<i32>(task, SPAN_CONTEXT)
  if (within >= 0) return within
  return load<i32>(task, KIND) == KSWAPD ? IN_KSWAPD : PROACTIVE
}

/** Somebody is known to have woken it last, but no kswapd. */
export function wokenByOther(task: u32): bool {
  const waker = load<u32>(task, WAKER)
  return waker != 0 && load<i32>(waker, KIND) != KSWAPD
}
