// What the kernel of lines keeps in its memory, and where.

// The tasks are arrays of tid, tgid, cpu, length of the name, name; see RecentTasks.
export const TASKS: u32 = 4096
export const TASK_COUNT: u32 = 1024
export const TGIDS: u32 = TASKS + 4 * TASK_COUNT
export const CPUS: u32 = TGIDS + 4 * TASK_COUNT
export const LENGTHS: u32 = CPUS + 4 * TASK_COUNT
export const COMMS: u32 = LENGTHS + TASK_COUNT
export const COMM_BYTES: u32 = 32
// Slots of 16 bytes: address of the event + 1, bytes of its name.
export const NAMES: u32 = 65536
export const NAME_SLOTS: u32 = 1024
// An event: number of steps (-1: no plan), what is before them, whether a bracket makes its lines others, its name, and from STEPS on
// the steps.
export const EVENTS: u32 = 131072
export const EVENT_BYTES: u32 = 4096
export const MAX_EVENTS: u32 = 256
export const PREFIX: u32 = 4
export const SIGNED_SHRINKER: u32 = 1
export const NO_BRACKET: u32 = 8
export const NAME: u32 = 16
export const MAX_NAME_BYTES: u32 = 112
export const STEPS: u32 = 128
export const STEP_BYTES: u32 = 64
// A step: kind, length of its label, and the label, padded with zeros.
export const LABEL: u32 = 8
export const MAX_LABEL_BYTES: u32 = 56
export const SIGNED: u32 = 0
export const UNSIGNED: u32 = 1
export const TEXT: u32 = 2
export const COMM_BEFORE_PID: u32 = 3
export const UP_TO_PARENTHESIS: u32 = 4
export const UP_TO_ARROW: u32 = 5
export const COMM: u32 = 6
export const WORD: u32 = 7
// A task's name has less bytes than this before its pid; see keyAfterComm in body.ts.
export const COMM_REACH: u32 = 16
// Texts: u16 length + 1, u16 what they have, code, bytes padded with zeros.
export const HAS_EQUALS: u32 = 1
export const HAS_SPACE: u32 = 2
export const HAS_CLOSING: u32 = 4
export const HAS_END: u32 = 8
export const TEXTS: u32 = EVENTS + EVENT_BYTES * MAX_EVENTS
export const TEXT_SLOTS: u32 = 4096
export const TEXT_SLOT_BYTES: u32 = 256
export const MAX_TEXT_BYTES: u32 = 240
// Slots of the texts met lately, by event, step and two bytes of the text.
export const HINTS: u32 = TEXTS + TEXT_SLOTS * TEXT_SLOT_BYTES
export const HINTS_OF_STEP: u32 = 8
export const HINTS_OF_EVENT: u32 = 64 * HINTS_OF_STEP
// Rows: f64 time, i32 event, cpu, tid, flags, then two words for each value.
export const OUTPUT: u32 = HINTS + 4 * HINTS_OF_EVENT * MAX_EVENTS
export const OUTPUT_BYTES: u32 = 131072
export const MAX_ROW_BYTES: u32 = 1024
export const INPUT: u32 = OUTPUT + OUTPUT_BYTES + 64
// Loads may reach so far behind the input.
export const SLACK: u32 = 64
