import type { Command } from 'commander'
import { registerOverview } from './overview.ts'

export function register(command: Command): void {
  registerOverview(command, {
    description:
      'Where swapped-out pages went (zram, zswap, disk, same, zero), how long a swap-out took, and what was sampled of the ' +
      'pool. Compressed sizes of a recording are those the kernel reported; those of a run come from real compression.',
    shown: ['place', 'cost', 'move', 'sample'],
    aspects: [
      {
        name: 'place',
        title: 'Places',
        sql: 'SELECT * FROM pool_places',
        empty: 'no swap-out was recorded',
      },
      {
        name: 'cost',
        title: 'Time of a swap-out (wall clock)',
        sql: 'SELECT * FROM swapout_costs',
        empty: 'no swap-out was recorded',
      },
      {
        name: 'move',
        title: 'Moves after the store',
        sql: 'SELECT * FROM pool_move_summary',
        empty: 'none',
      },
      {
        name: 'sample',
        title: 'Samples',
        sql: 'SELECT * FROM pool_samples',
        empty: 'the pool was not sampled',
      },
      {
        name: 'rate',
        title: 'Pages per second',
        sql: 'SELECT * FROM swap_rates',
        empty: 'no swap-out was recorded',
      },
    ],
    examples: `
pstrace pool
pstrace pool --run zswap --by move
pstrace pool --by rate --format csv`,
  })
}
