import { BYTES, FieldWalker, readHead } from './wire.ts'

/** TracePacket fields of today end at 135; 900 is for_testing. */
const MAX_FIELD = 900
const MAX_PACKETS = 8

/** True when `head` begins with trace packets: each is field 1 of Trace, and well formed as far as it is there. */
export function isPerfetto(head: Uint8Array): boolean {
  if (isText(head)) return false
  const walker = new FieldWalker()
  let at = 0
  let fields = 0
  for (let packet = 0; packet < MAX_PACKETS && at < head.length; packet++) {
    const start = readHead(head, at)
    if (start === undefined) return fields > 0 && head.length - at < 16
    if (start.tag !== 10) return false
    const from = at + start.headBytes
    at = from + start.length
    walker.begin(head, from, Math.min(at, head.length))
    while (walker.next()) {
      if (walker.field > MAX_FIELD) return false
      fields++
    }
    if (!walker.bad) continue
    // A packet that reaches beyond the head ends there with a field that is too long.
    return at > head.length && walker.field <= MAX_FIELD && (fields > 0 || walker.wire === BYTES)
  }
  return fields > 0
}

/** A line break is the tag of a packet, and letters can be its fields; but times and numbers of sequences have bytes that no text has. */
function isText(head: Uint8Array): boolean {
  return head.every((byte) => (byte >= 32 && byte < 127) || (byte >= 9 && byte <= 13))
}
