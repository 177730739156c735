import { recompressorsOf } from '../memory/backends/zram-upkeep.ts'
import type { Codec, CodecChoice } from '../memory/codecs/codec.ts'
import { openCodec } from '../memory/codecs/index.ts'
import { PstraceError } from '../model/error.ts'
import type { RunConfig } from './run-plan.ts'

type CodecOfRun = Pick<RunConfig, 'backend' | 'backendParameters' | 'codec' | 'codecImplementation'>

/** What opens the codec of a run, in every thread that compresses. */
export function chooseRunCodec(config: CodecOfRun, pageSize: number): CodecChoice {
  return {
    implementation: config.codecImplementation,
    pageSize,
    ...levelOf(config),
    ...variantOf(config),
  }
}

/** Codecs of zram's recompression, in order of priority. */
export function openRecompressors(
  { backendParameters }: Pick<RunConfig, 'backendParameters'>,
  pageSize: number,
): Promise<readonly Codec[]> {
  return Promise.all(
    recompressorsOf(backendParameters).map(({ name, level }) =>
      openCodec(name, { pageSize, ...parseLevel('recomp_level', level) }),
    ),
  )
}

/** Only zram can be told a level. */
function levelOf({ backend, backendParameters }: CodecOfRun): Pick<CodecChoice, 'level'> {
  return backend === 'zram' ? parseLevel('level', String(backendParameters['level'] ?? '')) : {}
}

function parseLevel(parameter: string, given: string): Pick<CodecChoice, 'level'> {
  if (given === '') return {}
  const level = Number(given)
  if (Number.isInteger(level)) return { level }
  throw new PstraceError(
    'backend-parameter',
    `zram: ${parameter} is "${given}"; expected a whole number`,
    { exitStatus: 2 },
  )
}

/** zstd's parameters depend on who calls it: zram's own backend, or the crypto API for zswap and for the zram of 6.1. */
function variantOf({
  backend,
  backendParameters,
  codec,
}: CodecOfRun): Pick<CodecChoice, 'variant'> {
  const form = String(backendParameters['form'] ?? '')
  const window = String(backendParameters['winbits'] ?? '')
  if (codec === 'zstd' && backend === 'zram') return { variant: form === '6.1' ? 'zswap' : 'zram' }
  if (codec === 'zstd' && backend === 'zswap')
    return { variant: form === '2026' ? 'acomp' : 'zswap' }
  if (codec === 'deflate' && backend === 'zram' && window !== '') return { variant: window }
  return {}
}
