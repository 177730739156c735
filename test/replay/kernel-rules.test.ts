import { describe, expect, it } from 'vitest'
import { rulesOf } from '../../src/replay/kernel-rules.ts'
import { schedulerOf } from '../../src/replay/scheduler-options.ts'
import { plan } from './build.ts'

function rules(release: string | undefined, zeroMap = false) {
  return rulesOf({
    zeroMap: { value: zeroMap, basis: 'default' },
    ...(release === undefined ? {} : { kernel: { value: release, basis: 'event' } }),
  })
}

describe('a replay keeps to the rules of', () => {
  it.each([
    ['5.15', 'cfs', false, false, false, false],
    ['6.1.159', 'cfs', false, false, false, false],
    ['6.1.192', 'cfs', false, false, true, false],
    ['6.6.30', 'eevdf', false, false, false, true],
    ['6.6.120', 'eevdf', false, false, true, true],
    ['6.8.12', 'eevdf', false, true, false, true],
    ['6.12.64', 'eevdf', true, true, false, true],
    ['6.12.95', 'eevdf', true, true, true, true],
    ['6.18.4', 'eevdf', true, true, false, true],
    ['6.19.0', 'eevdf', true, true, true, true],
  ])(
    '%s: %s, delayed dequeue %s, estimates of waiters kept %s, newidle rationed %s, memcg generations %s',
    (release, fairClass, delays, keeps, rations, memcgLru) => {
      // Whatever the zero map says.
      for (const zeroMap of [false, true])
        expect(rules(release, zeroMap)).toMatchObject({
          fairClass,
          delaysDequeue: delays,
          keepsEstimateOfWaiters: keeps,
          rationsNewidle: rations,
          hasMemcgLru: memcgLru,
        })
    },
  )

  it('freed swap slots: kept in batches until 6.13', () => {
    for (const release of ['6.1.192', '6.12.95', '6.13.1'])
      expect(rules(release).batchesReleases).toBe(true)
    expect(rules('6.14.0').batchesReleases).toBe(false)
    expect(['6.11.2', '6.12.1'].map((release) => rules(release).releasedOrder)).toEqual([9, 1])
  })

  it('6.12 or 6.1, by the zero map, where no release is known', () => {
    expect(rules(undefined, true)).toEqual(rules('6.12.117'))
    expect(rules(undefined, false)).toEqual(rules('6.1.192'))
  })

  it('its slice: .75 ms, .7 ms since 6.15 and 6.12.31', () => {
    expect(['6.6.30', '6.12.30', '6.12.31', '6.15'].map((name) => rules(name).baseSliceNs)).toEqual(
      [750_000, 750_000, 700_000, 700_000],
    )
  })

  it('its lists of free pages and its walks over cgroups', () => {
    const of = (name: string) => [rules(name).tunesPageLists, rules(name).walksMemcgsPartly]
    expect(['6.6.30', '6.7', '6.11.2'].map(of)).toEqual([
      [false, false],
      [true, false],
      [true, true],
    ])
  })
})

it('the scheduler of an Android 6.6 picks by deadlines, though there is no zero map', () => {
  const { machine } = plan({ free: 900, min: 50, low: 100, high: 200, tasks: [], zeroMap: false })
  const kernel = { value: '6.6.30', basis: 'event' } as const
  expect(schedulerOf(machine).fairClass).toBe('cfs')
  expect(schedulerOf({ ...machine, kernel })).toMatchObject({
    fairClass: 'eevdf',
    delaysDequeue: false,
    baseSliceNs: 750_000,
  })
})
