import { describeHalves, HELD } from './held-halves.ts'

describeHalves('the second half of a recording', [
  { folder: 'pairs/fixed-work/busy-1/sync', better: HELD },
  { folder: 'pairs/fixed-work/mglru-1/sync', better: HELD },
  // Its stalls cost as much in both halves, so that "nothing changes" misses their sum by 14 % only.
  { folder: 'pairs/fixed-work/idle-1/sync', better: ['swapouts_per_s', 'allocstalls'] },
])
