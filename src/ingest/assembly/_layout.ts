// Records that both languages read and write, in one memory: TypeScript and AssemblyScript take this file alike. Offsets are in bytes.
// Numbers of 64 bits (f64) come first, then words (i32, or addresses of other records, 0 = none).

// Codes of a task's scheduler state.
export const UNKNOWN = 0
export const RUNNING = 1
export const READY = 2
export const SLEEPING = 3
export const BLOCKED = 4

// What time is spent on: indexes of PARTS (parts.ts).
export const SCAN = 0
export const UNMAP = 1
export const STORE = 2
export const SLAB = 3
export const LOCK = 4
export const RUNNABLE = 5
export const IO = 6
export const THROTTLE = 7
export const OTHER = 8
export const ASLEEP = 9
export const COMPACTION = 10
export const UNINTERRUPTIBLE = 11
export const UNMAP_AND_STORE = 12
export const NOT_SEEN = 13

// Codes of thread_states.state; of doing that of no work.
export const STATE_RUNNING = 0
export const STATE_RUNNABLE = 1
export const STATE_IO = 2
export const STATE_NAP = 3
export const STATE_SLEEPING = 4
export const DOING_NONE = 0
export const MOST_DOINGS = 8
export const MOST_STATES = 8

/** Index of TASK_KINDS. */
export const KSWAPD = 0

// Indexes of LRU_LISTS (model/lru.ts), and how many there are.
export const INACTIVE_ANON = 0
export const INACTIVE_FILE = 2
export const LRU_COUNT = 5
/** A flag of pages in vmscan's events (model/lru.ts). */
export const RECLAIM_WB_ANON = 1

// Codes of CONTEXTS, PATHS and PLACES (open-swapout.ts); -1 = none.
export const NONE = -1
export const IN_KSWAPD = 0
export const IN_DIRECT = 1
export const IN_MEMCG = 2
export const PROACTIVE = 3
export const INLINE = 0
export const ZERO_PAGE = 3

// What is known of the whole trace, and where everything else is.
export const NOW = 0
/** Swap-outs so far. */
export const SUBMITTED = 8
/** Pages met so far. */
export const PAGES = 16
/** The node of all pages where there is only one. */
export const ONLY_NODE = 24
/** 1 = the trace has scheduler events; sched_waking among them. */
export const SCHEDULED = 32
export const WAKING_SEEN = 36
// Of Swapouts' setting, 0 or 1, but for the code of the place.
export const ASYNCHRONOUS = 40
export const STAGED = 44
export const FOLLOWS_STORES = 48
export const FREES_SEEN = 52
export const ZSWAP_PROBES = 56
export const SINGLE_PAGES = 60
export const DEFAULT_PLACE = 64
/** Pages of tasks by tid; idle tasks by cpu; the task of tids that the trace does not say. */
export const TID_PAGES = 68
export const IDLE_TASKS = 72
export const NOBODY = 76
/** By number of the swap area: blocks of entries by the upper bits of the offset. */
export const AREAS = 80
/** By node and context, as laneAt (_swapouts.ts) has it. */
export const LANES = 84
/** Swap-outs to be used again, a list. */
export const SPARE_SWAPOUTS = 88
// Rows.
export const STATE_ROWS = 92
export const PAIR_ROWS = 96
export const WAKEUP_ROWS = 100
export const BRIEF_ROWS = 104
export const UNGATED_ROWS = 108
export const BATCH_ROWS = 112
export const SLAB_ROWS = 116
export const SWAPIN_ROWS = 120
export const MOVE_ROWS = 124
/** Code of wakeups.reason. */
export const SCHED_REASON = 128
/** Codes of swapins.met of a page read from the device itself; of pool_moves for a slot of zram that is freed. */
export const DEVICE_MET = 132
export const FROM_ZRAM = 136
export const INVALIDATED = 140
/** Area of the zram device whose slot frees are recorded. */
export const ZRAM_AREA = 144
/** 1 = frees of slots are recorded; returns of zswap_load. */
export const FREES_RECORDED = 148
export const ZSWAP_LOADS = 152
/** Codes of shrinkers by address, those met lately. */
export const SHRINKERS = 156
/** By cpu, for so many: events until the next moment is kept, and the time of the last. */
export const CPUS = 160
export const CPU_MOMENTS = 164
export const CPU_LAST_NS = 168
/** Codes of thread_states.doing by part. */
export const DOING_OF = 172
/** Events by number of the batch. */
export const BATCH_EVENTS = 236
export const UNGATED_FOURS = 240
export const PAIR_FOURS = 244
/** Swap-outs without a gate that wait to be four, each right after the other: time of the first; the first's own values, how many. */
export const FOUR_TS = 248
export const FOUR_SHAPE = 256
export const FOUR_ID = 260
export const FOUR_RANK = 264
export const FOUR_SPAN = 268
export const FOUR_COUNT = 272
/** By position, time since the first and frame. */
export const FOUR_AFTER = 276
export const FOUR_PFN = 292
/** Shapes of rows of thread_states met lately. */
export const MET_SHAPES = 308
export const TRACE_BYTES = 312

/** A shape that was met: the task, the rows' form, cpu, state and doing, the shape. */
export const MET_FORM = 4
export const MET_KEY = 8
export const MET_SHAPE = 12
export const MET_BYTES = 16
export const MET_BITS = 11

/** A shrinker: its address, lower and upper half, and its code + 1. */
export const SHRINKER_BYTES = 12
export const SHRINKER_SLOTS = 64

export const TID_BITS = 10
export const MOST_TIDS = 4_194_304
export const MOST_IDLE_TASKS = 8192
export const ENTRY_BITS = 10
/** swp_type has 6 bits. */
export const MOST_AREAS = 64
/** Up to 64 GiB of 4 KiB pages per area are held densely; offsets beyond are rare, or not real. */
export const DENSE_OFFSETS = 16_777_216
/** An entry: its page, negative when it was read since its store and may be written to the same entry again; its swap-out. */
export const ENTRY_BYTES = 16
export const ENTRY_SWAPOUT = 8
export const MOST_LANES = 256

// A task.
/** NaN = nobody. */
export const TASK_ID = 0
export const LAST_NS = 8
export const SINCE = 16
/** Up to here time is accounted for, NaN = not met. */
export const ACCOUNTED = 24
/** Time on CPU since the last event that tells what it was for. */
export const UNLABELLED = 32
/** Start of the current run on a CPU or of its yet unlabelled rest. */
export const PIECE_START = 40
/** Last state row held back so that equal neighbours merge, NaN = none. */
export const HELD_START = 48
export const HELD_END = 56
/** Start of the unmapping that ended where the row held back, a store on the same CPU, begins; held back too. */
export const UNMAP_START = 64
export const SLEEP_START = 72
export const SLEEP_NS = 80
export const READY_NS = 88
/** CPU time between the end of the last uninterruptible sleep and now, NaN if another event came between. */
export const SINCE_BLOCKED = 96
/** End of the last isolation of a batch, while what follows is taken to be scanning; pages taken. */
export const ISOLATE_NS = 104
export const ISOLATE_TAKEN = 112
/** NaN = not known. */
export const NODE = 120
/** Id of the innermost span, NaN = none. */
export const SPAN = 128
/** Of the batch isolated last, NaN = none, or what happened to it is known. */
export const ISOLATE_SCANNED = 136
export const ISOLATE_LRU = 144
export const SLAB_START = 152
export const SLAB_SCANNED = 160
export const TOTALS = 168
export const TASK_INDEX = 280
export const TID = 284
export const STATE = 288
export const LAST_CPU = 292
export const HELD_CPU = 296
export const HELD_PART = 300
/** Part of the last sleep. */
export const SLEEP_PART = 304
export const WAKER = 308
/** The waker had a batch or a folio in hand: it unlocked a folio. */
export const WOKEN_IN_BATCH = 312
/** A sleep ended or goes on that no switch-in has followed yet. */
export const SLEPT = 316
export const KIND = 320
export const KSWAPD_OPEN = 324
/** Open spans, and what swap-outs within them are done for, NONE = they do not tell. */
export const SPANS = 328
export const SPAN_CONTEXT = 332
/** It stores a page. */
export const STORES = 336
/** The swap-out between its hand-over and mm_vmscan_write_folio. */
export const GATE = 340
/** The name that it was given last: a code, and the number of its dictionary; -1 = it was renamed since. */
export const NAME_CODE = 344
export const NAME_FROM = 348
/** Pieces of time on CPU that wait for their label, and how many. */
export const PIECES = 352
export const PIECE_COUNT = 356
/** Code of the shrinker whose name its last mm_shrink_slab_start told, NONE = it did not. */
export const SLAB_SHRINKER = 360
/** It handles a fault. */
export const IN_FAULT = 364
/** Shapes of its last swap-outs, one record for each form in brief. */
export const SWAPOUT_SHAPES = 368
/** Pairs that wait to be four without a gap: start, shape, how many; times since the start by position, end of the run and of all. */
export const PAIRS_START = 376
export const PAIRS_SHAPE = 384
export const PAIRS_COUNT = 388
export const PAIRS_AT = 392
/** The bytes of its name, where events have them undecoded. */
export const NAME_LOW = 424
export const NAME_HIGH = 432
/** When its reclaim for its cgroup was in vain as often as the kernel tries before it slows a task down for memory.high, NaN = it was not. */
export const IN_VAIN_NS = 440
export const TASK_BYTES = 448

/** A piece: start, end, cpu. */
export const PIECE_END = 8
export const PIECE_CPU = 16
export const PIECE_BYTES = 24
export const MOST_PIECES = 64

// A shape that a task's last swap-out had, and what made it so.
export const SHAPE_NODE = 0
export const SHAPE_TYPE = 8
export const SHAPE_ORDER = 16
export const SHAPE_STORED_BY = 24
export const SHAPE_CPU = 32
export const SHAPE_CONTEXT = 36
export const SHAPE_PATH = 40
export const SHAPE_PLACE = 44
/** -1 = there was none. */
export const SHAPE_NUMBER = 48
/** That of the node and the context, 0 = none. */
export const SHAPE_LANE = 52
export const SHAPE_BYTES = 56

// A swap-out whose row is not complete yet. NaN = not known.
export const SWAPOUT_ID = 0
export const PAGE_ID = 8
export const KEY = 16
export const TYPE = 24
export const OFFSET = 32
export const SUBMIT_NS = 40
export const GATE_END_NS = 48
export const START_NS = 56
export const STORED_NS = 64
export const WRITTEN_NS = 72
export const FREED_NS = 80
export const SWAPOUT_NODE = 88
export const PFN = 96
export const ORDER = 104
export const STORED_BY = 112
export const SPAN_ID = 120
export const SUBMIT_RANK = 128
export const DONE_RANK = 136
export const OWNER_ID = 144
export const OWNER_TID = 152
export const OWNER = 160
export const AWAITS = 164
export const SWAPOUT_CPU = 168
export const CONTEXT = 172
export const PATH = 176
export const PLACE = 180
export const LANE = 184
export const NEXT_SPARE = 188
export const SWAPOUT_BYTES = 192

// What a swap-out waits for, bits.
export const AWAITS_GATE = 1
export const AWAITS_STORE = 2
export const AWAITS_FREE = 4

/** Counts of a lane, for ranks given on the way: handed over, stored. */
export const LANE_STORED = 8
export const LANE_BYTES = 16

/** Rows, or pairs of rows, that are kept as one where each follows the other. */
export const FOUR = 4

// Rows on their way: how many there are, how many fit, addresses of the columns.
export const ROWS_LENGTH = 0
export const ROWS_ROOM = 4
export const ROWS_COLUMNS = 8

// An event's batch: what it is, the fields that are read.
export const EVENT_KIND = 0
export const EVENT_FIELDS = 4
/**
 * A field: what it is; of row 0 where its value is, or the lower half, and the upper half; from a row to the next. Of undecoded rows
 * row 0 would be a record at address 0, and the next begins one byte behind it. Of codes of strings the number of their dictionary.
 */
export const FIELD_KIND = 0
export const FIELD_VALUES = 4
export const FIELD_HIGH = 8
export const FIELD_STRIDE = 12
export const FIELD_BYTES = 16

// Kinds of fields.
export const ABSENT = 0
export const I32 = 1
export const U32 = 2
export const F64 = 3
export const I64 = 4
export const U64 = 5
/** The bytes of a string themselves, so many. */
export const NAME = 6
export const NAME_BYTES = 16

// Kinds of events; of HOST_EVENT the host knows what to do.
export const NO_EVENT = 0
export const HOST_EVENT = 1
export const SWITCH_EVENT = 2
export const WAKING_EVENT = 3
export const WAKEUP_EVENT = 4
export const GATE_EVENT = 5
export const GATE_END_EVENT = 6
export const WRITE_EVENT = 7
export const ISOLATE_EVENT = 8
export const SHRINK_INACTIVE_EVENT = 9
export const SHRINK_ACTIVE_EVENT = 10
export const SLAB_BEGIN_EVENT = 11
export const SLAB_END_EVENT = 12
export const SWAP_READ_EVENT = 13
export const SLOT_FREE_EVENT = 14
