import { type Arch, isAtLeast, type Kernel, toText } from './kernel.ts'
import { GROUP, type Probe, probesOf } from './probes.ts'

export const TOOLS = ['trace-cmd', 'perf', 'perfetto', 'tracefs'] as const
export type Tool = (typeof TOOLS)[number]

export interface RecipeOptions {
  readonly tool: Tool
  readonly kernel: Kernel
  readonly arch: Arch
  /** Run it on an Android device over adb. */
  readonly adb: boolean
  readonly seconds: number
  /** Ring buffer of each CPU. */
  readonly bufferKib: number
}

/** Events of tracefs' events/, recorded without filter: `group` or `group/event`. */
const EVENTS = [
  'vmscan',
  'oom',
  'sched/sched_switch',
  'sched/sched_waking',
  'compaction/mm_compaction_begin',
  'compaction/mm_compaction_end',
  'cgroup/cgroup_attach_task',
  'power/cpu_frequency',
  // Processes and threads that come and go while it records: whose they are, and in which control group.
  'task/task_newtask',
  // Of lmkd's kills: perf does not record its marks.
  'signal/signal_generate',
  // Android before 4.12.
  'lowmemorykiller/lowmemory_kill',
] as const
/** Recorded as well where swap lies on a disk: they tell how long its requests take. */
const DISK_EVENTS = ['block/block_rq_issue', 'block/block_rq_complete'] as const
/** Where adb's shell may write and run on an Android device. */
export const DEVICE_HOME = '/data/local/tmp'
const DEVICE_FOLDER = `${DEVICE_HOME}/pstrace`
const DEVICE_SCRIPT = `${DEVICE_HOME}/pstrace.sh`

/** A POSIX shell script that records, with the files that `pstrace ingest` takes beside the trace. */
export function toScript(options: RecipeOptions): string {
  const device = toDeviceScript(options)
  return options.adb ? overAdb(device, options) : device
}

function toDeviceScript(options: RecipeOptions): string {
  const probes = probesOf(options)
  return [
    head(options),
    functions(options, probes),
    '[ "$(id -u)" = 0 ] || fail "must run as root"',
    'mkdir -p "$OUT" || fail "cannot create $OUT"',
    'reset_tracing',
    'add_probes',
    // The kernel's buffers are memory that the workload does not find free.
    ...(FTRACE_READERS.has(options.tool) ? ['set_buffers'] : []),
    'snapshot before',
    recordWith(options, probes),
    // Whoever writes after it has recorded takes them itself, before.
    ...(FTRACE_READERS.has(options.tool) ? [] : ['snapshot after']),
    'reset_tracing',
    '[ -z "$failed" ] || fail "$failed"',
    'echo "recorded into $OUT; read it with: pstrace ingest $RESULT" >&2',
    '',
  ].join('\n\n')
}

const COSTS: Readonly<Record<Tool, string>> = {
  'trace-cmd': 'trace-cmd copies the buffers while it records: some percent of one CPU.',
  perf: 'perf copies the buffers while it records: some percent of one CPU.',
  perfetto: 'traced_probes parses every event on the device: expect 5 to 10 percent of one CPU.',
  tracefs: 'the buffers are copied once a second while it records: some percent of one CPU.',
}

function head({ tool, kernel, arch, adb, seconds, bufferKib }: RecipeOptions): string {
  const out = adb ? DEVICE_FOLDER : `\${OUT:-pstrace-recording}`
  return `#!/bin/sh
# Records memory reclaim and swap with ${tool}, for kernel ${toText(kernel)} on ${arch}.
# Usage, as root: sh SCRIPT [seconds]; OUT=folder sets where to.
#
# Cost: an event takes 0.1 to 0.3 us, a probe 0.3 to 1 us, a return probe 1 to 2 us; storing a page 3 to 30 us. A swapped-out page is
# about 4 events. ${COSTS[tool]}
# Where swap lies on a disk (also below zswap), its requests are recorded too: two events for each request to any disk.
# Buffers: ${bufferKib} KiB per CPU. Raise BUFFER_KIB if pstrace reports losses: a page swapped out needs about 200 bytes.
set -u
SECONDS_TO_RECORD=\${1:-${seconds}}
BUFFER_KIB=\${BUFFER_KIB:-${bufferKib}}
OUT=${out}
T=\${TRACEFS:-/sys/kernel/tracing}
[ -e "$T/trace_clock" ] || T=/sys/kernel/debug/tracing
[ -e "$T/trace_clock" ] || { echo "pstrace: tracefs is not mounted" >&2; exit 1; }
clock=$(sed -n 's/.*\\[\\(.*\\)\\].*/\\1/p' "$T/trace_clock")
disk_events=
if grep -q -v -E '^Filename|zram' "\${SWAPS:-/proc/swaps}" 2>/dev/null; then
  disk_events='${DISK_EVENTS.join(' ')}'
fi
failed=
kept_kib=`
}

function functions(options: RecipeOptions, probes: readonly Probe[]): string {
  return [
    `fail() {
  echo "pstrace: $1" >&2
  exit 1
}`,
    `has_function() {
  if [ -r "$T/available_filter_functions" ]; then
    grep -q -E "^$1( |$)" "$T/available_filter_functions"
  else
    grep -q -i -E " t $1( |$)" /proc/kallsyms
  fi
}`,
    `# The probes' functions have other names in other kernels, and vendors backport: the kernel's own list decides.
add_probe() {
  kind=$1
  event=$2
  shift 2
  fetch=$1
  shift
  for function in "$@"; do
    has_function "$function" || continue
    if echo "$kind:${GROUP}/$event $function $fetch" >>"$T/kprobe_events"; then return 0; fi
  done
  echo "pstrace: no probe $event ($*): the recording lacks it" >&2
}`,
    `add_probes() {
  [ -e "$T/kprobe_events" ] || { echo "pstrace: this kernel has no kprobes" >&2; return 0; }
${probes.map(addProbe).join('\n')}
}`,
    `remove_probes() {
  [ -e "$T/kprobe_events" ] || return 0
  [ -d "$T/events/${GROUP}" ] && echo 0 >"$T/events/${GROUP}/enable"
  for event in ${probes.map(({ event }) => event).join(' ')}; do
    [ -d "$T/events/${GROUP}/$event" ] && echo "-:${GROUP}/$event" >>"$T/kprobe_events"
  done
  return 0
}`,
    `switch_events() {
  for event in ${EVENTS.join(' ')} $disk_events; do
    [ -e "$T/events/$event/enable" ] && echo "$1" >"$T/events/$event/enable"
  done
  return 0
}`,
    `reset_tracing() {
  echo 0 >"$T/tracing_on"
  switch_events 0
  remove_probes
  [ -z "$clock" ] || echo "$clock" >"$T/trace_clock"
  [ -z "$kept_kib" ] || echo "$kept_kib" >"$T/buffer_size_kb"
  echo 1 >"$T/tracing_on"
}`,
    ...(FTRACE_READERS.has(options.tool) ? [SET_BUFFERS] : []),
    SNAPSHOT,
    ...(options.tool === 'perfetto' ? [] : [SAMPLES]),
    `trap 'rm -f "$OUT/recording"; reset_tracing; exit 130' INT TERM`,
  ].join('\n\n')
}

/** Tools whose buffers are the kernel's own. */
const FTRACE_READERS: ReadonlySet<Tool> = new Set(['tracefs', 'trace-cmd'])

/**
 * The kernel refuses buffers larger than what is available (ENOMEM), which is little where memory is short; trace-cmd then goes on with
 * 1.4 MiB. What was set stays set after a recording: nobody else gives that memory back.
 */
const SET_BUFFERS = `set_buffers() {
  wanted=$BUFFER_KIB
  # "7 (expanded: 1408)" before the first use, "X" where each CPU has its own.
  size=$(sed 's/[^0-9].*//' "$T/buffer_size_kb" 2>/dev/null)
  until { echo "$BUFFER_KIB" >"$T/buffer_size_kb"; } 2>/dev/null; do
    BUFFER_KIB=$((BUFFER_KIB / 2))
    [ "$BUFFER_KIB" -ge 64 ] || { reset_tracing; fail "the kernel takes no size of its buffers"; }
  done
  kept_kib=$size
  [ "$BUFFER_KIB" = "$wanted" ] ||
    echo "pstrace: no memory for buffers of $wanted KiB per CPU, they have $BUFFER_KIB" >&2
}`

function addProbe({ event, isReturn, functions: names, fetch }: Probe): string {
  return `  add_probe ${isReturn ? 'r' : 'p'} ${event} '${fetch}' ${names.join(' ')}`
}

/** What `pstrace ingest --snapshots` reads: when recording begins, and on a quiet moment after tracing stopped. */
const SNAPSHOT = `snapshot() {
  when=$1
  for file in vmstat zoneinfo stat meminfo swaps buddyinfo pagetypeinfo; do
    [ -r "/proc/$file" ] && cat "/proc/$file" >"$OUT/$file.$when"
  done
  [ -r /proc/pressure/memory ] && cat /proc/pressure/memory >"$OUT/pressure.$when"
  for disk in /sys/block/zram*; do
    [ -e "$disk/mm_stat" ] || continue
    cat "$disk/mm_stat" >"$OUT/zram.mm_stat"
    cat "$disk/io_stat" >"$OUT/zram.io_stat"
    sed -n 's/.*\\[\\(.*\\)\\].*/\\1/p' "$disk/comp_algorithm" >"$OUT/comp_algorithm"
  done
  [ -d /sys/module/zswap/parameters ] && grep . /sys/module/zswap/parameters/* >"$OUT/zswap.params"
  [ -r /sys/kernel/mm/lru_gen/enabled ] && cat /sys/kernel/mm/lru_gen/enabled >"$OUT/lru_gen"
  # Which pages are reclaimed first, and how many are read ahead.
  for setting in swappiness page-cluster; do
    [ -r "/proc/sys/vm/$setting" ] && cat "/proc/sys/vm/$setting" >"$OUT/$setting"
  done
  uname -a >"$OUT/uname"
  grep -c '^processor' /proc/cpuinfo >"$OUT/ncpu"
  cat /proc/cmdline >"$OUT/cmdline"
  # Little and big CPUs: a replay needs their speeds.
  grep -H . /sys/devices/system/cpu/cpu*/cpu_capacity >"$OUT/cpu_capacity" 2>/dev/null || rm -f "$OUT/cpu_capacity"
  # perf and raw buffers keep addresses only: the names of the functions that free objects.
  grep -i -E ' t [^ ]*(scan|shrink)' /proc/kallsyms >"$OUT/kallsyms"
  # How long a tick is: delays are counted in them.
  { zcat /proc/config.gz || cat "/boot/config-$(uname -r)"; } 2>/dev/null | grep -E '^CONFIG_HZ=' >"$OUT/config"
  list_processes >"$OUT/processes.$when"
  # What memory control groups are left and may hold, where anything was set: a limit of 0 is one.
  [ -e /sys/fs/cgroup/cgroup.controllers ] && {
    find /sys/fs/cgroup \\( -name memory.min -o -name memory.low \\) -exec grep -s -H -v -x -E '0|max' {} +
    find /sys/fs/cgroup \\( -name memory.high -o -name memory.max -o -name memory.swap.high -o -name memory.swap.max \\
      -o -name memory.zswap.max \\) -exec grep -s -H -v -x max {} +
    find /sys/fs/cgroup -name memory.zswap.writeback -exec grep -s -H -x 0 {} +
  } >"$OUT/memcgs"
  # Android: which package has which uid.
  [ -r /data/system/packages.list ] && cut -d ' ' -f 1,2 /data/system/packages.list >"$OUT/packages"
  return 0
}

# Lines of file and content: the user, oom_score_adj, control groups and first word of the command line of each process; and its threads.
list_processes() {
  echo /proc/[0-9]*/task/[0-9]* | tr ' ' '\\n'
  grep -s -H '^Uid:' /proc/[0-9]*/status
  grep -s -H . /proc/[0-9]*/oom_score_adj
  grep -s -H -E '^0::|:memory:' /proc/[0-9]*/cgroup
  grep -s -a -H . /proc/[0-9]*/cmdline | tr '\\000' '\\t' | cut -f 1
}`

/**
 * Free pages and zram's counters each second, with the time of the trace's own clock. It ends with the script, for a signal that meets
 * a shell just begun may be lost.
 */
const SAMPLES = `sample_each_second() {
  printf 'mono_ns\\tnr_free_pages\\torig_data_size compr_data_size mem_used_total mem_limit mem_used_max same_pages pages_compacted huge_pages huge_pages_since\\n'
  while sleep 1 && kill -0 $$ 2>/dev/null; do
    now=$(sed -n 's/^now ts: *\\([0-9]*\\)\\.\\([0-9]*\\)$/\\1\\2000/p' "$T/per_cpu/cpu0/stats")
    free=$(sed -n 's/^nr_free_pages //p' /proc/vmstat)
    zram=$(cat /sys/block/zram0/mm_stat 2>/dev/null)
    printf '%s\\t%s\\t%s\\n' "$now" "$free" "$zram"
  done
}`

function recordWith(options: RecipeOptions, probes: readonly Probe[]): string {
  switch (options.tool) {
    case 'tracefs':
      return TRACEFS
    case 'trace-cmd':
      return traceCmd()
    case 'perf':
      return perf()
    case 'perfetto':
      return perfetto(options, probes)
  }
}

/** Reads each cpu's buffer: only whole pages while events come, for a reader that waits for the next one is woken by its own wake-up. */
const DRAIN = `# Bytes that a page holds are those of its data field; its head stands before them.
page_head=$(sed -n 's/.*[[:space:]]data;[[:space:]]*offset:\\([0-9]*\\);.*/\\1/p' "$T/events/header_page")
page_data=$(sed -n 's/.*[[:space:]]data;[[:space:]]*offset:[0-9]*;[[:space:]]*size:\\([0-9]*\\);.*/\\1/p' "$T/events/header_page")
PAGE=$((page_head + page_data))
[ "$page_data" -gt 0 ] || fail "events/header_page does not tell how large a page is"

unread_bytes() {
  sed -n 's/^bytes: //p' "$T/per_cpu/$1/stats"
}

read_pages() {
  [ "$2" -gt 0 ] || return 0
  dd if="$T/per_cpu/$1/trace_pipe_raw" bs="$PAGE" count="$2" 2>/dev/null >>"$RAW/per_cpu/$1/trace_pipe_raw"
}

read_full_pages() {
  for cpu in $cpus; do
    read_pages "$cpu" $(($(unread_bytes "$cpu") / page_data))
  done
}

# Tracing is off: a page that is not full is read as it is, and nothing waits.
read_rest() {
  for cpu in $cpus; do
    tries=0
    while [ "$(unread_bytes "$cpu")" -gt 0 ] && [ "$tries" -lt 1000 ]; do
      pages=$(($(unread_bytes "$cpu") / page_data))
      read_pages "$cpu" $((pages > 0 ? pages : 1))
      tries=$((tries + 1))
    done
  done
}`

/** Descriptions of what is recorded, and of the marks, which are always there. */
const FORMATS = [
  ...[...EVENTS, ...DISK_EVENTS].map((event) => (event.includes('/') ? event : `${event}/*`)),
  `${GROUP}/*`,
  'ftrace/print',
]
  .map((event) => `"$T"/events/${event}/format`)
  .join(' \\\n  ')

const TRACEFS = `RESULT=$OUT
RAW=$OUT/raw
${DRAIN}

echo 0 >"$T/tracing_on"
echo mono >"$T/trace_clock"
[ -e "$T/options/overwrite" ] && echo 0 >"$T/options/overwrite"
[ -e "$T/options/record-tgid" ] && echo 1 >"$T/options/record-tgid"
[ -e "$T/saved_cmdlines_size" ] && echo 4096 >"$T/saved_cmdlines_size"
echo >"$T/trace"
switch_events 1
[ -d "$T/events/${GROUP}" ] && echo 1 >"$T/events/${GROUP}/enable"
cpus=
for cpu in "$T"/per_cpu/cpu*; do
  cpus="$cpus \${cpu##*/}"
  mkdir -p "$RAW/per_cpu/\${cpu##*/}"
  : >"$RAW/per_cpu/\${cpu##*/}/trace_pipe_raw"
done
echo 1 >"$T/tracing_on"
sample_each_second >"$OUT/samples.tsv" &
sampler=$!
until=$(($(date +%s) + SECONDS_TO_RECORD))
while sleep 1 && [ "$(date +%s)" -lt "$until" ]; do
  read_full_pages
done
echo 0 >"$T/tracing_on"
snapshot after
kill "$sampler" 2>/dev/null
read_rest
for cpu in $cpus; do
  cat "$T/per_cpu/$cpu/stats" >"$RAW/per_cpu/$cpu/stats"
done
mkdir -p "$RAW/events"
cat "$T/events/header_page" >"$RAW/events/header_page"
cat "$T/events/header_event" >"$RAW/events/header_event"
for format in ${FORMATS}; do
  [ -r "$format" ] || continue
  below=\${format#"$T"/}
  mkdir -p "$RAW/\${below%/format}"
  cat "$format" >"$RAW/$below"
done
cat "$T/trace_clock" >"$RAW/trace_clock"
[ -r "$T/saved_cmdlines" ] && cat "$T/saved_cmdlines" >"$RAW/saved_cmdlines"
[ -r "$T/saved_tgids" ] && cat "$T/saved_tgids" >"$RAW/saved_tgids"`

function existing(format: (event: string) => string): string {
  return `events=
for event in ${EVENTS.join(' ')} $disk_events ${GROUP}; do
  [ -d "$T/events/$event" ] && events="$events ${format('$event')}"
done`
}

function traceCmd(): string {
  return `RESULT=$OUT/trace.dat
${existing((event) => `-e ${event}`)}
echo mono >"$T/trace_clock"
sample_each_second >"$OUT/samples.tsv" &
sampler=$!
# One that a killed run left would be taken for this one's.
rm -f "$OUT/recording"
# trace-cmd names events group:event.
events=$(echo "$events" | sed 's#/#:#g')
# It records until told: what it writes then takes seconds, and the counters are read before.
# shellcheck disable=SC2016,SC2086
trace-cmd record -C mono -b "$BUFFER_KIB" $events -o "$RESULT" \\
  sh -c ': >"$0"; while [ -e "$0" ] && kill -0 "$1"; do sleep 0.2; done' "$OUT/recording" $$ &
recorder=$!
while kill -0 "$recorder" 2>/dev/null && [ ! -e "$OUT/recording" ]; do sleep 0.2; done
if [ -e "$OUT/recording" ]; then
  sleep "$SECONDS_TO_RECORD"
  echo 0 >"$T/tracing_on"
  snapshot after
  rm "$OUT/recording"
fi
wait "$recorder" || failed="trace-cmd did not record"
kill "$sampler" 2>/dev/null`
}

function perf(): string {
  return `RESULT=$OUT/perf.data
${existing((event) => event)}
echo mono >"$T/trace_clock"
list=
for event in $events; do
  case $event in
  */*) list="$list -e $(echo "$event" | sed 's#/#:#')" ;;
  *) list="$list -e $event:*" ;;
  esac
done
sample_each_second >"$OUT/samples.tsv" &
sampler=$!
# perf's buffer is in pages of a power of two, in KiB here.
set -f
# shellcheck disable=SC2086
perf record -a -c 1 -k mono -m "\${BUFFER_KIB}K" $list -o "$RESULT" -- sleep "$SECONDS_TO_RECORD" ||
  failed="perf did not record"
set +f
kill "$sampler" 2>/dev/null`
}

function perfetto(options: RecipeOptions, probes: readonly Probe[]): string {
  return `RESULT=$OUT/trace.perfetto-trace
cat >"$OUT/config.pbtxt" <<'CONFIG'
${toPerfettoConfig(options, probes)}CONFIG
[ -n "$disk_events" ] || sed -i '/"block\\//d' "$OUT/config.pbtxt"
sed "s/duration_ms: .*/duration_ms: $((SECONDS_TO_RECORD * 1000))/" "$OUT/config.pbtxt" |
  perfetto --txt -c - -o - >"$RESULT" || failed="perfetto did not record"`
}

/** Perfetto's configuration alone, as text protobuf (TraceConfig). */
export function toPerfettoConfig(
  options: RecipeOptions,
  probes: readonly Probe[] = probesOf(options),
): string {
  const names = [
    'vmscan/*',
    'oom/*',
    ...EVENTS.filter((event) => event.includes('/')),
    ...DISK_EVENTS,
    ...probes.map(({ event }) => `${GROUP}/${event}`),
  ]
  return `# Recording of memory reclaim and swap for kernel ${toText(options.kernel)} on ${options.arch}. The probes of group ${GROUP} must exist
# before: Perfetto's own kprobes keep no arguments.
buffers { size_kb: 131072 fill_policy: RING_BUFFER }
buffers { size_kb: 8192 fill_policy: RING_BUFFER }
data_sources { config { name: "linux.ftrace" target_buffer: 0 ftrace_config {
${names.map((name) => `  ftrace_events: "${name}"`).join('\n')}
  atrace_apps: "lmkd"
  compact_sched { enabled: false }
  symbolize_ksyms: true
  buffer_size_kb: ${options.bufferKib}
  drain_period_ms: 250
} } }
data_sources { config { name: "linux.sys_stats" target_buffer: 1 sys_stats_config {
  vmstat_period_ms: 1000
  meminfo_period_ms: 1000
${isAtLeast(options.kernel, { major: 4, minor: 20 }) ? '  psi_period_ms: 1000\n' : ''}} } }
data_sources { config { name: "linux.process_stats" target_buffer: 1 process_stats_config {
  scan_all_processes_on_start: true
  proc_stats_poll_ms: 5000
} } }
data_sources { config { name: "linux.system_info" target_buffer: 1 } }
data_sources { config { name: "android.packages_list" target_buffer: 1 } }
write_into_file: true
file_write_period_ms: 2500
flush_period_ms: 5000
duration_ms: ${options.seconds * 1000}
`
}

/** The same script on the host: sends it, runs it there as root, fetches what it recorded. */
function overAdb(script: string, { seconds }: RecipeOptions): string {
  return `#!/bin/sh
# Records on the Android device that adb reaches; the device must allow root (adb root, or su).
# Usage: sh SCRIPT [seconds]; OUT=folder sets where the recording goes on this machine.
set -u
SECONDS_TO_RECORD=\${1:-${seconds}}
OUT=\${OUT:-pstrace-recording}
adb wait-for-device || exit 1
adb shell 'cat >${DEVICE_SCRIPT}' <<'PSTRACE_DEVICE_SCRIPT'
${script}PSTRACE_DEVICE_SCRIPT
if [ "$(adb shell id -u | tr -d '\\r')" = 0 ]; then
  adb shell "rm -rf ${DEVICE_FOLDER}; sh ${DEVICE_SCRIPT} $SECONDS_TO_RECORD"
else
  adb shell "su 0 sh -c 'rm -rf ${DEVICE_FOLDER}; sh ${DEVICE_SCRIPT} $SECONDS_TO_RECORD; chmod -R a+rX ${DEVICE_FOLDER}'"
fi
mkdir -p "$OUT"
adb pull ${DEVICE_FOLDER}/. "$OUT" || exit 1
adb shell getprop ro.build.fingerprint >"$OUT/fingerprint"
`
}
