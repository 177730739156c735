import { describe, expect, it } from 'vitest'
import { chooseRunCodec, openRecompressors } from '../../src/cli/run-codec.ts'

const choose = (
  backend: string,
  codec: string,
  backendParameters: Readonly<Record<string, string>> = {},
) => chooseRunCodec({ backend, backendParameters, codec, codecImplementation: 'portable' }, 4096)

describe('the codec of a run', () => {
  it.each([
    ['zram', {}, 'zram'],
    ['zram', { form: '6.1' }, 'zswap'],
    ['zram', { form: '2026' }, 'zram'],
    ['zswap', {}, 'zswap'],
    ['zswap', { form: '6.1' }, 'zswap'],
    ['zswap', { form: '2026' }, 'acomp'],
    ['disk', {}, undefined],
  ])('zstd under %s of %o has the parameters of %s', (backend, parameters, variant) => {
    expect(choose(backend, 'zstd', parameters).variant).toBe(variant)
  })

  it('has the window that zram is told, if it is deflate', () => {
    expect(choose('zram', 'deflate', { winbits: '-15' }).variant).toBe('-15')
    expect(choose('zram', 'lz4', { winbits: '-15' }).variant).toBeUndefined()
  })

  it('has no variant where it is not zstd', () => {
    expect(choose('zswap', 'lz4')).toEqual({ implementation: 'portable', pageSize: 4096 })
  })

  it('has the level that zram is told, and none elsewhere', () => {
    expect(choose('zram', 'deflate', { level: '9' }).level).toBe(9)
    expect(choose('zram', 'deflate').level).toBeUndefined()
    expect(choose('zswap', 'deflate', { level: '9' }).level).toBeUndefined()
    expect(() => choose('zram', 'deflate', { level: 'best' })).toThrow('zram: level is "best"')
  })
})

describe('codecs that recompress', () => {
  it('have the levels in the order of the codecs', async () => {
    const parameters = { recompress: 'all', recomp_algorithm: 'zstd,deflate', recomp_level: ',9' }
    const codecs = await openRecompressors({ backendParameters: parameters }, 4096)
    expect(codecs.map(({ name }) => name)).toEqual(['zstd', 'deflate'])
    expect(codecs.map(({ version }) => /level (\d+)/.exec(version)?.[1])).toEqual(['3', '9'])
  })

  it('are none where nothing is recompressed', async () => {
    expect(await openRecompressors({ backendParameters: {} }, 4096)).toEqual([])
  })
})
