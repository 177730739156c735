import { NODE } from './columns.ts'
import { column, type TableDefinition } from './definition.ts'

/** Replays, and the figures of recordings and replays. */

export const RUNS: TableDefinition = {
  name: 'runs',
  comment: 'Replays of a trace under a policy.',
  scope: 'catalogue',
  columns: [
    column('trace_id', 'INTEGER', 'Trace that was replayed.'),
    column('run_id', 'INTEGER', 'Number of the run in this database, from 1.'),
    column('policy', 'VARCHAR', 'Policy name.'),
    column('backend', 'VARCHAR', 'Backend name.'),
    column('codec', 'VARCHAR', 'Codec name.'),
    column('codec_version', 'VARCHAR', 'Codec implementation and version.'),
    column(
      'content_source',
      'VARCHAR',
      'Where page contents came from: swap-image, corpus, generator.',
    ),
    column('clock', 'VARCHAR', 'virtual or threads.'),
    column('demand', 'VARCHAR', 'closed or open.'),
    column('cpus', 'VARCHAR', 'CPUs of the run: a number, or groups such as 4x1.0+4x0.4.'),
    column('seed', 'BIGINT', 'Seed of the random generator.'),
    column('config', 'JSON', 'Complete configuration: the run can be repeated from it.'),
    column('state', 'VARCHAR', 'loading or complete; readers see complete runs only.'),
    column('pstrace_version', 'VARCHAR', 'Version of pstrace that ran it.'),
  ],
}

export const METRICS: TableDefinition = {
  name: 'metrics',
  comment: 'Figures of a recording (run_id NULL) or a run, each with what it rests on.',
  scope: 'run',
  columns: [
    column('metric', 'VARCHAR', 'Name of the metric.'),
    NODE,
    column('question', 'VARCHAR', 'Question it answers.'),
    column('value', 'DOUBLE', 'Value.'),
    column('lo', 'DOUBLE', 'Lower bound.'),
    column('hi', 'DOUBLE', 'Upper bound.'),
    column('unit', 'VARCHAR', 'Unit of value, lo and hi.'),
    column('basis', 'VARCHAR', 'event, snapshot, inferred or default.'),
    column('n', 'BIGINT', 'Observations behind it.'),
  ],
}
