import { toText } from '../cursor.ts'
import { EVENT, EventLine, NO_MATCH } from './event-line.ts'
import { parsePerfLine } from './perf-line.ts'
import { parseTracefsLine } from './tracefs-line.ts'

/** Parses one line's head; gives NO_MATCH, EVENT or NO_EVENT. */
export type LineParser = (bytes: Uint8Array, start: number, end: number, line: EventLine) => number

export interface TextForm {
  readonly name: 'ftrace text' | 'perf script' | 'systrace'
  readonly parse: LineParser
  /** Lines count only between the tags of a page's trace data. */
  readonly isPage: boolean
}

export const FTRACE_TEXT: TextForm = {
  name: 'ftrace text',
  parse: parseTracefsLine,
  isPage: false,
}
const PERF_SCRIPT: TextForm = { name: 'perf script', parse: parsePerfLine, isPage: false }
const SYSTRACE: TextForm = { name: 'systrace', parse: parseTracefsLine, isPage: true }
export const FORMS: readonly TextForm[] = [FTRACE_TEXT, PERF_SCRIPT, SYSTRACE]

/** Lines that come before events: comments, trace-cmd's and atrace's own. */
const PREAMBLE =
  /^(?:#.*|\s*|version = \d+|cpus=\d+|CPU:\d+ \[.*|CPU \d+ is empty|capturing trace\.\.\.( done)?|TRACE:|trace-cmd.*)$/
const PAGE_START = /^\s*(?:<!--[\s\S]*?-->\s*)*<(?:!doctype\s+html|html)/i
const PAGE_MARK = /Android System Trace|class="trace-data"|linuxPerfData|trace[-_]viewer|tr-ui-/
// kernel/trace/trace_functions_graph.c; trace_print_lat_context and trace-cmd report -l.
const GRAPH_LINE = /^\s*\d+\)\s.*\|/
const LATENCY_LINE = /^.*-\d+\s+\d+[dDbBX.][NnpbBlL.]\S*\s+[\d.]+(?:us\s+)?[!+]?:/

/** What makes a text unreadable although it is a trace. */
export type Refusal = 'function_graph' | 'latency'

/** The form of the text that begins with `head`; a refusal when it is a trace of a kind that is not read. */
export function detectForm(head: Uint8Array): TextForm | Refusal | undefined {
  if (head.length === 0 || head.includes(0)) return undefined
  const text = toText(head)
  if (PAGE_START.test(text)) return PAGE_MARK.test(text) ? SYSTRACE : undefined
  if (/^# .* latency trace v/m.test(text)) return 'latency'
  const tracer = /^# tracer: (\S+)/m.exec(text)?.[1]?.replace(/\\n\\$/, '')
  if (tracer === 'function_graph') return 'function_graph'
  const line = new EventLine()
  let start = 0
  while (start < head.length) {
    const newline = head.indexOf(10, start)
    const end = newline < 0 ? head.length : newline
    const form = formOf(head, start, end, line)
    if (form !== 'preamble') return form
    start = end + 1
  }
  // Comments and nothing else: an empty trace says what it is.
  return tracer === undefined ? undefined : FTRACE_TEXT
}

function formOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  line: EventLine,
): TextForm | Refusal | 'preamble' | undefined {
  const text = toText(bytes.subarray(start, Math.min(end, start + 400))).replace(/\\n\\$|\r$/, '')
  if (PREAMBLE.test(text)) return 'preamble'
  if (parseTracefsLine(bytes, start, end, line) !== NO_MATCH) return FTRACE_TEXT
  if (parsePerfLine(bytes, start, end, line) === EVENT) return PERF_SCRIPT
  if (GRAPH_LINE.test(text)) return 'function_graph'
  return LATENCY_LINE.test(text) ? 'latency' : undefined
}

/** Whether the text is a trace of this form, or one that only this form's reader can refuse. */
export function isText(head: Uint8Array, name: TextForm['name']): boolean {
  const form = detectForm(head)
  if (form === undefined) return false
  return (typeof form === 'string' ? FTRACE_TEXT.name : form.name) === name
}
