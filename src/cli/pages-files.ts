import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Result, type ResultColumn, toResult, type Value } from '../analysis/result.ts'
import { parseCount } from '../config/settings.ts'
import { OutputFile } from '../io/output.ts'
import {
  CAPTURE_WARNING,
  captureCore,
  capturePid,
  captureRaw,
  type PageSink,
} from '../io/page-capture.ts'
import { orCannotRead } from '../io/read-failure.ts'
import { captureImage } from '../io/swap-image.ts'
import type { Codec } from '../memory/codecs/codec.ts'
import { codecProviders, openCodec } from '../memory/codecs/index.ts'
import { PageReport } from '../memory/codecs/page-report.ts'
import { zstdFrames } from '../memory/codecs/zstd-frame.ts'
import {
  CORPUS_GROUP_BYTES,
  CorpusBuilder,
  classOfPage,
  corpusStat,
  decodeCorpus,
  encodeCorpus,
} from '../memory/contents/index.ts'
import { formatCount } from '../model/counted.ts'
import { PstraceError } from '../model/error.ts'
import { badValue, unknownName } from '../model/names.ts'
import { unfitError, usageError } from './failure.ts'
import { formatBytes } from './format.ts'
import { printLine, printResult, toFormat } from './output.ts'
import type { CaptureOptions, CompressOptions, PagesOptions, StatOptions } from './pages.ts'
import { toSettings } from './settings.ts'

const ASPECTS = ['page', 'total']

/** Prints sizes by page or in total, and fails after that where a page did not come back as it was. A folder of compressed pages goes with an error. */
export async function compressPages(file: string, options: CompressOptions): Promise<void> {
  const { by = 'page', dump } = options
  if (!ASPECTS.includes(by)) throw unknownName('aspect', by, ASPECTS)
  const pageSize = parsePageSize(options.pageSize)
  const chain = parseCount('--chain', options.chain, 1, 16)
  const codec = await openNamed(options.codec, options, pageSize)
  const report = new PageReport(codec, { pageSize, chain })
  if (dump !== undefined) makeFolder(dump)
  const rows: Record<string, Value>[] = []
  try {
    orCannotRead(file, () =>
      captureImage(
        file,
        zstdFrames,
        (page) => {
          const { index, kind, compressedBytes, storedBytes } = report.add(page)
          if (by === 'page')
            rows.push({
              page: index,
              class: classOfPage(page),
              kind,
              compressed_bytes: compressedBytes,
              stored_bytes: storedBytes,
            })
          if (dump !== undefined && compressedBytes > 0)
            writeFileSync(
              join(dump, `${String(index).padStart(8, '0')}.${codec.name}`),
              report.borrowCompressed(),
            )
          return true
        },
        pageSize,
      ),
    )
  } catch (error) {
    if (dump !== undefined) rmSync(dump, { recursive: true, force: true })
    throw error
  }
  if (report.totals.pages === 0) throw unfitError(`${file}: the file is empty; it holds no page`)
  const settings = toSettings({})
  await printResult(
    by === 'page' ? toResult(PAGE_COLUMNS, rows) : toTotals(report, pageSize),
    options,
    settings,
  )
  const { damaged } = report.totals
  if (damaged > 0)
    throw new PstraceError(
      'codec-unsound',
      `${codec.name} ${codec.version}: ${damaged} pages did not come back as they were`,
    )
}

const PAGE_COLUMNS: readonly ResultColumn[] = [
  { name: 'page', type: 'integer' },
  { name: 'class', type: 'text' },
  { name: 'kind', type: 'text' },
  { name: 'compressed_bytes', type: 'integer', unit: 'count' },
  { name: 'stored_bytes', type: 'integer', unit: 'count' },
]

function toTotals({ totals, codec, hugeAt }: PageReport, pageSize: number): Result {
  const { pages, zero, same, huge, storedBytes, damaged } = totals
  return toResult(
    [
      { name: 'codec', type: 'text' },
      { name: 'version', type: 'text' },
      { name: 'pages', type: 'integer', unit: 'count' },
      { name: 'zero', type: 'integer', unit: 'count' },
      { name: 'same', type: 'integer', unit: 'count' },
      { name: 'huge', type: 'integer', unit: 'count' },
      { name: 'huge_at', type: 'integer', unit: 'count' },
      { name: 'original_bytes', type: 'integer', unit: 'bytes' },
      { name: 'stored_bytes', type: 'integer', unit: 'bytes' },
      { name: 'of_original_share', type: 'number', unit: 'share' },
      { name: 'damaged', type: 'integer', unit: 'count' },
    ],
    [
      {
        codec: codec.name,
        version: `${codec.implementation} ${codec.version}`,
        pages,
        zero,
        same,
        huge,
        huge_at: hugeAt,
        original_bytes: pages * pageSize,
        stored_bytes: storedBytes,
        of_original_share: storedBytes / (pages * pageSize),
        damaged,
      },
    ],
  )
}

/** Writes pages of a process, a core or a raw image one after the other into a file that only its owner may read: they are what programs held. */
export async function capturePages(options: CaptureOptions): Promise<void> {
  const { pid, core, raw, output } = options
  const given = [pid, core, raw].filter((source) => source !== undefined)
  if (given.length !== 1) throw usageError('pages capture: give one of --pid, --core, --raw')
  const pageSize = parsePageSize(options.pageSize)
  const limit =
    options.limit === undefined ? Number.POSITIVE_INFINITY : parseCount('--limit', options.limit, 1)
  process.stderr.write(`${CAPTURE_WARNING}\n`)
  const file = openPrivate(output ?? '', options)
  try {
    let pages = 0
    const sink: PageSink = (page) => {
      file.write(page)
      return ++pages < limit
    }
    const result =
      pid !== undefined
        ? capturePid(parseCount('--pid', pid, 1), sink, pageSize)
        : core !== undefined
          ? orCannotRead(core, () => captureCore(core, sink, pageSize))
          : orCannotRead(raw ?? '', () => captureRaw(raw ?? '', sink, pageSize))
    if (pages === 0) throw unfitError('pages capture: there is no page to capture')
    file.commit()
    await printLine(
      `${formatCount(pages)} pages, ${formatBytes(pages * pageSize)}${result.unreadable > 0 ? `; ${formatCount(result.unreadable)} could not be read` : ''}`,
    )
  } finally {
    file.abandon()
  }
}

/** Gathers images into one corpus that only its owner may read: it holds the pages' bytes. */
export async function buildCorpus(files: readonly string[], options: PagesOptions): Promise<void> {
  const pageSize = parsePageSize(options.pageSize)
  const builder = new CorpusBuilder(pageSize)
  process.stderr.write(`${CAPTURE_WARNING}\n`)
  const output = openPrivate(options.output ?? '', options)
  try {
    for (const file of files)
      orCannotRead(file, () =>
        captureImage(
          file,
          zstdFrames,
          (page) => {
            builder.add(page, basename(file))
            return true
          },
          pageSize,
        ),
      )
    if (builder.pages === 0) throw unfitError('pages build: the files hold no page')
    const zstd = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
    const bytes = encodeCorpus(builder.build(), (source, target) => zstd.compress(source, target))
    output.write(bytes)
    output.commit()
    await printLine(
      `${formatCount(builder.pages)} pages, ${formatCount(builder.distinct)} of them distinct, ${formatBytes(bytes.length)}`,
    )
  } finally {
    output.abandon()
  }
}

/** Prints shares and compressed sizes by class of page: nothing of what the pages hold. */
export async function statCorpus(file: string, options: StatOptions): Promise<void> {
  const bytes = orCannotRead(file, () => readFileSync(file))
  const zstd = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
  const corpus = decodeCorpus(bytes, file, (packed, target) => zstd.decompress(packed, target))
  const codecs: Codec[] = []
  for (const name of options.codec ?? ['lz4'])
    codecs.push(await openNamed(name, {}, corpus.pageSize))
  const stat = corpusStat(
    corpus,
    Object.fromEntries(
      codecs.map((codec) => {
        const target = new Uint8Array(codec.bound(corpus.pageSize))
        return [codec.name, (page: Uint8Array) => codec.compress(page, target)]
      }),
    ),
  )
  if (toFormat(options) === 'table' && options.output === undefined) {
    await printLine(
      `${formatCount(stat.pages)} pages of ${formatBytes(stat.pageSize)}, ${formatCount(stat.distinct)} distinct, ${formatCount(stat.duplicates)} duplicates`,
    )
    for (const { name, pages } of stat.sources)
      await printLine(`  ${name}: ${formatCount(pages)} pages`)
    await printLine('')
  }
  const parts = ['p10', 'p50', 'p90', 'mean'] as const
  const columns: ResultColumn[] = [
    { name: 'class', type: 'text' },
    { name: 'pages', type: 'integer', unit: 'count' },
    { name: 'share', type: 'number', unit: 'share' },
    ...codecs.flatMap(({ name }) =>
      parts.map((part) => ({
        name: `${name}_${part}_bytes`,
        type: 'integer' as const,
        unit: 'bytes' as const,
      })),
    ),
  ]
  const rows = stat.classes.map(({ class: name, pages, share, sizes }) => ({
    class: name,
    pages,
    share,
    ...Object.fromEntries(
      Object.entries(sizes).flatMap(([codec, values]) =>
        parts.map((part, index) => [`${codec}_${part}_bytes`, values[index] ?? null]),
      ),
    ),
  }))
  await printResult(toResult(columns, rows), options, toSettings({}))
}

/** An unknown name lists the known ones. */
async function openNamed(
  name: string,
  options: Pick<Partial<CompressOptions>, 'codecImpl' | 'level' | 'variant'>,
  pageSize: number,
): Promise<Codec> {
  const implementation = options.codecImpl ?? 'portable'
  if (implementation !== 'portable' && implementation !== 'native')
    throw unknownName('--codec-impl', implementation, ['portable', 'native'])
  const known = codecProviders.filter((provider) => provider.implementation === implementation)
  if (!known.some((provider) => provider.name === name))
    throw unknownName(
      'codec',
      name,
      known.map((provider) => provider.name),
    )
  return openCodec(name, {
    implementation,
    pageSize,
    ...(options.level === undefined ? {} : { level: parseLevel(options.level) }),
    ...(options.variant === undefined ? {} : { variant: options.variant }),
  })
}

/** What a level means is the codec's: those of zstd go below 0, and lz4's is an acceleration. */
function parseLevel(text: string): number {
  if (!/^-?\d+$/.test(text)) throw badValue('--level', text, 'a whole number, such as 9 or -5')
  return Number(text)
}

function parsePageSize(text: string): number {
  const size = Number(text)
  if (!Number.isInteger(Math.log2(size)) || size < 4096 || size > 65_536)
    throw badValue('--page-size', text, '4096, 8192, 16384, 32768 or 65536')
  return size
}

/** Captured memory is for its owner's eyes. */
function openPrivate(path: string, { force = false }: OutputChoice): OutputFile {
  const umask = process.umask(0o077)
  try {
    return new OutputFile(path, { overwrite: force })
  } finally {
    process.umask(umask)
  }
}
interface OutputChoice {
  readonly force?: boolean
}

function makeFolder(path: string): void {
  if (existsSync(path))
    throw new PstraceError(
      'file-exists',
      `${path}: exists already; --dump writes into a new folder`,
    )
  orCannotRead(path, () => mkdirSync(path))
  chmodSync(path, 0o700)
}
