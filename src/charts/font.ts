import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * Text widths from the font file itself. Without a canvas Vega guesses 0.8 em per character, which pulls legends and labels apart;
 * resvg reads only TrueType files (woff is ignored without a word), so the same files serve both.
 */

const require = createRequire(import.meta.url)

/** Absolute paths of the two cuts of the font that drawings are measured and drawn with; they come with the package. */
export function fontFiles(): { readonly regular: string; readonly bold: string } {
  const folder = join(dirname(require.resolve('dejavu-fonts-ttf/package.json')), 'ttf')
  return { regular: join(folder, 'DejaVuSans.ttf'), bold: join(folder, 'DejaVuSans-Bold.ttf') }
}

/** Width in em of a character. */
export type Advance = (codePoint: number) => number

/** Reads `cmap` (format 4) and `hmtx` of an OpenType file with TrueType outlines (OpenType 1.9). */
export function readAdvances(path: string): Advance {
  const bytes = readFileSync(path)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tables = new Map<string, number>()
  for (let i = 0; i < view.getUint16(4); i++) {
    const at = 12 + i * 16
    tables.set(bytes.toString('latin1', at, at + 4), view.getUint32(at + 8))
  }
  const offset = (name: string): number => tables.get(name) ?? 0
  const unitsPerEm = view.getUint16(offset('head') + 18)
  const longMetrics = view.getUint16(offset('hhea') + 34)
  const hmtx = offset('hmtx')
  const cmap = offset('cmap')
  let format4 = 0
  for (let i = 0; i < view.getUint16(cmap + 2); i++) {
    const at = cmap + view.getUint32(cmap + 4 + i * 8 + 4)
    if (view.getUint16(at) === 4) format4 = at
  }
  const segments = view.getUint16(format4 + 6) / 2
  const ends = format4 + 14
  const starts = ends + segments * 2 + 2
  const deltas = starts + segments * 2
  const ranges = deltas + segments * 2
  const glyphOf = (codePoint: number): number => {
    for (let i = 0; i < segments; i++) {
      if (codePoint > view.getUint16(ends + i * 2)) continue
      const start = view.getUint16(starts + i * 2)
      if (codePoint < start) return 0
      const delta = view.getUint16(deltas + i * 2)
      const range = view.getUint16(ranges + i * 2)
      if (range === 0) return (codePoint + delta) & 0xffff
      const glyph = view.getUint16(ranges + i * 2 + range + (codePoint - start) * 2)
      return glyph === 0 ? 0 : (glyph + delta) & 0xffff
    }
    return 0
  }
  const known = new Map<number, number>()
  return (codePoint) => {
    let width = known.get(codePoint)
    if (width === undefined) {
      const metric = Math.min(glyphOf(codePoint), longMetrics - 1)
      width = view.getUint16(hmtx + metric * 4) / unitsPerEm
      known.set(codePoint, width)
    }
    return width
  }
}

/** Width in pixels of one line of text. */
export function measureText(advance: Advance, text: string, fontSize: number): number {
  let em = 0
  for (const char of text) em += advance(char.codePointAt(0) ?? 0)
  return em * fontSize
}
