import type { BackendParameter } from './backend.ts'
import { DEVICE_PARAMETERS } from './device.ts'
import { VERIFY_PARAMETER } from './page-compressor.ts'
import { UPKEEP_PARAMETERS } from './zram-upkeep.ts'

export const ZRAM_PARAMETERS: readonly BackendParameter[] = [
  { name: 'form', fallback: '6.12', summary: 'kernel whose zram is modelled: 6.1, 6.12 or 2026' },
  { name: 'allocator', fallback: 'zsmalloc', summary: 'zsmalloc; others for experiments' },
  { name: 'chain', fallback: 0, summary: 'zsmalloc chain length; 0 = 4 for 6.1, else 8' },
  {
    name: 'level',
    fallback: '',
    summary: "level of the codec, as zram's algorithm_params sets it; empty = the kernel's default",
  },
  {
    name: 'winbits',
    fallback: '',
    summary:
      'window bits of deflate, as deflate.winbits of algorithm_params sets them: -9 to -15; empty = -11',
  },
  { name: 'mem_limit', fallback: 0, summary: 'bytes the pool may hold, also as 64M; 0 = no limit' },
  { name: 'backing_pages', fallback: 0, summary: 'pages of the backing device; 0 = none' },
  {
    name: 'writeback_limit',
    fallback: -1,
    summary: 'pages that may be written back; -1 = no limit',
  },
  VERIFY_PARAMETER,
  ...UPKEEP_PARAMETERS,
  ...DEVICE_PARAMETERS,
]
