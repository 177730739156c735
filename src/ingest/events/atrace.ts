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
  const markers = context.tables.buffers.markers
  /** Begun across threads: name and time by what the end will say. */
  const open = new Map<string, { name: string; ts: number }>()
  const add = (name: string, startNs: number, endNs: number, taskId: number): void => {
    const row = markers.add()
    markers.number(row, 'ts_ns', startNs)
    markers.number(row, 'end_ns', endNs)
    markers.number(row, 'task_id', taskId)
    markers.text(row, 'name', name)
  }
  const begin = (key: string, name: string, ts: number): void => {
    if (open.size < MOST_OPEN_SLICES) open.set(key, { name, ts })
  }
  const end = (key: string, ts: number, taskId: number): void => {
    const begun = open.get(key)
    if (begun === undefined) return
    open.delete(key)
    add(begun.name, begun.ts, ts, taskId)
  }
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
        if (begun !== undefined) add(begun.name, begun.ts, ts, task.id)
        break
      }
      case 'S':
        begin(`${tgid}|${rest}`, splitLast(rest)[0], ts)
        break
      case 'F':
        end(`${tgid}|${rest}`, ts, task.id)
        break
      case 'G': {
        const [track = '', named = ''] = splitFirst(rest)
        const [name, cookie] = splitLast(named)
        begin(`track ${tgid}|${track}|${cookie}`, name, ts)
        break
      }
      case 'H': {
        const [track = '', named = ''] = splitFirst(rest)
        end(`track ${tgid}|${track}|${splitLast(named)[1]}`, ts, task.id)
        break
      }
      case 'N': {
        const name = splitFirst(rest)[1] ?? rest
        lmkdMark(context, name, ts, cpu)
        add(name, ts, ts, task.id)
        break
      }
      case 'C': {
        const [name, value] = splitLast(rest)
        const samples = context.tables.buffers.samples
        const added = samples.add()
        samples.number(added, 'ts_ns', ts)
        samples.text(added, 'name', name)
        samples.number(added, 'value', Number(value))
        lmkdCounter(context, { name, value: Number(value), ts, cpu })
        break
      }
      default:
        add(phase === 'I' ? rest : mark, ts, ts, task.id)
    }
  })
}

function splitFirst(text: string): [string, string?] {
  const at = text.indexOf('|')
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function splitLast(text: string): [string, string] {
  const at = text.lastIndexOf('|')
  return [text.slice(0, Math.max(0, at)), text.slice(at + 1)]
}
