import { expect, it } from 'vitest'
import { WorkDone } from '../../src/replay/work-done.ts'
import { TASK_OPS } from '../../src/workload/types.ts'
import { plan } from './build.ts'

const ALLOC = TASK_OPS.indexOf('alloc')
const FILE = TASK_OPS.indexOf('file')
const MARK = TASK_OPS.indexOf('mark')

it('half of the work is done when half of the pages were asked for, whoever asked and for what', () => {
  const machine = { free: 10, min: 1, low: 2, high: 3, pages: 4 }
  const work = new WorkDone(
    plan({
      ...machine,
      tasks: [
        {
          rows: [
            { op: 'mark', arg: 1 },
            { op: 'alloc', arg: 0 },
            { op: 'alloc', arg: 1 },
          ],
        },
        { rows: [{ op: 'file', arg: 8 }] },
      ],
    }),
  )
  work.did(MARK, 1, 1000)
  work.did(ALLOC, 0, 2000)
  work.did(ALLOC, 1, 3000)
  expect(work.halfNs).toBeNaN()
  work.did(FILE, 8, 4000)
  expect(work.halfNs).toBe(4000)
  expect(work.share).toBe(1)
})
