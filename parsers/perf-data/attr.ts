import type { Cursor } from '../cursor.ts'

/** Bits of perf_event_attr.sample_type. */
export const SAMPLE = {
  ip: 0x1,
  tid: 0x2,
  time: 0x4,
  addr: 0x8,
  read: 0x10,
  callchain: 0x20,
  id: 0x40,
  cpu: 0x80,
  period: 0x100,
  streamId: 0x200,
  raw: 0x400,
  identifier: 0x10000,
} as const

const READ_FORMAT = { enabled: 1, running: 2, id: 4, group: 8, lost: 16 } as const
/** PERF_TYPE_TRACEPOINT */
export const TYPE_TRACEPOINT = 2
const FLAG_SAMPLE_ID_ALL = 18
const FLAG_USE_CLOCKID = 25

/** One recorded event as perf_event_attr describes it. */
export interface PerfAttr {
  readonly type: number
  /** Tracepoint id, for tracepoints. */
  readonly config: number
  readonly sampleType: number
  readonly readFormat: number
  readonly sampleIdAll: boolean
  /** CLOCK_*; undefined = perf's own clock. */
  readonly clockId: number | undefined
  readonly ids: number[]
  name: string
}

/**
 * Reads one attribute of `size` bytes; the cursor ends behind it.
 * Source: struct perf_event_attr in include/uapi/linux/perf_event.h (6.12).
 */
export function parseAttr(cursor: Cursor, size: number): PerfAttr {
  const start = cursor.at
  const type = cursor.u32()
  cursor.u32()
  const config = cursor.u64()
  cursor.skip(8)
  const sampleType = cursor.u64()
  const readFormat = cursor.u64()
  const flags = cursor.copyBytes(8)
  // Bit-fields begin at a word's lowest bit on little-endian machines and at its highest on big-endian ones.
  const bit = (n: number): boolean => {
    const byte = flags[n >> 3] ?? 0
    return ((cursor.littleEndian ? byte >> (n & 7) : byte >> (7 - (n & 7))) & 1) === 1
  }
  const clockOffset = 92
  let clockId: number | undefined
  if (bit(FLAG_USE_CLOCKID) && size >= clockOffset + 4) {
    cursor.seek(start + clockOffset)
    clockId = cursor.u32() | 0
  }
  cursor.seek(start + size)
  return {
    type,
    config,
    sampleType,
    readFormat,
    sampleIdAll: bit(FLAG_SAMPLE_ID_ALL),
    clockId,
    ids: [],
    name: '',
  }
}

/** Where a sample's parts are, in bytes from the record's start; -1 = not there. */
export interface SampleLayout {
  readonly id: number
  readonly tid: number
  readonly time: number
  readonly cpu: number
  /** Where the first part of variable length begins. */
  readonly variable: number
  readonly readFormat: number
  readonly hasRead: boolean
  readonly hasCallchain: boolean
  readonly hasRaw: boolean
}

/** Places of a sample's parts; -1 = not there. Source: perf_event_open(2), PERF_RECORD_SAMPLE. */
export function sampleLayout({ sampleType, readFormat }: PerfAttr): SampleLayout {
  let at = 8
  const part = (bit: number): number => {
    if ((sampleType & bit) === 0) return -1
    at += 8
    return at - 8
  }
  const identifier = part(SAMPLE.identifier)
  part(SAMPLE.ip)
  const tid = part(SAMPLE.tid)
  const time = part(SAMPLE.time)
  part(SAMPLE.addr)
  const id = part(SAMPLE.id)
  part(SAMPLE.streamId)
  const cpu = part(SAMPLE.cpu)
  part(SAMPLE.period)
  return {
    id: identifier >= 0 ? identifier : id,
    tid,
    time,
    cpu,
    variable: at,
    readFormat,
    hasRead: (sampleType & SAMPLE.read) !== 0,
    hasCallchain: (sampleType & SAMPLE.callchain) !== 0,
    hasRaw: (sampleType & SAMPLE.raw) !== 0,
  }
}

/** Bytes of PERF_SAMPLE_READ; `count` is its first u64, which a group's size depends on. */
export function readBytes(readFormat: number, count: number): number {
  const times =
    (readFormat & READ_FORMAT.enabled ? 8 : 0) + (readFormat & READ_FORMAT.running ? 8 : 0)
  const value = 8 + (readFormat & READ_FORMAT.id ? 8 : 0) + (readFormat & READ_FORMAT.lost ? 8 : 0)
  return (readFormat & READ_FORMAT.group) === 0 ? value + times : 8 + times + count * value
}

/** Bytes of the identification behind records that are no samples, and its parts' distances from the record's END; -1 = none. */
export interface TrailerLayout {
  readonly bytes: number
  readonly tid: number
  readonly time: number
  readonly cpu: number
}

/** Places, from the end, of the sample_id that other records carry. Source: perf_event_open(2), sample_id_all. */
export function trailerLayout({ sampleType, sampleIdAll }: PerfAttr): TrailerLayout {
  if (!sampleIdAll) return { bytes: 0, tid: -1, time: -1, cpu: -1 }
  let behind = 0
  // Order from the end: IDENTIFIER, CPU, STREAM_ID, ID, TIME, TID.
  const part = (bit: number): number => {
    if ((sampleType & bit) === 0) return -1
    behind += 8
    return behind
  }
  part(SAMPLE.identifier)
  const cpu = part(SAMPLE.cpu)
  part(SAMPLE.streamId)
  part(SAMPLE.id)
  const time = part(SAMPLE.time)
  const tid = part(SAMPLE.tid)
  return { bytes: behind, tid, time, cpu }
}
