import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { MEMINFO_NAMES, PSI_NAMES, VMSTAT_NAMES } from '../../../parsers/perfetto/counter-names.ts'
import { TYPED_EVENTS } from '../../../parsers/perfetto/typed-events.ts'
import { generated, scenarioNamed } from '../../generate/file.ts'
import { perfettoSources, tracesFolder } from '../../shared/given-folders.ts'
import { isInstalled } from '../../shared/installed.ts'
import { type ReadEvent, readBytes } from '../open-bytes.ts'
import { trace } from './packets.ts'

const fixtures = fileURLToPath(new URL('../../../fixtures/perfetto/', import.meta.url))
const canRun = perfettoSources !== undefined && isInstalled('protoc')
const folder = tracesFolder === undefined ? '' : join(tracesFolder, 'public/perfetto')

interface Decoded {
  readonly cpu: number
  readonly ts: bigint
  readonly name: string
  readonly fields: Map<string, string>
}

function protoc(direction: 'encode' | 'decode', input: Uint8Array): Buffer {
  const { stdout } = spawnSync(
    'protoc',
    [
      `-I${perfettoSources}`,
      `--${direction}=perfetto.protos.Trace`,
      join(perfettoSources ?? '', 'protos/perfetto/trace/trace.proto'),
    ],
    { input, maxBuffer: 2 ** 30 },
  )
  return stdout
}

/** FtraceEvents of `protoc --decode` text: generic events get the fields that they name. */
function decode(bytes: Uint8Array): Decoded[] {
  const stdout = protoc('decode', bytes).toString('latin1')
  const events: Decoded[] = []
  const path: string[] = []
  let cpu = 0
  let ts = 0n
  let field = ''
  for (const line of stdout.split('\n')) {
    const open = /^\s*(\w+) \{$/.exec(line)?.[1]
    if (open !== undefined) {
      path.push(open)
      if (path.length === 4 && path[1] === 'ftrace_events' && path[2] === 'event')
        events.push({ cpu, ts, name: open, fields: new Map() })
      continue
    }
    if (/^\s*\}$/.test(line)) {
      path.pop()
      continue
    }
    const [, name = '', value = ''] = /^\s*(\w+): (.*)$/.exec(line) ?? []
    if (path[1] !== 'ftrace_events') continue
    if (path.length === 2 && name === 'cpu') cpu = Number(value)
    if (path.length === 3 && name === 'timestamp') ts = BigInt(value)
    const event = events.at(-1)
    if (path.length === 4 && path[2] === 'event') event?.fields.set(name, value)
    if (path.length === 5 && path[3] === 'generic') {
      if (name === 'name') field = value.slice(1, -1)
      else event?.fields.set(field, value)
    }
  }
  return events.map((event) => {
    const generic = event.fields.get('event_name')
    if (generic === undefined) return event
    event.fields.delete('event_name')
    return { ...event, name: generic.slice(1, -1) }
  })
}

function toText(event: ReadEvent): string[] {
  return Object.entries(event.fields)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? JSON.stringify(value) : value}`)
    .sort()
}

/** KprobeEvent.KprobeType: protoc prints its names. */
const ENUMERATORS: Readonly<Record<string, string>> = {
  KPROBE_TYPE_BEGIN: '1',
  KPROBE_TYPE_END: '2',
}

/** protoc prints bytes beyond ASCII in octal. */
function plain(value: string): string {
  if (!value.startsWith('"')) return ENUMERATORS[value] ?? value
  const named: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }
  const bytes = value
    .slice(1, -1)
    .replace(/\\(\d{3}|.)/g, (_, code: string) =>
      code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (named[code] ?? code),
    )
  return JSON.stringify(Buffer.from(bytes, 'latin1').toString('utf8'))
}

async function compare(bytes: Uint8Array): Promise<number> {
  const { events, info, issues } = await readBytes(bytes)
  const skipped = issues
    .filter(({ code }) => code === 'event_not_read')
    .reduce((sum, { count }) => sum + count, 0)
  const ours = new Map<string, string[]>()
  for (const event of events) {
    if (event.system === 'pstrace' && event.cpu < 0) continue
    const key = `${event.cpu} ${BigInt(event.ts) + info.baseNs} ${event.name}`
    ours.set(key, toText(event))
  }
  const theirs = decode(bytes)
  const names = new Set(events.map(({ name }) => name))
  const wanted = theirs.filter(({ name }) => names.has(name))
  expect(theirs.length - wanted.length).toBe(skipped)
  for (const { cpu, ts, name, fields } of wanted) {
    const expected = [...fields].map(([field, value]) => `${field}=${plain(value)}`).sort()
    expect([name, ours.get(`${cpu} ${ts} ${name}`)]).toEqual([name, expected])
  }
  return wanted.length
}

describe.runIf(canRun)('beside protoc with the protos of Perfetto', () => {
  const files = folder !== '' && existsSync(folder) ? readdirSync(folder) : []
  it.each(files)('every event and field of %s is the same', async (file) => {
    await compare(readFileSync(join(folder, file)))
  })

  it('every event and field that is known by its number has the name that Perfetto gives it', async () => {
    const events = [...TYPED_EVENTS.values()].map(({ id, fields }, index) => ({
      1: 1000 + index,
      2: 1,
      [id]: Object.fromEntries(
        fields.map(({ number, kind }) => [number, kind === 'string' ? `text ${number}` : number]),
      ),
    }))
    expect(await compare(trace({ 1: { 1: 0, 2: events } }))).toBe(TYPED_EVENTS.size)
  })

  it.each([
    ['meminfo', 1, 'MEMINFO_', MEMINFO_NAMES],
    ['vmstat', 2, 'VMSTAT_', VMSTAT_NAMES],
    ['psi', 14, 'PSI_RESOURCE_', PSI_NAMES],
  ] as const)(
    'every counter of %s has the name that Perfetto gives it',
    (_, field, prefix, names) => {
      const counters = names.map((__, key) => ({ 1: key, 2: 1 }))
      const text = protoc('decode', trace({ 7: { [field]: counters } })).toString()
      const theirs = [...text.matchAll(/(?:key|resource): (\w+)/g)].map(([, name = '']) => name)
      expect(theirs).toEqual(names.map((name) => `${prefix}${name.toUpperCase()}`))
    },
  )

  it('fixtures/perfetto/every-packet.pftrace is what protoc makes of its text', () => {
    const text = readFileSync(join(fixtures, 'every-packet.textproto'))
    expect(
      protoc('encode', text).equals(readFileSync(join(fixtures, 'every-packet.pftrace'))),
    ).toBe(true)
  })

  it('every event and field of a generated trace is the same', async () => {
    const { bytes, truth } = generated({
      scenario: scenarioNamed('phone'),
      events: 2000,
      format: 'perfetto',
      clock: 'boot',
    })
    const written = Object.values(truth.events).reduce((sum, count) => sum + count, 0)
    expect(await compare(bytes)).toBe(written)
  })
})

it.runIf(!canRun)('PSTRACE_PERFETTO_PROTOS or protoc is missing: protoc was not asked', () => {
  process.stdout.write('protoc: skipped, PSTRACE_PERFETTO_PROTOS is not set or protoc is missing\n')
})
