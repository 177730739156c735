import { describeHalves, HELD } from './held-halves.ts'

describeHalves('the second half of a recording', [
  { folder: 'pairs/fixed-work/busy-1/sync', better: HELD },
  // 35 stalls: those of a single run vary by a third.
  { folder: 'pairs/fixed-work/mglru-1/sync', better: HELD, seeds: 7 },
  // 66 stalls, of which those of boosted episodes come or not. They cost as much in both halves, so that "nothing changes" misses their sum by 14 % only.
  { folder: 'pairs/fixed-work/idle-1/sync', better: ['swapouts_per_s', 'allocstalls'], seeds: 7 },
])
