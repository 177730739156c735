import { describe, expect, it } from 'vitest'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { policies } from '../../src/policies/index.ts'
import { Random } from '../../src/replay/random.ts'
import { completeTunables } from '../../src/replay/tunables.ts'
import { runThreads } from '../../src/threads/run.ts'

const PAGE = 4096
const FOLIOS = 600
const root = new URL('../../', import.meta.url)
const modules = {
  policies: new URL('src/policies/index.ts', root).href,
  codecs: new URL('src/memory/codecs/index.ts', root).href,
  worker: new URL('src/threads/worker.ts', root),
}
const execArgv = ['--import', new URL('scripts/ts.mjs', root).href]

/** Pages of which a varying part is repeated. */
function somePages(): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(FOLIOS * PAGE)
  const bytes = new Uint8Array(shared)
  const random = new Random(5, 0)
  for (let page = 0; page < FOLIOS; page++) {
    const own = random.below(PAGE)
    for (let place = 0; place < PAGE; place++)
      bytes[page * PAGE + place] = place < own ? random.below(256) : 65 + (place % 7)
  }
  return shared
}

const pages = somePages()
/** A level with other sizes than the default's. */
const codecChoice = { implementation: 'portable', pageSize: PAGE, level: 64 } as const

/** Compressed size of each page on this thread alone. */
async function sizesOf(options: { readonly level?: number }): Promise<readonly number[]> {
  const codec = await openCodec('lz4', options)
  const target = new Uint8Array(codec.bound(PAGE))
  return Array.from({ length: FOLIOS }, (_, page) =>
    codec.compress(new Uint8Array(pages, page * PAGE, PAGE).slice(), target),
  )
}

async function run(policy: (typeof policies)[number]) {
  return runThreads({
    policy,
    tunables: completeTunables(policy, {}),
    pages,
    pageSize: PAGE,
    cpus: 3,
    codec: await openCodec('lz4', codecChoice),
    codecChoice,
    modules,
    execArgv,
  })
}

describe.each(policies.map((policy) => [policy.name, policy] as const))(
  '%s on worker_threads',
  (_name, policy) => {
    it('stores every folio once, with the sizes that one thread gets', async () => {
      const alone = await sizesOf(codecChoice)
      expect(alone).not.toEqual(await sizesOf({}))
      const result = await run(policy)
      expect([...result.compressedBytes]).toEqual(alone)
      const ranks = Array.from({ length: FOLIOS }, (_, rank) => rank + 1)
      expect([...result.startRank].sort((a, b) => a - b)).toEqual(ranks)
      expect([...result.doneRank].sort((a, b) => a - b)).toEqual(ranks)
      if (
        policy.name === 'parallel' ||
        policy.name === 'kswapd' ||
        policy.name === 'kcompressd-unofficial'
      )
        expect(result.startInversions).toBe(0)
      if (policy.name === 'kswapd') expect(result.doneInversions).toBe(0)
      else expect([...result.storedBy].some((thread) => thread > 0)).toBe(true)
    })
  },
)
