/** The swap cache has a tree for each so many slots (SWAP_ADDRESS_SPACE_PAGES, mm/swap.h). */
export const SLOTS_PER_TREE = 16_384
/** Slots of a cluster (SWAPFILE_CLUSTER, mm/swapfile.c): a huge page's where the kernel can swap one out whole, else fewer. */
export const HUGE_CLUSTER_SLOTS = 512
export const SMALL_CLUSTER_SLOTS = 256
