import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generated, generatedFiles, scenarioNamed } from '../generate/file.ts'
import { split } from '../parsers/perf-data/perf-folder.ts'
import { Coverage } from './coverage.ts'
import { packFolder } from './folder-bytes.ts'
import { Mutator } from './mutator.ts'
import { folderNameOf, readAsFormat, TARGETS } from './target.ts'

/**
 * Coverage-guided fuzzing of the readers: `npm run fuzz -- [format ...] [--seconds 60] [--seed 1]`. An input that runs blocks which none
 * before ran is kept in fixtures/fuzz; one that a reader cannot take is written beside the program's working folder.
 */
const corpus = fileURLToPath(new URL('../../fixtures/fuzz/', import.meta.url))
/** What is kept for good stays small. */
const MOST_BYTES = 4096
const MOST_FILES = 24

const SEEDS = {
  'trace.dat': ['v6', 'v7'],
  'perf.data': ['perf', 'perf-pipe'],
  perfetto: ['perfetto', 'perfetto-dense', 'perfetto-z'],
  'ftrace text': ['text', 'text-tgid'],
} as const

/** Forms that the generator does not write. */
const TEXTS: Readonly<Record<string, string>> = {
  'perf script':
    'kswapd0    60 [001]     5.000100: vmscan:mm_vmscan_kswapd_wake: nid=0 order=0\n' +
    '  app-0  1000 [000]     5.000200: vmscan:mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL\n',
  systrace:
    '<!DOCTYPE html>\n<html>\n<script class="trace-data" type="application/text">\n# tracer: nop\n#\n' +
    '  kswapd0-60    (-----) [001] d..2     5.000100: mm_vmscan_kswapd_wake: nid=0 order=0\n' +
    '  app-0-1000  ( 1000) [000] ...1     5.000200: tracing_mark_write: B|1000|frame\n</script>\n</html>\n',
}

const SMALL = { scenario: scenarioNamed('phone'), events: 40, clock: 'boot' } as const
/** Events of a folder that are described; the rest of a real one's descriptions is like them. */
const DESCRIBED =
  /^events\/[^/]*$|mm_vmscan_(direct_reclaim|kswapd_|write_folio)|sched_switch|^[^e]/

const FOLDERS: Readonly<Record<string, () => readonly Uint8Array[]>> = {
  'tracefs folder': () => {
    const { files } = generatedFiles({ ...SMALL, pageSize: 1024 })
    return [packFolder(new Map([...files].filter(([path]) => DESCRIBED.test(path))))]
  },
  'perf.data folder': () => {
    const file = generated({ ...SMALL, format: 'perf' }).bytes
    return [packFolder(split(file)), packFolder(split(file, { zstd: true }))]
  },
}

function seedsOf(format: string): readonly Uint8Array[] {
  const text = TEXTS[format]
  if (text !== undefined) return [new TextEncoder().encode(text)]
  const folder = FOLDERS[format]
  if (folder !== undefined) return folder()
  const formats = Object.entries(SEEDS).find(([name]) => name === format)?.[1] ?? []
  return formats.map((form) => generated({ ...SMALL, format: form }).bytes)
}

function folderOf(format: string): string {
  return join(corpus, folderNameOf(format))
}

function kept(format: string): Uint8Array[] {
  const folder = folderOf(format)
  if (!existsSync(folder)) return []
  return readdirSync(folder).map((name) => readFileSync(join(folder, name)))
}

function keep(format: string, bytes: Uint8Array): void {
  const folder = folderOf(format)
  mkdirSync(folder, { recursive: true })
  if (bytes.length > MOST_BYTES || readdirSync(folder).length >= MOST_FILES) return
  const name = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  writeFileSync(join(folder, `${name}.bin`), bytes)
}

async function fuzz(format: string, seconds: number, seed: number): Promise<number> {
  const coverage = new Coverage()
  coverage.start()
  const inputs = [...seedsOf(format), ...kept(format)]
  for (const input of inputs) await readAsFormat(input, format)
  coverage.takeNew()
  const mutator = new Mutator(seed)
  const ends = performance.now() + seconds * 1000
  let runs = 0
  let failures = 0
  let added = 0
  while (performance.now() < ends && inputs.length > 0) {
    const input = mutator.mutate(inputs)
    const wrong = await readAsFormat(input, format)
    runs++
    if (wrong !== undefined) {
      failures++
      const path = `fuzz-${format.replaceAll(/\W/g, '-')}-${seed}-${runs}.bin`
      writeFileSync(path, input)
      process.stdout.write(`${format}: ${path}: ${wrong}\n`)
    }
    if (coverage.takeNew() === 0) continue
    inputs.push(input)
    added++
    keep(format, input)
  }
  coverage.stop()
  process.stdout.write(
    `${format}: ${runs} runs, ${coverage.blocks} blocks, ${added} inputs found, ${failures} failures\n`,
  )
  return failures
}

const HELP = `Usage: npm run fuzz -- [format ...] [--seconds 60] [--seed 1]

Formats (default: all): ${TARGETS.join(', ')}
`

interface Wanted {
  readonly formats: readonly string[]
  readonly seconds: number
  readonly seed: number
}

/** Undefined = only the help was asked for. Throws an Error whose message is for the user. */
function readArguments(): Wanted | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const unknown = positionals.find((name) => !(TARGETS as readonly string[]).includes(name))
  if (unknown !== undefined)
    throw new Error(`unknown format '${unknown}'; known: ${TARGETS.join(', ')}`)
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)]
  if (!(seconds > 0)) throw new Error(`--seconds '${values.seconds}': expected a number above 0`)
  if (!Number.isInteger(seed)) throw new Error(`--seed '${values.seed}': expected a whole number`)
  return { formats: positionals.length > 0 ? positionals : TARGETS, seconds, seed }
}

async function main(): Promise<number> {
  let wanted: Wanted | undefined
  try {
    wanted = readArguments()
  } catch (error) {
    process.stderr.write(`fuzz: ${error instanceof Error ? error.message : error}\n${HELP}`)
    return 2
  }
  if (wanted === undefined) {
    process.stdout.write(HELP)
    return 0
  }
  let failures = 0
  for (const format of wanted.formats) failures += await fuzz(format, wanted.seconds, wanted.seed)
  return failures === 0 ? 0 : 1
}

process.exitCode = await main()
