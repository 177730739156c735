/** kworker stands for every kernel thread that has no kind of its own: none of them is an application. */
export const TASK_KINDS = ['kswapd', 'kcompactd', 'compressor', 'kworker', 'user'] as const
export type TaskKind = (typeof TASK_KINDS)[number]

const KERNEL_THREADS =
  /^(kworker[/:]|swapper\/|ksoftirqd\/|migration\/|rcu[_bcost]|rcuo|kthreadd$|khugepaged|ksmd$|kdevtmpfs|kauditd|khungtaskd|oom_reaper|writeback$|kblockd|cpuhp\/|idle_inject\/|watchdogd|irq\/|jbd2\/|ext4-|f2fs_|xfs[-_]|btrfs-|loop\d+$|scsi_|nvme|mm_percpu_wq|psimon|dmcrypt|kintegrityd|kthrotld|ecryptfs|kdamond|kpsmoused|hwrng|tpm|pool_workqueue|slub_flushwq|netns$|inet_frag|ata_sff|md\d*$|edac-|devfreq|cfg80211|zswap-shrink)/

/** Kind by thread name; a task that stores pages for others is a compressor whatever its name. */
export function taskKindOf(comm: string): TaskKind {
  if (/^kswapd\d*(:\d+)?$/.test(comm)) return 'kswapd'
  if (/^kcompactd\d*$/.test(comm)) return 'kcompactd'
  if (/^kcompressd/.test(comm)) return 'compressor'
  return KERNEL_THREADS.test(comm) ? 'kworker' : 'user'
}

/** Node of a per-node kernel thread by its name (`kswapd0`, `kcompactd1`); undefined for others. */
export function nodeOfComm(comm: string): number | undefined {
  const digits = /^(?:kswapd|kcompactd)(\d+)/.exec(comm)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
