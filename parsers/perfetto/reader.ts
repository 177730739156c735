import type { EventFormat } from '../batch.ts'
import { readFully } from '../cursor.ts'
import { TraceParseError } from '../error.ts'
import { IssueLog } from '../issues.ts'
import { MergedReader } from '../merged-reader.ts'
import type { ByteSource, Loss, TraceInfo, TraceReader } from '../reader.ts'
import { HOST_LITTLE_ENDIAN } from '../record-decoder.ts'
import { RecordMemory } from '../record-memory.ts'
import { settleLosses } from '../trace-dat/cpu-stream.ts'
import { WindowBuilder } from '../window.ts'
import { BundleStream, newBundleContext } from './bundle-stream.ts'
import { EventDecoder } from './event-decoder.ts'
import { PacketStore } from './packet-store.ts'
import { MAX_RECORD_BYTES } from './shapes.ts'
import { SideStream } from './side-stream.ts'
import { isPerfetto } from './sniff.ts'
import { TraceScan } from './trace-scan.ts'

const TWO_32 = 4_294_967_296

/** Opens a Perfetto trace (a sequence of TracePackets). Throws `TraceParseError`. */
export async function openPerfetto(source: ByteSource): Promise<TraceReader> {
  const head = new Uint8Array(Math.min(65_536, source.size))
  if (!isPerfetto(head.subarray(0, readFully(source, 0, head))))
    throw new TraceParseError(
      'bad_header',
      source.name,
      { unit: 'byte', at: 0 },
      'the file does not begin with a trace packet',
    )
  const issues = new IssueLog()
  const store = new PacketStore(source, issues)
  const decoder = new EventDecoder(issues)
  const scan = new TraceScan(store, decoder, issues, async () => {
    if (store.unpackZstd !== undefined) return
    const { loadZstdStream } = await import('../zstd.ts')
    store.unpackZstd = await loadZstdStream()
  })
  await scan.run()
  return new PerfettoReader(store, decoder, scan, issues)
}

class PerfettoReader extends MergedReader<BundleStream> {
  readonly info: TraceInfo
  readonly formats: readonly EventFormat[]
  readonly #store: PacketStore
  readonly #scan: TraceScan

  constructor(store: PacketStore, decoder: EventDecoder, scan: TraceScan, issues: IssueLog) {
    super(issues)
    this.#store = store
    this.#scan = scan
    if (scan.side.dropped > 0)
      issues.add(
        'too_many_samples',
        'data_loss',
        undefined,
        `The trace has ${scan.side.dropped} samples and slices more than are read.`,
      )
    const least = leastOf(scan)
    const { hi, lo } = shifted(scan.clocks.hi, scan.clocks.lo, least)
    const context = newBundleContext({
      store,
      decoder,
      issues,
      baseHi: hi,
      baseLo: lo,
      ftraceOffset: scan.bundles.ftraceOffset,
    })
    const streams = scan.bundles.lists.map((list) => new BundleStream(list, context))
    const side = new SideStream({
      rows: scan.side,
      tracks: scan.tracks.withThreads(),
      baseNs: least,
      shapes: decoder.shapes,
    })
    this.formats = decoder.shapes.formats
    this.info = toInfo(scan, (BigInt(hi) << 32n) + BigInt(lo))
    const window = new WindowBuilder({
      formats: decoder.shapes.table,
      issues,
      memory: new RecordMemory(),
      littleEndian: HOST_LITTLE_ENDIAN,
      maxRecordBytes: MAX_RECORD_BYTES + 4,
    })
    this.begin({ streams, window, ...(scan.side.length === 0 ? {} : { beside: side }) })
  }

  override get bytesRead(): number {
    return this.hasEnded ? this.#store.source.size : super.bytesRead
  }

  symbolOf(hi: number, lo: number): string | undefined {
    return this.#scan.sequences.symbolOf(hi, lo)
  }

  protected settle(stream: BundleStream): Loss[] {
    const counter = stream.list.sequence.counters.get(stream.cpu)
    const lost =
      counter?.start === undefined || counter.end === undefined ? 0 : counter.end - counter.start
    return settleLosses(stream, lost)
  }
}

/** The earliest time of all, ns since the clocks' base. */
function leastOf({ bundles, side }: TraceScan): number {
  let least = bundles.firstNs ?? Number.POSITIVE_INFINITY
  for (let i = 0; i < side.length; i++) least = Math.min(least, side.ts[i] as number)
  return Number.isFinite(least) ? least : 0
}

function shifted(hi: number, lo: number, ns: number): { hi: number; lo: number } {
  const low = lo + ns
  const carry = Math.floor(low / TWO_32)
  return { hi: hi + carry, lo: low - carry * TWO_32 }
}

function toInfo(scan: TraceScan, baseNs: bigint): TraceInfo {
  const { lists } = scan.bundles
  const cpus =
    scan.device.cpus ??
    (lists.length === 0 ? undefined : Math.max(...lists.map(({ cpu }) => cpu)) + 1)
  return {
    format: 'perfetto',
    kernelRelease: scan.device.kernelRelease,
    arch: scan.device.arch,
    cpus,
    pageSize: scan.device.pageSize,
    clock: scan.clocks.name,
    baseNs,
    ticks: false,
    instances: [{ name: '', clock: scan.clocks.name }],
    comms: scan.device.comms,
    tgids: scan.device.tgids,
    nodeRanges: [],
    facts: scan.device.facts,
  }
}
