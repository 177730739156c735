import type { StringDictionary } from '../../parsers/batch.ts'
import { toText } from '../../parsers/cursor.ts'
import { RecordMemory } from '../../parsers/record-memory.ts'
import type { RowBuffer } from '../model/rows.ts'
import {
  AREAS,
  EVENT_FIELDS,
  EVENT_KIND,
  HOST_EVENT,
  IDLE_TASKS,
  LANES,
  MET_BITS,
  MET_BYTES,
  MET_SHAPES,
  MOST_AREAS,
  MOST_IDLE_TASKS,
  MOST_LANES,
  MOST_TIDS,
  NO_EVENT,
  SHRINKER_BYTES,
  SHRINKER_SLOTS,
  SHRINKERS,
  TID_BITS,
  TID_PAGES,
  TRACE_BYTES,
} from './assembly/_layout.ts'
import { KernelRows } from './kernel-rows.ts'
import { followWasm } from './wasm/follow.wasm.ts'

/** What assembly/follow.ts exports. Tasks, swap-outs and events are given by the places of their records. */
interface FollowKernel {
  setTrace(place: number): void
  follow(
    length: number,
    batchOf: number,
    rowOf: number,
    timeOf: number,
    cpuOf: number,
    tidOf: number,
    lossAt: number,
  ): void
  run(event: number, row: number, cpu: number, task: number): void
  taskAt(tid: number, cpu: number): number
  wokenByOther(task: number): number
  advance(task: number): void
  label(task: number, part: number): void
  lose(task: number): void
  finish(task: number): void
  relabelSleep(task: number, part: number): void
  readPage(entry: number, first: number): number
  setRead(entry: number, page: number): void
  addSwapin(
    task: number,
    cpu: number,
    type: number,
    offset: number,
    met: number,
    ts: number,
    page: number,
    swapout: number,
    end: number,
    wait: number,
    readahead: number,
  ): void
  addHeld(): void
  leaveGate(task: number): void
  storedInGate(swapout: number): void
  emit(swapout: number): void
  release(swapout: number): void
}

/** What it is given beside the memory (assembly/_host.ts): see there. */
export interface FollowHost {
  meet(tid: number, cpu: number): number
  handle(number: number, row: number, cpu: number, task: number): void
  lose(ts: number): number
  lostUntil(cpu: number): number
  name(task: number, event: number, field: number, code: number): void
  end(task: number): void
  stateShape(rows: number, task: number, cpu: number, state: number, doing: number): number
  swapoutShape(rows: number, swapout: number): number
  moreSwapouts(): void
  lane(key: number): number
  entry(key: number): number
  nodeOfPfn(pfn: number): number
  storedAgain(key: number): void
  awaitStore(swapout: number): void
  awaitFree(swapout: number): void
  leftGate(swapout: number): void
  settle(swapout: number, done: number): void
  addSwapout(swapout: number): void
  activeKswapd(task: number, cpu: number): void
  slowedDown(task: number, cpu: number): void
  blindUntil(cpu: number): number
  shrinkerCode(low: number, high: number): number
  readWithin(task: number, cpu: number, type: number, offset: number): void
  slotFreed(task: number, key: number): void
  freeSparse(key: number): number
  keepMoment(cpu: number, ts: number): number
  moreCpus(cpu: number): void
}

/** Small records are cut from pieces of this size. */
const PIECE_BYTES = 1 << 16

/** The memory in which WebAssembly and TypeScript follow a trace together. */
export class Following {
  readonly memory: RecordMemory
  /** The record of the whole trace, by 8 bytes and by 4. */
  readonly numbers: Float64Array
  readonly words: Int32Array
  /** Events that no table comes from, and those that TypeScript handles. */
  readonly noEvent: number
  readonly hostEvent: number
  /** Pages of tasks by the upper bits of the tid, and idle tasks by cpu. */
  readonly tidPages: Int32Array
  readonly idleTasks: Int32Array
  readonly lanes: Int32Array
  readonly areas: Int32Array
  readonly #readerHasMemory: boolean
  /** Of dictionaries, from 1 on. */
  readonly #dictionaries = new WeakMap<StringDictionary, number>()
  #dictionaryCount = 0
  readonly #rows = new Map<number, KernelRows>()
  #kernel: FollowKernel | undefined
  #piece = 0
  #used = PIECE_BYTES

  /** `memory` is the reader's, where its windows lie in one. */
  constructor(memory: RecordMemory | undefined) {
    this.#readerHasMemory = memory !== undefined
    this.memory = memory ?? new RecordMemory()
    const trace = this.room(TRACE_BYTES)
    this.numbers = this.floats(trace, TRACE_BYTES / 8)
    this.words = this.integers(trace, TRACE_BYTES / 4)
    this.noEvent = this.#event(NO_EVENT)
    this.hostEvent = this.#event(HOST_EVENT)
    this.tidPages = this.#table(TID_PAGES, MOST_TIDS >> TID_BITS)
    this.idleTasks = this.#table(IDLE_TASKS, MOST_IDLE_TASKS)
    this.lanes = this.#table(LANES, MOST_LANES)
    this.areas = this.#table(AREAS, MOST_AREAS)
    this.#table(SHRINKERS, (SHRINKER_SLOTS * SHRINKER_BYTES) / 4)
    this.#table(MET_SHAPES, (2 ** MET_BITS * MET_BYTES) / 4)
  }

  /** To be called before the first event. */
  link(host: FollowHost): void {
    const own = {
      room: (bytes: number) => this.room(bytes),
      lendRows: (rows: number) => this.#rows.get(rows)?.lend(),
    }
    const imports = { host: { ...host, ...own } }
    this.#kernel = this.memory.instantiate(followWasm, imports) as FollowKernel
    this.#kernel.setTrace(this.numbers.byteOffset)
  }

  get kernel(): FollowKernel {
    if (this.#kernel === undefined) throw new TypeError('the kernel is not linked yet')
    return this.#kernel
  }

  floats(place: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, place, length)
  }

  integers(place: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, place, length)
  }

  /** Place of so many bytes, all 0. */
  room(bytes: number): number {
    const size = (bytes + 7) & ~7
    if (size > PIECE_BYTES) return this.#cleared(size)
    if (this.#used + size > PIECE_BYTES) {
      this.#piece = this.#cleared(PIECE_BYTES)
      this.#used = 0
    }
    this.#used += size
    return this.#piece + this.#used - size
  }

  /** True if an array of the reader's lies in the memory. */
  holds({ buffer }: ArrayBufferView): boolean {
    return this.#readerHasMemory && buffer instanceof SharedArrayBuffer
  }

  /** The text of so many bytes, or of those before the first NUL. */
  textAt(place: number, length: number): string {
    const bytes = new Uint8Array(this.memory.buffer, place, length).slice()
    const end = bytes.indexOf(0)
    return toText(end < 0 ? bytes : bytes.subarray(0, end))
  }

  /** A number for a dictionary, by which the kernel tells it from others. */
  numberOf(dictionary: StringDictionary): number {
    let number = this.#dictionaries.get(dictionary)
    if (number === undefined) {
      number = ++this.#dictionaryCount
      this.#dictionaries.set(dictionary, number)
    }
    return number
  }

  /** Lets WebAssembly add rows to a buffer in its memory; `word` of the trace's record says where they are. */
  share(word: number, rows: RowBuffer, names: readonly string[]): KernelRows {
    const shared = new KernelRows(this, rows, names)
    this.#rows.set(shared.place, shared)
    this.words[word / 4] = shared.place
    return shared
  }

  /** Tells the buffers that have at least so many rows what WebAssembly added. */
  takeRows(least: number): void {
    for (const rows of this.#rows.values()) if (rows.length >= least) rows.take()
  }

  #event(kind: number): number {
    const place = this.room(EVENT_FIELDS)
    this.integers(place, EVENT_FIELDS / 4)[EVENT_KIND / 4] = kind
    return place
  }

  #table(word: number, length: number): Int32Array {
    const place = this.room(4 * length)
    this.words[word / 4] = place
    return this.integers(place, length)
  }

  #cleared(bytes: number): number {
    const place = this.memory.allocate(bytes)
    new Uint8Array(this.memory.buffer, place, bytes).fill(0)
    return place
  }
}
