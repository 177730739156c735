/** Which part of a database a reading command looks at, as asked; names are not yet looked up. */
export interface Selection {
  /** ID or name; absent = the last ingested. */
  readonly trace?: string
  /** IDs, policies, `last`, `recording`; empty = the recording and the latest run of each policy. */
  readonly runs: readonly string[]
  /** Nanoseconds from the trace's start. */
  readonly fromNs?: bigint
  readonly toNs?: bigint
  readonly cpus: readonly number[]
  readonly tids: readonly number[]
  readonly comms: readonly string[]
  readonly nodes: readonly number[]
  /** Name of a marker; only what lies in its intervals is read. */
  readonly window?: string
}
