// What is asked of TypeScript (follow-kernel.ts), and the record of the whole trace.
import { NOW } from './_layout'

/** The task of a tid that is met for the first time, or of one that no table is for. */
// @ts-ignore
@external('host', 'meet')
export declare function meet(tid: i32, cpu: i32): u32
/** Runs the handler of batch `number`. */
// @ts-ignore
@external('host', 'handle')
export declare function handle(number: u32, row: u32, cpu: i32, task: i32): void
/** Applies the losses that began before `ts`; returns when the next one begins. */
// @ts-ignore
@external('host', 'lose')
export declare function loseBefore(ts: f64): f64
// @ts-ignore
@external('host', 'lostUntil')
export declare function lostUntil(cpu: i32): f64
/** Gives the task the name that a field of the event has this code for, or whose bytes are there. */
// @ts-ignore
@external('host', 'name')
export declare function name(task: i32, event: u32, field: u32, code: u32): void
/** The task has ended. */
// @ts-ignore
@external('host', 'end')
export declare function endTask(task: i32): void
/** Makes room for more rows. */
// @ts-ignore
@external('host', 'lendRows')
export declare function lendRows(rows: u32): void
// @ts-ignore
@external('host', 'stateShape')
export declare function stateShape(rows: u32, task: f64, cpu: i32, state: i32, doing: i32): i32
// @ts-ignore
@external('host', 'swapoutShape')
export declare function swapoutShape(rows: u32, swapout: u32): i32
/** Room for so many bytes, all 0. */
// @ts-ignore
@external('host', 'room')
export declare function room(bytes: u32): u32
/** Makes swap-outs to be used. */
// @ts-ignore
@external('host', 'moreSwapouts')
export declare function moreSwapouts(): void
// @ts-ignore
@external('host', 'lane')
export declare function laneOf(key: f64): u32
// @ts-ignore
@external('host', 'entry')
export declare function entryOf(key: f64): u32
// @ts-ignore
@external('host', 'nodeOfPfn')
export declare function nodeOfPfn(pfn: f64): f64
/** The entry is about to be stored to again. */
// @ts-ignore
@external('host', 'storedAgain')
export declare function storedAgain(key: f64): void
// @ts-ignore
@external('host', 'awaitStore')
export declare function awaitStore(swapout: u32): void
// @ts-ignore
@external('host', 'awaitFree')
export declare function awaitFree(swapout: u32): void
/** The folio left the gate, and may be stored by others. */
// @ts-ignore
@external('host', 'leftGate')
export declare function leftGate(swapout: u32): void
// @ts-ignore
@external('host', 'settle')
export declare function settle(swapout: u32, done: i32): void
/** Adds a row that has none of the forms in brief. */
// @ts-ignore
@external('host', 'addSwapout')
export declare function addSwapout(swapout: u32): void

/** It reclaims: an event of its own that is neither wake nor sleep. */
// @ts-ignore
@external('host', 'activeKswapd')
export declare function activeKswapd(task: i32, cpu: i32): void
// @ts-ignore
@external('host', 'blindUntil')
export declare function blindUntil(cpu: i32): f64
/** Code of the shrinker whose function is at an address. */
// @ts-ignore
@external('host', 'shrinkerCode')
export declare function shrinkerCode(low: u32, high: u32): i32
/** A page read within a fault, or before the return of zswap_load. */
// @ts-ignore
@external('host', 'readWithin')
export declare function readWithin(task: i32, cpu: i32, type: f64, offset: f64): void
/** An entry that such reads may be of is given back. */
// @ts-ignore
@external('host', 'slotFreed')
export declare function slotFreed(task: i32, key: f64): void
/** Forgets an entry that is not held densely; returns its page, 0 = none. */
// @ts-ignore
@external('host', 'freeSparse')
export declare function freeSparse(key: f64): f64
/** Keeps the moment of a cpu; returns how many of its events follow before the next. */
// @ts-ignore
@external('host', 'keepMoment')
export declare function keepMoment(cpu: i32, ts: f64): i32
/** Makes room for the moments of more cpus. */
// @ts-ignore
@external('host', 'moreCpus')
export declare function moreCpus(cpu: i32): void
/** A sleep of it that began right after reclaim in vain is over. */
// @ts-ignore
@external('host', 'slowedDown')
export declare function slowedDown(task: i32, cpu: i32): void

/** See _layout.ts. */
export let trace: u32 = 0

export function setTrace(place: u32): void {
  trace = place
}

@inline export function now(): f64 {
  return load<f64>(trace, NOW)
}
