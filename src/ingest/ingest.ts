import { setImmediate } from 'node:timers/promises'
import type { EventBatch, EventFormat, EventWindow } from '../../parsers/batch.ts'
import type { ImportIssue, Loss, TraceReader } from '../../parsers/reader.ts'
import { toHalves } from '../database/chunk.ts'
import type { Database } from '../database/database.ts'
import { beginTrace, completeTrace, type Facts, removeTrace } from '../database/states.ts'
import { openWriter } from '../database/thread-writer.ts'
import type { RowWriter } from '../database/writer.ts'
import { PstraceError } from '../model/error.ts'
import type { EventHandler } from './context.ts'
import { EventCounts } from './event-counts.ts'
import { Families } from './families.ts'
import { amendSwapouts, finishSwapouts, renumberPages } from './finish.ts'
import { PAGE_ALIASES } from './identities.ts'
import { OwnIssues } from './issues.ts'
import { addMachine } from './machine.ts'
import { type SnapshotFiles, SYMBOLS_FILE } from './snapshot.ts'
import { STAGED_SWAPOUTS } from './swapout-rows.ts'
import { BLOCK_ROWS } from './tables.ts'

export interface IngestProgress {
  readonly bytesRead: number
  readonly events: number
}

export interface IngestOptions {
  readonly database: Database
  /** Read to its end but not closed. */
  readonly reader: TraceReader
  readonly name: string
  readonly path: string
  /** Hexadecimal; undefined skips the check for the same input twice. */
  readonly sha256?: string
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
export async function ingestTrace(options: IngestOptions): Promise<IngestResult> {
  const { database, reader } = options
  const { info } = reader
  const files: SnapshotFiles = options.snapshots ?? new Map()
  const traceId = await beginTrace(
    database,
    {
      name: options.name,
      path: options.path,
      format: info.format,
      sha256: options.sha256 ?? null,
      kernel_release: info.kernelRelease ?? null,
      arch: info.arch ?? null,
      cpus: info.cpus ?? null,
      page_size: info.pageSize ?? null,
      clock: info.clock ?? null,
      snapshot: files.size === 0 ? null : toSnapshotJson(files),
      pstrace_version: options.pstraceVersion ?? null,
    },
    { force: options.force === true },
  )
  try {
    const { result, facts } = await load(options, traceId, files)
    await completeTrace(database, traceId, facts)
    return result
  } catch (error) {
    await removeTrace(database, traceId)
    throw error
  }
}

/** Writes the trace's rows; when this returns or throws, the database is its owner's again. */
async function load(
  options: IngestOptions,
  traceId: number,
  files: SnapshotFiles,
): Promise<{ result: IngestResult; facts: Facts }> {
  const writer = await openWriter(options.database)
  try {
    const import_ = new Import(options, writer, traceId, files)
    return await import_.run()
  } catch (error) {
    await writer.rollback()
    throw error
  } finally {
    await writer.close()
  }
}

/** One trace on its way in. */
class Import {
  readonly #options: IngestOptions
  readonly #traceId: number
  readonly #files: SnapshotFiles
  readonly #families: Families
  readonly #writer: RowWriter
  readonly #keepsRaw: (format: EventFormat) => boolean
  readonly #handlers = new Map<EventFormat, (EventHandler | undefined)[]>()
  readonly #counts = new Map<EventFormat, number>()
  readonly #eventCounts = new EventCounts()
  readonly #issues = new OwnIssues()
  readonly #owner
  #seqs: Float64Array[] = []
  #events = 0
  #startNs = Number.NaN
  #endNs = Number.NaN
  readonly #lossesTaken = new Set<Loss>()
  #pendingLosses: Loss[] = []

  constructor(options: IngestOptions, writer: RowWriter, traceId: number, files: SnapshotFiles) {
    const { reader } = options
    const base = toHalves(reader.info.baseNs)
    this.#options = options
    this.#traceId = traceId
    this.#files = files
    this.#owner = { traceId, base }
    this.#families = new Families(reader, files)
    this.#writer = writer
    this.#keepsRaw = rawFilter(options.raw ?? 'all')
  }

  async run(): Promise<{ result: IngestResult; facts: Facts }> {
    const { reader, progress, signal } = this.#options
    const writer = this.#writer
    await writer.createTemporary(STAGED_SWAPOUTS)
    await writer.createTemporary(PAGE_ALIASES)
    // One transaction: DuckDB moves its full row groups to the file, so memory does not grow with it, and a commit in between
    // would end row groups early.
    await writer.begin()
    await writer.beginRaw(this.#traceId, this.#owner.base)
    for (;;) {
      await reader.wait?.()
      const window = reader.read()
      if (window === undefined) break
      signal?.throwIfAborted()
      this.#takeLosses(reader.losses)
      this.#follow(window)
      this.#eventCounts.add(window)
      await this.#keepRaw(window)
      await this.#drain({ all: false })
      // Lets signals and timers run between windows: everything else here is synchronous.
      await setImmediate()
      progress?.({ bytesRead: reader.bytesRead, events: this.#events })
      if (this.#options.strict === true) this.#requireClean()
    }
    this.#takeLosses(reader.losses)
    if (this.#options.strict === true) this.#requireClean()
    return await this.#finish()
  }

  async #finish(): Promise<{ result: IngestResult; facts: Facts }> {
    const { reader } = this.#options
    const writer = this.#writer
    const families = this.#families
    const hiddenSinceNs = this.#hiddenSinceNs()
    if (!Number.isNaN(this.#endNs)) {
      for (const loss of this.#pendingLosses) families.lose(loss)
      families.finish(this.#endNs)
    }
    const renamed = await writer.endRaw()
    const machine = addMachine(families.tables, {
      files: this.#files,
      reader,
      startNs: this.#startNs,
      endNs: this.#endNs,
      counts: this.#counts,
    })
    for (const { table, field, column } of renamed)
      this.#issues.add(
        'renamed_field',
        'info',
        `Field ${field} of ${table} is kept as ${column}: its name is that of another column, or an earlier trace has another class of values under it.`,
      )
    if (families.swapouts.storesWithoutSubmit > 0)
      this.#issues.add(
        'store_without_submit',
        'info',
        'A page was stored whose hand-over is not in the trace; it has no row in swapouts.',
        families.swapouts.storesWithoutSubmit,
      )
    const issues = [...reader.issues, ...this.#issues.list]
    this.#issues.write(families.tables.buffers.import_issues, issues)
    this.#addLosses()
    await this.#drain({ all: true })
    await writer.flush()
    await writer.run('COMMIT')
    const writes = families.counts.writeFolio
    const singlePages = machine.vmscanWrites === writes && reader.losses.length === 0
    const traceId = this.#traceId
    const aliases = families.identities.aliasCount
    const { baseNs } = reader.info
    const absolute = (ns: number): bigint | null =>
      Number.isNaN(ns) ? null : baseNs + BigInt(Math.round(ns))
    if (families.swapouts.staged)
      await finishSwapouts(writer, traceId, {
        ...families.queue,
        singlePages,
        hiddenSinceNs: absolute(hiddenSinceNs),
      })
    else {
      const single = singlePages && !families.singlePagesKnown
      await amendSwapouts(writer, traceId, { singlePages: single, aliases })
    }
    if (aliases > 0) await renumberPages(writer, 'pool_moves', traceId)
    await writer.dropTemporary(STAGED_SWAPOUTS)
    await writer.dropTemporary(PAGE_ALIASES)
    const facts = {
      start_ns: absolute(this.#startNs),
      end_ns: absolute(this.#endNs),
      events: this.#events,
      lost_events: knownLost(reader.losses),
      lost_gaps: reader.losses.length,
      nodes: machine.nodes ?? null,
    }
    const result = {
      traceId: this.#traceId,
      events: this.#events,
      lostGaps: reader.losses.length,
      issues,
    }
    return { result, facts }
  }

  /** Runs the window's events in total order through their handlers. */
  #follow(window: EventWindow): void {
    const { batches, batch: batchOf, row: rowOf, length } = window
    const families = this.#families
    const handlers = batches.map((batch) => {
      this.#counts.set(batch.format, (this.#counts.get(batch.format) ?? 0) + batch.length)
      const handler = this.#handlerOf(batch)
      handler?.bind(batch)
      return handler
    })
    this.#events += length
    if (length === 0) return
    const first = batches[batchOf[0] ?? 0]?.ts[rowOf[0] ?? 0] ?? Number.NaN
    if (Number.isNaN(this.#startNs)) {
      this.#startNs = first
      families.start(first)
    }
    this.#endNs = batches[batchOf[length - 1] ?? 0]?.ts[rowOf[length - 1] ?? 0] ?? this.#endNs
    if (this.#pendingLosses.length === 0 && !handlers.some((handler) => handler !== undefined))
      return
    const { tasks } = families
    let lossAt = this.#pendingLosses[0]?.startNs ?? Number.POSITIVE_INFINITY
    for (let k = 0; k < length; k++) {
      const b = batchOf[k] ?? 0
      const handler = handlers[b]
      if (handler === undefined) continue
      const batch = batches[b]
      if (batch === undefined) continue
      const row = rowOf[k] ?? 0
      const ts = batch.ts[row] ?? 0
      if (ts > lossAt) lossAt = this.#applyLosses(ts)
      const cpu = batch.cpu[row] ?? 0
      const task = tasks.at(batch.tid[row] ?? 0, ts, cpu)
      // Data that is of no cpu has -1.
      if (cpu >= 0) task.lastCpu = cpu
      handler.event(row, ts, cpu, task)
    }
  }

  #handlerOf(batch: EventBatch): EventHandler | undefined {
    let byInstance = this.#handlers.get(batch.format)
    if (byInstance === undefined) {
      byInstance = []
      this.#handlers.set(batch.format, byInstance)
    }
    // Two instances' batches of one format are bound at the same time.
    if (!(batch.instance in byInstance))
      byInstance[batch.instance] = this.#families.handlerOf(batch.format)
    return byInstance[batch.instance]
  }

  async #keepRaw(window: EventWindow): Promise<void> {
    const kept = window.batches.map((batch) => this.#keepsRaw(batch.format))
    if (!kept.includes(true)) return
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
    await families.tables.drain(writer, this.#owner, options)
    for (const rows of [...families.swapouts.buffers, families.identities.aliases])
      if (options.all || rows.length >= BLOCK_ROWS) await writer.append(rows, this.#owner)
  }

  /** Readers list losses by CPU: new ones stand between old ones. */
  #takeLosses(losses: readonly Loss[]): void {
    if (losses.length === this.#lossesTaken.size) return
    for (const loss of losses) {
      if (this.#lossesTaken.has(loss)) continue
      this.#lossesTaken.add(loss)
      if (loss.isUnplaced !== true) this.#pendingLosses.push(loss)
    }
    this.#pendingLosses.sort((a, b) => a.startNs - b.startNs)
  }

  /** Applies the losses that began before `ts`; returns when the next one begins. */
  #applyLosses(ts: number): number {
    const losses = this.#pendingLosses
    for (;;) {
      const [loss] = losses
      if (loss === undefined || loss.startNs >= ts) return loss?.startNs ?? Number.POSITIVE_INFINITY
      this.#families.lose(loss)
      losses.shift()
    }
  }

  /** Losses that only a CPU's counter tells may lie after its last event: from there on nothing is known of it. Returns since when at the earliest. */
  #hiddenSinceNs(): number {
    let sinceNs = Number.NaN
    for (const { cpu, isUnplaced, events } of this.#options.reader.losses) {
      const startNs = this.#eventCounts.lastNs(cpu)
      if (isUnplaced !== true || Number.isNaN(startNs)) continue
      this.#pendingLosses.push({ cpu, startNs, endNs: this.#endNs, events })
      sinceNs = Number.isNaN(sinceNs) ? startNs : Math.min(sinceNs, startNs)
    }
    return sinceNs
  }

  #addLosses(): void {
    const rows = this.#families.tables.buffers.losses
    const { losses } = this.#options.reader
    if (losses.length > 0) this.#eventCounts.write(this.#families.tables.buffers.samples)
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
