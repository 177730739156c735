import type { Command } from 'commander'
import { addExamples, addOutput, collect, type OutputOptions } from './options.ts'

/** Options that all subcommands share. */
export interface PagesOptions extends OutputOptions {
  readonly pageSize: string
}
export interface CompressOptions extends PagesOptions {
  readonly codec: string
  readonly codecImpl?: string
  readonly level?: string
  readonly variant?: string
  readonly chain: string
  readonly dump?: string
  readonly by?: string
}
export interface CaptureOptions extends PagesOptions {
  readonly pid?: string
  readonly core?: string
  readonly raw?: string
  readonly limit?: string
}
export interface StatOptions extends PagesOptions {
  readonly codec?: readonly string[]
}

const PAGE_SIZE = ['--page-size <bytes>', 'bytes of a page', '4096'] as const

export function register(command: Command): void {
  command.description(
    'Work with contents of pages: compress them as zram would, capture them from processes, and keep them as a corpus for `pstrace replay --contents corpus:FILE`.',
  )
  addExamples(
    command,
    `
pstrace pages compress memory.raw --codec zstd --by total
pstrace pages compress memory.raw --format csv -o sizes.csv
pstrace pages capture --pid 4711 -o memory.raw
pstrace pages build memory.raw -o phone.pages
pstrace pages stat phone.pages --codec lz4 --codec zstd`,
  )
  registerCompress(command.command('compress'))
  registerCapture(command.command('capture'))
  registerBuild(command.command('build'))
  registerStat(command.command('stat'))
  command.allowExcessArguments().action(async () => {
    const [name] = command.args
    if (name !== undefined) {
      const { unknownName } = await import('../model/names.ts')
      throw unknownName('subcommand', name, ['compress', 'capture', 'build', 'stat'])
    }
    command.outputHelp({ error: true })
    process.exitCode = 2
  })
}

function registerCompress(command: Command): void {
  command
    .summary('compress every page as zram does: size and class of each')
    .argument(
      '<file>',
      'pages one after the other: a raw dump of memory, or what pages capture writes',
    )
    .description(
      'Compress every page as zram does: zero and same-filled pages are not compressed, huge ones are kept raw. Each is decompressed again and compared. `--by total` sums them as mm_stat does.',
    )
    .option('--codec <name>', 'codec (pstrace codecs lists them)', 'lz4')
    .option('--codec-impl <which>', 'portable or native (default: portable)')
    .option(
      '--level <n>',
      'level of the codec, as algorithm_params of zram takes it: 9, -5 (pstrace codecs tells which)',
    )
    .option('--variant <name>', 'variant of the codec (pstrace codecs tells which): zswap')
    .option(...PAGE_SIZE)
    .option('--chain <n>', 'pages that zsmalloc chains: 8, before 6.3 4', '8')
    .option('--dump <folder>', 'write the compressed bytes of each page into a new folder')
    .option('--by <what>', 'page: size and class of every page; total (default: page)')
  addOutput(command)
  command.action(async (file: string, options: CompressOptions) => {
    const { compressPages } = await import('./pages-files.ts')
    await compressPages(file, options)
  })
}

function registerCapture(command: Command): void {
  command
    .summary('write the pages of a process, a core file or an image to a file')
    .description(
      'Write the anonymous pages of a process, of a core file, or the pages of a raw image to one file. The file can hold passwords, keys and ' +
        'documents: it is readable by you only.',
    )
    .option('--pid <pid>', 'running process, with the rights of a debugger')
    .option('--core <file>', '64-bit ELF core file')
    .option('--raw <file>', 'image of memory or of a swap device')
    .option('--limit <pages>', 'stop after so many pages')
    .option(...PAGE_SIZE)
    .requiredOption('-o, --output <file>', 'file to write')
    .option('--force', 'replace the output file')
  command.action(async (options: CaptureOptions) => {
    const { capturePages } = await import('./pages-files.ts')
    await capturePages(options)
  })
}

function registerBuild(command: Command): void {
  command
    .summary('make a corpus of captured pages')
    .argument('<raw...>', 'files of pages, as pages capture writes them')
    .description(
      'Build a corpus: each distinct page once, compressed, with the names of the files as sources. The same warning as for capture holds.',
    )
    .option(...PAGE_SIZE)
    .requiredOption('-o, --output <file>', 'corpus to write')
    .option('--force', 'replace the output file')
  command.action(async (files: string[], options: PagesOptions) => {
    const { buildCorpus } = await import('./pages-files.ts')
    await buildCorpus(files, options)
  })
}

function registerStat(command: Command): void {
  command
    .summary('what a corpus holds')
    .argument('<corpus>', 'corpus, as pages build writes it')
    .description(
      'What a corpus holds: classes of pages with their shares and compressed sizes, duplicates, sources.',
    )
    .option('--codec <name>', 'codec for the sizes; repeatable (default: lz4)', collect)
  addOutput(command)
  command.action(async (file: string, options: StatOptions) => {
    const { statCorpus } = await import('./pages-files.ts')
    await statCorpus(file, options)
  })
}
