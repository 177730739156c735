import { CLUSTER_SLOTS } from './slots.ts'

/** SWAP_CLUSTER_COLS: neighbours in the free list are 16384 slots apart, so that they do not share an address space. */
const COLUMNS = 32

/** Clusters in the order of the free list after swapon (setup_swap_map_and_extents of 6.1, setup_clusters of 6.12). */
export function freeClusterOrder(slots: number): Int32Array {
  const clusters = Math.ceil(slots / CLUSTER_SLOTS)
  const order = new Int32Array(clusters)
  let n = 0
  for (let column = 0; column < COLUMNS; column++)
    for (let cluster = column; cluster < clusters; cluster += COLUMNS) order[n++] = cluster
  return order
}
