import { ProtoWriter } from '../../../src/generate/writers/protobuf.ts'

const encoder = new TextEncoder()

/** A message's fields: numbers, texts, bytes or messages by field number; a list repeats the field. */
export type Fields = { readonly [field: number]: FieldValue | readonly FieldValue[] }
type FieldValue = number | bigint | string | Uint8Array | Fields

export function message(fields: Fields): Uint8Array {
  const out = new ProtoWriter()
  for (const [key, values] of Object.entries(fields))
    for (const value of Array.isArray(values) ? (values as FieldValue[]) : [values as FieldValue])
      write(out, Number(key), value)
  return out.borrowBytes().slice()
}

function write(out: ProtoWriter, field: number, value: FieldValue): void {
  if (typeof value === 'number') out.int(field, value)
  else if (typeof value === 'bigint') {
    const bits = BigInt.asUintN(64, value)
    out.wide(field, Number(bits >> 32n), Number(bits & 0xffff_ffffn))
  } else if (typeof value === 'string') out.string(field, encoder.encode(value))
  else if (value instanceof Uint8Array) out.string(field, value)
  else out.string(field, message(value))
}

/** A packed field's bytes. */
export function packed(...values: number[]): Uint8Array {
  const out = new ProtoWriter()
  out.packed(1, values)
  // Key and length take two bytes as long as the values are few.
  return out.borrowBytes().slice(2)
}

/** A trace of these packets. */
export function trace(...packets: readonly Fields[]): Uint8Array {
  return Buffer.concat(packets.map((packet) => message({ 1: packet })))
}

/** FtraceEvent sched_waking. */
export function waking(ts: number, tid: number, pid: number, comm = 'woken'): Fields {
  return { 1: ts, 2: tid, 20: { 1: comm, 2: pid, 3: 120, 5: 1 } }
}

/** FtraceEvent mm_vmscan_kswapd_wake. */
export function kswapdWake(ts: number, tid: number, fields: Fields = { 1: 0, 2: 3 }): Fields {
  return { 1: ts, 2: tid, 48: fields }
}
