import { join } from 'node:path'
import { openWorkloadFolder } from '../../src/io/workload-folder.ts'
import { writeWorkload } from '../../src/workload/store.ts'
import { pressure } from '../replay/scenarios.ts'

/** Pages free at the start: so many that, without a limit of the pool, every page fits in when compressed. */
const FREE_AT_START = 2300

/** Writes a workload under pressure to the folder `work` in `folder`. */
export async function writeRoomyWork(folder: string): Promise<void> {
  const workload = pressure({ pages: 3000, touches: 1200, tasks: 2, sleepNs: 600_000 })
  const { machine } = workload
  const freeAtStart = { value: FREE_AT_START, basis: 'default' as const }
  await writeWorkload(
    openWorkloadFolder(join(folder, 'work'), { create: true, overwrite: false }),
    {
      ...workload,
      machine: { ...machine, nodes: machine.nodes.map((node) => ({ ...node, freeAtStart })) },
    },
  )
}
