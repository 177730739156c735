import { describeHalves } from './held-halves.ts'

describeHalves('the second half of a recording on a shared host', [
  // Direct reclaimers' stores and unmapping took 12 and 15 % longer in the first half than in the second: with its costs their reclaims are too long
  // and too few, and the open loop misses no more of them.
  { folders: ['captured/zram-lz4-6.1'], better: ['swapouts_per_s', 'stall_total'] },
  // Here "nothing changes" misses the total stall by a quarter only; the stalls of single runs differ by a fifth.
  { folders: ['captured/zram-lz4-6.12'], better: ['swapouts_per_s', 'allocstalls'], seeds: 7 },
])
