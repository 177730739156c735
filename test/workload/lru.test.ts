import { expect, it } from 'vitest'
import { findLru, findTableWalks } from '../../src/workload/lru.ts'
import { RecordingBuilder } from '../../src/workload/recording.ts'
import { madeRecording } from './made-recording.ts'

function found(saved: string | undefined) {
  const recording = madeRecording(new RecordingBuilder(), {
    endNs: 1,
    snapshot: saved === undefined ? {} : { lru_gen: saved },
  })
  return { lru: findLru(recording).value, walks: findTableWalks(recording).walksPageTables?.value }
}

it('page tables are walked where lru_gen shows that, which it does not without accessed bits by hardware', () => {
  expect(found('0x0007\n')).toEqual({ lru: 'mglru', walks: true })
  expect(found('0x0003\n')).toEqual({ lru: 'mglru', walks: true })
  expect(found('0x0001\n')).toEqual({ lru: 'mglru', walks: false })
})

it('nothing is said of walks where generations are off, or nobody looked', () => {
  expect(found('0x0000\n')).toEqual({ lru: 'classic', walks: undefined })
  expect(found(undefined)).toEqual({ lru: 'classic', walks: undefined })
})
