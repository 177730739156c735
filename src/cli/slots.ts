import type { Command } from 'commander'
import { registerOverview } from './overview.ts'

export function register(command: Command): void {
  registerOverview(command, {
    description:
      'Use of swap slots: how many, how often reused, and how contiguous consecutive swap-outs of a lane lie. Needs the swap ' +
      'entry of each swap-out (a probe at swap_writepage or swap_writeout).',
    shown: ['area'],
    aspects: [
      {
        name: 'area',
        title: 'Swap areas',
        sql: 'SELECT * FROM slot_use',
        empty: 'no swap entry was recorded',
      },
      {
        name: 'cluster',
        title: 'Clusters of 512 slots',
        sql: 'SELECT * FROM slot_clusters',
        empty: 'no swap entry was recorded',
      },
    ],
    examples: `
pstrace slots
pstrace slots --by cluster --format csv`,
  })
}
