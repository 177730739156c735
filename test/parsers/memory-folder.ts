import { toByteSource } from '../../parsers/cursor.ts'
import type { FolderSource } from '../../parsers/reader.ts'

/** Contents by path. */
export type Files = ReadonlyMap<string, Uint8Array>

/** A folder in memory. */
export function memoryFolder(name: string, files: Files): FolderSource {
  return {
    name,
    paths: [...files.keys()].sort(),
    open(path) {
      const bytes = files.get(path)
      if (bytes === undefined) return undefined
      return { ...toByteSource(`${name}/${path}`, bytes), close() {} }
    },
  }
}
