import type { ProgramRun } from './programs.ts'
import { type BenchRow, pairedRow } from './row.ts'
import type { TimedRun } from './timed.ts'

export interface RateRow {
  readonly name: string
  readonly peerName: string
  readonly goal?: number
}

type Time = 'wallSeconds' | 'cpuSeconds'
const UNITS: Readonly<Record<Time, string>> = {
  wallSeconds: 'M events/s',
  cpuSeconds: 'M events/s of cpu time',
}

/** How fast programs went through the same events as their peers, by one kind of time. */
export function rateRow(
  row: RateRow,
  time: Time,
  ours: readonly ProgramRun[],
  peer: readonly TimedRun[],
): BenchRow {
  const [first, ...others] = ours.map(({ events }) => events)
  const events = first ?? Number.NaN
  for (const other of others)
    if (other !== events) throw new Error(`${row.name}: ${other} events, ${events} before`)
  const rate = (run: TimedRun): number => events / run[time] / 1e6
  const shared = {
    unit: UNITS[time],
    better: 'higher',
    peakMiB: Math.max(...ours.map(({ peakMiB }) => peakMiB)),
  } as const
  return pairedRow({ ...row, ...shared }, ours.map(rate), peer.map(rate))
}

/** By the clock, for which the goal is, and by CPU time. */
export function rateRows(
  row: RateRow,
  ours: readonly ProgramRun[],
  peer: readonly TimedRun[],
): readonly BenchRow[] {
  const { name, peerName } = row
  return [
    rateRow(row, 'wallSeconds', ours, peer),
    rateRow({ name: `${name}, by CPU time`, peerName }, 'cpuSeconds', ours, peer),
  ]
}
