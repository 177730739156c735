import { type EventRole, roleOf } from '../aliases.ts'
import type { EventHandler } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'

/** KprobeEvent.KprobeType (protos/perfetto/trace/ftrace/generic.proto); an INSTANT may be an entry or a return. */
const BEGIN = 1
const END = 2
/** What an entry or a return tells without arguments. */
const USEFUL: ReadonlySet<EventRole> = new Set([
  'gate',
  'gate_end',
  'swap_read',
  'fault',
  'fault_end',
])

/** Perfetto's own kprobes (FtraceConfig.kprobe_events): the function's name, entry or return, and no arguments. */
export function kprobe(make: (role: EventRole) => EventHandler): EventHandler {
  const name = new TextField(['name'])
  const type = new NumberField(['type'])
  const handlers = new Map<EventRole, EventHandler>()
  return {
    place: 0,
    fields: undefined,
    bind(batch) {
      name.bind(batch)
      type.bind(batch)
      for (const role of USEFUL) {
        const handler = handlers.get(role) ?? make(role)
        handlers.set(role, handler)
        handler.bind(batch)
      }
    },
    event(row, cpu, task) {
      const kind = type.get(row)
      if (kind !== BEGIN && kind !== END) return
      const role = roleOf('', kind === END ? `${name.get(row)}_ret` : name.get(row))
      if (role !== undefined) handlers.get(role)?.event(row, cpu, task)
    },
  }
}
