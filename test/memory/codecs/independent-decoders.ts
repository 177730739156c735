// Decoders that share nothing with the codecs: strict, slow, and written from the format descriptions.

/** LZ4 block format, with its end-of-block rules as conditions: what LZ4_decompress_safe accepts, this accepts or is stricter. */
export function decodeLz4(block: Uint8Array, length: number): Uint8Array {
  const page = new Uint8Array(length)
  let at = 0
  let out = 0
  let lastMatchStart = -1
  const next = (): number => {
    const byte = block[at]
    if (byte === undefined) throw new Error(`lz4: the block ends at ${at}`)
    at += 1
    return byte
  }
  for (;;) {
    const token = next()
    let literals = token >> 4
    if (literals === 15) {
      for (let more = 255; more === 255; ) {
        more = next()
        literals += more
      }
    }
    for (let i = 0; i < literals; i += 1) page[out++] = next()
    if (out > length) throw new Error('lz4: literals go beyond the page')
    if (at === block.length) {
      if ((token & 15) !== 0) throw new Error('lz4: the last token has a match length')
      if (lastMatchStart >= 0 && literals < 5) throw new Error('lz4: fewer than 5 last literals')
      if (lastMatchStart >= 0 && lastMatchStart > length - 12)
        throw new Error('lz4: a match starts in the last 12 bytes')
      break
    }
    const distance = next() | (next() << 8)
    if (distance === 0 || distance > out) throw new Error(`lz4: distance ${distance} at ${out}`)
    let extent = (token & 15) + 4
    if (extent === 19) {
      for (let more = 255; more === 255; ) {
        more = next()
        extent += more
      }
    }
    lastMatchStart = out
    if (out + extent > length) throw new Error('lz4: a match goes beyond the page')
    for (let i = 0; i < extent; i += 1, out += 1) page[out] = page[out - distance] ?? 0
  }
  if (out !== length) throw new Error(`lz4: ${out} bytes of ${length}`)
  return page
}

/** LZO1X and LZO-RLE, after Documentation/staging/lzo.rst: one table of instructions. */
export function decodeLzo(stream: Uint8Array, length: number): Uint8Array {
  const page: number[] = []
  let at = 0
  const next = (): number => {
    const byte = stream[at]
    if (byte === undefined) throw new Error(`lzo: the stream ends at ${at}`)
    at += 1
    return byte
  }
  const long = (base: number): number => {
    let total = base
    for (;;) {
      const byte = next()
      if (byte !== 0) return total + byte
      total += 255
    }
  }
  const literals = (count: number): void => {
    for (let i = 0; i < count; i += 1) page.push(next())
  }
  const copy = (distance: number, count: number): void => {
    if (distance > page.length) throw new Error(`lzo: distance ${distance} at ${page.length}`)
    for (let i = 0; i < count; i += 1) page.push(page[page.length - distance] ?? 0)
  }
  let version = 0
  let state = 0
  if (stream[0] === 17) {
    version = stream[1] ?? 0
    at = 2
  }
  if ((stream[at] ?? 0) > 17) {
    const count = next() - 17
    literals(count)
    state = Math.min(count, 4)
  }
  for (;;) {
    const code = next()
    let follow: number
    if (code >= 64) {
      follow = code & 3
      copy((next() << 3) + ((code >> 2) & 7) + 1, (code >> 5) + 1)
    } else if (code >= 32) {
      const count = (code & 31) === 0 ? long(33) : (code & 31) + 2
      const low = next()
      follow = low & 3
      copy((next() << 6) + (low >> 2) + 1, count)
    } else if (code >= 16) {
      const low = stream[at] ?? 0
      if (
        version > 0 &&
        (code & 0xf8) === 0x18 &&
        (low & 0xfc) === 0xfc &&
        stream[at + 1] === 0xff
      ) {
        at += 2
        const run = ((next() << 3) | (code & 7)) + 4
        for (let i = 0; i < run; i += 1) page.push(0)
        follow = low & 3
      } else {
        const count = (code & 7) === 0 ? long(9) : (code & 7) + 2
        const first = next()
        const second = next()
        const distance = 16_384 + ((code & 8) << 11) + (second << 6) + (first >> 2)
        if (distance === 16_384) {
          if (at !== stream.length) throw new Error('lzo: bytes follow the end marker')
          break
        }
        follow = first & 3
        copy(distance, count)
      }
    } else if (state === 0) {
      literals(code === 0 ? long(18) : code + 3)
      state = 4
      continue
    } else {
      follow = code & 3
      const high = next() << 2
      if (state === 4) copy(high + (code >> 2) + 2049, 3)
      else copy(high + (code >> 2) + 1, 2)
    }
    literals(follow)
    state = follow
  }
  if (page.length !== length) throw new Error(`lzo: ${page.length} bytes of ${length}`)
  return Uint8Array.from(page)
}
