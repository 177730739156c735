import { isInstalled } from '../shared/installed.ts'

/** The reference reader of trace.dat. */
export const hasTraceCmd = isInstalled('trace-cmd')

/**
 * An event's line of `trace-cmd report`: task, tid, cpu, time, event, payload. A file of version 6 may have an empty
 * clock option; trace-cmd (to 3.4) then parses memory that it never wrote (tracecmd_parse_trace_clock of a block of no
 * bytes), and where that begins with `[`, once in some 400 runs, it knows no clock: bare nanoseconds, without a blank.
 */
export const REPORT_LINE = /^\s*(.*)-(\d+)\s+\[(\d+)\]\s*(\d+(?:\.\d+)?):\s+(\S+):\s*(.*)$/

export interface ReportLine {
  readonly cpu: number
  readonly tid: number
  readonly ns: bigint
  readonly name: string
  readonly payload: string
}

/** Of `trace-cmd report -t`: seconds have nine digits, so that a time without its dot is nanoseconds. */
export function parseReportLine(line: string): ReportLine | undefined {
  const [, , tid, cpu, time = '', name, payload] = REPORT_LINE.exec(line) ?? []
  if (name === undefined || payload === undefined) return undefined
  return { cpu: Number(cpu), tid: Number(tid), ns: BigInt(time.replace('.', '')), name, payload }
}
