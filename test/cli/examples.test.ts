import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.ts'
import { generated, scenarioNamed } from '../generate/file.ts'
import { type Door, openDoor } from './front-door.ts'

const phone = { scenario: scenarioNamed('phone'), events: 800 } as const
/** What the examples name, made before they are run. */
const TRACES = ['zram-lz4-6.12', 'last-boot', 'idle-1', 'before', 'after']
const REPEATS = ['sync-1', 'sync-2', 'par-1', 'par-2']

/** Other memory may be captured only where the system lets a process do that; test/scenarios replays the folder at length. */
const NOT_TRIED = ['pages capture', 'seed-003-a']
/** A shell's work: tried by the shell, in the test below. */
const isForShell = (example: string) => /\||\$\(/.test(example)

function makeFiles(folder: string): void {
  const write = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes)
  write('device.dat', generated({ ...phone, format: 'v7' }).bytes)
  write('trace.dat', generated({ ...phone, format: 'v7', seed: 4 }).bytes)
  write('perf.data', generated({ ...phone, format: 'perf', seed: 2 }).bytes)
  write('phone.perfetto-trace', generated({ ...phone, format: 'perfetto', clock: 'boot' }).bytes)
  write('trace.txt.gz', gzipSync(generated({ ...phone, format: 'text', seed: 3 }).bytes))
  const page = (i: number) =>
    Buffer.from(`page ${i} of an application `.repeat(200)).subarray(0, 4096)
  write('memory.raw', Buffer.concat(Array.from({ length: 64 }, (_, i) => page(i))))
}

/** Words of a line of shell without pipes; where output is redirected does not matter here. */
function toWords(example: string): string[] {
  const [command = ''] = example.replace(/^pstrace /, '').split(/ > /)
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
}

/** As an example is tried: less of what only takes long, and moments that the short traces here have. */
function tried(example: string): string {
  return example
    .replace('--events 100000000', '--events 2000')
    .replace(/^pstrace generate (?!.*--events)/, '$&--events 2000 ')
    .replace('--seeds 3', '--seeds 1')
    .replace('--from 2s --to 2.5s', '--from 20ms --to 25ms')
    .replace('=1,2,3 --cpus 4 --cpus 8', '=1,2 --cpus 4')
}

let door: Door
beforeAll(() => {
  door = openDoor()
  const { folder } = door
  makeFiles(folder)
  const ingest = (name: string) => ['ingest', 'device.dat', '-q', '--force', '--name', name]
  const setup = [
    ['generate', 'phone', '-o', 'unused.dat', '--snapshots', 'snapshots', '--events', '2000'],
    ...[...REPEATS, ...TRACES].map(ingest),
    ['replay', '-q'],
    ['pages', 'compress', 'memory.raw', '--format', 'csv', '-o', 'sizes.csv'],
    ['pages', 'build', 'memory.raw', '-o', 'phone.pages'],
  ]
  for (const args of setup) {
    const { status, stderr } = door.run(args)
    expect([args, status, stderr]).toEqual([args, 0, expect.not.stringContaining('pstrace:')])
  }
  for (const name of ['before', 'after'])
    copyFileSync(join(folder, 'pstrace.duckdb'), join(folder, `${name}.duckdb`))
})
afterAll(() => door.close())

function examplesOf(command: string): string[] {
  const { stdout } = door.run([command, '--help'])
  const examples = stdout.slice(stdout.indexOf('Examples:')).matchAll(/^ {2}(\S.*)$/gm)
  return [...examples].map((line) => line[1] ?? '')
}

/** It needs no shell, and nothing that a test cannot give. */
function isAlone(example: string): boolean {
  return !isForShell(example) && !NOT_TRIED.some((other) => example.includes(other))
}

/** What is ingested by an example has no runs, and is the last trace from there on. */
const NAMES = COMMANDS.map(({ name }) => name).toSorted(
  (a, b) => Number(a === 'ingest') - Number(b === 'ingest'),
)

describe('the examples in the help', () => {
  it.each(NAMES)('of %s are run as they stand', (name) => {
    const examples = examplesOf(name)
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples.filter(isAlone)) {
      const words = toWords(tried(example))
      // Files of another example, or of the setup.
      const { status, stderr } = door.run(words.includes('-o') ? [...words, '--force'] : words)
      expect([example, status, stderr]).toEqual([example, 0, stderr])
    }
  })

  it('are tried, more than 70 of them', () => {
    expect(NAMES.flatMap(examplesOf).filter(isAlone).length).toBeGreaterThan(70)
  })

  it('that need a shell do what they say', () => {
    const lines = NAMES.flatMap(examplesOf).filter(isForShell)
    expect(lines.length).toBeGreaterThan(2)
    for (const line of lines) {
      const { status, stderr } = door.shell(
        line.replace('ingest --quiet', 'ingest --quiet --force'),
      )
      expect([line, status, stderr.includes('pstrace:')]).toEqual([line, 0, false])
    }
  })
})
