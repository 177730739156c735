import { CPU, END, START, TASK_ID, TID, TS } from './columns.ts'
import { column, type TableDefinition } from './definition.ts'

/** What is known of a recording as a whole: its file, its tasks, its marks, what was lost and what could not be used. */

export const TRACES: TableDefinition = {
  name: 'traces',
  comment: 'One row per ingested recording.',
  scope: 'catalogue',
  columns: [
    column('trace_id', 'INTEGER', 'Number of the trace in this database, from 1.'),
    column('name', 'VARCHAR', 'Name given at ingest; default the file or folder name.'),
    column('path', 'VARCHAR', 'Path as given; - for standard input.'),
    column('format', 'VARCHAR', 'File format, e.g. trace.dat v7.'),
    column('sha256', 'VARCHAR', 'SHA-256 of the input, hexadecimal.'),
    column('kernel_release', 'VARCHAR', 'Release of the recorded kernel (uname -r).'),
    column('arch', 'VARCHAR', 'Machine architecture.'),
    column('cpus', 'INTEGER', 'Number of CPUs.'),
    column('nodes', 'INTEGER', 'Number of NUMA nodes.'),
    column('page_size', 'INTEGER', 'Bytes per page.'),
    column('clock', 'VARCHAR', 'Trace clock (mono, boot, local, ...).'),
    column('start_ns', 'BIGINT', 'Time of the first event, ns in the trace clock.'),
    column('end_ns', 'BIGINT', 'Time of the last event, ns in the trace clock.'),
    column('events', 'BIGINT', 'Number of events read.'),
    column('lost_events', 'BIGINT', 'Events known to be lost, where the source gives a number.'),
    column('lost_gaps', 'BIGINT', 'Intervals in which events were lost, counted or not.'),
    column(
      'snapshot',
      'JSON',
      'Files recorded beside the trace: /proc/vmstat, zoneinfo, zram, zswap, ... by file name.',
    ),
    column('state', 'VARCHAR', 'loading or complete; readers see complete traces only.'),
    column('schema_version', 'INTEGER', 'Version of the schema that wrote the trace.'),
    column('pstrace_version', 'VARCHAR', 'Version of pstrace that ingested the trace.'),
  ],
}

export const TASKS: TableDefinition = {
  name: 'tasks',
  comment:
    'Threads seen in a trace. A tid that is reused, and a kernel thread started anew, is a new task.',
  scope: 'trace',
  columns: [
    column('task_id', 'BIGINT', 'Number of the task within the trace, from 1.'),
    TID,
    column('tgid', 'INTEGER', "Thread group id (user space's process id) where known."),
    column('comm', 'VARCHAR', 'Latest name of the thread.'),
    column(
      'kind',
      'VARCHAR',
      'kswapd, kcompactd, compressor (stores pages for others), kworker, or user.',
    ),
    column('node', 'INTEGER', 'Node of a per-node kernel thread.'),
    column('process', 'VARCHAR', "First word of its process's command line where known."),
    column('package', 'VARCHAR', 'Android package of its process where known.'),
    column('cgroup', 'VARCHAR', 'Control group where known.'),
    column(
      'oom_score_adj',
      'INTEGER',
      "Its process's last known oom_score_adj (all of them: samples named process.TGID.oom_score_adj).",
    ),
    column('killed_ns', 'BIGINT', 'When its process was killed to free memory, ns.'),
    column('killed_by', 'VARCHAR', 'oom (the kernel), lmkd or lowmemorykiller (Android).'),
    column('first_ns', 'BIGINT', 'First time seen, ns.'),
    column('last_ns', 'BIGINT', 'Last time seen, ns.'),
  ],
}

export const MARKERS: TableDefinition = {
  name: 'markers',
  comment: 'Named slices and marks written by programs (trace_marker, atrace, Perfetto).',
  scope: 'trace',
  columns: [TS, END, TASK_ID, column('name', 'VARCHAR', 'Name of the slice or mark.')],
}

export const LOSSES: TableDefinition = {
  name: 'losses',
  comment: 'Intervals in which events of a CPU were lost.',
  scope: 'trace',
  columns: [
    CPU,
    START,
    END,
    column('events', 'BIGINT', 'Number of lost events; NULL when the source does not say.'),
  ],
}

export const IMPORT_ISSUES: TableDefinition = {
  name: 'import_issues',
  comment: 'What the import met and could not use, counted.',
  scope: 'trace',
  columns: [
    column('code', 'VARCHAR', 'Stable code of the issue.'),
    column('severity', 'VARCHAR', 'info, error or data_loss.'),
    column('count', 'BIGINT', 'Occurrences.'),
    column('first_position', 'VARCHAR', 'Where it was first met.'),
    column('message', 'VARCHAR', 'One sentence.'),
  ],
}

export const RAW_FIELDS: TableDefinition = {
  name: 'raw_fields',
  comment: "Each trace's own event layouts.",
  scope: 'trace',
  columns: [
    column('system', 'VARCHAR', 'Tracepoint group.'),
    column('event', 'VARCHAR', 'Event name.'),
    column('field', 'VARCHAR', 'Field name as the kernel spells it.'),
    column(
      'byte_offset',
      'INTEGER',
      "Offset from the record's start; NULL where the format has none.",
    ),
    column('size', 'INTEGER', 'Size in bytes; NULL where the format has none.'),
    column('signed', 'BOOLEAN', 'Signed number.'),
    column('type', 'VARCHAR', "C type as the trace's format description prints it."),
  ],
}
