import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { deflateProvider } from './deflate.ts'
import { lz4Provider } from './lz4.ts'
import { lz4hcProvider } from './lz4hc.ts'
import { lz4jsProvider } from './lz4js.ts'
import { lzoProvider, lzoRleProvider } from './lzo.ts'
import { nativeDeflateProvider, nativeLz4Provider, nativeZstdProvider } from './native.ts'
import { zstdProvider } from './zstd.ts'

/** Every codec; a new one is one file and one line here. */
export const codecProviders: readonly CodecProvider[] = [
  lz4Provider,
  lz4hcProvider,
  lzoRleProvider,
  lzoProvider,
  zstdProvider,
  deflateProvider,
  lz4jsProvider,
  nativeLz4Provider,
  nativeZstdProvider,
  nativeDeflateProvider,
]

/** Opens a codec by name. Throws PstraceError('codec-unknown') naming the known ones. */
export async function openCodec(
  name: string,
  options: CodecOptions & { readonly implementation?: 'portable' | 'native' } = {},
): Promise<Codec> {
  const { implementation = 'portable', ...rest } = options
  const provider = codecProviders.find(
    (each) => each.name === name && each.implementation === implementation,
  )
  if (provider === undefined) {
    const known = codecProviders
      .filter((each) => each.implementation === implementation)
      .map((each) => each.name)
    throw new PstraceError(
      'codec-unknown',
      `codec ${name}: no ${implementation} implementation; known: ${known.join(', ')}`,
      { exitStatus: 2 },
    )
  }
  return provider.open(rest)
}
