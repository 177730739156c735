import { COVERABLE, type Policy } from './policy.ts'

/** Mainline: the reclaimer compresses every folio itself. */
export const kswapd: Policy = {
  name: 'kswapd',
  aliases: ['sync'],
  models: 'mm/vmscan.c shrink_folio_list and mm/page_io.c swap_writepage, 6.1 and 6.12',
  covers: COVERABLE,
  tunables: [],
  knownDeviations: [],
  layout: () => ({
    global: false,
    queues: [],
    locks: [],
    cells: [],
    workers: [],
    items: 0,
    keepsOrder: true,
    gate: 'anon',
    submitters: 'kswapd',
    folio: { whileQueued: 'locked', rotated: false },
  }),
  // biome-ignore lint/correctness/useYield: the contract's form; nothing to do before the reclaimer's own store
  *submit() {
    return 'inline'
  },
  *work() {},
}
