import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { toByteSource } from '../../../parsers/cursor.ts'
import { openTrace, TraceParseError } from '../../../parsers/index.ts'
import type { FolderSource } from '../../../parsers/reader.ts'
import { openFolder } from '../../../src/io/folder-source.ts'
import { type Choice, generated, scenarioNamed } from '../../generate/file.ts'
import { runs } from '../hostile.ts'
import { type Files, memoryFolder } from '../memory-folder.ts'
import { forEachEvent } from '../open-bytes.ts'
import { DIR_FORMAT, joinHeader, readFeatures, split } from './perf-folder.ts'
import { compare, hasPerf, script } from './perf-script.ts'

const root = mkdtempSync(join(tmpdir(), 'pstrace-perf-folder-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let made = 0

function write(files: Files): string {
  const path = join(root, `folder-${made++}`)
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), bytes)
  }
  return path
}

const toFolder = (files: Files): FolderSource => memoryFolder('hostile', files)

async function readFolder(folder: FolderSource) {
  const reader = await openTrace(folder)
  const rows: string[] = []
  forEachEvent(reader, (batch, row) =>
    rows.push(`${batch.ts[row]} ${batch.cpu[row]} ${batch.tid[row]} ${batch.format.name}`),
  )
  reader.close()
  return { info: reader.info, rows, issues: reader.issues, losses: reader.losses }
}

function perfFile(choice: Partial<Choice> = {}): Uint8Array {
  return generated({ scenario: scenarioNamed('server'), format: 'perf', ...choice }).bytes
}

describe('a folder of perf record --threads', () => {
  const cases: readonly (readonly [string, Partial<Choice>, { zstd?: boolean }])[] = [
    ['plain', { events: 20_000 }, {}],
    ['compressed', { events: 60_000 }, { zstd: true }],
    ['with losses', { events: 20_000, loss: 0.1 }, {}],
  ]
  it.runIf(hasPerf).each(cases)(
    'gives the events in the order in which perf script prints them: %s',
    async (_, choice, options) => {
      const path = write(split(perfFile(choice), options))
      const lines = script(path)
      const { compared, issues } = await compare(path, lines, 500)
      expect(lines.length).toBeGreaterThan(9000)
      expect(compared).toBeGreaterThan(500)
      expect(issues).toEqual([])
    },
  )

  it('gives the rows, names and losses of the same recording in one file', async () => {
    const file = perfFile({ loss: 0.1, events: 20_000 })
    const single = await openTrace(toByteSource('single', file))
    const rows: string[] = []
    forEachEvent(single, (batch, row) =>
      rows.push(`${batch.ts[row]} ${batch.cpu[row]} ${batch.tid[row]} ${batch.format.name}`),
    )
    const folder = await readFolder(toFolder(split(file)))
    expect(folder.rows).toEqual(rows)
    expect(folder.info).toMatchObject({
      format: 'perf.data (folder)',
      kernelRelease: single.info.kernelRelease,
      clock: single.info.clock,
      cpus: single.info.cpus,
    })
    expect(folder.info.comms).toEqual(single.info.comms)
    const sum = (losses: typeof folder.losses) =>
      losses.map(({ cpu, events, endNs }) => `${cpu} ${events} ${endNs}`).sort()
    expect(sum(folder.losses)).toEqual(sum(single.losses))
    expect(folder.losses.length).toBeGreaterThan(0)
  })

  it('is found below the given folder, and not where a file is merely called data', async () => {
    const files = split(perfFile({ events: 500 }))
    const below = new Map([...files].map(([name, bytes]) => [`perf.data/${name}`, bytes]))
    const { rows } = await readFolder(toFolder(below))
    expect(rows.length).toBe((await readFolder(toFolder(files))).rows.length)
    await expect(
      openTrace(toFolder(new Map([['data', new TextEncoder().encode('something else')]]))),
    ).rejects.toThrow('hostile, byte 0: not a folder with a known recording')
  })

  it('names the trace that lies in a folder which is no recording', async () => {
    const text = new TextEncoder().encode('something else')
    const files = new Map([
      ['below/x.data', perfFile({ events: 5 })],
      ['notes', text],
      ['perf.data', perfFile({ events: 5 })],
    ])
    await expect(openTrace(toFolder(files))).rejects.toThrow(
      /: a folder that is no recording itself, but holds one: name the file, \w+\/perf\.data$/,
    )
  })

  it('of version 0 (perf record --kcore) has all samples in data, and files beside are not read', async () => {
    const file = perfFile({ events: 2000 })
    const view = new DataView(file.buffer, file.byteOffset, file.length)
    const dataAt = Number(view.getBigUint64(40, true))
    const end = dataAt + Number(view.getBigUint64(48, true))
    const features = readFeatures(file, end)
    features.set(DIR_FORMAT, new Uint8Array(8))
    const header = joinHeader(file.subarray(0, dataAt), [file.subarray(dataAt, end)], features)
    const files = new Map([
      ['data', header],
      ['data.old', Uint8Array.of(1, 2, 3)],
      ['kcore_dir/kcore', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)],
    ])
    const { rows, issues } = await readFolder(toFolder(files))
    expect(issues).toEqual([])
    const single = await openTrace(toByteSource('single', file))
    let events = 0
    forEachEvent(single, () => events++)
    expect(rows.length).toBe(events)
    if (hasPerf) expect(script(write(files)).length).toBe(events)
  })

  it('has the names of the kernel’s functions where perf record --kcore put them', async () => {
    const kallsyms = new TextEncoder().encode('ffffffff81234560 t some_shrinker_scan\n')
    const files = split(perfFile({ events: 500 }))
    const named = await openTrace(toFolder(new Map([...files, ['kcore_dir/kallsyms', kallsyms]])))
    expect(named.symbolOf?.(0xffff_ffff, 0x8123_4560)).toBe('some_shrinker_scan')
    const plain = await openTrace(toFolder(files))
    expect(plain.symbolOf?.(0xffff_ffff, 0x8123_4560)).toBeUndefined()
    expect([...named.issues, ...plain.issues]).toEqual([])
  })

  it('of another version is refused with the version', async () => {
    await expect(
      openTrace(toFolder(split(perfFile({ events: 500 }), { version: 2 }))),
    ).rejects.toThrow('hostile/data, byte 0: a folder of version 2')
  })

  it('says which file its header, given alone, is missing', async () => {
    const header = split(perfFile({ events: 500 })).get('data') ?? new Uint8Array(0)
    const reader = await openTrace(toByteSource('data', header))
    expect(reader.issues).toMatchObject([{ code: 'folder_expected', severity: 'data_loss' }])
  })

  it('without its data files has an issue instead of events', async () => {
    const header = split(perfFile({ events: 500 })).get('data') ?? new Uint8Array(0)
    const { rows, issues } = await readFolder(toFolder(new Map([['data', header]])))
    expect(rows).toEqual([])
    expect(issues).toMatchObject([{ code: 'no_data_files', severity: 'data_loss' }])
  })

  it('opens from disk, and closes every file it opened', async () => {
    const folder = openFolder(write(split(perfFile({ events: 2000 }))))
    let open = 0
    const counted: FolderSource = {
      ...folder,
      open(path) {
        const file = folder.open(path)
        if (file === undefined) return undefined
        open++
        return {
          name: file.name,
          size: file.size,
          readInto: (offset, target) => file.readInto(offset, target),
          close() {
            open--
            file.close()
          },
        }
      },
    }
    const reader = await openTrace(counted)
    expect(open).toBeGreaterThan(2)
    reader.close()
    expect(open).toBe(0)
  })
})

describe('a damaged folder of perf record --threads', () => {
  const files = split(perfFile({ events: 400 }))
  const names = [...files.keys()]
  const damage = async (changed: Files) => {
    try {
      return await readFolder(toFolder(changed))
    } catch (error) {
      if (!(error instanceof TraceParseError)) throw error
      expect(error.message).toContain(`, byte ${error.position.at}: `)
      return { rows: [], issues: [{ message: error.message }] }
    }
  }

  it('cut in any of its files loses events only with an error or an issue that names the file', async () => {
    const whole = await damage(files)
    expect(whole.issues).toEqual([])
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        async (name, share) => {
          const bytes = files.get(name) ?? new Uint8Array(0)
          // A file cut between two records looks whole.
          const length = Math.floor(bytes.length * share) | 1
          if (length >= bytes.length) return
          const { rows, issues } = await damage(
            new Map([...files, [name, bytes.subarray(0, length)]]),
          )
          expect(rows.length).toBeLessThanOrEqual(whole.rows.length)
          if (rows.length < whole.rows.length || name === 'data')
            expect(issues[0]?.message).toContain(name)
        },
      ),
      runs(80),
    )
  })

  it('with changed bytes ends in rows, issues or one positioned error', async () => {
    const change = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.array(change, { minLength: 1, maxLength: 8 }),
        async (name, changes) => {
          const bytes = (files.get(name) ?? new Uint8Array(0)).slice()
          for (const { at, value } of changes) bytes[at % bytes.length] = value
          await damage(new Map([...files, [name, bytes]]))
        },
      ),
      runs(120),
    )
  })
})
