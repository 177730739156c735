import { expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import type { ReplayLogEvent } from '../../src/replay/log-events.ts'
import { replay } from '../../src/replay/replay.ts'
import { CountingBackend, plainContents, plan } from './build.ts'

const [kswapd] = policies
const RESIDENT = 40

/** One CPU with so few pages that kswapd balances in vain, and a task that waits for it from its first allocation on. */
function run(): ReplayLogEvent[] {
  if (kswapd === undefined) throw new Error('there is no policy')
  const log: ReplayLogEvent[] = []
  replay(
    plan({
      ...{ cpus: 1, free: 1, min: 400, low: 500, high: 600 },
      ...{ resident: RESIDENT, pages: RESIDENT + 1 },
      tasks: [{ rows: [{ op: 'alloc', arg: RESIDENT }] }],
      costs: { store: 100_000 },
    }),
    {
      policy: kswapd,
      backend: new CountingBackend(),
      contents: plainContents,
      checkEveryNs: 1_000_000,
      sink: () => undefined,
      log: (event) => log.push(event),
    },
  )
  return log
}

it('a throttled task runs as kswapd looks whether it may sleep, and again as it looks a second time', () => {
  const steps = run()
    .filter(({ event }) => ['batch', 'wake', 'switch'].includes(event))
    .map(({ event, thread }) => `${event} ${thread}`)
  // The first balance lasts for some milliseconds: it ends where the task is let go and runs at once.
  const letGo = steps.findIndex(
    (step, at) => step === 'wake app-0' && steps[at + 1] === 'switch app-0',
  )
  expect(steps.slice(letGo - 1, letGo + 7)).toEqual([
    'batch kswapd0',
    ...['wake app-0', 'switch app-0', 'switch kswapd0'],
    ...['wake app-0', 'switch app-0', 'switch kswapd0'],
    'batch kswapd0',
  ])
})
