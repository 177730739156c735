const TICK = 1_000_000

/** Ticks between two looks of the clock that keeps a sleep of so many ticks: the longer, the coarser. */
function stepOf(ticks: number): number {
  if (ticks < 63) return 1
  return ticks < 504 ? 8 : 64
}

/** When a sleep of so many ticks ends, 4031 at most: at its clock's first look after all of them have passed. */
export function timerAt(now: number, ticks: number): number {
  let at = Math.floor(now / TICK) + ticks + 1
  while (at % stepOf(ticks) !== 0) at++
  return at * TICK
}
