import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Names of the files that recordings keep beside a trace (/proc and /sys, before and after, and samples over time). */
const NAMES =
  /^(vmstat|zoneinfo|stat|meminfo|swaps|pressure|buddyinfo|pagetypeinfo|processes)(\.(before|after|mid|\d+))?$|^(zram\.\w+|zswap\.params|pst\.params|config|uname|ncpu|comp_algorithm|cpu_capacity|cmdline|lru_gen|swappiness|page-cluster|memcgs|samples\.tsv|app\.txt|bd_stat|io_stat|packages|kallsyms)$/
const MOST_BYTES = 16 * 1024 * 1024

/** The snapshot files of a folder by name; other and larger files are left out. */
export function readSnapshots(folder: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const name of readdirSync(folder).sort()) {
    if (!NAMES.test(name)) continue
    const path = join(folder, name)
    const stat = statSync(path)
    if (stat.isFile() && stat.size <= MOST_BYTES)
      files.set(name, readFileSync(path, 'utf8').trimEnd())
  }
  return files
}
