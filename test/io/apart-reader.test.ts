import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { packageFolder, ROOT } from '../shared/binary.ts'
import { once } from '../shared/once.ts'

const TRACES = [
  'zram-lz4-6.1/trace.dat',
  'trace-dat/zram-lzorle-6.1-v6-cut.dat',
  'perf/vmscan-6.12-cut.data',
]
let dist = ''

/** Only compiled code can start a thread. */
function run(program: string, ...args: readonly string[]): unknown {
  const command = ['--input-type=module', '-e', `${READ}\n${program}`, dist, ...args]
  const { stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

beforeAll(() => {
  dist = join(packageFolder(), 'dist')
})

describe('a trace that is read in a thread of its own', () => {
  it.each(TRACES)(
    '%s gives the windows, losses, issues and thread groups that one thread gives',
    (trace) => {
      const { apart, here } = run(BOTH, join(ROOT, 'fixtures', trace)) as Record<string, unknown>
      expect(apart).toEqual(here)
      expect(apart).toMatchObject({ windows: expect.any(Number) })
    },
  )

  it('cannot be opened for the reason that one thread gives', () => {
    const folder = once('no-trace', (path) => writeFileSync(join(path, 'no.dat'), 'no trace'))
    const { apart, here } = run(BOTH, join(folder, 'no.dat')) as Record<string, unknown>
    expect(apart).toEqual(here)
    expect(apart).toMatchObject({ name: 'TraceParseError', code: 'unknown_format' })
  })

  it('fails as one that cannot be read', () => {
    expect(run(UNREADABLE, join(ROOT, 'fixtures', TRACES[1] ?? ''))).toMatchObject({
      name: 'PstraceError',
      code: 'read_failed',
    })
  })

  it('leaves no thread behind when it is closed early', () => {
    expect(run(CLOSED, join(ROOT, 'fixtures', TRACES[0] ?? ''))).toEqual({ closed: true })
  })
})

/** Reads a trace to its end: all arrays as a digest, strings in full. */
const READ = `
  import { createHash } from 'node:crypto'
  const [dist, path] = process.argv.slice(1)
  const { openApart } = await import(dist + '/src/io/apart-reader.js')
  const { openTrace } = await import(dist + '/parsers/index.js')
  const { openFileSource } = await import(dist + '/src/io/file-source.js')
  const bytes = (array, count) => new Uint8Array(array.buffer, array.byteOffset, count * array.BYTES_PER_ELEMENT)
  const failure = ({ name, code, message, position }) => ({ name, code, message, position })
  async function read(reader) {
    const digest = createHash('sha256')
    const tgids = []
    let windows = 0
    for (;;) {
      await reader.wait?.()
      const window = reader.read()
      if (window === undefined) break
      windows++
      tgids.push(reader.info.tgids.size, reader.losses.length, reader.issues.length, reader.bytesRead)
      for (const array of [window.batch, window.row, window.ts, window.cpu, window.tid])
        digest.update(bytes(array, window.length))
      for (const { format, length, ts, cpu, tid, flags, columns } of window.batches) {
        digest.update(format.name)
        for (const array of [ts, cpu, tid, flags]) digest.update(bytes(array, length))
        for (const { values, lo, hi, codes, dictionary, starts } of columns) {
          for (const array of [values, codes, ...(starts === undefined ? [lo, hi] : [starts])])
            if (array !== undefined) digest.update(bytes(array, length))
          if (codes !== undefined)
            for (let row = 0; row < length; row++) digest.update(dictionary.get(codes[row]))
        }
      }
    }
    const { losses, issues, info } = reader
    const named = reader.symbolOf?.(0xffff_ffff, 0x8130_0000)
    reader.close()
    return { windows, tgids, digest: digest.digest('hex'), losses, issues, groups: [...info.tgids], named }
  }
`

const BOTH = `
  const file = openFileSource(path)
  const [apart, here] = [
    await openApart(file).then(read).catch(failure),
    await openTrace(file).then(read).catch(failure),
  ]
  console.log(JSON.stringify({ apart, here }))
`

/** A file that cannot be read. */
const UNREADABLE = `
  const file = openFileSource(path)
  console.log(JSON.stringify(await openApart({ ...file, descriptor: 1 << 20 }).then(read).catch(failure)))
`

const CLOSED = `
  const reader = await openApart(openFileSource(path))
  await reader.wait()
  reader.read()
  reader.close()
  console.log(JSON.stringify({ closed: reader.read() === undefined }))
`
