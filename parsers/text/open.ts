import { toByteStream } from '../byte-stream.ts'
import { readFully, toByteSource } from '../cursor.ts'
import { TraceParseError } from '../error.ts'
import type { ByteSource, LiveStream, TraceReader } from '../reader.ts'
import { detectForm, FORMS, FTRACE_TEXT, type Refusal, type TextForm } from './form.ts'
import { TextReader } from './reader.ts'

const HEAD_BYTES = 65_536

const REFUSALS: Readonly<Record<Refusal, string>> = {
  function_graph:
    'the output of the function_graph tracer, which has no events; record with the nop tracer (echo nop > current_tracer)',
  latency:
    'the latency format, which lacks what the default format has; switch it off (echo 0 > options/latency-format, or no -l for trace-cmd report)',
}

/** Opens text of a file; it is read twice, because what events there are must be known first. Throws `TraceParseError`. */
export function openText(source: ByteSource, name?: TextForm['name']): TraceReader {
  const head = new Uint8Array(Math.min(HEAD_BYTES, source.size))
  const form = requireForm(source.name, head.subarray(0, readFully(source, 0, head)), name)
  const reader = new TextReader(source.name, form, toByteStream(source))
  reader.survey(toByteStream(source))
  return reader
}

/** Opens text that is still being written. Events that are not in what has come when this returns are met later. */
export async function openLiveText(stream: LiveStream): Promise<TraceReader> {
  const pieces: Uint8Array[] = []
  let length = 0
  let reader: TextReader | undefined
  const replayed: LiveStream = {
    name: stream.name,
    wait: () => (pieces.length > 0 ? Promise.resolve() : stream.wait()),
    next: () => pieces.shift() ?? stream.next(),
  }
  for (;;) {
    await stream.wait()
    const piece = stream.next()
    if (piece !== undefined) {
      pieces.push(piece.slice())
      length += piece.length
    }
    const head = Buffer.concat(pieces)
    if (length < HEAD_BYTES && piece !== undefined && detectForm(head) === undefined) continue
    reader = new TextReader(stream.name, requireForm(stream.name, head), replayed, replayed)
    reader.survey(toByteStream(toByteSource(stream.name, head)), piece !== undefined)
    if (reader.hasEvents || piece === undefined || length >= HEAD_BYTES) return reader
  }
}

/** The text's form; where it does not show, the one that was asked for. */
function requireForm(name: string, head: Uint8Array, asked?: TextForm['name']): TextForm {
  const form = detectForm(head) ?? FORMS.find((each) => each.name === asked) ?? FTRACE_TEXT
  if (typeof form !== 'string') return form
  throw new TraceParseError(
    `unsupported_${form}`,
    name,
    { unit: 'line', at: 1 },
    `this is ${REFUSALS[form]}`,
  )
}
