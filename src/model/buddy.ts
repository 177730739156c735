/** MAX_PAGE_ORDER (include/linux/mmzone.h): the buddy allocator keeps no larger chunks. */
export const MAX_PAGE_ORDER = 10
/** Pages of such a chunk. */
export const MAX_CHUNK_PAGES = 1 << MAX_PAGE_ORDER
