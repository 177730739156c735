import { toText } from '../cursor.ts'
import { ByteDictionary } from '../string-dictionary.ts'
import { COLON, type EventLine } from './event-line.ts'
import type { KnownLines } from './known-lines.ts'

export const MAX_CPU = 8192
const MAX_TASKS = 1 << 20
const LESS = 60
const COMM_BYTES = 32

/** Tasks whose name, cpu and group are known as the line has them; by tid, so that a busy task costs a comparison. */
class RecentTasks {
  readonly #tids: Int32Array
  readonly #tgids: Int32Array
  readonly #cpus: Int32Array
  readonly #lengths: Uint8Array
  readonly #comms: Uint8Array
  readonly #mask: number

  constructor({ tids, tgids, cpus, lengths, comms }: KnownLines['tasks']) {
    this.#tids = tids
    this.#tgids = tgids
    this.#cpus = cpus
    this.#lengths = lengths
    this.#comms = comms
    this.#mask = tids.length - 1
  }

  isKnown(bytes: Uint8Array, line: EventLine): boolean {
    const slot = line.tid & this.#mask
    const { commStart } = line
    const length = line.commEnd - commStart
    if (
      this.#tids[slot] !== line.tid ||
      this.#tgids[slot] !== line.tgid ||
      this.#lengths[slot] !== length ||
      (this.#cpus[slot] as number) < line.cpu
    )
      return false
    const comms = this.#comms
    const from = slot * COMM_BYTES
    for (let i = 0; i < length; i++) if (comms[from + i] !== bytes[commStart + i]) return false
    return true
  }

  remember(bytes: Uint8Array, line: EventLine): void {
    const slot = line.tid & this.#mask
    const { commStart } = line
    const length = line.commEnd - commStart
    if (length > COMM_BYTES || length < 0) return
    this.#tids[slot] = line.tid
    this.#tgids[slot] = line.tgid
    this.#cpus[slot] = line.cpu
    this.#lengths[slot] = length
    this.#comms.set(bytes.subarray(commStart, commStart + length), slot * COMM_BYTES)
  }
}

const PLACEHOLDER = /^<(?:\.\.\.|\d+)>$/

/** `<...>` of tracefs and `<123>` of systrace: the name was not known. */
function isPlaceholder(bytes: Uint8Array, line: EventLine): boolean {
  return PLACEHOLDER.test(toText(bytes.subarray(line.commStart, line.commEnd)))
}

/** What the heads of lines tell of tasks: names and thread groups; and how many cpus there are. */
export class Tasks {
  readonly comms = new Map<number, string>()
  readonly tgids = new Map<number, number>()
  cpus = 0
  readonly #commNames = new ByteDictionary()
  readonly #commOfTid = new Map<number, number>()
  readonly #recent: RecentTasks

  constructor(recent: KnownLines['tasks']) {
    this.#recent = new RecentTasks(recent)
  }

  learn(bytes: Uint8Array, line: EventLine): void {
    const { tid, tgid, cpu } = line
    if (this.#recent.isKnown(bytes, line)) return
    this.#recent.remember(bytes, line)
    if (cpu >= this.cpus && cpu <= MAX_CPU) this.cpus = cpu + 1
    if (tgid >= 0 && this.tgids.get(tid) !== tgid && this.tgids.size < MAX_TASKS)
      this.tgids.set(tid, tgid)
    // <...> and <idle> are no names; perf prints :tid for a task without one.
    const first = bytes[line.commStart]
    if (tid <= 0 || line.commStart >= line.commEnd || first === COLON) return
    if (first === LESS && isPlaceholder(bytes, line)) return
    const code = this.#commNames.intern(bytes, line.commStart, line.commEnd)
    if (this.#commOfTid.get(tid) === code || this.comms.size >= MAX_TASKS) return
    this.#commOfTid.set(tid, code)
    this.comms.set(tid, this.#commNames.get(code))
  }
}
