import { join } from 'node:path'
import { type HalfRow, validateHalves } from '../../src/analysis/validate.ts'
import { storedBytesOf } from '../../src/cli/run-contents.ts'
import { openBackend } from '../../src/memory/backends/index.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { calibrate, createGenerator } from '../../src/memory/contents/index.ts'
import { openPool } from '../../src/memory/pools/index.ts'
import { findPolicy } from '../../src/policies/index.ts'
import { replay } from '../../src/replay/replay.ts'
import { extractWorkload } from '../../src/workload/extract.ts'
import { openRecordings } from '../workload/recordings.ts'

/** The second half of a recording of zram, replayed with costs of the first and with pages that take as much of the pool as recorded. */
export async function halvesOf(
  traces: string,
  folder: string,
  seeds: readonly number[],
): Promise<Map<string, HalfRow>> {
  const opened = await openRecordings([join(traces, folder)])
  try {
    const extraction = await extractWorkload(opened.database, opened.traceIds[0] ?? 0, {
      costsUntilShare: 0.5,
    })
    const { pages, machine } = extraction.workload
    const policy = findPolicy('kswapd')
    if (policy === undefined) throw new Error('the policy kswapd is missing')
    // Sizes alone count here, and lz4 gives the same sizes per seed fastest.
    const codec = await openCodec('lz4', { pageSize: machine.pageSize })
    const meanStoredBytes = storedBytesOf(machine)
    if (meanStoredBytes === undefined) throw new Error(`${folder} does not tell stored sizes`)
    const rows = await validateHalves(
      extraction,
      ({ workload, seed, demandScale, sink }) =>
        replay(workload, {
          policy,
          backend: openBackend('zram', {
            codec,
            openPool,
            pageSize: machine.pageSize,
            totalPages: machine.nodes.reduce((sum, { totalPages }) => sum + totalPages, 0),
            nodes: machine.nodes.length,
            parameters: {},
          }),
          contents: createGenerator({
            seed,
            pageSize: machine.pageSize,
            fills: pages.fill,
            ...calibrate({ codec: 'lz4', meanStoredBytes }),
          }),
          seed,
          demandScale,
          sink,
        }),
      seeds,
    )
    return new Map(rows.map((row) => [row.metric, row]))
  } finally {
    opened.close()
  }
}
