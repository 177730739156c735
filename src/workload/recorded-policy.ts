import { EVENT, type Recording } from './recording.ts'
import type { Based } from './types.ts'

/**
 * Names the policy under which a trace was recorded, from who stored what: threads named kcompressd, kworkers that store, or nobody but
 * the reclaimer itself.
 */
export function recognisePolicy(recording: Recording, stores: number): Based<string> {
  let byCompressor = 0
  let byWorker = 0
  for (let i = 0; i < recording.length; i++) {
    if (recording.kind[i] !== EVENT.store) continue
    const task = recording.tasks.get(recording.tid[i] ?? 0)
    if (task === undefined) continue
    if (/^kworker/.test(task.comm)) byWorker++
    else if (task.kind === 'compressor' || /^kcompressd/.test(task.comm)) byCompressor++
  }
  if (byCompressor > byWorker)
    return {
      value: 'kcompressd',
      basis: 'event',
      n: byCompressor,
      from: 'stores by threads named kcompressd',
    }
  if (byWorker > 0)
    return { value: 'parallel', basis: 'event', n: byWorker, from: 'stores by kworkers' }
  const compressors = [...recording.tasks.values()].filter((task) => /^kcompressd/.test(task.comm))
  if (compressors.length > 0 && hasRun(recording, new Set(compressors.map((task) => task.tid))))
    return {
      value: 'kcompressd',
      basis: 'inferred',
      n: compressors.length,
      from: 'threads named kcompressd ran',
    }
  if (stores > 0)
    return {
      value: 'kswapd',
      basis: 'event',
      n: stores,
      from: 'every page was stored by the thread that reclaimed it',
    }
  return { value: 'kswapd', basis: 'default', from: 'no probe on the store' }
}

function hasRun(recording: Recording, tids: ReadonlySet<number>): boolean {
  for (let i = 0; i < recording.length; i++)
    if (recording.kind[i] === EVENT.switch && tids.has(recording.c[i] ?? 0)) return true
  return false
}
