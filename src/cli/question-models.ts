import type { CostModel, ModelAnswer, ModelFacts, Models } from '../analysis/questions/answers.ts'
import type { SwapBackend } from '../memory/backends/backend.ts'
import { openBackend } from '../memory/backends/index.ts'
import { openCodec } from '../memory/codecs/index.ts'
import { openPool } from '../memory/pools/index.ts'
import { metadataBytes, SLOT_DESIGNS, type SlotDesign } from '../memory/slots/metadata.ts'
import { plural } from '../model/counted.ts'
import { compareWithPublished, SCENARIOS, sweepScenario } from '../scenarios/zswap-shrinker.ts'
import { runScenario } from './scenario-runs.ts'

/** Cost models of the memory layer behind the questions that no trace answers; the layer of analysis does not know them. */
export const QUESTION_MODELS: Models = {
  empty_memcgs: { perSubject: false, answer: answerEmptyMemcgs },
  same_filled: { perSubject: false, answer: answerSameFilled },
  descriptor_bytes: { perSubject: false, answer: answerDescriptors },
  break_even: { perSubject: false, answer: answerBreakEven },
  slot_metadata: ofSubject(answerSlotMetadata),
  net_bytes: ofSubject(answerNetBytes),
  slots_wasted: ofSubject(answerSlotsWasted),
}

/** Models that take a minute, run only when asked for. */
export const SLOW_MODELS: Models = {
  published_zswap: { perSubject: false, answer: answerPublishedZswap },
}

function ofSubject(answer: (facts: ModelFacts) => readonly ModelAnswer[]): CostModel {
  return {
    perSubject: true,
    answer: async (facts) => (facts === undefined ? [] : answer(facts)),
  }
}

const DESIGNS: readonly SlotDesign[] = Object.values(SLOT_DESIGNS)
const COST_MODEL = 'cost model: bytes per slot and per page of each design'
const PAGE = 4096

const EMPTY_MEMCGS = 20
const POOL_LIMIT = 100

/** The shrink worker of 6.10 over 20 empty memory cgroups and a full one, without and with patches 1 and 2. */
async function answerEmptyMemcgs(): Promise<ModelAnswer[]> {
  const answers: ModelAnswer[] = []
  const codec = await openCodec('lz4')
  for (const [at, patches] of [
    ['6.10', ''],
    ['6.10 with patches 1 and 2', '1,2'],
  ] as const) {
    const backend = openBackend('zswap', {
      codec,
      openPool,
      totalPages: POOL_LIMIT * 5,
      parameters: { form: '6.10', ...(patches === '' ? {} : { shrinker_patches: patches }) },
      memcgs: Array.from({ length: EMPTY_MEMCGS + 1 }, () => ({})),
    })
    for (let slot = 0; slot <= POOL_LIMIT; slot++) storePage(backend, slot, hardPage(slot))
    let written = 0
    // The worker ends by itself; the bound is for a model that would not.
    for (let step = 0; backend.shrinkStep !== undefined && step < 100_000; step++) {
      const shrunk = backend.shrinkStep(0)
      written += shrunk.deviceWrites
      if (shrunk.done) break
    }
    answers.push({
      metric: 'model_pages_written_back',
      title: `pages written back by one run of the worker, ${EMPTY_MEMCGS} empty cgroups before a full one`,
      at,
      value: written,
      unit: 'count',
      restsOn: 'replay model of zswap (form 6.10), pool limit of 100 pages',
    })
  }
  return answers
}

function storePage(backend: SwapBackend, slot: number, bytes: Uint8Array): string {
  return backend.store({ slot, page: slot, bytes, key: slot, memcg: EMPTY_MEMCGS, nowNs: 0 }).place
}

/** A page that takes a pool page to itself: 3900 bytes without repetition, from a linear congruential generator. */
function hardPage(seed: number): Uint8Array {
  const page = new Uint8Array(PAGE)
  let state = (seed + 1) * 2654435761
  for (let i = 0; i < 3900; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    page[i] = state >>> 24
  }
  return page
}

/** What zram of each form makes of a page that repeats one word. */
async function answerSameFilled(): Promise<ModelAnswer[]> {
  const codec = await openCodec('lz4')
  const answers: ModelAnswer[] = []
  for (const form of ['6.1', '6.12', '2026']) {
    const backend = openBackend('zram', { codec, openPool, parameters: { form } })
    const page = new Uint8Array(PAGE).fill(0xff)
    const result = backend.store({ slot: 1, page: 1, bytes: page, key: 1, memcg: -1 })
    answers.push({
      metric: 'model_same_pool_pages',
      title: 'pool pages that a page of 0xff takes',
      at: `zram ${form}, stored as ${result.place}`,
      value: backend.poolPages,
      unit: 'count',
      restsOn: 'replay model of zram and zsmalloc',
    })
  }
  return answers
}

async function answerDescriptors(): Promise<ModelAnswer[]> {
  return [SLOT_DESIGNS['swap-desc'], SLOT_DESIGNS['swap-desc-reverse']].map((design) => ({
    metric: 'model_descriptor_share',
    title: 'descriptor, share of a page',
    at: `${design.perPooledPage} bytes: ${design.name}`,
    value: design.perPooledPage / PAGE,
    unit: 'share' as const,
    restsOn: COST_MODEL,
  }))
}

/** Above this share of used slots, descriptors take more than the bytes that every slot costs today. */
async function answerBreakEven(): Promise<ModelAnswer[]> {
  const descriptor = SLOT_DESIGNS['swap-desc'].perPooledPage
  return [1, 3].map((perSlot) => ({
    metric: 'model_break_even_share',
    title: 'use of the device at which descriptors cost more than',
    at: `${plural(perSlot, 'byte')} per slot`,
    value: perSlot / descriptor,
    unit: 'share' as const,
    restsOn: COST_MODEL,
  }))
}

/** Needs the number of pages in swap; a device of unknown size counts as large as the pages in it. */
function answerSlotMetadata(facts: ModelFacts): ModelAnswer[] {
  const pages = facts.value('swapped_peak')
  if (pages === null) return []
  const slots = facts.deviceSlots ?? pages
  const zswap = facts.value('zswap_slots_peak') ?? 0
  return DESIGNS.map((design) => ({
    metric: 'model_metadata_bytes',
    title: 'metadata of the swap layer at the peak',
    at: `${design.name} (${design.kernel})`,
    value: Math.round(
      metadataBytes(design, {
        slots,
        pooled: Math.min(zswap, pages),
        onDisk: Math.max(pages - zswap, 0),
      }),
    ),
    unit: 'bytes' as const,
    restsOn: `${COST_MODEL}; ${facts.deviceSlots === null ? 'size of the device unknown: as large as its use' : `device of ${slots} slots`}`,
  }))
}

function answerNetBytes(facts: ModelFacts): ModelAnswer[] {
  const stored = facts.value('stored_mean_bytes')
  if (stored === null) return []
  return [SLOT_DESIGNS['swap-desc'], SLOT_DESIGNS['swap-desc-reverse']].map((design) => ({
    metric: 'model_net_bytes',
    title: 'bytes freed by a swap-out, net of its descriptor',
    at: `${design.perPooledPage} bytes: ${design.name}`,
    value: Math.round(facts.pageSize - stored - design.perPooledPage),
    unit: 'bytes' as const,
    restsOn: `swapouts.compressed_bytes (without what the allocator wastes); ${COST_MODEL}`,
  }))
}

/** Today each page in zswap also takes a slot of the device; with descriptors only what is written back does. */
function answerSlotsWasted(facts: ModelFacts): ModelAnswer[] {
  const zswap = facts.value('zswap_slots_peak')
  if (zswap === null) return []
  return [
    {
      metric: 'model_wasted_bytes',
      title: 'device space behind pages that zswap holds, at the peak',
      at: null,
      value: zswap * facts.pageSize,
      unit: 'bytes',
      restsOn: 'swapouts.place, swapins; one slot for each such page today, none with descriptors',
    },
  ]
}

/** The two published tests of the zswap shrinker series over all assumptions about what was not published. */
async function answerPublishedZswap(): Promise<ModelAnswer[]> {
  const answers: ModelAnswer[] = []
  for (const scenario of SCENARIOS)
    for (const row of compareWithPublished(scenario, await sweepScenario(scenario, runScenario)))
      answers.push({
        metric: `model_zswap_${row.column}`,
        title: `${row.column}, published ${row.published}`,
        at: `${row.scenario}, ${row.configuration}`,
        value: row.median,
        lo: row.low,
        hi: row.high,
        unit: 'ratio',
        restsOn: `replay of the scenario; order of the configurations as published on ${Math.round(row.orderShare * 100)} % of the assumed machines`,
      })
  return answers
}
