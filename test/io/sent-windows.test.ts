import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import type { TraceReader } from '../../parsers/reader.ts'
import { WindowReceiver, WindowSender } from '../../src/io/sent-windows.ts'
import { eventAt, openTestFile, type ReadEvent, visitWindow } from '../parsers/open-bytes.ts'
import { ROOT } from '../shared/binary.ts'

const TRACE = /\.(dat|data|txt|html)$/
/** Fixtures whose readers keep their formats, and that are small enough to look at every field. */
const TRACES = ['trace-dat', 'perf', 'text'].flatMap((folder) =>
  readdirSync(join(ROOT, 'fixtures', folder))
    .filter((file) => TRACE.test(file) && file !== 'app.txt')
    .map((file) => `${folder}/${file}`),
)

describe('windows on their way to another thread', () => {
  it.each(TRACES)('%s: every window, loss and issue is what the reader gave', async (path) => {
    const file = openTestFile(join(ROOT, 'fixtures', path))
    const [own, apart] = [await openTrace(file), await openTrace(file)]
    const sender = new WindowSender(apart)
    const { info, formats, issues } = apart
    const received = new WindowReceiver(structuredClone({ info, formats, issues }))
    for (;;) {
      const [expected, window] = [own.read(), apart.read()]
      if (expected === undefined || window === undefined) break
      const memory = new SharedArrayBuffer(sender.sizeOf(window))
      const sent = structuredClone(sender.send(window, new Uint8Array(memory), 0))
      received.describe(structuredClone(sender.takeDescriptions()))
      const arrived = received.receive(sent, memory)
      expect(arrived.firstSeq).toBe(expected.firstSeq)
      expect(eventsOf(arrived)).toEqual(eventsOf(expected))
      const { length } = expected
      for (const name of ['ts', 'cpu', 'tid'] as const)
        expect([...arrived[name]]).toEqual([...expected[name].subarray(0, length)])
      expect(factsOf(received)).toEqual(factsOf(own))
    }
    received.end(structuredClone(sender.end()))
    expect(received.issues).toEqual(own.issues)
    expect({ ...received.info, tgids: [] }).toEqual({ ...own.info, tgids: [] })
    expect(factsOf(received)).toEqual(factsOf(own))
    file.close()
  })

  it('keep the identity of formats, dictionaries and losses, and tell a loss what it got in the end', async () => {
    const file = openTestFile(join(ROOT, 'fixtures/trace-dat/zram-lzorle-6.1-v6-cut.dat'))
    const reader = await openTrace(file)
    const [first, second] = [
      { cpu: 0, startNs: 1, endNs: 2, events: undefined as number | undefined },
      { cpu: 1, startNs: 0, endNs: 1, events: 3 },
    ]
    let losses = [first]
    const lossy: TraceReader = {
      info: reader.info,
      formats: reader.formats,
      issues: [],
      bytesRead: 0,
      get losses() {
        return losses
      },
      read: () => reader.read(),
      close: () => reader.close(),
    }
    const sender = new WindowSender(lossy)
    const received = new WindowReceiver(structuredClone({ ...lossy, read: null, close: null }))
    const next = () => {
      const window = lossy.read()
      if (window === undefined) throw new Error('the fixture has two windows')
      const memory = new SharedArrayBuffer(sender.sizeOf(window))
      const sent = structuredClone(sender.send(window, new Uint8Array(memory), 0))
      received.describe(structuredClone(sender.takeDescriptions()))
      return received.receive(sent, memory)
    }
    const before = next()
    const [known] = received.losses
    losses = [second, first]
    const after = next()
    expect(received.losses[1]).toBe(known)
    first.events = 7
    received.end(structuredClone(sender.end()))
    expect(received.losses).toEqual([second, first])
    expect(received.losses[1]).toBe(known)
    for (const batch of after.batches) {
      const same = before.batches.find(({ format }) => format.id === batch.format.id)
      if (same !== undefined) expect(batch.format).toBe(same.format)
    }
    file.close()
  })
})

function eventsOf(window: Parameters<typeof visitWindow>[0]): ReadEvent[] {
  const events: ReadEvent[] = []
  visitWindow(window, (batch, row, seq) => events.push(eventAt(batch, row, seq)))
  return events
}

/** What a reader says between two windows, formats in any order; issues without their counts, which come with the end. */
function factsOf({
  bytesRead,
  losses,
  formats,
  issues,
}: Pick<TraceReader, 'bytesRead' | 'losses' | 'formats' | 'issues'>): object {
  const described = formats.map((format) => JSON.stringify(format)).sort()
  return { bytesRead, losses, formats: described, issues: issues.map(({ message }) => message) }
}
