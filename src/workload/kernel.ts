import { findDebianRelease, formatRelease, parseKernelRelease } from '../model/kernel-release.ts'
import { HUGE_CLUSTER_SLOTS, SMALL_CLUSTER_SLOTS } from '../model/swap-clusters.ts'
import { readCounter, snapshotText } from './machine.ts'
import type { Recording } from './recording.ts'
import type { Based, Machine } from './types.ts'

/** Does swap-out keep zero pages in a bitmap (mm/page_io.c, 6.12), of which swpout_zero of vmstat is the counter? */
export function findZeroMap(recording: Recording): Based<boolean> {
  const counter = readCounter(recording, 'vmstat.swpout_zero')
  if (counter !== undefined) return { value: true, basis: 'snapshot', from: 'vmstat swpout_zero' }
  if (readCounter(recording, 'vmstat.pswpout') !== undefined)
    return { value: false, basis: 'snapshot', from: 'vmstat without swpout_zero' }
  const { kernelRelease = '' } = recording
  const release = parseKernelRelease(kernelRelease)
  if (release === undefined) return { value: false, basis: 'default', from: 'no vmstat' }
  return { value: release.series >= 6012, basis: 'inferred', from: `kernel ${kernelRelease}` }
}

/** The release whose rules a replay keeps to: as the trace names it, else what the zero map tells. */
export function findKernel(recording: Recording, zeroMap: Based<boolean>): Based<string> {
  const { kernelRelease = '' } = recording
  const debian = findDebianRelease(snapshotText(recording, 'uname') ?? '')
  if (debian !== undefined) return { value: debian, basis: 'snapshot', from: 'uname -v' }
  const release = parseKernelRelease(kernelRelease)
  if (release !== undefined)
    return { value: formatRelease(release), basis: 'event', from: `kernel ${kernelRelease}` }
  return {
    value: zeroMap.value ? '6.12' : '6.1',
    basis: zeroMap.basis === 'default' ? 'default' : 'inferred',
    from: `zero map: ${zeroMap.from}`,
  }
}

/** A kernel for one CPU keeps no counters by CPU (include/linux/vmstat.h): its zoneinfo lists page sets without their threshold. */
export function findUniprocessor(recording: Recording): Pick<Machine, 'smp'> {
  const zoneinfo = snapshotText(recording, 'zoneinfo.before') ?? ''
  const listsPageSets = /^\s+count: /m.test(zoneinfo)
  if (!listsPageSets || zoneinfo.includes('vm stats threshold')) return {}
  return { smp: { value: false, basis: 'snapshot', from: 'zoneinfo without vm stats threshold' } }
}

/** The swap devices' size, which /proc/meminfo tells, and the size of their clusters: huge pages have a line there where the kernel knows of them. */
export function findSwapClusters(
  recording: Recording,
): Pick<Machine, 'swapSlots' | 'swapClusterSlots'> {
  const meminfo = snapshotText(recording, 'meminfo.before') ?? ''
  const bytes = Number(/^SwapTotal:\s*(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024
  if (bytes === 0) return {}
  const knowsHuge = /^AnonHugePages:/m.test(meminfo)
  return {
    swapSlots: {
      value: Math.floor(bytes / recording.pageSize),
      basis: 'snapshot',
      from: 'SwapTotal of meminfo',
    },
    swapClusterSlots: {
      value: knowsHuge ? HUGE_CLUSTER_SLOTS : SMALL_CLUSTER_SLOTS,
      basis: 'inferred',
      from: `meminfo with${knowsHuge ? '' : 'out'} AnonHugePages`,
    },
  }
}
