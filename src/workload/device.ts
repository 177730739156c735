import type { RecordedIos, Recording } from './recording.ts'
import type { DeviceRequests } from './types.ts'

const SECTOR_BYTES = 512
/** A distribution needs no more; the JSON file holds them all. */
const MOST_REQUESTS = 16_384

/**
 * Service times of the device below swap, from block events issued until `untilNs`. Traces do not say which device that is: it is the one
 * to which most pages were written. None where swap lies in zram alone: what is written elsewhere then are files.
 */
export function readDeviceRequests(
  recording: Recording,
  untilNs: number,
): DeviceRequests | undefined {
  const { ios, swapKinds, pageSize } = recording
  if (ios === undefined) return undefined
  if (swapKinds.length > 0 && swapKinds.every((kind) => kind === 'zram')) return undefined
  const device = mostWritten(ios)
  const rows: number[] = []
  for (let row = 0; row < ios.length && rows.length < MOST_REQUESTS; row++) {
    if (ios.device[row] !== device || (ios.issueNs[row] as number) >= untilNs) continue
    if (kindOf(ios.op[row]) !== undefined && (ios.sectors[row] as number) > 0) rows.push(row)
  }
  if (device === undefined || rows.length === 0) return undefined
  const column = (value: (row: number) => number) => Float64Array.from(rows, value)
  return {
    isWrite: Uint8Array.from(rows, (row) => (kindOf(ios.op[row]) === 'write' ? 1 : 0)),
    pages: column((row) => Math.ceil(((ios.sectors[row] as number) * SECTOR_BYTES) / pageSize)),
    ns: column((row) => (ios.doneNs[row] as number) - (ios.issueNs[row] as number)),
    depth: mostUnderWay(
      column((row) => ios.issueNs[row] as number),
      column((row) => ios.doneNs[row] as number),
    ),
    from: `block events of ${device}, the device to which most was written`,
  }
}

/** rwbs of block events (blk_fill_rwbs): flushes and discards move no pages. */
function kindOf(op: string | undefined): 'read' | 'write' | undefined {
  if (op === undefined || op.includes('D')) return undefined
  if (op.includes('R')) return 'read'
  return op.includes('W') ? 'write' : undefined
}

function mostWritten(ios: RecordedIos): string | undefined {
  const written = new Map<string, number>()
  for (let row = 0; row < ios.length; row++) {
    const device = ios.device[row]
    if (device === undefined || kindOf(ios.op[row]) !== 'write') continue
    written.set(device, (written.get(device) ?? 0) + (ios.sectors[row] as number))
  }
  let most: string | undefined
  for (const [device, sectors] of written)
    if (most === undefined || sectors > (written.get(most) ?? 0)) most = device
  return most
}

function mostUnderWay(issued: Float64Array, done: Float64Array): number {
  const ends = done.slice().sort()
  let ended = 0
  let most = 0
  for (let row = 0; row < issued.length; row++) {
    while ((ends[ended] ?? Number.POSITIVE_INFINITY) <= (issued[row] as number)) ended++
    most = Math.max(most, row + 1 - ended)
  }
  return most
}
