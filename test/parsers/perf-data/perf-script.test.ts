import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { openTrace } from '../../../parsers/index.ts'
import { openInput } from '../../../src/io/input.ts'
import { type Choice, generated, scenarioNamed } from '../../generate/file.ts'
import { tracesFolder } from '../../shared/given-folders.ts'
import { eventAt, forEachEvent } from '../open-bytes.ts'
import { zstdCompressSync } from '../zstd-command.ts'
import { compare, hasPerf, parseScript, script } from './perf-script.ts'

const RECORDED = fileURLToPath(
  new URL('../../../fixtures/perf/vmscan-6.12.data.zst', import.meta.url),
)
const folder = mkdtempSync(join(tmpdir(), 'pstrace-perf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.runIf(hasPerf)('a recorded perf.data', () => {
  it('has the events, times, cpus, tasks and fields that perf script prints', async () => {
    const path = join(folder, 'perf.data')
    execFileSync('zstd', ['-q', '-d', RECORDED, '-o', path])
    const { compared, issues, losses } = await compare(RECORDED, script(path), 1000)
    expect(compared).toBeGreaterThan(2000)
    expect({ issues, losses }).toEqual({ issues: [], losses: [] })
  })
})

if (tracesFolder === undefined)
  it('compares no perf.data of others: PSTRACE_TRACES is not set', () => {
    expect(tracesFolder).toBeUndefined()
  })

describe.runIf(tracesFolder !== undefined)('a perf.data of others', () => {
  it('equals, line by line, the text that its owner put beside it', async () => {
    const path = join(tracesFolder ?? '', 'public/perf/damonitor+damo__tests_report_perf.data')
    const lines = parseScript(readFileSync(`${path}.script`, 'utf8'))
    const input = await openInput(path)
    const reader = await openTrace(input.source)
    const found: string[] = []
    forEachEvent(reader, (batch, row, seq) => {
      const { fields, ts, cpu, tid } = eventAt(batch, row, seq)
      // The text is cut to microseconds.
      found.push(
        `${tid} ${cpu} ${Math.floor(ts / 1000)} target_id=${fields['target_id']} nr_regions=${fields['nr_regions']} ` +
          `${fields['start']}-${fields['end']}: ${fields['nr_accesses']}`,
      )
    })
    input.close()
    expect(found).toEqual(
      lines.map(({ tid, cpu, ns, body }) => `${tid} ${cpu} ${ns / 1000n} ${body}`),
    )
  })
})

describe.runIf(hasPerf)('a generated perf.data', () => {
  const cases: readonly (readonly [string, Partial<Choice>])[] = [
    ['file', { format: 'perf' }],
    ['pipe', { format: 'perf-pipe' }],
    ['compressed', { format: 'perf-z', zstdCompress: zstdCompressSync }],
    ['big-endian', { format: 'perf', littleEndian: false }],
    ['32-bit', { format: 'perf', long: 4 }],
    ['32-bit big-endian', { format: 'perf', long: 4, littleEndian: false }],
    ['kernel 4.9', { format: 'perf', kernel: '4.9' }],
    ['losses', { format: 'perf', loss: 0.1, events: 20_000 }],
  ]
  it.each(cases)('has what perf script prints: %s', async (_, choice) => {
    for (const name of ['phone', 'server']) {
      const { bytes, truth } = generated({
        scenario: scenarioNamed(name),
        format: 'perf',
        ...choice,
      })
      const path = join(folder, 'generated')
      writeFileSync(path, bytes)
      const { compared, losses } = await compare(path, script(path), 500)
      expect(compared).toBeGreaterThan(500)
      expect(losses.reduce((sum, loss) => sum + (loss.events ?? 0), 0)).toBe(
        truth.losses.reduce((sum, loss) => sum + loss.events, 0),
      )
    }
  })
})
