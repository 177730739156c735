// Folios from the gate (swap_writepage) to mm_vmscan_write_folio; what else can become of them is told by Swapouts (swapouts.ts).
import { entryAt, keyOf, storedPage } from './_entries'
import { addSwapout, awaitFree, awaitStore, laneOf, leftGate, moreSwapouts, nodeOfPfn, now, settle, storedAgain, trace } from './_host'
import {
  ASYNCHRONOUS, AWAITS, AWAITS_GATE, AWAITS_STORE, CONTEXT, DEFAULT_PLACE, DONE_RANK, FOLLOWS_STORES, FREED_NS, FREES_SEEN, GATE,
  GATE_END_NS, INLINE, KEY, KIND, KSWAPD, LANE, LANES, LANE_STORED, MOST_LANES, NEXT_SPARE, NODE, NONE, OFFSET, ONLY_NODE, ORDER, OWNER,
  OWNER_ID, OWNER_TID, PAGE_ID, PATH, PFN, PLACE, SINGLE_PAGES, SPAN, SPAN_ID, SPARE_SWAPOUTS, STAGED, START_NS, STORED_BY, STORED_NS,
  SUBMITTED, SUBMIT_NS, SUBMIT_RANK, SWAPOUT_CPU, SWAPOUT_ID, SWAPOUT_NODE, TASK_ID, TID, TYPE, WRITTEN_NS, ZERO_PAGE, ZSWAP_PROBES,
} from './_layout'
import { addBrief, addUngated, fitsBrief, fitsUngated, repeatUngated } from './_swapout-rows'
import { contextOf } from './_tasks'

/** Entry of swap_writepage. The folio's order, where it is recorded, is the caller's to set. */
export function submit(task: u32, cpu: i32, type: u32, offset: f64): u32 {
  leaveGate(task)
  const key = keyOf(type, offset)
  const followsStores = load<i32>(trace, FOLLOWS_STORES) != 0
  if (followsStores) storedAgain(key)
  const swapout = begin(task, cpu)
  store<f64>(swapout, storedPage(entryAt(type, offset), load<f64>(swapout, SWAPOUT_ID)), PAGE_ID)
  store<f64>(swapout, key, KEY)
  store<f64>(swapout, <f64>type, TYPE)
  store<f64>(swapout, offset, OFFSET)
  enterGate(task, swapout)
  if (followsStores) awaitStore(swapout)
  return swapout
}

/** MAX_PAGE_ORDER of kernels with the largest pages. */
const MOST_ORDER: f64 = 13

/** A folio's other pages go to the entries after its first one, by the same swap-out. */
export function submitParts(swapout: u32, order: f64): void {
  if (isNaN(load<f64>(swapout, KEY)) || order > MOST_ORDER) return
  const type = <u32>load<f64>(swapout, TYPE)
  const offset = load<f64>(swapout, OFFSET)
  const id = load<f64>(swapout, SWAPOUT_ID)
  const pages = 1 << <u32>order
  for (let part = 1; part < pages; part++) storedPage(entryAt(type, offset + <f64>part), id)
}

/** Entry of swap_writepage where the swap entry is not recorded: the row has its times but no page. */
export function submitUnknown(task: u32, cpu: i32): u32 {
  leaveGate(task)
  const swapout = begin(task, cpu)
  enterGate(task, swapout)
  return swapout
}

@inline function enterGate(task: u32, swapout: u32): void {
  store<f64>(swapout, now(), SUBMIT_NS)
  const lane = load<u32>(swapout, LANE)
  if (lane != 0) {
    const rank = load<f64>(lane) + 1
    store<f64>(lane, rank)
    store<f64>(swapout, rank, SUBMIT_RANK)
  }
  store<u32>(task, swapout, GATE)
}

/** Return of swap_writepage. */
export function gateEnd(task: u32): void {
  const gate = load<u32>(task, GATE)
  if (gate == 0) return
  store<f64>(gate, now(), GATE_END_NS)
  rankStored(gate)
}

@inline function rankStored(swapout: u32): void {
  const lane = load<u32>(swapout, LANE)
  if (lane == 0) return
  const rank = load<f64>(lane, LANE_STORED) + 1
  store<f64>(lane, rank, LANE_STORED)
  store<f64>(swapout, rank, DONE_RANK)
}

/** mm_vmscan_write_folio: the folio left the gate. */
export function written(task: u32, cpu: i32, pfn: f64, isAnonymous: bool): void {
  let swapout = load<u32>(task, GATE)
  if (swapout == 0) {
    // File pages leave no row.
    if (!isAnonymous || addAtOnce(task, cpu, pfn)) return
    swapout = begin(task, cpu)
    store<f64>(swapout, now(), GATE_END_NS)
  }
  store<u32>(task, 0, GATE)
  store<f64>(swapout, now(), WRITTEN_NS)
  store<f64>(swapout, pfn, PFN)
  if (isNaN(load<f64>(swapout, SWAPOUT_NODE))) store<f64>(swapout, nodeOf(pfn), SWAPOUT_NODE)
  if (load<i32>(trace, FREES_SEEN) != 0) awaitFree(swapout)
  gateDone(swapout)
}

/** A swap-out that is complete at its end and like the task's last one has its row at once. */
@inline function addAtOnce(task: u32, cpu: i32, pfn: f64): bool {
  if (load<i32>(trace, STAGED) != 0 || load<i32>(trace, ASYNCHRONOUS) != 0 || load<i32>(trace, FREES_SEEN) != 0) return false
  return repeatUngated(task, cpu, knownNode(task), pfn)
}

@inline function nodeOf(pfn: f64): f64 {
  return load<i32>(trace, STAGED) != 0 ? nodeOfPfn(pfn) : load<f64>(trace, ONLY_NODE)
}

export function leaveGate(task: u32): void {
  const gate = load<u32>(task, GATE)
  store<u32>(task, 0, GATE)
  // pageout() reports nothing when the folio was activated again: the store, if there was one, ended at the gate's return.
  if (gate != 0) gateDone(gate)
}

/** The folio left the gate; what its row needs of that is set. */
function gateDone(swapout: u32): void {
  if (load<i32>(trace, ASYNCHRONOUS) != 0) {
    leftGate(swapout)
    return
  }
  store<i32>(swapout, INLINE, PATH)
  storedInGate(swapout)
  if (isNaN(load<f64>(swapout, DONE_RANK))) rankStored(swapout)
  if (load<i32>(trace, FOLLOWS_STORES) != 0 || load<i32>(trace, FREES_SEEN) != 0) settle(swapout, AWAITS_GATE | AWAITS_STORE)
  else {
    emit(swapout)
    release(swapout)
  }
}

export function storedInGate(swapout: u32): void {
  const gateEndNs = load<f64>(swapout, GATE_END_NS)
  store<f64>(swapout, load<f64>(swapout, SUBMIT_NS), START_NS)
  store<f64>(swapout, isNaN(gateEndNs) ? load<f64>(swapout, WRITTEN_NS) : gateEndNs, STORED_NS)
  store<f64>(swapout, load<f64>(swapout, OWNER_ID), STORED_BY)
}

/** Adds the row of a swap-out of which all is known. */
export function emit(swapout: u32): void {
  if (load<i32>(trace, SINGLE_PAGES) != 0 && isNaN(load<f64>(swapout, ORDER))) store<f64>(swapout, 0, ORDER)
  if (load<i32>(swapout, PLACE) < 0) store<i32>(swapout, placeOf(swapout), PLACE)
  if (load<i32>(trace, STAGED) != 0) addSwapout(swapout)
  else if (fitsBrief(swapout)) addBrief(swapout)
  else if (fitsUngated(swapout)) addUngated(swapout)
  else addSwapout(swapout)
}

/** The place of a page of which no event of its own says where it is. */
@inline function placeOf(swapout: u32): i32 {
  if (load<i32>(trace, ZSWAP_PROBES) != 0 && load<i32>(trace, ASYNCHRONOUS) == 0 && !isNaN(load<f64>(swapout, SUBMIT_NS))) return ZERO_PAGE
  return load<i32>(trace, DEFAULT_PLACE)
}

export function release(swapout: u32): void {
  store<u32>(swapout, load<u32>(trace, SPARE_SWAPOUTS), NEXT_SPARE)
  store<u32>(trace, swapout, SPARE_SWAPOUTS)
}

/** A swap-out of which its task, cpu, context, span, lane and, but for pages of many nodes, node are known. */
function begin(task: u32, cpu: i32): u32 {
  const swapout = take(task)
  const id = load<f64>(trace, SUBMITTED) + 1
  store<f64>(trace, id, SUBMITTED)
  store<f64>(swapout, id, SWAPOUT_ID)
  store<i32>(swapout, AWAITS_GATE, AWAITS)
  store<i32>(swapout, cpu, SWAPOUT_CPU)
  store<f64>(swapout, kswapdNode(task), SWAPOUT_NODE)
  store<i32>(swapout, contextOf(task), CONTEXT)
  store<f64>(swapout, load<f64>(task, SPAN), SPAN_ID)
  if (load<i32>(trace, STAGED) == 0) enterLane(swapout)
  return swapout
}

function take(task: u32): u32 {
  let swapout = load<u32>(trace, SPARE_SWAPOUTS)
  if (swapout == 0) {
    moreSwapouts()
    swapout = load<u32>(trace, SPARE_SWAPOUTS)
  }
  store<u32>(trace, load<u32>(swapout, NEXT_SPARE), SPARE_SWAPOUTS)
  store<u32>(swapout, task, OWNER)
  store<f64>(swapout, load<f64>(task, TASK_ID), OWNER_ID)
  const tid = load<i32>(task, TID)
  store<f64>(swapout, tid < 0 ? NaN : <f64>tid, OWNER_TID)
  store<f64>(swapout, NaN, PAGE_ID)
  store<f64>(swapout, NaN, KEY)
  store<f64>(swapout, NaN, TYPE)
  store<f64>(swapout, NaN, OFFSET)
  store<f64>(swapout, NaN, SUBMIT_NS)
  store<f64>(swapout, NaN, GATE_END_NS)
  store<f64>(swapout, NaN, START_NS)
  store<f64>(swapout, NaN, STORED_NS)
  store<f64>(swapout, NaN, WRITTEN_NS)
  store<f64>(swapout, NaN, FREED_NS)
  store<f64>(swapout, NaN, PFN)
  store<f64>(swapout, NaN, ORDER)
  store<f64>(swapout, NaN, STORED_BY)
  store<f64>(swapout, NaN, SUBMIT_RANK)
  store<f64>(swapout, NaN, DONE_RANK)
  store<i32>(swapout, NONE, PATH)
  store<i32>(swapout, NONE, PLACE)
  store<u32>(swapout, 0, LANE)
  return swapout
}

/** Gives the swap-out its node and lane where there can be only one node. */
@inline function enterLane(swapout: u32): void {
  const node = knownNode(load<u32>(swapout, OWNER))
  store<f64>(swapout, node, SWAPOUT_NODE)
  store<u32>(swapout, laneAt(node, load<i32>(swapout, CONTEXT)), LANE)
}

/** The node of a task's pages where there can be only one. */
@inline function knownNode(task: u32): f64 {
  const node = kswapdNode(task)
  return isNaN(node) ? load<f64>(trace, ONLY_NODE) : node
}

@inline function kswapdNode(task: u32): f64 {
  return load<i32>(task, KIND) == KSWAPD ? load<f64>(task, NODE) : NaN
}

function laneAt(node: f64, context: i32): u32 {
  const key = (isNaN(node) ? 0 : node + 1) * 4 + <f64>context
  let lane: u32 = 0
  if (key >= 0 && key < <f64>MOST_LANES) lane = load<u32>(load<u32>(trace, LANES) + (<u32>key << 2))
  return lane == 0 ? laneOf(key) : lane
}
