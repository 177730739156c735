import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { TextField } from '../fields.ts'
import { lmkdCounter, lmkdMark } from './kills.ts'

const MOST_OPEN_SLICES = 65_536

/**
 * ftrace:print (kernel/trace/trace_entries.h) with atrace's marks (system/core/libcutils/include/cutils/trace.h):
 *
 *   B|tgid|name            ... E|tgid                    a slice of the thread
 *   S|tgid|name|cookie     ... F|tgid|name|cookie        a slice across threads
 *   G|tgid|track|name|cookie ... H|tgid|track|cookie     the same on a named track
 *   I|tgid|name, N|tgid|track|name                       an instant, N on a named track
 *   C|tgid|name|value                                    a counter
 *
 * Other text is a mark of its own.
 */
export function print(context: IngestContext): EventHandler {
  const text = new TextField(['buf'])
  const slices = new Slices(context)
  return handle([text], (row, cpu, task) => {
    const ts = context.clock.now
    const mark = text.get(row).replace(/\n$/, '')
    const [, phase, tgid = '', rest = ''] =
      /^([BEICSFGHN])(?:\|(\d*)(?:\|(.*))?)?$/s.exec(mark) ?? []
    switch (phase) {
      case 'B':
        lmkdMark(context, rest, ts, cpu)
        task.slices.push({ name: rest, ts })
        break
      case 'E': {
        const begun = task.slices.pop()
        if (begun !== undefined) slices.add(begun.name, begun.ts, ts, task.id)
        break
      }
      case 'S':
        slices.begin(`${tgid}|${rest}`, splitLast(rest)[0], ts)
        break
      case 'F':
        slices.end(`${tgid}|${rest}`, ts, task.id)
        break
      case 'G': {
        const [track = '', named = ''] = splitFirst(rest)
        const [name, cookie] = splitLast(named)
        slices.begin(`track ${tgid}|${track}|${cookie}`, name, ts)
        break
      }
      case 'H': {
        const [track = '', named = ''] = splitFirst(rest)
        slices.end(`track ${tgid}|${track}|${splitLast(named)[1]}`, ts, task.id)
        break
      }
      case 'N': {
        const name = splitFirst(rest)[1] ?? rest
        lmkdMark(context, name, ts, cpu)
        slices.add(name, ts, ts, task.id)
        break
      }
      case 'C': {
        const [name, value] = splitLast(rest)
        addSample(context, name, Number(value), ts)
        lmkdCounter(context, { name, value: Number(value), ts, cpu })
        break
      }
      default:
        slices.add(phase === 'I' ? rest : mark, ts, ts, task.id)
    }
  })
}

/** Rows of `markers`, an instant's end being its start. */
class Slices {
  readonly #markers: IngestContext['tables']['buffers']['markers']
  /** Begun across threads: name and time by what the end will say. */
  readonly #open = new Map<string, { readonly name: string; readonly ts: number }>()

  constructor(context: IngestContext) {
    this.#markers = context.tables.buffers.markers
  }

  begin(key: string, name: string, ts: number): void {
    if (this.#open.size < MOST_OPEN_SLICES) this.#open.set(key, { name, ts })
  }

  /** Of the task that says it; one whose begin was not recorded is left out. */
  end(key: string, ts: number, taskId: number): void {
    const begun = this.#open.get(key)
    if (begun === undefined) return
    this.#open.delete(key)
    this.add(begun.name, begun.ts, ts, taskId)
  }

  add(name: string, startNs: number, endNs: number, taskId: number): void {
    const row = this.#markers.add()
    this.#markers.number(row, 'ts_ns', startNs)
    this.#markers.number(row, 'end_ns', endNs)
    this.#markers.number(row, 'task_id', taskId)
    this.#markers.text(row, 'name', name)
  }
}

function addSample(context: IngestContext, name: string, value: number, ts: number): void {
  const { samples } = context.tables.buffers
  const row = samples.add()
  samples.number(row, 'ts_ns', ts)
  samples.text(row, 'name', name)
  samples.number(row, 'value', value)
}

function splitFirst(text: string): [string, string?] {
  const at = text.indexOf('|')
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function splitLast(text: string): [string, string] {
  const at = text.lastIndexOf('|')
  return [text.slice(0, Math.max(0, at)), text.slice(at + 1)]
}
