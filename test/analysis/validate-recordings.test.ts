import { describeHalves, HELD } from './held-halves.ts'

describeHalves('the second half of a recording', [
  { folders: ['pairs/fixed-work/busy-1/sync'], better: HELD },
  // 31 to 82 stalls: those of a single run vary by a third.
  { folders: [1, 2, 3].map((n) => `pairs/fixed-work/mglru-${n}/sync`), better: HELD, seeds: 7 },
  // 66 stalls, of which those of boosted episodes come or not. They cost as much in both halves, so that "nothing changes" misses their sum by 14 % only.
  {
    folders: ['pairs/fixed-work/idle-1/sync'],
    better: ['swapouts_per_s', 'allocstalls'],
    seeds: 7,
  },
])
