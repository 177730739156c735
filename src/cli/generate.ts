import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import {
  GENERATED_FORMATS,
  type GeneratedFormat,
  generate,
  isPerfetto,
} from '../generate/generate.ts'
import { KERNELS } from '../generate/layouts.ts'
import { parseScenario } from '../generate/parse-scenario.ts'
import type { Scenario } from '../generate/scenario.ts'
import { SCENARIOS } from '../generate/scenarios.ts'
import { snapshotFiles } from '../generate/snapshot.ts'
import { concat, type Output, type Spool } from '../generate/writers/writer.ts'
import type { FileSource } from '../io/file-source.ts'
import { makeFolder } from '../io/make-folder.ts'
import { OutputFile, StandardOutput, writeOutput } from '../io/output.ts'
import { TemporaryFile } from '../io/temporary-file.ts'
import { openCodec } from '../memory/codecs/index.ts'
import { unknownName } from '../model/names.ts'
import { usageError } from './failure.ts'
import { addExamples } from './options.ts'
import { printLine } from './output.ts'

interface GenerateCommandOptions {
  readonly output: string
  readonly truth?: string
  readonly snapshots?: string
  readonly seed: string
  readonly events: string
  readonly format: GeneratedFormat
  readonly kernel: string
  readonly probes: 'none' | 'stock' | 'full'
  readonly loss: string
  readonly lossBusy?: boolean
  readonly bigEndian?: boolean
  readonly bits: '32' | '64'
  readonly userBits?: '32' | '64'
  readonly subBuffer: string
  readonly clock: string
  readonly compression: 'none' | 'zlib' | 'zstd'
  readonly force?: boolean
}

/** Above this many events the truth holds counts only: its rows live in memory, about 200 bytes an event. */
const MAX_ROWS_EVENTS = 1_000_000
/** Plain bytes in one zstd frame; decoders take frames in a row. */
const FRAME_BYTES = 65_536
/** Clocks of ftrace that count nanoseconds (kernel/trace/trace.c). */
const CLOCKS = ['local', 'global', 'uptime', 'perf', 'mono', 'mono_raw', 'boot', 'tai'] as const

export function register(command: Command): void {
  const choice = (flag: string, text: string, values: readonly string[], value: string) =>
    new Option(flag, text).choices([...values]).default(value)
  command
    .argument(
      '<scenario>',
      `a built-in scenario (${SCENARIOS.map(({ name }) => name).join(', ')}) or a JSON file`,
    )
    .description(
      'Write a trace whose every event, span and swap-out is known, to prove that a tool reads and reckons right. Built in: ' +
        `${SCENARIOS.map(({ name, summary }) => `${name} (${summary})`).join('; ')}.`,
    )
    .requiredOption(
      '-o, --output <file>',
      'the trace to write (a folder with --format folder; - for standard output)',
    )
    .option(
      '--truth <file>',
      'what really happened, as JSON; of more than a million events their counts only (default: the output with .truth.json; none with -o -)',
    )
    .option(
      '--snapshots <folder>',
      'also write zoneinfo, swaps and vmstat as saved beside the trace',
    )
    .option('--seed <n>', 'seed of all durations and losses', '1')
    .option('--events <n>', 'stop the endless repeats after this many events', '100000')
    .addOption(choice('--format <format>', 'file format', GENERATED_FORMATS, 'v7'))
    .option(
      '--kernel <version>',
      `whose event layouts, ${KERNELS[0]} to ${KERNELS.at(-1)}; they differ between ${KERNELS.join(', ')}`,
      '6.12',
    )
    .addOption(
      choice(
        '--probes <set>',
        'none: no scheduler events and no probes; stock: no probes',
        ['none', 'stock', 'full'],
        'full',
      ),
    )
    .option('--loss <share>', 'share of sub-buffers that are lost, e.g. 0.05', '0')
    .option('--loss-busy', 'lose sub-buffers where they fill fast, several on end')
    .option('--big-endian', 'byte order of the recording machine')
    .addOption(choice('--bits <n>', "size of the kernel's long", ['32', '64'], '64'))
    .addOption(
      new Option('--user-bits <n>', "size of the recording program's long").choices(['32', '64']),
    )
    .option('--sub-buffer <bytes>', 'ring buffer page size', '4096')
    .addOption(choice('--clock <name>', 'trace clock; Perfetto always has boot', CLOCKS, 'mono'))
    .addOption(choice('--compression <name>', 'of a v7 file', ['none', 'zlib', 'zstd'], 'none'))
    .option('--force', 'replace existing files')
  addExamples(
    command,
    `
pstrace generate phone -o phone.dat
pstrace generate server -o server.data --format perf --kernel 5.10 --loss 0.05
pstrace generate stream -o big.dat --format v6 --events 100000000`,
  )
  command.action(run)
}

async function run(scenarioName: string, options: GenerateCommandOptions): Promise<void> {
  const scenario = findScenario(scenarioName)
  const recorded = toRecorded(options)
  const overwrite = options.force ?? false
  const isStdout = options.output === '-'
  const truthPath =
    options.truth ?? (isStdout ? undefined : `${options.output.replace(/\/$/, '')}.truth.json`)
  const files: OutputFile[] = []
  const open = (path: string): OutputFile => {
    makeFolder(dirname(path))
    const file = new OutputFile(path, { overwrite })
    files.push(file)
    return file
  }
  try {
    const output = openOutput(options, open)
    const truthOutput = truthPath === undefined ? undefined : open(truthPath)
    const truth = generate({
      ...recorded,
      scenario,
      zstdCompress: await newZstd(),
      wantRows: truthPath !== undefined && recorded.events <= MAX_ROWS_EVENTS,
      ...(truthOutput !== undefined && { truthOutput }),
      output,
      newSpool,
      newFile: (path) => open(join(options.output, path)),
    })
    for (const file of files) file.commit()
    if (options.snapshots !== undefined)
      for (const [name, text] of snapshotFiles(scenario, truth)) {
        makeFolder(options.snapshots)
        writeOutput(join(options.snapshots, name), text, { overwrite })
      }
    if (!isStdout) await printLine(options.output)
  } finally {
    for (const file of files) file.abandon()
  }
}

/** What is recorded and how, checked before a file is touched. */
function toRecorded(options: GenerateCommandOptions) {
  const { bits, compression, format, lossBusy = false } = options
  const events = toInteger('--events', options.events, 1, 1e10)
  const loss = toShare('--loss', options.loss)
  if (lossBusy && loss === 0)
    throw usageError('--loss-busy: give with --loss the share of sub-buffers that are lost')
  if (compression !== 'none' && format !== 'v7')
    throw usageError(`--compression ${compression}: only --format v7 has it`)
  const pageSize = toInteger('--sub-buffer', options.subBuffer, 1024, 1 << 20)
  if ((pageSize & (pageSize - 1)) !== 0)
    throw usageError(`--sub-buffer ${pageSize}: expected a power of two`)
  if (format === 'folder' && options.output === '-')
    throw usageError('--format folder: give a folder to write with -o')
  return {
    format,
    seed: toInteger('--seed', options.seed, 0, 2 ** 31 - 1),
    events,
    kernel: options.kernel,
    probes: options.probes,
    loss,
    lossWhenBusy: lossBusy,
    littleEndian: options.bigEndian !== true,
    long: bytesOf(bits),
    userLong: bytesOf(options.userBits ?? bits),
    pageSize,
    clock: isPerfetto(format) ? 'boot' : options.clock,
    compression,
  }
}

function bytesOf(bits: '32' | '64'): 4 | 8 {
  return bits === '32' ? 4 : 8
}

/** A folder's files are opened as they are written. */
function openOutput(
  { format, output }: GenerateCommandOptions,
  open: (path: string) => OutputFile,
): Output {
  if (format === 'folder') return { write: () => {} }
  return output === '-' ? new StandardOutput() : open(output)
}

function findScenario(name: string): Scenario {
  const known = SCENARIOS.find((scenario) => scenario.name === name)
  if (known !== undefined) return known
  if (!existsSync(name))
    throw unknownName(
      'scenario',
      name,
      SCENARIOS.map((scenario) => scenario.name),
    )
  return parseScenario(readFileSync(name, 'utf8'), name)
}

function toInteger(flag: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= min && value <= max) || !Number.isInteger(value))
    throw usageError(`${flag} ${text}: expected an integer from ${min} to ${max}`)
  return value
}

function toShare(flag: string, text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw usageError(`${flag} ${text}: expected a number from 0 to 1`)
  return value
}

/** Frames of at most FRAME_BYTES each, by the portable codec. */
async function newZstd(): Promise<(bytes: Uint8Array) => Uint8Array> {
  const codec = await openCodec('zstd', { pageSize: FRAME_BYTES })
  const frame = new Uint8Array(codec.bound(FRAME_BYTES))
  return (bytes) => {
    const frames: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
      const length = codec.compress(bytes.subarray(at, at + FRAME_BYTES), frame)
      frames.push(frame.slice(0, length))
    }
    return concat(frames)
  }
}

/** A temporary file, so that memory does not grow with the trace. */
function newSpool(): Spool {
  const file = new TemporaryFile()
  let source: FileSource | undefined
  return {
    get length() {
      return file.size
    },
    write: (bytes) => file.write(bytes),
    readInto: (offset, target) => {
      source ??= file.toSource('spool')
      return source.readInto(offset, target)
    },
    remove: () => {
      if (source === undefined) file.discard()
      else source.close()
    },
  }
}
