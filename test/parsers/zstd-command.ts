import { execFileSync } from 'node:child_process'

/** Packs with the zstd command (Node 20 has no zstd). */
export function zstdCompressSync(bytes: Uint8Array): Uint8Array {
  return execFileSync('zstd', ['-q', '-c'], { input: bytes, maxBuffer: 2 ** 28 })
}
