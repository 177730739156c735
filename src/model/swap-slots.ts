/** Swap slots that a CPU takes ahead, or frees together (SWAP_SLOTS_CACHE_SIZE = SWAP_BATCH). */
export const SLOT_BATCH = 64
