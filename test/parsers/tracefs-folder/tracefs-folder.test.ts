import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTrace, TraceParseError } from '../../../parsers/index.ts'
import { openFolder } from '../../../src/io/folder-source.ts'
import { generatedFolder, scenarioNamed } from '../../generate/file.ts'
import { tracesFolder } from '../../shared/given-folders.ts'
import { runs } from '../hostile.ts'
import { eventAt, forEachEvent, type ReadTrace } from '../open-bytes.ts'

let root = ''
let small = ''
let events = 0
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'pstrace-tracefs-'))
  small = join(root, 'small')
  generatedFolder({ scenario: scenarioNamed('phone'), events: 400 }, small)
  events = (await readFolder(small)).events.length
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function readFolder(path: string): Promise<ReadTrace> {
  const reader = await openTrace(openFolder(path))
  try {
    const read: ReadTrace['events'] = []
    forEachEvent(reader, (batch, row, seq) => read.push(eventAt(batch, row, seq)))
    const { info, losses, issues } = reader
    return { info, events: read, losses, issues }
  } finally {
    reader.close()
  }
}

/** A copy of the small folder to be damaged. */
function copied(name: string): string {
  const path = join(root, name)
  cpSync(small, path, { recursive: true })
  return path
}

describe('a folder copied from tracefs', () => {
  it('gives all events of all cpus, with names and clock', async () => {
    const { info, events: read, issues, losses } = await readFolder(small)
    const counted = [0, 1].map((cpu) => {
      const stats = readFileSync(join(small, `per_cpu/cpu${cpu}/stats`), 'utf8')
      return Number(/read events: (\d+)/.exec(stats)?.[1])
    })
    expect([0, 1].map((cpu) => read.filter((event) => event.cpu === cpu).length)).toEqual(counted)
    expect(info).toMatchObject({ format: 'tracefs folder', clock: 'mono', ticks: false })
    expect([...info.comms.values()]).toContain('kswapd0')
    expect([issues, losses]).toEqual([[], []])
  })

  it('is found in a folder of the given one, with the uname beside it', async () => {
    const outer = join(root, 'outer')
    cpSync(small, join(outer, 'raw'), { recursive: true })
    writeFileSync(
      join(outer, 'uname'),
      'Linux phone 6.1.99-android14 #1 SMP PREEMPT aarch64 Android\n',
    )
    const { info, events: read } = await readFolder(outer)
    expect(read).toHaveLength(events)
    expect(info).toMatchObject({ kernelRelease: '6.1.99-android14', arch: 'aarch64' })
  })

  it("counts what the kernel's counters say was lost", async () => {
    const path = copied('lossy')
    const stats = join(path, 'per_cpu/cpu1/stats')
    writeFileSync(stats, readFileSync(stats, 'utf8').replace('overrun: 0', 'overrun: 17'))
    const { losses } = await readFolder(path)
    expect(losses.map(({ cpu, events: lost }) => [cpu, lost])).toEqual([[1, 17]])
  })

  it('without stats says that losses before reading are not counted', async () => {
    const path = copied('no-stats')
    rmSync(join(path, 'per_cpu/cpu0/stats'))
    const { issues } = await readFolder(path)
    expect(issues.map(({ code }) => code)).toEqual(['no_stats'])
  })

  it('without any event description is refused', async () => {
    const path = copied('no-formats')
    for (const system of ['vmscan', 'sched', 'oom', 'compaction', 'ftrace', 'pstrace'])
      rmSync(join(path, 'events', system), { recursive: true, force: true })
    await expect(readFolder(path)).rejects.toMatchObject({ code: 'no_formats' })
  })

  it('that is none is refused', async () => {
    const path = copied('no-header')
    rmSync(join(path, 'events/header_page'))
    await expect(readFolder(path)).rejects.toBeInstanceOf(TraceParseError)
  })

  it('copied before its buffer was empty has lost the rest, unless the counters were copied first', async () => {
    const path = copied('unread')
    const stats = join(path, 'per_cpu/cpu0/stats')
    const whole = await readFolder(path)
    const ofCpu = whole.events.filter(({ cpu }) => cpu === 0).length
    const withStats = async (unread: number, read: number) => {
      writeFileSync(
        stats,
        `entries: ${unread}\noverrun: 0\ndropped events: 0\nread events: ${read}\n`,
      )
      const { issues, losses } = await readFolder(path)
      return {
        issues: issues.map(({ code }) => code),
        lost: losses.map(({ cpu, events: lost }) => [cpu, lost]),
      }
    }
    expect(await withStats(70, ofCpu)).toEqual({ issues: ['unread_events'], lost: [[0, 70]] })
    expect(await withStats(ofCpu, 0)).toEqual({ issues: [], lost: [] })
    expect(await withStats(0, ofCpu)).toEqual({ issues: [], lost: [] })
  })

  it('cut at any byte loses events only with an issue', async () => {
    const path = copied('cut')
    const file = join(path, 'per_cpu/cpu0/trace_pipe_raw')
    const whole = readFileSync(file)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), async (length) => {
        writeFileSync(file, whole)
        truncateSync(file, length)
        const { events: read, issues } = await readFolder(path)
        expect(read.length).toBeLessThanOrEqual(events)
        if (length % 4096 !== 0) expect(issues.map(({ code }) => code)).toEqual(['data_truncated'])
      }),
      runs(40),
    )
  })

  it('with changed bytes ends in rows, issues or one positioned error', async () => {
    const path = copied('changed')
    const files = [
      'per_cpu/cpu0/trace_pipe_raw',
      'events/header_page',
      'events/vmscan/mm_vmscan_kswapd_wake/format',
      'saved_cmdlines',
      'trace_clock',
    ]
    const change = fc.record({
      file: fc.constantFrom(...files.filter((file) => existsSync(join(small, file)))),
      at: fc.nat(),
      value: fc.integer({ min: 0, max: 255 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        for (const file of files) cpSync(join(small, file), join(path, file))
        for (const { file, at, value } of changes) {
          const bytes = readFileSync(join(path, file))
          bytes[at % bytes.length] = value
          writeFileSync(join(path, file), bytes)
        }
        try {
          await readFolder(path)
        } catch (error) {
          expect(error).toBeInstanceOf(TraceParseError)
        }
      }),
      runs(80),
    )
  })
})

describe('the committed folder of a 6.12 kernel', () => {
  const path = fileURLToPath(new URL('../../../fixtures/raw-folder', import.meta.url))

  it('has these events, all in order of time on their cpu', async () => {
    const { info, events: read, losses, issues } = await readFolder(path)
    const last = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
    const counts: Record<string, number> = {}
    for (const { cpu, ts, system, name } of read) {
      expect(ts).toBeGreaterThanOrEqual(last[cpu] ?? 0)
      last[cpu] = ts
      counts[`${system}:${name}`] = (counts[`${system}:${name}`] ?? 0) + 1
    }
    expect(info).toMatchObject({
      kernelRelease: '6.12.95+deb12-amd64',
      arch: 'x86_64',
      clock: 'mono',
      cpus: 2,
      pageSize: 4096,
    })
    expect(counts).toEqual({
      'pstrace:swap_read_folio': 2546,
      'pstrace:swap_writepage': 3319,
      'pstrace:zram_slot_free': 2496,
      'sched:sched_switch': 625,
      'vmscan:mm_shrink_slab_end': 160,
      'vmscan:mm_shrink_slab_start': 160,
      'vmscan:mm_vmscan_direct_reclaim_begin': 26,
      'vmscan:mm_vmscan_direct_reclaim_end': 27,
      'vmscan:mm_vmscan_lru_isolate': 102,
      'vmscan:mm_vmscan_lru_shrink_inactive': 52,
      'vmscan:mm_vmscan_write_folio': 3320,
    })
    expect(losses).toEqual([])
    expect(issues.map(({ code }) => code)).toEqual(['no_stats'])
  })
})

const recorded = tracesFolder === undefined ? '' : join(tracesFolder, 'captured/raw-6.12')

describe.runIf(recorded !== '' && existsSync(recorded))('the recorded folder', () => {
  it("has the events that the kernel's own counters say were read", async () => {
    const { events: read, losses, issues } = await readFolder(recorded)
    for (const cpu of [0, 1]) {
      const stats = readFileSync(join(recorded, `raw/per_cpu/cpu${cpu}/stats`), 'utf8')
      const counted = Number(/read events: (\d+)/.exec(stats)?.[1])
      expect(read.filter((event) => event.cpu === cpu)).toHaveLength(counted)
    }
    const counter = (name: string) =>
      Number(
        new RegExp(`^${name} (\\d+)`, 'm').exec(
          readFileSync(join(recorded, 'vmstat.after'), 'utf8'),
        )?.[1],
      ) -
      Number(
        new RegExp(`^${name} (\\d+)`, 'm').exec(
          readFileSync(join(recorded, 'vmstat.before'), 'utf8'),
        )?.[1],
      )
    expect(read.filter(({ name }) => name === 'mm_vmscan_write_folio')).toHaveLength(
      counter('nr_vmscan_write'),
    )
    expect([losses, issues]).toEqual([[], []])
  })
})

it.runIf(recorded === '')('PSTRACE_TRACES is not set: the recorded folder was not read', () => {
  process.stdout.write('tracefs-folder: skipped, PSTRACE_TRACES is not set\n')
})
