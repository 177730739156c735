import { toText } from '../cursor.ts'
import type { Loss } from '../reader.ts'

/** Losses that lines between events tell of: each lies between its cpu's last line before and its next. */
export class LossLines {
  readonly list: Loss[] = []
  /** Time of the text's first event. */
  firstNs = 0
  readonly #lastOfCpu: number[] = []
  readonly #open = new Map<number, { startNs: number; events: number | undefined }>()

  /** Events are missing on `cpu`: until `endNs`, or its next line. */
  add(cpu: number, events: number | undefined, endNs?: number): void {
    const startNs = this.#lastOfCpu[cpu] ?? this.firstNs
    if (endNs !== undefined) {
      this.list.push({ cpu, startNs: Math.min(startNs, endNs), endNs, events })
      return
    }
    const open = this.#open.get(cpu)
    if (open === undefined) this.#open.set(cpu, { startNs, events })
    else
      open.events =
        open.events === undefined || events === undefined ? undefined : open.events + events
  }

  /** An event of `cpu` ends what is open there. */
  meet(cpu: number, ns: number): void {
    this.#lastOfCpu[cpu] = ns
    const loss = this.#open.size === 0 ? undefined : this.#open.get(cpu)
    if (loss === undefined) return
    this.#open.delete(cpu)
    this.list.push({ cpu, startNs: Math.min(loss.startNs, ns), endNs: ns, events: loss.events })
  }

  /** The text ends at `lastNs`. */
  close(lastNs: number): void {
    for (const [cpu, { startNs, events }] of this.#open)
      this.list.push({ cpu, startNs, endNs: Math.max(startNs, lastNs), events })
    this.#open.clear()
  }

  /** Takes `CPU:1 [LOST 12 EVENTS]`, `CPU:1 [LOST EVENTS]` (trace_output.c), `CPU:1 [12 EVENTS DROPPED]` (trace-cmd); false for other lines. */
  takesLine(bytes: Uint8Array, start: number, end: number): boolean {
    const text = toText(bytes.subarray(start, Math.min(end, start + 80)))
    const [, cpu, lost, dropped] =
      /^CPU:(\d{1,4}) \[(?:LOST (?:(\d+) )?EVENTS|(?:(\d+) )?EVENTS DROPPED)\]/.exec(text) ?? []
    if (cpu === undefined) return /^CPU \d+ is empty$/.test(text)
    const events = lost ?? dropped
    this.add(Number(cpu), events === undefined ? undefined : Number(events))
    return true
  }
}
