/**
 * What gaps in which events were lost are taken to hide: as many swap-outs as counters beside the trace tell (none without them), nothing,
 * or as many as there are lost events for.
 */
export const LOSSES = ['counted', 'least', 'most'] as const
export type Losses = (typeof LOSSES)[number]
/** Where nobody says anything else. */
export const DEFAULT_LOSSES: Losses = 'counted'
