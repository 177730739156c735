import { Buffer } from 'node:buffer'
import type { EventLine } from './event-line.ts'
import type { TextColumn } from './text-batch.ts'
import { linesWasm } from './wasm/lines.wasm.ts'

interface Global {
  readonly value: number
}

/** What assembly/lines.ts exports: its memory's layout, its functions, and what the last call of `take` met. */
interface Lines {
  readonly TASKS: Global
  readonly TASK_COUNT: Global
  readonly EVENTS: Global
  readonly EVENT_BYTES: Global
  readonly MAX_EVENTS: Global
  readonly MAX_NAME_BYTES: Global
  readonly STEPS: Global
  readonly STEP_BYTES: Global
  readonly MAX_LABEL_BYTES: Global
  readonly OUTPUT: Global
  readonly INPUT: Global
  readonly SLACK: Global
  readonly stoppedAt: Global
  readonly missing: Global
  readonly textStart: Global
  readonly textEnd: Global
  readonly cpu: Global
  readonly tid: Global
  readonly tgid: Global
  readonly commStart: Global
  readonly commEnd: Global
  addEvent(number: number, start: number, length: number): void
  addText(start: number, end: number, code: number): void
  forgetTexts(): void
  take(
    from: number,
    to: number,
    most: number,
    isPerf: number,
    bracket: number,
    baseSeconds: number,
  ): number
  skipKnown(from: number, to: number, nameAt: number, bracket: number): number
}

/** The part of the WebAssembly API that is used here; `lib` has no declaration of it without the DOM. */
interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
  readonly Memory: new (limits: { initial: number }) => { readonly buffer: ArrayBuffer }
}

const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: WasmApi }

const PAGE_BYTES = 65_536
const MEMORY_BYTES = 4 << 20
const MISSING_TEXT = 1
const MISSING_TASK = 2
/** A line with more texts that are not known, or whose texts exclude each other, is read slowly. */
const MAX_TRIES = 12
/** Most lines that are read slowly between two tries, where tries were in vain. */
const MAX_PAUSE = 64

/** A value in the body of an event whose lines look alike: what stands before it, and how it ends. */
export interface Step {
  readonly label: Uint8Array
  readonly column: TextColumn
  /** What ends a text that no key follows: a probe's place is in parentheses. */
  readonly closing: ')' | ' <- ' | undefined
  /** A task's name, whose end is found by its pid's key where that is near; `before pid`: its pid is the next step. */
  readonly comm: 'before pid' | 'alone' | undefined
}

/** How the bodies of an event are laid out. */
export interface Plan {
  /** The kind of the address in the two values that precede the steps: a shrinker's name and address. */
  readonly shrinker: 'i64' | 'u64' | undefined
  readonly steps: readonly Step[]
  /** Labels are words: a text that is more than a word may hold another. */
  readonly isLabelled: boolean
  /** A bracket may make a body one without keys. */
  readonly mayBePositional: boolean
}

/** Step kinds of assembly/lines.ts. */
function kindOf({ column, closing, comm }: Step, isLabelled: boolean): number {
  if (column.kind !== 'string') return column.kind === 'u64' ? 1 : 0
  if (closing !== undefined) return closing === ')' ? 4 : 5
  if (isLabelled) return 7
  if (comm !== undefined) return comm === 'alone' ? 6 : 3
  return 2
}

/** Who is asked for what a line lacks. */
export interface LineKnowledge {
  readonly codeOfText: (bytes: Uint8Array, start: number, end: number) => number
  /** The line's task only; its other parts are those of an older line. */
  readonly learnTask: (bytes: Uint8Array, line: EventLine) => void
}

/**
 * Lines that look like earlier ones of their event are taken apart by WebAssembly, many in one call. It knows what it was told: names
 * of events, how their last line was laid out, tasks and texts. All other lines are the reader's.
 */
export class KnownLines {
  readonly #lines: Lines
  readonly #bytes: Uint8Array
  readonly #i32: Int32Array
  readonly #inputAt: number
  readonly #inputBytes: number
  readonly #knowledge: LineKnowledge
  #events = 0
  #misses = 0
  #pause = 0
  /** Rows of the last `take`, from word `outputAt` on: time, event, cpu, tid, flags, then two words per value. */
  readonly outputAt: number
  readonly words: Uint32Array
  readonly times: Float64Array
  /** Tids, tgids and cpus of the tasks, lengths of their names, and the names. */
  readonly tasks: {
    readonly tids: Int32Array
    readonly tgids: Int32Array
    readonly cpus: Int32Array
    readonly lengths: Uint8Array
    readonly comms: Uint8Array
  }

  constructor(knowledge: LineKnowledge) {
    const memory = new wasm.Memory({ initial: MEMORY_BYTES / PAGE_BYTES })
    const module = new wasm.Module(new Uint8Array(Buffer.from(linesWasm, 'base64')))
    const lines = new wasm.Instance(module, { env: { memory } }).exports as Lines
    const { buffer } = memory
    this.#lines = lines
    this.#knowledge = knowledge
    this.#bytes = new Uint8Array(buffer)
    this.#i32 = new Int32Array(buffer)
    this.words = new Uint32Array(buffer)
    this.times = new Float64Array(buffer)
    this.outputAt = lines.OUTPUT.value >>> 2
    this.#inputAt = lines.INPUT.value
    this.#inputBytes = MEMORY_BYTES - lines.INPUT.value - lines.SLACK.value
    const count = lines.TASK_COUNT.value
    const tasks = lines.TASKS.value
    this.tasks = {
      tids: new Int32Array(buffer, tasks, count).fill(-1),
      tgids: new Int32Array(buffer, tasks + 4 * count, count),
      cpus: new Int32Array(buffer, tasks + 8 * count, count),
      lengths: new Uint8Array(buffer, tasks + 12 * count, count),
      comms: new Uint8Array(buffer, tasks + 13 * count, 32 * count),
    }
  }

  /** The piece of input where it can be taken apart; itself when it is too long. */
  place(piece: Uint8Array): Uint8Array {
    if (piece.length > this.#inputBytes) return piece
    const placed = this.#bytes.subarray(this.#inputAt, this.#inputAt + piece.length)
    placed.set(piece)
    return placed
  }

  /** Makes an event known; its number, or -1 when there are too many or the name is too long. */
  addEvent(name: Uint8Array): number {
    const { MAX_EVENTS, MAX_NAME_BYTES } = this.#lines
    const number = this.#events
    if (number >= MAX_EVENTS.value || name.length > MAX_NAME_BYTES.value) return -1
    // The output is free for use between two calls.
    const at = this.outputAt << 2
    this.#bytes.fill(0, at, at + MAX_NAME_BYTES.value + 8)
    this.#bytes.set(name, at)
    this.#lines.addEvent(number, at, name.length)
    this.#events++
    return number
  }

  /** Tells how the next bodies of an event may be laid out; false when that cannot be told, as with `undefined`. */
  plan(number: number, plan: Plan | undefined): boolean {
    const { EVENTS, EVENT_BYTES, STEPS, STEP_BYTES, MAX_LABEL_BYTES } = this.#lines
    const event = EVENTS.value + number * EVENT_BYTES.value
    const mostSteps = (EVENT_BYTES.value - STEPS.value) / STEP_BYTES.value
    const isPossible =
      plan !== undefined &&
      plan.steps.length <= mostSteps &&
      plan.steps.every(({ label }) => label.length <= MAX_LABEL_BYTES.value)
    this.#i32[event >>> 2] = isPossible ? plan.steps.length : -1
    if (!isPossible) return false
    const { shrinker, steps, isLabelled, mayBePositional } = plan
    this.#i32[(event >>> 2) + 1] = shrinker === undefined ? 0 : shrinker === 'i64' ? 1 : 2
    this.#i32[(event >>> 2) + 2] = mayBePositional ? 1 : 0
    let at = event + STEPS.value
    for (const step of steps) {
      this.#i32[at >>> 2] = kindOf(step, isLabelled)
      this.#i32[(at >>> 2) + 1] = step.label.length
      this.#bytes.fill(0, at + 8, at + STEP_BYTES.value)
      this.#bytes.set(step.label, at + 8)
      at += STEP_BYTES.value
    }
    return true
  }

  forgetTexts(): void {
    this.#lines.forgetTexts()
  }

  /**
   * Takes at most `most` lines of a placed piece from byte `from` on; returns their number. The first that was not taken begins at
   * `stoppedAt`.
   */
  take(
    piece: Uint8Array,
    from: number,
    most: number,
    line: EventLine,
    options: { readonly isPerf: boolean; readonly baseSeconds: number },
  ): number {
    if (piece.buffer !== this.#bytes.buffer) return 0
    if (this.#pause > 0) {
      this.#pause--
      return 0
    }
    const lines = this.#lines
    const to = this.#inputAt + piece.length
    const isPerf = options.isPerf ? 1 : 0
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const rows = lines.take(
        this.#inputAt + from,
        to,
        most,
        isPerf,
        line.bracket,
        options.baseSeconds,
      )
      if (rows > 0) {
        this.#misses = 0
        this.#pause = 0
        return rows
      }
      if (!this.#supply(line)) break
    }
    this.#misses = Math.min(this.#misses + 1, MAX_PAUSE)
    this.#pause = this.#misses >> 2
    return 0
  }

  /** In the piece, of the first line that was not taken or skipped. */
  get stoppedAt(): number {
    return this.#lines.stoppedAt.value - this.#inputAt
  }

  /** Steps over lines of tracefs whose events are known, from byte `from` on; returns their number. */
  skip(piece: Uint8Array, from: number, nameAt: number, bracket: number): number {
    if (piece.buffer !== this.#bytes.buffer) return 0
    return this.#lines.skipKnown(
      this.#inputAt + from,
      this.#inputAt + piece.length,
      nameAt,
      bracket,
    )
  }

  /** Tells what the line lacked; false when that is not all. */
  #supply(line: EventLine): boolean {
    const lines = this.#lines
    const missing = lines.missing.value
    if (missing === MISSING_TEXT) {
      const start = lines.textStart.value
      const end = lines.textEnd.value
      lines.addText(start, end, this.#knowledge.codeOfText(this.#bytes, start, end))
      return true
    }
    if (missing !== MISSING_TASK) return false
    line.cpu = lines.cpu.value
    line.tid = lines.tid.value
    line.tgid = lines.tgid.value
    line.commStart = lines.commStart.value
    line.commEnd = lines.commEnd.value
    this.#knowledge.learnTask(this.#bytes, line)
    return true
  }
}
