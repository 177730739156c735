import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Codec } from '../../src/memory/codecs/codec.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { createCodecMemory } from '../../src/memory/codecs/wasm-region.ts'
import {
  CORPUS_GROUP_BYTES,
  createGenerator,
  decodeCorpus,
} from '../../src/memory/contents/index.ts'
import { type BenchRow, pairedRow } from './row.ts'

const ROUNDS = 21
const PAGES = 2048

/** The portable codec, the library that does the same natively, and the bound on the ratio. ` -d`: decompression. */
const PAIRS = [
  { codec: 'lz4', native: 'lz4', peerName: 'liblz4', goal: 1.3 },
  { codec: 'lzo-rle', native: 'lzo', peerName: 'liblzo2 (lzo1x_1)', goal: 1.4 },
  { codec: 'lzo', native: 'lzo', peerName: 'liblzo2 (lzo1x_1)', goal: 1.4 },
  { codec: 'zstd', native: 'zstd', peerName: 'libzstd level 3', goal: 4 },
  { codec: 'lz4hc', native: 'lz4hc', peerName: 'liblz4 HC level 9' },
  { codec: 'deflate', native: 'deflate', peerName: 'zlib level 6' },
  { codec: 'lz4', native: 'lz4 -d', peerName: 'liblz4 (safe)' },
  { codec: 'lzo-rle', native: 'lzo -d', peerName: 'liblzo2 (safe)' },
  { codec: 'zstd', native: 'zstd -d', peerName: 'libzstd' },
]

/** Nanoseconds of CPU time per 4 KiB page of real memory, portable beside native, pass by pass in turn; and the generator beside lz4. */
export async function bench(): Promise<readonly BenchRow[]> {
  const bytes = await corpusPages()
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-bench-'))
  const rows: BenchRow[] = []
  try {
    const native = startNative(folder, bytes)
    if (native !== undefined) {
      for (const { codec: name, native: peer, ...rest } of PAIRS) {
        const decompresses = peer.endsWith(' -d')
        const work = await (decompresses ? decompression(name, bytes) : compression(name, bytes))
        const pass = (): number => {
          const start = cpuNs()
          work()
          return (cpuNs() - start) / PAGES
        }
        const ours: number[] = []
        const peers: number[] = []
        // The first two passes warm up both sides.
        for (let round = -2; round < ROUNDS; round += 1) {
          const [own, other] = [pass(), await native.pass(peer)]
          if (round < 0) continue
          ours.push(own)
          peers.push(other)
        }
        if (peers.some((time) => time < 0)) continue
        const title = `codec ${name}${decompresses ? ' decompression' : ''}`
        rows.push(
          pairedRow({ name: title, unit: 'ns/page', better: 'lower', ...rest }, ours, peers),
        )
      }
      native.stop()
    }
    rows.push(await benchGenerator())
  } finally {
    rmSync(folder, { recursive: true })
  }
  return rows
}

/** A codec in a memory with the pages beside it, as a run's threads have them: both sides read each page where it lies. */
async function codecBeside(
  name: string,
  pages: readonly Uint8Array[],
): Promise<{ readonly codec: Codec; readonly own: readonly Uint8Array[] }> {
  const length = pages.reduce((sum, page) => sum + page.length, 0)
  const { memory, pagesAt } = createCodecMemory(1, 4096, length)
  const codec = await openCodec(name, { region: { memory, base: 0 } })
  let at = pagesAt
  const own = pages.map((page) => {
    const view = new Uint8Array(memory.buffer, at, page.length)
    view.set(page)
    at += page.length
    return view
  })
  return { codec, own }
}

async function compression(name: string, bytes: Uint8Array): Promise<() => void> {
  const { codec, own } = await codecBeside(name, pagesOf(bytes))
  const target = codec.workspace?.compressed ?? new Uint8Array(codec.bound(4096))
  return () => {
    for (const page of own) codec.compress(page, target)
  }
}

async function decompression(name: string, bytes: Uint8Array): Promise<() => void> {
  const encoder = await openCodec(name)
  const target = new Uint8Array(encoder.bound(4096))
  const blocks = pagesOf(bytes).map((page) => target.slice(0, encoder.compress(page, target)))
  const { codec, own } = await codecBeside(name, blocks)
  const page = codec.workspace?.restored ?? new Uint8Array(4096)
  return () => {
    for (const block of own) codec.decompress(block, page)
  }
}

function pagesOf(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: PAGES }, (_, i) => bytes.subarray(i * 4096, (i + 1) * 4096))
}

/** CPU time of this process: a busy machine disturbs it much less than the clock on the wall. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

async function benchGenerator(): Promise<BenchRow> {
  const lz4 = await openCodec('lz4')
  const generator = createGenerator()
  const target = new Uint8Array(lz4.bound(4096))
  const page = new Uint8Array(4096)
  const fills: number[] = []
  const compressions: number[] = []
  for (let round = -2; round < ROUNDS; round += 1) {
    let start = cpuNs()
    for (let i = 0; i < PAGES; i += 1) generator.fill(i, 0, -1, page)
    const fill = (cpuNs() - start) / PAGES
    // Compressing makes the page again, so that it works on as varied data; that part is taken off.
    start = cpuNs()
    for (let i = 0; i < PAGES; i += 1) {
      generator.fill(i, 0, -1, page)
      lz4.compress(page, target)
    }
    const both = (cpuNs() - start) / PAGES
    if (round < 0) continue
    fills.push(fill)
    compressions.push(both - fill)
  }
  return pairedRow(
    {
      name: 'generator fill beside its compression',
      unit: 'ns/page',
      better: 'lower',
      peerName: 'our lz4',
      goal: 0.2,
    },
    fills,
    compressions,
  )
}

async function corpusPages(): Promise<Uint8Array> {
  const path = fileURLToPath(new URL('../../fixtures/corpus/desktop.pages', import.meta.url))
  const zstd = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
  const corpus = decodeCorpus(readFileSync(path), path, (source, target) =>
    zstd.decompress(source, target),
  )
  // Every other page, so that all programs take part.
  const bytes = new Uint8Array(PAGES * 4096)
  for (let i = 0; i < PAGES; i += 1) {
    const index = Math.floor((i * corpus.classes.length) / PAGES)
    bytes.set(corpus.bytes.subarray(index * 4096, (index + 1) * 4096), i * 4096)
  }
  return bytes
}

interface Native {
  pass(name: string): Promise<number>
  stop(): void
}

/** Compiles the peer with whatever libraries there are; undefined without a C compiler. */
function startNative(folder: string, bytes: Uint8Array): Native | undefined {
  const source = fileURLToPath(new URL('native-codecs.c', import.meta.url))
  const program = join(folder, 'native-codecs')
  const libraries = [
    ['LZ4', 'lz4'],
    ['ZSTD', 'zstd'],
    ['LZO', 'lzo2'],
    ['ZLIB', 'z'],
  ] as const
  const compile = (switches: readonly string[], links: readonly string[]): boolean =>
    spawnSync('gcc', ['-O2', '-o', program, ...switches, source, ...links]).status === 0
  const absent = libraries.filter(
    ([name, library]) =>
      !compile(
        libraries.filter(([other]) => other !== name).map(([other]) => `-DNO_${other}`),
        [`-l${library}`],
      ),
  )
  const built = compile(
    absent.map(([name]) => `-DNO_${name}`),
    libraries.filter((each) => !absent.includes(each)).map(([, library]) => `-l${library}`),
  )
  if (!built) {
    console.log('codecs: no C compiler, so no native peers')
    return undefined
  }
  for (const [, library] of absent) console.log(`codecs: lib${library} is not installed`)
  const file = join(folder, 'pages')
  writeFileSync(file, bytes)
  const child: ChildProcess = spawn(program, [file], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) return undefined
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  return {
    async pass(name) {
      stdin.write(`${name}\n`)
      const { value } = await lines.next()
      return Number(value)
    },
    stop: () => stdin.end(),
  }
}
