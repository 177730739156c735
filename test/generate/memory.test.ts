import { beforeAll, describe, expect, it } from 'vitest'
import { GENERATED_FORMATS } from '../../src/generate/generate.ts'
import type { Spool } from '../../src/generate/writers/writer.ts'
import { liveBytes } from '../shared/live-bytes.ts'
import { type Choice, generated, loadZstdFrames, MemoryFile, scenarioNamed } from './file.ts'

interface Measure {
  bytes: number
  /** Numbers of bytes after which memory is measured, rising. */
  readonly at: number[]
  readonly live: number[]
}

/** Measures while it takes bytes, and keeps none. */
class Meter implements Spool {
  readonly #measure: Measure
  length = 0

  /** `measure` is shared by all files of a trace. */
  constructor(measure: Measure) {
    this.#measure = measure
  }

  write({ length }: Uint8Array): void {
    const { at, live } = this.#measure
    this.length += length
    this.#measure.bytes += length
    if (this.#measure.bytes < (at[0] ?? Number.POSITIVE_INFINITY)) return
    at.shift()
    live.push(liveBytes())
  }

  readInto(): number {
    return 0
  }

  remove(): void {
    this.length = 0
  }
}

const EVENTS = 40_000
/** A tenth of what the pages, records or times of the longer trace take. */
const MOST_GROWTH = 1 << 21

beforeAll(() => loadZstdFrames())

describe.each([...GENERATED_FORMATS, 'v7 of zlib' as const])('a long trace as %s', (name) => {
  const zlib = { format: 'v7', compression: 'zlib' } as const
  const choice: Choice = {
    scenario: scenarioNamed('stream'),
    ...(name === 'v7 of zlib' ? zlib : { format: name }),
    wantRows: false,
    loss: 0.02,
  }
  const measured = (events: number, at: readonly number[]): Measure => {
    const measure = { bytes: 0, at: [...at], live: [] }
    const newFile = () => new Meter(measure)
    // Frames of any content will do, nothing reads them.
    const zstdCompress = (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1)
    generated({ ...choice, events, output: newFile(), newSpool: newFile, newFile, zstdCompress })
    return measure
  }

  it('takes no more memory at its end than when a tenth was written', () => {
    const tenth = measured(EVENTS, []).bytes
    const [first = 0, last = Number.NaN] = measured(10 * EVENTS, [tenth, 9 * tenth]).live
    expect(last - first).toBeLessThan(MOST_GROWTH)
  })
})

describe('the truth as JSON', () => {
  const written = (more: Partial<Choice>) => {
    const file = new MemoryFile()
    const scenario = scenarioNamed('server')
    const { truth } = generated({ scenario, loss: 0.2, events: 20_000, ...more, truthOutput: file })
    return { truth, document: JSON.parse(Buffer.from(file.bytes()).toString()) as unknown }
  }

  it('says what the returned truth says, row by row', () => {
    const { truth, document } = written({})
    expect(truth.tables?.['swapouts']?.length).toBeGreaterThan(500)
    expect(truth.tables?.['losses']?.length).toBeGreaterThan(2)
    expect(document).toEqual(JSON.parse(JSON.stringify(truth)))
  })

  it('is counts only where rows are not wanted', () => {
    const { truth, document } = written({ wantRows: false })
    expect(document).toEqual(truth)
    expect(Object.keys(truth)).not.toContain('tables')
    expect(truth.total).toBeGreaterThan(5_000)
    expect(Object.values(truth.lost).reduce((sum, lost) => sum + lost, 0)).toBeGreaterThan(100)
  })
})
