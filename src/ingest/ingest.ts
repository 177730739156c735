import { setImmediate } from 'node:timers/promises'
import type { EventFormat, EventWindow } from '../../parsers/batch.ts'
import type { ImportIssue, Loss, TraceReader } from '../../parsers/reader.ts'
import type { Database } from '../database/database.ts'
import type { RenamedField } from '../database/raw.ts'
import type { Facts } from '../database/states.ts'
import { borrowWriter } from '../database/thread-writer.ts'
import type { RowWriter } from '../database/writer.ts'
import { PstraceError } from '../model/error.ts'
import { Families } from './families.ts'
import { amendSwapouts, finishSwapouts, renumberPages } from './finish.ts'
import { Follower } from './follower.ts'
import { PAGE_ALIASES } from './identities.ts'
import { OwnIssues } from './issues.ts'
import { kernelOf } from './kernel.ts'
import { addMachine } from './machine.ts'
import { type SnapshotFiles, SYMBOLS_FILE } from './snapshot.ts'
import { STAGED_SWAPOUTS } from './swapout-rows.ts'
import { BLOCK_ROWS } from './tables.ts'

/** What share of the input is left when waiting rows are written for the first time before the end. */
const LATE_SHARE = 0.08

/** Events between two turns of the event loop: a few milliseconds. */
const EVENTS_PER_TURN = 16_384

export interface IngestProgress {
  readonly bytesRead: number
  readonly events: number
}

export interface IngestOptions {
  /** Read to its end but not closed. */
  readonly reader: TraceReader
  readonly name: string
  readonly path: string
  /** Bytes that the reader will have read at the end, if that is known: rows then need not wait for each other until the end. */
  readonly size?: number
  /**
   * Hexadecimal; undefined skips the check for the same input twice. A function skips it too, and is asked when all has been
   * read, beside the last writes.
   */
  readonly sha256?: string | (() => string)
  /** The files recorded beside the trace, by file name. */
  readonly snapshots?: SnapshotFiles
  /** Which events are kept as raw rows: all, none, or those whose `system:event` matches a pattern with `*`. */
  readonly raw?: string
  /** Stop at the first error or loss. */
  readonly strict?: boolean
  readonly force?: boolean
  readonly pstraceVersion?: string
  readonly progress?: (progress: IngestProgress) => void
  /** Aborting keeps nothing of the trace. */
  readonly signal?: AbortSignal
}

export interface IngestResult {
  readonly traceId: number
  readonly events: number
  readonly lostGaps: number
  readonly issues: readonly ImportIssue[]
}

/** Reads a trace into the database. The trace is visible when this returns; on failure nothing of it stays. */
export async function ingestTrace(
  options: IngestOptions & { readonly database: Database },
): Promise<IngestResult> {
  const writer = await borrowWriter(options.database)
  try {
    return await writeTrace(writer, options)
  } finally {
    await writer.close()
  }
}

/** The same with a writer that stays open, for the next trace or to ask what there is now. */
export async function writeTrace(writer: RowWriter, options: IngestOptions): Promise<IngestResult> {
  const { info } = options.reader
  const files: SnapshotFiles = options.snapshots ?? new Map()
  const { kernelRelease, arch } = kernelOf(info, files)
  try {
    await writer.beginTrace(
      {
        name: options.name,
        path: options.path,
        format: info.format,
        sha256: typeof options.sha256 === 'string' ? options.sha256 : null,
        kernel_release: kernelRelease ?? null,
        arch: arch ?? null,
        cpus: info.cpus ?? null,
        page_size: info.pageSize ?? null,
        clock: info.clock ?? null,
        snapshot: files.size === 0 ? null : toSnapshotJson(files),
        pstrace_version: options.pstraceVersion ?? null,
      },
      { baseNs: info.baseNs, force: options.force === true },
    )
    const { result, facts } = await new Import(options, writer, files).run()
    await writer.completeTrace(facts)
    return result
  } catch (error) {
    await writer.removeTrace()
    throw error
  }
}

/** One trace on its way in. */
class Import {
  readonly #options: IngestOptions
  readonly #files: SnapshotFiles
  readonly #families: Families
  readonly #follower: Follower
  readonly #writer: RowWriter
  readonly #keepsRaw: (format: EventFormat) => boolean
  readonly #issues = new OwnIssues()
  #seqs: Float64Array[] = []
  /** Bytes read at which waiting rows are written. */
  #flushAt: number

  constructor(options: IngestOptions, writer: RowWriter, files: SnapshotFiles) {
    this.#options = options
    this.#files = files
    this.#families = new Families(options.reader, files)
    this.#follower = new Follower(this.#families)
    this.#writer = writer
    this.#keepsRaw = rawFilter(options.raw ?? 'all')
    this.#flushAt = (options.size ?? Number.POSITIVE_INFINITY) * (1 - LATE_SHARE)
  }

  async run(): Promise<{ result: IngestResult; facts: Facts }> {
    const { reader, progress, signal } = this.#options
    const writer = this.#writer
    const follower = this.#follower
    reader.wantOnly?.((format) => (this.#keepsRaw(format) ? undefined : follower.fieldsOf(format)))
    reader.wantRecords?.((format) => !this.#keepsRaw(format) && follower.readsRecords(format))
    await writer.createTemporary(STAGED_SWAPOUTS)
    await writer.createTemporary(PAGE_ALIASES)
    // One transaction: DuckDB moves its full row groups to the file, so memory does not grow with it, and a commit in between
    // would end row groups early.
    await writer.begin()
    await writer.beginRaw()
    let turnAt = EVENTS_PER_TURN
    for (;;) {
      await reader.wait?.()
      const window = reader.read()
      if (window === undefined) break
      signal?.throwIfAborted()
      follower.takeLosses(reader.losses)
      follower.follow(window)
      await this.#keepRaw(window)
      await this.#drain({ all: false })
      if (reader.bytesRead >= this.#flushAt) this.#flushBefore(this.#options.size ?? 0)
      if (follower.events >= turnAt) {
        // Lets signals, timers and the writer's answers come: everything else here is synchronous.
        await setImmediate()
        turnAt = follower.events + EVENTS_PER_TURN
      }
      progress?.({ bytesRead: reader.bytesRead, events: follower.events })
      if (this.#options.strict === true) this.#requireClean()
    }
    follower.takeLosses(reader.losses)
    if (this.#options.strict === true) this.#requireClean()
    return await this.#finish()
  }

  async #finish(): Promise<{ result: IngestResult; facts: Facts }> {
    const { reader, sha256 } = this.#options
    const { losses } = reader
    const writer = this.#writer
    const follower = this.#follower
    const { tables } = this.#families
    const hiddenSinceNs = follower.finish(losses)
    this.#addIssues(await writer.endRaw())
    const { startNs, endNs, counts, events } = follower
    const machine = addMachine(tables, { files: this.#files, reader, startNs, endNs, counts })
    const issues = [...reader.issues, ...this.#issues.list]
    this.#issues.write(tables.buffers.import_issues, issues)
    this.#addLosses()
    await this.#drain({ all: true })
    const flushed = writer.flush()
    const late = typeof sha256 === 'function' ? { sha256: sha256() } : {}
    await flushed
    const traceId = await writer.traceId()
    await this.#completeSwapouts(traceId, machine.vmscanWrites, hiddenSinceNs)
    const facts = {
      ...late,
      start_ns: this.#absolute(startNs),
      end_ns: this.#absolute(endNs),
      events,
      lost_events: knownLost(losses),
      lost_gaps: losses.length,
      nodes: machine.nodes ?? null,
    }
    return { result: { traceId, events, lostGaps: losses.length, issues }, facts }
  }

  /** What the import itself found amiss, beside the reader's issues. */
  #addIssues(renamed: readonly RenamedField[]): void {
    for (const { table, field, column } of renamed)
      this.#issues.add(
        'renamed_field',
        'info',
        `Field ${field} of ${table} is kept as ${column}: its name is that of another column, or an earlier trace has another class of values under it.`,
      )
    const { storesWithoutSubmit } = this.#families.swapouts
    if (storesWithoutSubmit > 0)
      this.#issues.add(
        'store_without_submit',
        'info',
        'A page was stored whose hand-over is not in the trace; it has no row in swapouts.',
        storesWithoutSubmit,
      )
  }

  /** Gives written swap-outs what only the whole trace tells. `vmscanWrites`: pages that the kernel counted, where it is known. */
  async #completeSwapouts(
    traceId: number,
    vmscanWrites: number | undefined,
    hiddenSinceNs: number,
  ): Promise<void> {
    const writer = this.#writer
    const { swapouts, identities, queue, counts, singlePagesKnown } = this.#families
    const aliases = identities.aliasCount
    const isWhole = this.#options.reader.losses.length === 0
    const singlePages = isWhole && vmscanWrites === counts.writeFolio
    const single = singlePages && !singlePagesKnown
    // Statements over all rows want them in the file.
    if (swapouts.staged || single || aliases > 0) await writer.commit()
    if (swapouts.staged)
      await finishSwapouts(writer, traceId, {
        ...queue,
        singlePages,
        hiddenSinceNs: this.#absolute(hiddenSinceNs),
      })
    else await amendSwapouts(writer, traceId, { singlePages: single, aliases })
    if (aliases > 0) await renumberPages(writer, 'pool_moves', traceId)
    await writer.dropTemporary(STAGED_SWAPOUTS)
    await writer.dropTemporary(PAGE_ALIASES)
  }

  /** On the trace's clock; null where it is not known. */
  #absolute(ns: number): bigint | null {
    return Number.isNaN(ns) ? null : this.#options.reader.info.baseNs + BigInt(Math.round(ns))
  }

  async #keepRaw(window: EventWindow): Promise<void> {
    if (!window.batches.some(({ format }) => this.#keepsRaw(format))) return
    const kept = window.batches.map(({ format }) => this.#keepsRaw(format))
    const seqs = window.batches.map((batch, b) => {
      if (kept[b] !== true) return undefined
      let seq = this.#seqs[b]
      if (seq === undefined || seq.length < batch.length) {
        seq = new Float64Array(Math.max(batch.length, 4096))
        this.#seqs[b] = seq
      }
      return seq
    })
    const { batch: batchOf, row: rowOf, length, firstSeq } = window
    for (let k = 0; k < length; k++) {
      const seq = seqs[batchOf[k] ?? 0]
      if (seq !== undefined) seq[rowOf[k] ?? 0] = firstSeq + k
    }
    const raw = window.batches.flatMap((batch, b) => {
      const seq = seqs[b]
      return seq === undefined ? [] : [{ batch, seq }]
    })
    await this.#writer.appendRaw(raw)
  }

  async #drain(options: { all: boolean }): Promise<void> {
    const writer = this.#writer
    const families = this.#families
    families.following.takeRows(options.all ? 1 : BLOCK_ROWS)
    await families.tables.drain(writer, options)
    for (const rows of [...families.swapouts.buffers, families.identities.aliases])
      if (options.all || rows.length >= BLOCK_ROWS) await writer.append(rows)
  }

  /** Has the writing thread write what waits while the rest is read, now and when a quarter of the rest is left. */
  #flushBefore(end: number): void {
    this.#flushAt = end - (end - this.#flushAt) / 4
    // What fails is told by the next call.
    this.#writer.flush().catch(() => undefined)
  }

  #addLosses(): void {
    const rows = this.#families.tables.buffers.losses
    const { losses } = this.#options.reader
    if (losses.length > 0) this.#follower.moments.write(this.#families.tables.buffers.samples)
    for (const loss of losses) {
      const row = rows.add()
      rows.number(row, 'cpu', loss.cpu)
      rows.number(row, 'start_ns', loss.startNs)
      rows.number(row, 'end_ns', loss.endNs)
      rows.number(row, 'events', loss.events ?? Number.NaN)
    }
  }

  #requireClean(): void {
    const { reader, path } = this.#options
    const bad = reader.issues.find(({ severity }) => severity !== 'info')
    if (bad !== undefined) {
      const place = bad.firstPosition
      const where = place === undefined ? '' : `, ${place.unit} ${place.at}`
      throw new PstraceError('strict', `${path}${where}: ${bad.message}`, { exitStatus: 3 })
    }
    const [loss] = reader.losses
    if (loss !== undefined)
      throw new PstraceError(
        'strict',
        `${path}: ${loss.events ?? 'an unknown number of'} events were lost on CPU ${loss.cpu}`,
        { exitStatus: 3 },
      )
  }
}

function knownLost(losses: readonly Loss[]): number | null {
  let events = 0
  for (const loss of losses) {
    if (loss.events === undefined) return null
    events += loss.events
  }
  return events
}

/** `all`, `none`, or a comma-separated list of patterns over `system:event` with `*` for anything. */
function rawFilter(raw: string): (format: EventFormat) => boolean {
  if (raw === 'all') return () => true
  if (raw === 'none') return () => false
  const patterns = raw.split(',').map((pattern) => {
    const escaped = pattern.trim().replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    return new RegExp(`^${escaped.replaceAll('*', '.*')}$`)
  })
  const kept = new Map<EventFormat, boolean>()
  return (format) => {
    let keep = kept.get(format)
    if (keep === undefined) {
      const full = `${format.system}:${format.name}`
      keep = patterns.some((pattern) => pattern.test(full) || pattern.test(format.name))
      kept.set(format, keep)
    }
    return keep
  }
}

/** Symbols are used up when functions have their names; all of them would be megabytes. */
function toSnapshotJson(files: SnapshotFiles): string {
  return JSON.stringify(Object.fromEntries([...files].filter(([name]) => name !== SYMBOLS_FILE)))
}
