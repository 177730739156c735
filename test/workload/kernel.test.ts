import { expect, it } from 'vitest'
import {
  findKernel,
  findSwapClusters,
  findUniprocessor,
  findZeroMap,
} from '../../src/workload/kernel.ts'
import { RecordingBuilder } from '../../src/workload/recording.ts'
import { madeRecording } from './made-recording.ts'

function found(given: {
  readonly release?: string
  readonly snapshot?: Record<string, unknown>
  readonly counters?: readonly string[]
}) {
  const { release, snapshot = {}, counters = [] } = given
  const recording = madeRecording(new RecordingBuilder(), {
    endNs: 1,
    snapshot,
    samples: new Map(counters.map((name) => [`vmstat.${name}`, [{ ns: 0, value: 5 }]])),
    ...(release === undefined ? {} : { kernelRelease: release }),
  })
  const zeroMap = findZeroMap(recording)
  return { kernel: findKernel(recording, zeroMap), zeroMap }
}

it('the kernel is the one that the trace names; Debian tells its stable release beside it', () => {
  expect(found({ release: '6.6.30-android15-8' }).kernel).toEqual({
    value: '6.6.30',
    basis: 'event',
    from: 'kernel 6.6.30-android15-8',
  })
  const uname = 'Linux (none) 6.1.0-55-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-11-14)'
  expect(found({ release: '6.1.0-55-amd64', snapshot: { uname } }).kernel).toEqual({
    value: '6.1.192',
    basis: 'snapshot',
    from: 'uname -v',
  })
  expect(found({ release: '6.1.0-55-amd64' }).kernel.value).toBe('6.1')
})

it('where nothing names it the zero map tells, and the other way round', () => {
  expect(found({ counters: ['pswpout', 'swpout_zero'] })).toMatchObject({
    kernel: { value: '6.12', basis: 'inferred' },
    zeroMap: { value: true, basis: 'snapshot' },
  })
  expect(found({ release: '6.12.95' }).zeroMap).toEqual({
    value: true,
    basis: 'inferred',
    from: 'kernel 6.12.95',
  })
  expect(found({ release: '6.11.2' }).zeroMap.value).toBe(false)
  expect(found({})).toMatchObject({
    kernel: { value: '6.1', basis: 'default' },
    zeroMap: { value: false, basis: 'default' },
  })
})

it('is for one CPU where zoneinfo lists page sets without the threshold of their counters', () => {
  const smpOf = (zoneinfo: string) =>
    findUniprocessor(
      madeRecording(new RecordingBuilder(), {
        endNs: 1,
        snapshot: { 'zoneinfo.before': zoneinfo },
      }),
    )
  const sets = '  pagesets\n    cpu: 0\n              count: 3372\n              batch: 31\n'
  expect(smpOf(sets)).toMatchObject({ smp: { value: false, basis: 'snapshot' } })
  expect(smpOf(`${sets}  vm stats threshold: 4\n`)).toEqual({})
  expect(smpOf('Node 0, zone   Normal\n  pages free     115288\n')).toEqual({})
})

it('has swap devices and clusters as meminfo tells', () => {
  const found = (meminfo: string) =>
    findSwapClusters(
      madeRecording(new RecordingBuilder(), { endNs: 1, snapshot: { 'meminfo.before': meminfo } }),
    )
  const total = 'MemTotal: 500000 kB\nSwapTotal:        786428 kB\n'
  expect(found(`${total}AnonHugePages:         0 kB\n`)).toMatchObject({
    swapSlots: { value: 196_607, basis: 'snapshot' },
    swapClusterSlots: { value: 512, basis: 'inferred' },
  })
  expect(found(total).swapClusterSlots).toEqual({
    value: 256,
    basis: 'inferred',
    from: 'meminfo without AnonHugePages',
  })
  expect(found('MemTotal: 500000 kB\nSwapTotal: 0 kB\n')).toEqual({})
  expect(found('')).toEqual({})
})
