import { describe, expect, it } from 'vitest'
import type { ValidationRun } from '../../src/analysis/validate.ts'
import { toSettings } from '../../src/cli/settings.ts'
import { listOtherTunables } from '../../src/cli/unlike-recorded.ts'
import { withReplayer } from '../../src/cli/validation-runs.ts'
import { lookUpPolicy } from '../../src/policies/index.ts'
import { completeTunables } from '../../src/replay/tunables.ts'
import type { Workload } from '../../src/workload/types.ts'
import { plan } from '../replay/build.ts'

/** Recorded under kcompressd with these tunables. */
function recordedWith(tunables: Readonly<Record<string, number>>): Workload {
  return {
    ...plan({ free: 90, min: 10, low: 20, high: 30, pages: 4, tasks: [{ rows: [] }] }),
    recordedPolicy: { value: 'kcompressd', basis: 'event' },
    recordedTunables: Object.fromEntries(
      Object.entries(tunables).map(([name, value]) => [name, { value, basis: 'event' as const }]),
    ),
  }
}

describe('replays that are compared with recordings', () => {
  const run = (policy: string | undefined): ValidationRun => ({
    workload: recordedWith({ 'pstrace.rotate': 1, 'pstrace.fifo': 32 }),
    policy,
    seed: 1,
    demandScale: 1,
    sink: () => {},
  })
  const given = { replays: 1, recordedPolicy: 'kcompressd', set: ['pstrace.memalloc=1'] }
  const replayed = (policy: string | undefined) =>
    withReplayer(toSettings({ quiet: true, progress: 'none' }), given, async (replayer) => {
      const { tunables } = await replayer(run(policy))
      return tunables
    })

  it('have the tunables of the recording under its policy', async () => {
    expect(await replayed(undefined)).toMatchObject({
      'pstrace.rotate': 1,
      'pstrace.fifo': 32,
      'pstrace.memalloc': -1,
    })
  })

  it('have those given under another, even if it is one of that name', async () => {
    expect(await replayed('kcompressd')).toMatchObject({
      'pstrace.rotate': -1,
      'pstrace.fifo': 256,
      'pstrace.memalloc': 1,
    })
  })
})

describe('a run of the recorded policy', () => {
  const others = (recorded: Record<string, number>, given: Record<string, number>): string[] =>
    listOtherTunables(
      { policy: 'kcompressd', tunables: completeTunables(lookUpPolicy('kcompressd'), given) },
      recordedWith(recorded),
    )

  it('has other tunables than were recorded where they change what it does', () => {
    expect(others({ 'pstrace.rotate': 1, 'pstrace.fifo': 256 }, {})).toEqual(['pstrace.rotate=1'])
    expect(others({ 'pstrace.rotate': 1 }, { 'pstrace.rotate': 1 })).toEqual([])
    // -1, the default, leaves it to the policy, which does not rotate.
    expect(others({ 'pstrace.rotate': 0 }, {})).toEqual([])
  })

  it('is all that is compared: another policy has tunables of its own', () => {
    const tunables = completeTunables(lookUpPolicy('parallel'), {})
    expect(
      listOtherTunables({ policy: 'parallel', tunables }, recordedWith({ 'pstrace.rotate': 1 })),
    ).toEqual([])
  })
})
