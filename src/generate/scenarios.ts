import type { Actor, Scenario, Step } from './scenario.ts'

const MS = 1_000_000
const zone = (node: number) => ({
  node,
  name: 'Normal',
  startPfn: 0x10_0000 + node * 0x100_0000,
  spanned: 0x10_0000,
  managed: 0xf_0000,
  min: 2048,
  low: 2560,
  high: 3072,
})
const zram = {
  swapType: 0,
  device: '/dev/zram0',
  kind: 'zram',
  sizePages: 262_144,
  priority: 100,
} as const
const disk = {
  swapType: 1,
  device: '/dev/vdb',
  kind: 'disk',
  sizePages: 1_048_576,
  priority: -2,
} as const

const batch = (swapOuts: number, kept = 0, device = 0): Step => ({
  do: 'batch',
  swapOuts,
  kept,
  scanNs: [3_000, 40_000],
  unmapNs: [4_000, 9_000],
  storeNs: [15_000, 70_000],
  device,
})
const slab = (shrinker: number): Step => ({ do: 'slab', shrinker, ns: [5_000, 60_000], freed: 17 })

function kswapd(node: number, cpu: number): Actor {
  const tid = 60 + node
  return {
    comm: `kswapd${node}`,
    tid,
    tgid: tid,
    cpu,
    kind: 'kswapd',
    node,
    steps: [
      {
        do: 'repeat',
        times: 0,
        steps: [
          {
            do: 'kswapdRound',
            steps: [batch(24, 8), slab(0), batch(32), batch(0, 32), batch(17, 3)],
          },
        ],
      },
    ],
  }
}

function app(index: number, cpu: number, steps: readonly Step[], comm = `app-${index}`): Actor {
  return {
    comm,
    tid: 1000 + index,
    tgid: 1000 + (index & ~1),
    cpu,
    kind: 'user',
    node: 0,
    steps: [{ do: 'repeat', times: 0, steps }],
  }
}

const refault: Step = { do: 'swapIn', page: 'random', ns: [6_000, 30_000] }
const think: Step = { do: 'sleep', ns: [MS, 3 * MS] }

/** One node, one zram: kswapd, two applications that stall, and one that only sleeps and refaults. */
const phone: Scenario = {
  name: 'phone',
  summary:
    'one node and zram: kswapd, stalls with slab, throttling and compaction, refaults, marks',
  cpuNodes: [0, 0],
  zones: [zone(0)],
  swapDevices: [zram],
  startNs: 5_000 * MS,
  durationNs: 60_000 * MS,
  actors: [
    kswapd(0, 1),
    app(0, 0, [
      { do: 'run', ns: [200_000, 900_000] },
      { do: 'wakeKswapd', node: 0 },
      {
        do: 'mark',
        name: 'frame',
        steps: [
          { do: 'direct', order: 0, steps: [batch(20, 12), slab(1), batch(12)] },
          { do: 'retry', free: 1900, reclaimable: 50_000, min: 2048 },
          { do: 'run', ns: [100_000, 300_000] },
        ],
      },
      refault,
      think,
    ]),
    app(
      1,
      1,
      [
        { do: 'run', ns: [300_000, 6 * MS] },
        { do: 'throttle', ns: [2 * MS, 9 * MS], reason: 1 },
        {
          do: 'direct',
          order: 3,
          steps: [
            batch(32),
            { do: 'throttle', ns: [MS, 4 * MS], reason: 4 },
            { do: 'compaction', ns: 400_000 },
          ],
        },
        { do: 'io', ns: [500_000, 2 * MS] },
        think,
      ],
      'Binder:1 <x>-2',
    ),
    app(
      2,
      0,
      [{ do: 'sleep', ns: [2 * MS, 5 * MS] }, refault, refault, { do: 'run', ns: 50_000 }],
      'média server',
    ),
  ],
}

/** Two nodes, two swap devices, memory cgroups, node reclaim. */
const server: Scenario = {
  name: 'server',
  summary: 'two nodes, zram and a disk: memcg and node reclaim nested, two kswapds, an oom kill',
  cpuNodes: [0, 0, 1, 1],
  zones: [zone(0), zone(1)],
  swapDevices: [zram, disk],
  startNs: 9_000 * MS,
  durationNs: 60_000 * MS,
  actors: [
    kswapd(0, 1),
    kswapd(1, 3),
    app(0, 0, [
      { do: 'run', ns: [200_000, 500_000] },
      { do: 'wakeKswapd', node: 0 },
      { do: 'memcg', steps: [batch(16, 16), slab(2)] },
      refault,
      think,
    ]),
    app(2, 2, [
      { do: 'run', ns: [200_000, 800_000] },
      { do: 'wakeKswapd', node: 1 },
      { do: 'node', order: 0, steps: [batch(8, 0, 1)] },
      {
        do: 'direct',
        order: 0,
        steps: [{ do: 'softlimit', steps: [batch(6, 2)] }, batch(32, 0, 1)],
      },
      refault,
      think,
    ]),
    app(4, 2, [
      { do: 'run', ns: [MS, 5 * MS] },
      refault,
      { do: 'oomKill', victim: 1002 },
      { do: 'sleep', ns: 400 * MS },
    ]),
  ],
}

/** Recording starts inside open spans. */
const late: Scenario = {
  ...phone,
  name: 'late',
  summary: 'the phone, recorded from the middle: spans open at the start have no beginning',
  recordAfterNs: 43 * MS,
}

/** Quiet most of the time; then several tasks stall at once, while kswapd has its hands full. */
const burst: Scenario = {
  ...phone,
  name: 'burst',
  summary: 'long quiet stretches with single refaults, then bursts of stalls and swap-outs',
  actors: [
    kswapd(0, 1),
    app(0, 0, [
      { do: 'sleep', ns: [20 * MS, 60 * MS] },
      { do: 'wakeKswapd', node: 0 },
      { do: 'run', ns: [100_000, 300_000] },
      {
        do: 'repeat',
        times: 3,
        steps: [
          { do: 'direct', order: 0, steps: [batch(24, 8), slab(1)] },
          { do: 'run', ns: [20_000, 200_000] },
        ],
      },
    ]),
    app(1, 1, [
      { do: 'sleep', ns: [30 * MS, 70 * MS] },
      { do: 'wakeKswapd', node: 0 },
      { do: 'throttle', ns: [MS, 3 * MS], reason: 4 },
      { do: 'direct', order: 0, steps: [batch(32), batch(16, 16)] },
      { do: 'direct', order: 2, steps: [{ do: 'compaction', ns: 300_000 }, batch(8)] },
    ]),
    app(2, 0, [refault, { do: 'run', ns: 40_000 }, { do: 'sleep', ns: [500_000, 2 * MS] }]),
    app(4, 1, [refault, { do: 'run', ns: 30_000 }, { do: 'sleep', ns: [MS, 3 * MS] }]),
  ],
}

/** One kswapd and nothing else that reclaims; long swap-out streams for benchmarks. */
const stream: Scenario = {
  name: 'stream',
  summary: 'kswapd swapping out without pause while one application runs: mostly swap-out events',
  cpuNodes: [0, 0],
  zones: [zone(0)],
  swapDevices: [zram],
  startNs: 1_000 * MS,
  durationNs: 100_000_000 * MS,
  actors: [
    kswapd(0, 1),
    app(0, 0, [
      { do: 'run', ns: [20_000, 90_000] },
      { do: 'wakeKswapd', node: 0 },
      refault,
      { do: 'sleep', ns: 200_000 },
    ]),
  ],
}

function compressor(index: number, cpu: number): Actor {
  const tid = 70 + index
  return {
    comm: `kcompressd${index}`,
    tid,
    tgid: tid,
    cpu,
    kind: 'compressor',
    node: 0,
    steps: [{ do: 'storeQueued', ns: [20_000, 90_000] }],
  }
}

/** Stores are done by workers: pages are begun and finished in another order than they are handed over. */
const queue: Scenario = {
  ...phone,
  name: 'queue',
  summary:
    'kswapd hands pages over to two workers and stores itself what the queue has no room for',
  cpuNodes: [0, 0, 0, 0],
  storeQueue: { depth: 12 },
  actors: [...phone.actors, compressor(0, 2), compressor(1, 3)],
}

/** Swap on a disk alone: writes go on behind the stores, faults sleep until the disk has read. */
const laptop: Scenario = {
  ...phone,
  name: 'laptop',
  summary: 'swap on a disk, with the requests to it: stores end before the writes do, faults wait',
  swapDevices: [
    {
      ...disk,
      swapType: 0,
      requests: { major: 254, minor: 16, readNs: [70_000, 400_000], writeNs: [20_000, 3 * MS] },
    },
  ],
}

/** `batch` of folios: of 2^order pages each, all of them reclaimed. */
const foliosOf = (order: number, swapOuts: number): Step => ({
  do: 'batch',
  swapOuts,
  order,
  scanNs: [3_000, 20_000],
  unmapNs: [1_000, 2_000],
  storeNs: [8_000, 30_000],
})
/** GFP_HIGHUSER_MOVABLE | __GFP_ZERO: memory for a fault on an anonymous page. */
const GFP_ANON = 0x100dca

/** Anonymous memory in folios of several sizes, whole on their way out and page by page on their way back. */
const folios: Scenario = {
  ...phone,
  name: 'folios',
  summary: 'folios of several sizes are swapped out whole and come back page by page',
  actors: [
    {
      ...kswapd(0, 1),
      steps: [
        {
          do: 'repeat',
          times: 0,
          steps: [
            {
              do: 'kswapdRound',
              steps: [foliosOf(4, 2), batch(24, 8), foliosOf(2, 8), batch(0, 32)],
            },
          ],
        },
      ],
    },
    app(0, 0, [
      { do: 'run', ns: [200_000, 900_000] },
      { do: 'wakeKswapd', node: 0 },
      {
        do: 'direct',
        order: 0,
        gfp: GFP_ANON,
        steps: [foliosOf(4, 1), batch(8), foliosOf(2, 2)],
      },
      { do: 'retry', free: 1900, reclaimable: 2_000, min: 2048 },
      refault,
      refault,
      think,
    ]),
    app(2, 0, [
      { do: 'run', ns: [100_000, 400_000] },
      refault,
      refault,
      refault,
      { do: 'sleep', ns: [2 * MS, 5 * MS] },
    ]),
  ],
}

/** Built-in scenarios by name. */
export const SCENARIOS: readonly Scenario[] = [
  phone,
  server,
  late,
  burst,
  queue,
  laptop,
  folios,
  stream,
]
