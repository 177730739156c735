/** sysctl_sched_migration_cost (kernel/sched/fair.c), ns: a thread that ran so lately is hot, and averages of idle times are bound by twice this. */
export const MIGRATION_COST_NS = 500_000

/** A new average is an eighth of the way to the sample. */
const AVERAGE_OF = 8

/** update_avg() of kernel/sched/core.c: a CPU's average idle time once it was idle for `idleNs`; all in ns. */
export function averageIdle(averageNs: number, idleNs: number, mostNs: number): number {
  return Math.min(mostNs, averageNs + Math.trunc((idleNs - averageNs) / AVERAGE_OF))
}
