import { describeHalves, HELD } from './held-halves.ts'

describeHalves('the second half of a recording on a shared host', [
  { folders: ['captured/zram-lz4-6.1'], better: HELD },
  // Here "nothing changes" misses the total stall by a quarter only; the stalls of single runs differ by a fifth.
  { folders: ['captured/zram-lz4-6.12'], better: ['swapouts_per_s', 'allocstalls'], seeds: 7 },
])
