import type { EventKind } from './event-kinds.ts'

/** How a field's bytes are made from an event's arguments. */
export type FieldSource =
  | { readonly arg: string }
  | { readonly constant: number }
  /** A kernel address: upper half fixed, lower half from the argument. */
  | { readonly pointer: string }
  /** A swap entry value, type << 58 | offset. */
  | { readonly entry: readonly [type: string, offset: string] }
  /** A fixed-size char array holding a comm or another of the scenario's strings. */
  | { readonly comm: string }
  /** prev_state; `preempted` is the bit this kernel sets for a task that was preempted while runnable. */
  | { readonly state: string; readonly preempted: number }
  /** A NUL-terminated tail (`char buf[]`), size 0 in the format file. */
  | { readonly tail: string }
  /** A dynamic string (__data_loc) that is empty: its NUL is the record's last byte. */
  | { readonly noText: true }

export interface LayoutField {
  readonly name: string
  /** C type as the format file prints it. */
  readonly type: string
  /** Bytes; `long` follows the machine word. */
  readonly size: number | 'long'
  readonly signed: boolean
  readonly source: FieldSource
  /** Printed after the name, e.g. `[16]`. */
  readonly suffix?: string
}

/** One event as one kernel lays it out. */
export interface EventLayout {
  readonly kind: EventKind
  readonly system: string
  readonly name: string
  readonly fields: readonly LayoutField[]
  /** Text after the name; `{field:style}` is replaced, see `STYLES` of text-values.ts. */
  readonly text: string
}

export const int = (name: string, arg = name): LayoutField => field(name, 'int', 4, true, { arg })
export const uint = (name: string, arg: string): LayoutField =>
  field(name, 'unsigned int', 4, false, { arg })
export const ulong = (name: string, arg: string): LayoutField =>
  field(name, 'unsigned long', 'long', false, { arg })
export const long = (name: string, arg: string): LayoutField =>
  field(name, 'long', 'long', true, { arg })
export const zero = (name: string, type: string, size: number | 'long'): LayoutField =>
  field(name, type, size, !type.startsWith('unsigned') && !type.startsWith('u'), { constant: 0 })
export const pointer = (name: string, type: string, arg: string): LayoutField =>
  field(name, type, 'long', false, { pointer: arg })
export const comm = (name: string, arg: string): LayoutField =>
  field(name, 'char', 16, false, { comm: arg }, '[16]')
export const probeIp: LayoutField = field('__probe_ip', 'unsigned long', 'long', false, {
  pointer: '',
})
export const probeFunc: LayoutField = field('__probe_func', 'unsigned long', 'long', false, {
  pointer: '',
})
export const probeRetIp: LayoutField = field('__probe_ret_ip', 'unsigned long', 'long', false, {
  pointer: '',
})

/** `size` in bytes, `long` = as the recorded kernel has it; `suffix` follows the name in the format's description, e.g. `[16]`. */
export function field(
  name: string,
  type: string,
  size: number | 'long',
  signed: boolean,
  source: FieldSource,
  suffix?: string,
): LayoutField {
  return suffix === undefined
    ? { name, type, size, signed, source }
    : { name, type, size, signed, source, suffix }
}

/** Makes layouts of events of one system. */
export function inSystem(system: string) {
  return (kind: EventKind, name: string, fields: LayoutField[], text: string): EventLayout => ({
    kind,
    system,
    name,
    fields,
    text,
  })
}
