import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { snapshotFiles } from '../../src/generate/snapshot.ts'
import { readDeviceRequests } from '../../src/workload/device.ts'
import { loadRecording } from '../../src/workload/load.ts'
import { ingestBytes } from './domain-rows.ts'
import type { Row } from './expected.ts'
import { generated, scenarioNamed } from './file.ts'

const scenario = scenarioNamed('laptop')

let database: Database
beforeAll(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterAll(() => database.close())

/** Requests under way at once, counted at each issue. */
function depthOf(requests: readonly Row[]): number {
  const underWay = ({ issue_ns: at }: Row): number =>
    requests.filter(
      (row) =>
        Number(row['issue_ns']) <= Number(at) &&
        (row['complete_ns'] === null || Number(row['complete_ns']) > Number(at)),
    ).length
  return Math.max(...requests.map(underWay))
}

describe('a generated recording with swap on a disk', () => {
  it.each([
    ['v7', '6.12'],
    ['v6', '4.9'],
    ['perf', '6.18'],
    ['perfetto', '5.10'],
  ] as const)('%s of %s tells the service times that the disk had', async (format, kernel) => {
    const { bytes, truth } = generated({ scenario, format, kernel, events: 5000 })
    const traceId = await ingestBytes(database, bytes, {
      raw: 'all',
      snapshots: snapshotFiles(scenario, truth),
    })
    const recording = await loadRecording(database, traceId)
    const found = readDeviceRequests(recording, Number.POSITIVE_INFINITY)
    const requests = truth.tables?.['block_ios'] ?? []
    const done = requests.filter((row) => row['complete_ns'] !== null)
    const ofKind = (op: string) => done.filter((row) => row['op'] === op)
    expect(ofKind('R').length).toBeGreaterThan(10)
    expect(ofKind('W').length).toBeGreaterThan(20)
    const service = (isWrite: number, ns: number) => `${isWrite} ${ns}`
    expect(
      Array.from(found?.ns ?? [], (ns, i) => service(found?.isWrite[i] ?? -1, ns)).sort(),
    ).toEqual(
      done
        .map((row) =>
          service(row['op'] === 'W' ? 1 : 0, Number(row['complete_ns']) - Number(row['issue_ns'])),
        )
        .sort(),
    )
    expect(new Set(found?.pages)).toEqual(new Set([1]))
    expect(found?.depth).toBe(depthOf(done))
    expect(found?.from).toContain('254:16')
  })

  it('has no block events where only reclaim is recorded, or swap is in zram', () => {
    const eventsOf = (choice: Parameters<typeof generated>[0]) =>
      Object.keys(generated({ events: 2000, ...choice }).truth.events)
    expect(eventsOf({ scenario })).toContain('block:block_rq_issue')
    expect(eventsOf({ scenario, probes: 'none' })).not.toContain('block:block_rq_issue')
    expect(eventsOf({ scenario: scenarioNamed('phone') })).not.toContain('block:block_rq_issue')
  })

  it('wakes a task that waits for a page when its read is complete', () => {
    const { truth } = generated({ scenario, events: 5000 })
    const reads = truth.tables?.['block_ios']?.filter((row) => row['op'] === 'R') ?? []
    const swapIns = truth.tables?.['swapins'] ?? []
    expect(swapIns.length).toBeGreaterThan(20)
    for (const { end_ns: end, ts_ns: begin, tid } of swapIns) {
      const [read] = reads.filter(
        (row) =>
          row['tid'] === tid &&
          Number(row['issue_ns']) >= Number(begin) &&
          Number(row['issue_ns']) < Number(end),
      )
      expect(Number(read?.['complete_ns'])).toBeLessThan(Number(end))
    }
  })
})
