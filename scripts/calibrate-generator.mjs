// Fits the generator's classes to the shipped corpus and writes src/memory/contents/generator-classes.ts: for each class a list of recipes
// whose pages have the corpus's compressed sizes with every codec. Takes some minutes.
// Run as `node --import ./scripts/ts.mjs scripts/calibrate-generator.mjs`.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openCodec } from '../src/memory/codecs/index.ts'
import { CORPUS_GROUP_BYTES, decodeCorpus } from '../src/memory/contents/corpus.ts'
import { PageAssembler } from '../src/memory/contents/page-assembler.ts'
import { classOfPage, PAGE_CLASSES } from '../src/memory/contents/page-class.ts'
import { mix32, PseudoRandom } from '../src/memory/contents/pseudo-random.ts'

const CODECS = ['lz4', 'lzo-rle', 'zstd', 'deflate', 'lz4hc']
/** Recipes of each class; they are drawn alike. */
const NODES = 64
const TRIED = 4000
const ROUNDS = 4
const POLISHED = 40
/** Pools of several seeds, so that no recipe is right by the chance of one. */
const SEEDS = [1, 2, 3, 4]
/** What pages of each class may be made of. */
const MATERIALS_OF = {
  text: ['words', 'phrases', 'hex', 'base64'],
  heap: [
    'objects',
    'records',
    'pointers',
    'islands',
    'integers',
    'scattered',
    'stripes',
    'words',
    'code',
  ],
  sparse: [
    'scattered',
    'islands',
    'pointers',
    'stripes',
    'records',
    'objects',
    'integers',
    'words',
    'code',
  ],
  binary: [
    'code',
    'integers',
    'records',
    'words',
    'objects',
    'islands',
    'hex',
    'base64',
    'stripes',
    'phrases',
  ],
  random: ['base64', 'code', 'integers', 'objects', 'words'],
}
/** The quantiles that are promised. */
const STATED = [0.1, 0.5, 0.9]
const QUANTILES = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98]

const file = fileURLToPath(new URL('../fixtures/corpus/desktop.pages', import.meta.url))
const decoder = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
const corpus = decodeCorpus(readFileSync(file), file, (source, target) =>
  decoder.decompress(source, target),
)
const codecs = await Promise.all(CODECS.map((name) => openCodec(name)))
const output = new Uint8Array(8192)
const { pageSize, order, bytes, classes } = corpus
const random = new PseudoRandom(1)

const sizesOf = (page) => codecs.map((codec) => codec.compress(page, output))
const distinctSizes = new Map()
const sizes = PAGE_CLASSES.map(() => [])
for (const index of order) {
  let vector = distinctSizes.get(index)
  if (vector === undefined) {
    vector = sizesOf(bytes.subarray(index * pageSize, (index + 1) * pageSize))
    distinctSizes.set(index, vector)
  }
  sizes[classes[index]].push(vector)
}

/** Sizes of `samples` pages of each recipe, and how many of them are of the class. */
function measure(recipes, samples, name) {
  const results = recipes.map((recipe) => ({ recipe, vectors: [], pure: 0 }))
  for (const seed of SEEDS) {
    const assembler = new PageAssembler(seed, pageSize, 8, recipes)
    for (const [index, result] of results.entries()) {
      for (let sample = 0; sample < samples; sample += SEEDS.length) {
        assembler.assemble(index, mix32(random.next()), 0)
        result.vectors.push(sizesOf(assembler.page))
        if (classOfPage(assembler.page) === name) result.pure += 1
      }
    }
  }
  for (const result of results) {
    result.pure /= result.vectors.length
    result.mean = CODECS.map(
      (_, i) => result.vectors.reduce((sum, vector) => sum + vector[i], 0) / result.vectors.length,
    )
  }
  return results
}

/** Between a page's sizes and a recipe's; the codecs of zram and zswap first. */
const WEIGHTS = [2, 2, 2, 1, 1]
function distance(result, target) {
  let sum = 0
  for (const [i, weight] of WEIGHTS.entries()) {
    sum += weight * Math.log((result.mean[i] + 8) / (target[i] + 8)) ** 2
  }
  return Math.sqrt(sum) + (result.pure < 0.7 ? 10 : 0)
}

/** The part of a page that is still free, by chance; small parts are tried more often. */
function share(left) {
  const kind = random.below(4)
  if (kind === 0 || left <= 0) return 0
  if (kind === 1) return random.below(Math.min(left, 24) + 1)
  return random.below(left + 1)
}

function draw(materials) {
  const pick = () => materials[random.below(materials.length)]
  const first = pick()
  const firstParts = share(256)
  let left = 256 - firstParts
  const secondParts = share(left)
  left -= secondParts
  const randomParts = share(left)
  left -= randomParts
  return { first, firstParts, second: pick(), secondParts, randomParts, repeatParts: share(left) }
}

const PARTS = ['firstParts', 'secondParts', 'randomParts', 'repeatParts']
function vary(recipe, materials) {
  const next = { ...recipe }
  const changes = 1 + random.below(3)
  for (let change = 0; change < changes; change += 1) {
    const part = PARTS[random.below(4)]
    const step = [1, 2, 4, 8, 16][random.below(5)] * (random.below(2) === 0 ? 1 : -1)
    next[part] = Math.max(0, Math.min(256, next[part] + step))
    if (random.below(16) === 0) next.second = materials[random.below(materials.length)]
  }
  let left = 256
  for (const part of PARTS) {
    next[part] = Math.min(next[part], left)
    left -= next[part]
  }
  return next
}

const quantile = (sorted, at) => sorted[Math.floor(at * sorted.length)]
const column = (vectors, i) => Float64Array.from(vectors, (vector) => vector[i]).sort()

/** How far the distributions of all codecs are apart. */
function misfit(vectors, wanted) {
  let sum = 0
  for (const [i, weight] of WEIGHTS.entries()) {
    const sorted = column(vectors, i)
    for (const [k, at] of QUANTILES.entries()) {
      const error = Math.log((quantile(sorted, at) + 8) / (wanted[i][k] + 8))
      const beyond = Math.max(0, Math.abs(error) - 0.03)
      sum += weight * error * error + (STATED.includes(at) ? 200 : 20) * beyond * beyond
    }
  }
  return sum
}

/** One page of each of NODES equal groups in the order of size, so that all codecs' distributions are kept. */
function chooseTargets(pages, wanted) {
  const groups = Array.from({ length: NODES }, (_, node) => {
    const from = Math.floor((node * pages.length) / NODES)
    return pages.slice(from, Math.max(from + 1, Math.floor(((node + 1) * pages.length) / NODES)))
  })
  const chosen = groups.map((group) => group[group.length >> 1])
  let best = misfit(chosen, wanted)
  for (let trial = 0; trial < 30_000; trial += 1) {
    const node = random.below(NODES)
    const before = chosen[node]
    chosen[node] = groups[node][random.below(groups[node].length)]
    const now = misfit(chosen, wanted)
    if (now <= best) best = now
    else chosen[node] = before
  }
  return chosen
}

const shapes = []
for (const name of Object.keys(MATERIALS_OF)) {
  const materials = MATERIALS_OF[name]
  const pages = sizes[PAGE_CLASSES.indexOf(name)].sort((a, b) => a[0] - b[0] || a[2] - b[2])
  const wanted = CODECS.map((_, i) => {
    const sorted = column(pages, i)
    return QUANTILES.map((at) => quantile(sorted, at))
  })
  const targets = chooseTargets(pages, wanted)
  const bank = measure(
    Array.from({ length: TRIED }, () => draw(materials)),
    4,
    name,
  )
  const nearest = (list, target, count) =>
    list
      .map((result) => ({ result, far: distance(result, target) }))
      .sort((a, b) => a.far - b.far)
      .slice(0, count)
      .map(({ result }) => result)
  let near = targets.map((target) => nearest(bank, target, 8))
  for (let round = 0; round < ROUNDS; round += 1) {
    const varied = near.map((list) =>
      measure(
        list
          .slice(0, 4)
          .flatMap(({ recipe }) => [
            recipe,
            ...Array.from({ length: 8 }, () => vary(recipe, materials)),
          ]),
        4 << Math.min(round, 2),
        name,
      ),
    )
    near = near.map((_, node) => nearest(varied[node], targets[node], 8))
  }
  // Measured well, the candidates of every node; then those are taken that give the distributions together.
  const finals = near.map((list) =>
    measure(
      list.map(({ recipe }) => recipe),
      24,
      name,
    ),
  )
  const chosen = finals.map((list, node) => nearest(list, targets[node], 1)[0])
  const objective = () =>
    misfit(
      chosen.flatMap(({ vectors }) => vectors),
      wanted,
    ) +
    0.02 * chosen.reduce((sum, result, node) => sum + distance(result, targets[node]), 0)
  const start = objective()
  let best = start
  for (let trial = 0; trial < 4000; trial += 1) {
    const node = random.below(NODES)
    const before = chosen[node]
    chosen[node] = finals[node][random.below(finals[node].length)]
    const now = objective()
    if (now <= best) best = now
    else chosen[node] = before
  }
  // What all nodes miss together is mended by changes of single ones.
  const found = best
  for (let batch = 0; batch < POLISHED; batch += 1) {
    const nodes = Array.from({ length: 32 }, () => random.below(NODES))
    const varied = measure(
      nodes.map((node) => vary(chosen[node].recipe, materials)),
      24,
      name,
    )
    for (const [index, node] of nodes.entries()) {
      const before = chosen[node]
      if (varied[index].pure < 0.7) continue
      chosen[node] = varied[index]
      const now = objective()
      if (now < best) best = now
      else chosen[node] = before
    }
  }
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  console.log(
    name,
    `targets ${misfit(targets, wanted).toFixed(3)}, nearest ${start.toFixed(3)}, chosen ${found.toFixed(3)}, polished ${best.toFixed(3)}, far ${mean(
      chosen.map((result, node) => distance(result, targets[node])),
    ).toFixed(3)}, of the class ${mean(chosen.map(({ pure }) => pure)).toFixed(3)}`,
  )
  const all = chosen.flatMap(({ vectors }) => vectors)
  for (const [i, codec] of CODECS.entries()) {
    const sorted = column(all, i)
    console.log(
      ' ',
      codec.padEnd(8),
      QUANTILES.map(
        (at, k) => `${Math.round((quantile(sorted, at) / wanted[i][k] - 1) * 100)}`,
      ).join(' '),
    )
  }
  shapes.push({ name, share: pages.length / order.length, chosen })
}

const shareOf = (name) => sizes[PAGE_CLASSES.indexOf(name)].length / order.length
const number = (value) => String(Math.round(value * 10_000) / 10_000)
const line = ({ recipe }) =>
  `      ['${recipe.first}', ${recipe.firstParts}, '${recipe.second}', ${recipe.secondParts}, ${recipe.randomParts}, ${recipe.repeatParts}],`
const text = `// Written by scripts/calibrate-generator.mjs from fixtures/corpus/desktop.pages: do not edit.
import type { ClassShape } from './class-shape.ts'

export const ZERO_SHARE = ${number(shareOf('zero'))}
export const SAME_SHARE = ${number(shareOf('same'))}

export const CLASS_SHAPES: readonly ClassShape[] = [
${shapes
  .map(
    ({ name, share, chosen }) => `  {
    name: '${name}',
    share: ${number(share)},
    recipes: [
${chosen.map(line).join('\n')}
    ],
    sizes: {
${CODECS.map((codec, i) => `      '${codec}': [${chosen.map(({ mean }) => Math.round(mean[i])).join(', ')}],`).join('\n')}
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
