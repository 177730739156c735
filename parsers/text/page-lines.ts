import { toText } from '../cursor.ts'

const OPENING = /<script[^>]*class="trace-data"[^>]*>|var linuxPerfData = "\\?/
const CLOSING = /<\/script>|^";/
/** The tracer's header or an event; not JSON, which may quote one. */
const TRACE_LINE = /^(?:# |\s*[^\s{[][^"]*-\d+\s.*\[\d+\])/
const LESS = 60
const QUOTE = 34

/** Follows the lines of a systrace page: which of them are trace text. Blocks of JSON or of process lists are not. */
export class PageLines {
  #inside = false
  #first = true
  #isTrace = false

  /** True when the line is one of the trace. */
  takes(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#inside) {
      if (mayHoldTag(bytes, start, end) && OPENING.test(toText(bytes.subarray(start, end)))) {
        this.#inside = true
        this.#first = true
        this.#isTrace = false
      }
      return false
    }
    const head = bytes[start]
    if (
      (head === QUOTE || bytes.subarray(start, Math.min(end, start + 16)).includes(LESS)) &&
      CLOSING.test(toText(bytes.subarray(start, end)))
    ) {
      this.#inside = false
      return false
    }
    if (this.#first && start < end) {
      this.#first = false
      this.#isTrace = TRACE_LINE.test(toText(bytes.subarray(start, Math.min(end, start + 200))))
    }
    return this.#isTrace
  }
}

/** Tags stand near the start of their line; longer ones are the page's own scripts. */
function mayHoldTag(bytes: Uint8Array, start: number, end: number): boolean {
  const until = Math.min(end, start + 200)
  for (let at = start; at < until; at++) if (bytes[at] === LESS || bytes[at] === QUOTE) return true
  return false
}
