import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'

const MIB = 1024 * 1024
/** Left to Node, the parsers' windows and the rows in flight. */
const SHARE_FOR_DUCKDB = 0.5
const LEAST_BYTES = 256 * MIB
/** More does not make ingest or the views faster. */
const MOST_BYTES = 8192 * MIB

/** Memory this process may use: the smaller of the machine's and its control group's (cgroup v2, then v1). */
function availableMemoryBytes(
  readText: (path: string) => string | undefined = readIfThere,
): number {
  let bytes = totalmem()
  const group = /^0::(.*)$/m.exec(readText('/proc/self/cgroup') ?? '')?.[1] ?? '/'
  const candidates = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']
  // Limits apply to every ancestor; the mount may show the group itself as its root.
  for (let path = group; path.length > 1; path = path.slice(0, path.lastIndexOf('/')))
    candidates.push(`/sys/fs/cgroup${path}/memory.max`)
  for (const candidate of candidates) {
    const limit = Number.parseInt(readText(candidate) ?? '', 10)
    if (Number.isFinite(limit) && limit > 0) bytes = Math.min(bytes, limit)
  }
  return bytes
}

/** DuckDB's memory_limit, e.g. `2048MiB`. */
export function memoryLimit(available: number = availableMemoryBytes()): string {
  const bytes = Math.max(LEAST_BYTES, Math.min(MOST_BYTES, available * SHARE_FOR_DUCKDB))
  return `${Math.floor(bytes / MIB)}MiB`
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
