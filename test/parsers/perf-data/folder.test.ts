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
import { forEachEvent } from '../open-bytes.ts'
import { zstdCompressSync } from '../zstd-command.ts'
import { compare, hasPerf, script } from './perf-script.ts'

const DIR_FORMAT = 24
const COMPRESSED = { record: 81, feature: 27 } as const
const RECORD = { lost: 2, sample: 9, finishedRound: 68 } as const
type Files = ReadonlyMap<string, Uint8Array>

const root = mkdtempSync(join(tmpdir(), 'pstrace-perf-folder-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let made = 0

/** Each cpu's samples and losses in a file of their own, everything else in `data`, as perf record --threads does. */
function split(file: Uint8Array, options: { version?: number; zstd?: boolean } = {}): Files {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const u64 = (at: number) => Number(view.getBigUint64(at, true))
  const [dataAt, dataBytes] = [u64(40), u64(48)]
  const own: Uint8Array[] = []
  const ofCpu = new Map<number, Uint8Array[]>()
  for (let at = dataAt; at < dataAt + dataBytes; at += view.getUint16(at + 6, true)) {
    const record = file.subarray(at, at + view.getUint16(at + 6, true))
    const type = view.getUint32(at, true)
    if (type === RECORD.finishedRound) continue
    if (type === RECORD.sample || type === RECORD.lost) {
      // The cpu stands behind the time of a sample, and behind the time at the end of a loss.
      const cpu = view.getUint32(at + (type === RECORD.sample ? 40 : record.length - 16), true)
      const records = ofCpu.get(cpu) ?? []
      ofCpu.set(cpu, records)
      records.push(record)
    } else own.push(record)
  }
  const features = readFeatures(file, dataAt + dataBytes)
  features.set(DIR_FORMAT, Uint8Array.of(options.version ?? 1, 0, 0, 0, 0, 0, 0, 0))
  if (options.zstd === true)
    features.set(COMPRESSED.feature, new Uint8Array(Uint32Array.of(1, 1, 1, 3, 2 ** 26).buffer))
  const files = new Map([['data', joinHeader(file.subarray(0, dataAt), own, features)]])
  const cpus = [...ofCpu.keys()].sort((a, b) => a - b)
  for (const [index, cpu] of cpus.entries()) {
    const records = Buffer.concat(ofCpu.get(cpu) ?? [])
    files.set(`data.${index}`, options.zstd === true ? packed(records) : records)
  }
  return files
}

function readFeatures(file: Uint8Array, tableAt: number): Map<number, Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const features = new Map<number, Uint8Array>()
  for (let id = 0; id < 256; id++) {
    if ((((file[72 + (id >> 3)] ?? 0) >> (id & 7)) & 1) === 0) continue
    const at = tableAt + 16 * features.size
    const offset = Number(view.getBigUint64(at, true))
    features.set(id, file.subarray(offset, offset + Number(view.getBigUint64(at + 8, true))))
  }
  return features
}

function joinHeader(
  head: Uint8Array,
  records: readonly Uint8Array[],
  features: ReadonlyMap<number, Uint8Array>,
): Uint8Array {
  const data = Buffer.concat(records)
  const begin = head.slice()
  const view = new DataView(begin.buffer)
  view.setBigUint64(48, BigInt(data.length), true)
  const ids = [...features.keys()].sort((a, b) => a - b)
  for (const id of ids) begin[72 + (id >> 3)] = (begin[72 + (id >> 3)] ?? 0) | (1 << (id & 7))
  const table = new BigUint64Array(2 * ids.length)
  let at = begin.length + data.length + 16 * ids.length
  for (const [i, id] of ids.entries()) {
    const size = features.get(id)?.length ?? 0
    table.set([BigInt(at), BigInt(size)], 2 * i)
    at += size
  }
  return Buffer.concat([
    begin,
    data,
    new Uint8Array(table.buffer),
    ...ids.map((id) => features.get(id) ?? new Uint8Array(0)),
  ])
}

/** One frame in COMPRESSED records; as perf leaves it, its last block is not marked as the last. */
function packed(records: Uint8Array): Uint8Array {
  const frame = zstdCompressSync(records).slice()
  // RFC 8878 section 3.1.1: the descriptor tells how long the header is.
  const descriptor = frame[4] ?? 0
  const single = (descriptor >> 5) & 1
  const contentSize = [single, 2, 4, 8][descriptor >> 6] ?? 0
  let at = 5 + (1 - single) + contentSize
  for (;;) {
    const block = (frame[at] ?? 0) | ((frame[at + 1] ?? 0) << 8) | ((frame[at + 2] ?? 0) << 16)
    const end = at + 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3)
    if ((block & 1) === 1) {
      frame[at] = (frame[at] ?? 0) & 0xfe
      return asRecords(frame.subarray(0, end))
    }
    at = end
  }
}

function asRecords(frame: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = 0; at < frame.length; at += 40_000) {
    const piece = frame.subarray(at, at + 40_000)
    const head = new DataView(new ArrayBuffer(8))
    head.setUint32(0, COMPRESSED.record, true)
    head.setUint16(6, 8 + piece.length, true)
    parts.push(new Uint8Array(head.buffer), piece)
  }
  return Buffer.concat(parts)
}

function write(files: Files): string {
  const path = join(root, `folder-${made++}`)
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), bytes)
  }
  return path
}

/** A folder in memory. */
function toFolder(files: Files): FolderSource {
  return {
    name: 'hostile',
    paths: [...files.keys()].sort(),
    open(path) {
      const bytes = files.get(path)
      if (bytes === undefined) return undefined
      return { ...toByteSource(`hostile/${path}`, bytes), close() {} }
    },
  }
}

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
    ).rejects.toThrow('not a folder with a known recording')
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
