import { COMPACT } from './bundle-list.ts'
import { BYTES, FieldWalker } from './wire.ts'

const MAX_COMPACT = 1 << 20

/** One number of each compact event. */
export class NumberList {
  lo = new Uint32Array(256)
  hi = new Uint32Array(256)
  length = 0

  /** Appends a packed field's values; false when there are too many or they are damaged. */
  append(walker: FieldWalker, packed: FieldWalker): boolean {
    if (walker.wire !== BYTES) {
      this.#push(walker.hi, walker.lo)
      return true
    }
    packed.begin(walker.bytes, walker.start, walker.end)
    while (packed.nextPacked()) {
      if (this.length >= MAX_COMPACT) return false
      this.#push(packed.hi, packed.lo)
    }
    return !packed.bad
  }

  #push(hi: number, lo: number): void {
    if (this.length === this.lo.length) {
      const { lo: los, hi: his } = this
      this.lo = new Uint32Array(this.length * 2)
      this.hi = new Uint32Array(this.length * 2)
      this.lo.set(los)
      this.hi.set(his)
    }
    this.lo[this.length] = lo
    this.hi[this.length] = hi
    this.length++
  }
}

/** The compact scheduling events of the bundle at hand, shared by all cpus' streams. */
export class CompactSched {
  readonly switchTs = new NumberList()
  readonly switchState = new NumberList()
  readonly switchPid = new NumberList()
  readonly switchPrio = new NumberList()
  readonly switchComm = new NumberList()
  readonly wakingTs = new NumberList()
  readonly wakingPid = new NumberList()
  readonly wakingCpu = new NumberList()
  readonly wakingPrio = new NumberList()
  readonly wakingComm = new NumberList()
  readonly wakingFlags = new NumberList()
  /** Byte range of each interned name. */
  readonly commStart = new NumberList()
  readonly commEnd = new NumberList()
  readonly #all: readonly NumberList[]
  readonly #walker = new FieldWalker()
  readonly #packed = new FieldWalker()
  readonly #byField: readonly (NumberList | undefined)[]
  /** Events that have all their values. */
  switches = 0
  wakings = 0

  constructor() {
    const byField: (NumberList | undefined)[] = []
    byField[COMPACT.switchTimestamp] = this.switchTs
    byField[COMPACT.switchPrevState] = this.switchState
    byField[COMPACT.switchNextPid] = this.switchPid
    byField[COMPACT.switchNextPrio] = this.switchPrio
    byField[COMPACT.switchNextComm] = this.switchComm
    byField[COMPACT.wakingTimestamp] = this.wakingTs
    byField[COMPACT.wakingPid] = this.wakingPid
    byField[COMPACT.wakingTargetCpu] = this.wakingCpu
    byField[COMPACT.wakingPrio] = this.wakingPrio
    byField[COMPACT.wakingComm] = this.wakingComm
    byField[COMPACT.wakingFlags] = this.wakingFlags
    this.#byField = byField
    this.#all = [...byField.filter((list) => list !== undefined), this.commStart, this.commEnd]
  }

  clear(): void {
    for (const list of this.#all) list.length = 0
    this.switches = 0
    this.wakings = 0
  }

  /** False when part of it is damaged. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    const walker = this.#walker
    let whole = true
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field === COMPACT.internTable && walker.wire === BYTES) {
        pushOne(this.commStart, walker.start)
        pushOne(this.commEnd, walker.end)
        continue
      }
      const list = this.#byField[walker.field]
      if (list !== undefined && !list.append(walker, this.#packed)) whole = false
    }
    this.switches = Math.min(
      this.switchTs.length,
      this.switchState.length,
      this.switchPid.length,
      this.switchPrio.length,
      this.switchComm.length,
    )
    this.wakings = Math.min(
      this.wakingTs.length,
      this.wakingPid.length,
      this.wakingCpu.length,
      this.wakingPrio.length,
      this.wakingComm.length,
    )
    return (
      whole &&
      !walker.bad &&
      this.switches === this.switchTs.length &&
      this.wakings === this.wakingTs.length
    )
  }
}

function pushOne(list: NumberList, value: number): void {
  if (list.length === list.lo.length) {
    const { lo } = list
    list.lo = new Uint32Array(list.length * 2)
    list.lo.set(lo)
    list.hi = new Uint32Array(list.lo.length)
  }
  list.lo[list.length++] = value
}
