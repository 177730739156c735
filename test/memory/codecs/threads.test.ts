import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { openCodec } from '../../../src/memory/codecs/index.ts'
import { codecRegionBytes, createCodecMemory } from '../../../src/memory/codecs/wasm-region.ts'
import { createGenerator } from '../../../src/memory/contents/generator.ts'

const PAGES = 256
const SLOT = 8192

/** Compresses every other page where it lies, into the slot of its number; answers with the lengths. */
const program = `
const { parentPort, workerData } = require('node:worker_threads')
const { memory, region, loader, codecs, name, first, pagesAt, targetsAt, PAGES, SLOT } = workerData
import(loader).then(() => import(codecs)).then(async ({ openCodec }) => {
  const codec = await openCodec(name, { region: { memory, base: region } })
  const lengths = []
  for (let page = first; page < PAGES; page += 2) {
    const source = new Uint8Array(memory.buffer, pagesAt + page * 4096, 4096)
    lengths.push(codec.compress(source, new Uint8Array(memory.buffer, targetsAt + page * SLOT, SLOT)))
  }
  parentPort.postMessage(lengths)
})`

test.each(['lz4', 'lzo-rle', 'zstd'])(
  'two threads compress pages of one shared memory with %s at once, to the bytes of one thread',
  async (name) => {
    const { memory, pagesAt } = createCodecMemory(2, 4096, PAGES * (4096 + SLOT))
    const targetsAt = pagesAt + PAGES * 4096
    const bytes = new Uint8Array(memory.buffer)
    const generator = createGenerator()
    for (let page = 0; page < PAGES; page += 1) {
      const at = pagesAt + page * 4096
      generator.fill(page, 0, -1, bytes.subarray(at, at + 4096))
    }
    const path = (relative: string): string =>
      fileURLToPath(new URL(`../../../${relative}`, import.meta.url))
    const lengths = await Promise.all(
      [0, 1].map(
        (first) =>
          new Promise<number[]>((resolve, reject) => {
            const worker = new Worker(program, {
              eval: true,
              workerData: {
                memory,
                region: first * codecRegionBytes(4096),
                loader: path('scripts/ts.mjs'),
                codecs: path('src/memory/codecs/index.ts'),
                name,
                first,
                pagesAt,
                targetsAt,
                PAGES,
                SLOT,
              },
            })
            worker.once('message', (value: number[]) => {
              resolve(value)
              void worker.terminate()
            })
            worker.once('error', reject)
          }),
      ),
    )
    const alone = await openCodec(name)
    const target = new Uint8Array(SLOT)
    for (let page = 0; page < PAGES; page += 1) {
      const at = pagesAt + page * 4096
      const length = alone.compress(bytes.slice(at, at + 4096), target)
      expect(lengths[page % 2]?.[page >> 1]).toBe(length)
      const slot = targetsAt + page * SLOT
      expect(Buffer.compare(bytes.subarray(slot, slot + length), target.subarray(0, length))).toBe(
        0,
      )
    }
  },
)
