// Fits the generator's classes to the shipped corpus and writes src/memory/contents/generator-classes.ts: for evenly spaced quantiles of
// each class, the amounts of material that give the corpus's compressed sizes.
// Run as `node --import ./scripts/ts.mjs scripts/calibrate-generator.mjs`.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openCodec } from '../src/memory/codecs/index.ts'
import { CORPUS_GROUP_BYTES, decodeCorpus } from '../src/memory/contents/corpus.ts'
import { KnobTable } from '../src/memory/contents/knob-table.ts'
import { PageAssembler, poolOf } from '../src/memory/contents/page-assembler.ts'
import { PAGE_CLASSES } from '../src/memory/contents/page-class.ts'
import { mix32 } from '../src/memory/contents/pseudo-random.ts'

const NODES = 32
const SAMPLES = 16
const ROUNDS = 4
const file = fileURLToPath(new URL('../fixtures/corpus/desktop.pages', import.meta.url))
const decoder = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
const corpus = decodeCorpus(readFileSync(file), file, (source, target) =>
  decoder.decompress(source, target),
)
const codecs = await Promise.all(['lz4', 'lzo-rle', 'zstd'].map((name) => openCodec(name)))
const output = new Uint8Array(8192)
const { pageSize, order, bytes, classes } = corpus
const assembler = new PageAssembler(1, pageSize, 8)

const sizes = PAGE_CLASSES.map(() => [])
for (const index of order) {
  const page = bytes.subarray(index * pageSize, (index + 1) * pageSize)
  sizes[classes[index]].push(codecs.map((codec) => codec.compress(page, output)))
}

const unit = (value) => Math.max(0, Math.min(pageSize / 16, Math.round(value / 16)))

/** Mean sizes of pages with these amounts, by the first `count` codecs. */
function measure(pool, material, random, repeats, count) {
  const sums = new Array(count).fill(0)
  const a = unit(material)
  const b = Math.min(256, a + unit(random))
  const c = Math.min(256, b + unit(repeats))
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    assembler.assemble(pool, mix32(sample * 7919 + 1), 0, a * 16, b * 16, Math.max(1, c) * 16)
    for (let i = 0; i < count; i += 1) sums[i] += codecs[i].compress(assembler.page, output)
  }
  return sums.map((sum) => sum / SAMPLES)
}

function fitNode(pool, target) {
  let best
  for (const repeatShare of [0, 0.15, 0.4, 0.7, 1]) {
    for (let randomShare = 0; randomShare <= 1; randomShare += 0.1) {
      let low = 16
      let high = pageSize
      const amounts = (total) => [
        total * (1 - randomShare),
        total * randomShare,
        (pageSize - total) * repeatShare,
      ]
      for (let step = 0; step < 9; step += 1) {
        const middle = (low + high) / 2
        const [lz4] = measure(pool, ...amounts(middle), 1)
        if (lz4 < target[0]) low = middle
        else high = middle
      }
      const knob = amounts((low + high) / 2).map(Math.round)
      const got = measure(pool, ...knob, 3)
      const error = got.map((size, i) => Math.abs(size - target[i]) / target[i])
      const score = 3 * error[0] + error[1] + error[2]
      if (best === undefined || score < best.score) best = { score, knob, got }
    }
  }
  return best
}

/** Sizes, by codec, of 4096 pages drawn from the knobs, in ascending order. */
function drawSizes(pool, knobs) {
  const table = new KnobTable(knobs, pageSize, 1)
  const drawn = codecs.map(() => [])
  for (let page = 0; page < 4096; page += 1) {
    table.draw(mix32(page * 2 + 1))
    assembler.assemble(pool, mix32(page), 0, table.classBytes, table.randomEnd, table.commonEnd)
    for (const [i, codec] of codecs.entries()) drawn[i].push(codec.compress(assembler.page, output))
  }
  return drawn.map((list) => list.sort((a, b) => a - b))
}

/** Mean of the sorted sizes around a node. */
function around(sorted, node) {
  const from = Math.max(0, Math.floor(((node - 0.5) / NODES) * sorted.length))
  const to = Math.min(
    sorted.length,
    Math.max(from + 1, Math.ceil(((node + 0.5) / NODES) * sorted.length)),
  )
  const near = sorted.slice(from, to)
  return near.reduce((sum, size) => sum + size, 0) / near.length
}

const shapes = []
for (const name of ['text', 'heap', 'sparse', 'binary', 'random']) {
  const pool = poolOf(name)
  const pages = sizes[PAGE_CLASSES.indexOf(name)].sort((a, b) => a[0] - b[0])
  const nodes = Array.from({ length: NODES + 1 }, (_, node) => node)
  const wanted = nodes.map((node) =>
    [0, 1, 2].map((i) =>
      around(
        pages.map((page) => page[i]),
        node,
      ),
    ),
  )
  const targets = wanted.map((target) => [...target])
  let best
  for (let round = 0; round < ROUNDS; round += 1) {
    const knobs = targets.map((target) => fitNode(pool, target).knob)
    // Pages at one quantile scatter, which bends the distribution as a whole: the next round aims off by as much.
    const drawn = drawSizes(pool, knobs)
    const errors = nodes.map((node) => around(drawn[0], node) / wanted[node][0] - 1)
    const error = errors.reduce((sum, each) => sum + Math.abs(each), 0)
    console.log(
      name,
      round,
      error.toFixed(3),
      errors.map((each) => Math.round(each * 100)).join(' '),
    )
    if (best === undefined || error < best.error) {
      best = {
        error,
        knobs,
        means: nodes.map((node) => drawn.map((list) => Math.round(around(list, node)))),
      }
    }
    for (const node of nodes) {
      targets[node][0] = Math.max(20, Math.min(4114, targets[node][0] / (1 + errors[node])))
    }
  }
  shapes.push({ name, share: pages.length / order.length, knobs: best.knobs, means: best.means })
}

const shareOf = (name) => sizes[PAGE_CLASSES.indexOf(name)].length / order.length
const number = (value) => String(Math.round(value * 10_000) / 10_000)
const text = `// Written by scripts/calibrate-generator.mjs from fixtures/corpus/desktop.pages: do not edit.
import type { ClassShape } from './class-shape.ts'

export const ZERO_SHARE = ${number(shareOf('zero'))}
export const SAME_SHARE = ${number(shareOf('same'))}

export const CLASS_SHAPES: readonly ClassShape[] = [
${shapes
  .map(
    ({ name, share, knobs, means }) => `  {
    name: '${name}',
    material: '${name}',
    share: ${number(share)},
    knobs: [
${knobs.map((knob) => `      [${knob.join(', ')}],`).join('\n')}
    ],
    sizes: {
${codecs.map((codec, i) => `      '${codec.name}': [${means.map((mean) => mean[i]).join(', ')}],`).join('\n')}
    },
  },`,
  )
  .join('\n')}
]
`
writeFileSync(
  fileURLToPath(new URL('../src/memory/contents/generator-classes.ts', import.meta.url)),
  text,
)
