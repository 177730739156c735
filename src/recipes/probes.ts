import { type Arch, isAtLeast, type Kernel } from './kernel.ts'

/** A kprobe of the recording, under the name that ingest knows. */
export interface Probe {
  /** Event name in group `pstrace`. */
  readonly event: string
  readonly isReturn: boolean
  /** Names of the function in one kernel or another; the device's own list decides. */
  readonly functions: readonly string[]
  /** Fetch arguments, as kprobe_events takes them. */
  readonly fetch: string
  readonly gives: string
}

export const GROUP = 'pstrace'

const V4_10 = { major: 4, minor: 10 }
const V4_18 = { major: 4, minor: 18 }
const V4_20 = { major: 4, minor: 20 }
const V6_6 = { major: 6, minor: 6 }

/** Registers of a function's first arguments: `$argN` is known from 4.20 on (kernel/trace/trace_probe.c). */
const REGISTERS: Readonly<Record<Arch, readonly string[]>> = {
  x86_64: ['%di', '%si'],
  arm64: ['%x0', '%x1'],
}

export interface ProbeChoice {
  readonly kernel: Kernel
  readonly arch: Arch
}

/** Byte of the swap entry (page_private, folio->swap) in struct page: the fields were put in another order in 4.18 (mm_types.h). */
export function entryOffset(kernel: Kernel): number {
  return isAtLeast(kernel, V4_18) ? 40 : 48
}

/** Byte of the address in struct vm_fault; in 4.9 it is struct fault_env. */
export function addressOffset(kernel: Kernel): number {
  return isAtLeast(kernel, V4_10) ? 24 : 8
}

/** Everything that stock tracepoints do not tell: swap entries, begin and end of each store, swap-ins, faults, frees. */
export function probesOf({ kernel, arch }: ProbeChoice): Probe[] {
  const argument = (number: 1 | 2) =>
    isAtLeast(kernel, V4_20) ? `$arg${number}` : (REGISTERS[arch][number - 1] ?? '')
  const entry = `entry=+${entryOffset(kernel)}(${argument(1)}):x64`
  // swap_writepage was renamed swap_writeout in 6.16, swap_readpage swap_read_folio after 6.1.
  const write = ['swap_writeout', 'swap_writepage']
  const read = ['swap_read_folio', 'swap_readpage']
  return [
    {
      event: 'swap_writepage',
      isReturn: false,
      functions: write,
      fetch: entry,
      gives: 'begin of each swap-out, its swap entry',
    },
    {
      event: 'swap_writepage_ret',
      isReturn: true,
      functions: write,
      fetch: 'ret=$retval:s32',
      gives: 'end of each swap-out, so that scan and store are apart',
    },
    {
      event: 'swap_read_folio',
      isReturn: false,
      functions: read,
      fetch: entry,
      gives: 'each swap-in, its swap entry',
    },
    {
      event: 'do_swap_page',
      isReturn: false,
      functions: ['do_swap_page'],
      fetch: `addr=+${addressOffset(kernel)}(${argument(1)}):x64`,
      gives: 'begin of each swap fault: who waits, for which address',
    },
    {
      event: 'do_swap_page_ret',
      isReturn: true,
      functions: ['do_swap_page'],
      fetch: 'ret=$retval:x32',
      gives: 'end of each swap fault: swap-in latency',
    },
    {
      event: 'zram_slot_free',
      isReturn: false,
      functions: ['zram_slot_free_notify'],
      fetch: `index=${argument(2)}:x64`,
      gives: 'when a slot is given back, so that pages are told apart by their entry',
    },
    ...zswapProbes(kernel, entry, argument),
  ]
}

/** Until 6.5 zswap is called through frontswap, with type and offset apart and 0 for taken: only its loads and stores are timed there. */
function zswapProbes(kernel: Kernel, entry: string, argument: (number: 1 | 2) => string): Probe[] {
  if (!isAtLeast(kernel, V6_6))
    return [
      {
        event: 'zswap_frontswap_store',
        isReturn: false,
        functions: ['zswap_frontswap_store'],
        fetch: `type=${argument(1)}:u32 offset=${argument(2)}:u64`,
        gives: 'pages offered to zswap',
      },
    ]
  return [
    {
      event: 'zswap_store',
      isReturn: false,
      functions: ['zswap_store'],
      fetch: entry,
      gives: 'pages offered to zswap',
    },
    {
      event: 'zswap_store_ret',
      isReturn: true,
      functions: ['zswap_store'],
      fetch: 'ret=$retval:u8',
      gives: 'whether zswap took the page',
    },
    {
      event: 'zswap_load',
      isReturn: false,
      functions: ['zswap_load'],
      fetch: entry,
      gives: 'swap-ins from zswap',
    },
    {
      event: 'zswap_load_ret',
      isReturn: true,
      functions: ['zswap_load'],
      fetch: 'ret=$retval:u8',
      gives: 'whether zswap had the page',
    },
  ]
}
