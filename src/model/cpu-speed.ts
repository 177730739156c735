/** No machine has a CPU a thousand times slower than its fastest: a replay on one would take as many times longer. */
export const SLOWEST_CPU = 0.001
