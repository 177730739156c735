import { existsSync, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DuckDBConnection, DuckDBValue, DuckDBInstance as Instance } from '@duckdb/node-api'
import { PstraceError } from '../model/error.ts'
import type { RowBuffer, TableRows } from '../model/rows.ts'
import { type RowOwner, TableAppender } from './append.ts'
import { DuckDBInstance } from './duckdb.ts'
import { memoryLimit } from './limits.ts'
import { prepareSchema, requireSchema } from './migrations.ts'
import { findPacked, type PackedTable } from './packed.ts'
import { PackedAppender, readShapeNumbers, type ShapeNumbers } from './packed-appender.ts'
import { type ColumnValues, queryColumns, queryRows, type Row } from './query.ts'
import { quoteName, quoteText } from './quote.ts'
import { TABLES, tableOf } from './schema.ts'
import { removeUnfinished } from './states.ts'
import { StringPool } from './string-pool.ts'
import type { TableDefinition } from './tables/definition.ts'

export interface OpenOptions {
  readonly mode: 'read' | 'write'
  /** A writer, too, refuses to begin a new database. */
  readonly mustExist?: boolean
  /** DuckDB's own notation; default from the control group. */
  readonly memoryLimit?: string
  /** Where DuckDB spills; default beside the database file. */
  readonly tempDirectory?: string
  readonly threads?: number
  /** Keeps what is in state loading: the thread that opens the database for its owner. */
  readonly keepUnfinished?: true
}

/** Catalog of the open database, whatever its file is called. */
const CATALOG = 'pstrace'

/** An empty database of the current schema, which lies beside compiled code (scripts/new-database.mjs). */
const EMPTY = new URL('./empty.duckdb', import.meta.url)

/** DuckDB's checkpoint_threshold, while there is work to come. */
const SELDOM = '1GB'

/** One open database file (or `:memory:`). A writer keeps others out until `close`; readers share. */
export class Database {
  readonly path: string
  readonly memoryLimit: string | undefined
  readonly connection: DuckDBConnection
  readonly strings = new StringPool()
  readonly #instance: Instance
  /** By table of shapes, while appenders are open. */
  readonly #shapeNumbers = new Map<string, ShapeNumbers>()
  readonly #appenders = new Map<string, TableAppender | PackedAppender>()
  #isInTransaction = false

  private constructor(
    path: string,
    options: OpenOptions,
    instance: Instance,
    connection: DuckDBConnection,
  ) {
    this.path = path
    this.memoryLimit = options.memoryLimit
    this.#instance = instance
    this.connection = connection
  }

  /** Writers get the current schema and a database without unfinished traces and runs; readers refuse other schemas. */
  static async open(path: string, options: OpenOptions): Promise<Database> {
    const inMemory = path === ':memory:'
    const mustExist = !inMemory && (options.mode === 'read' || options.mustExist === true)
    if (mustExist && !existsSync(path))
      throw new PstraceError(
        'no_database',
        `${path}: no such database; create it with \`pstrace ingest FILE --db ${path}\``,
      )
    const isCopy = options.mode === 'write' && !inMemory && copyEmpty(path)
    const settings: Record<string, string> = {
      memory_limit: options.memoryLimit ?? memoryLimit(),
      temp_directory: options.tempDirectory ?? (inMemory ? '' : `${path}.tmp`),
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      // Ingest writes in blocks; checkpoints in between only repeat the work of the last one.
      checkpoint_threshold: SELDOM,
      // What is checkpointed with its COMMIT need not be in the log before.
      auto_checkpoint_skip_wal_threshold: '0',
      // Of new files. Every table with rows takes a block at least: a text trace of 500 events fills 4 MB, with blocks of 256 KiB
      // (DuckDB's own choice) 11 MB. Recordings of millions of events take as much time, and a little less room.
      default_block_size: '65536',
      // Many tables are filled at once: full row groups that wait for more of their table (five, otherwise) fill the memory, and
      // others are spilled for them.
      write_buffer_row_group_count: '1',
    }
    if (options.threads !== undefined) settings['threads'] = String(options.threads)
    const instance = await DuckDBInstance.create(':memory:', settings)
    const connection = await instance.connect()
    const access = options.mode === 'read' && !inMemory ? ' (READ_ONLY)' : ''
    try {
      // Under a fixed name: DuckDB would call the catalog after the file, and raw.duckdb would hide the schema raw.
      await connection.run(`ATTACH ${quoteText(path)} AS ${CATALOG}${access}`)
      await connection.run(`USE ${CATALOG}`)
      // Bitpacking keeps runs in as few bytes, and DuckDB tries every method on every number. (As an option at creation it is lost.)
      await connection.run("SET disabled_compression_methods = 'rle'")
    } catch (cause) {
      connection.closeSync()
      instance.closeSync()
      const error = toOpenError(path, cause)
      throw isCopy && error.code !== 'database_locked' ? toCopyError(path, cause) : error
    }
    const database = new Database(path, options, instance, connection)
    try {
      if (options.mode === 'write' || inMemory) {
        await prepareSchema(connection, path, { mustExist })
        if (options.keepUnfinished !== true) await removeUnfinished(connection)
      } else await requireSchema(connection, path)
    } catch (error) {
      database.close()
      throw error
    }
    return database
  }

  run(sql: string, values?: DuckDBValue[]): Promise<unknown> {
    return this.connection.run(sql, values)
  }

  query(sql: string, values?: DuckDBValue[]): Promise<Row[]> {
    return queryRows(this.connection, sql, values)
  }

  queryColumns(
    sql: string,
    values?: DuckDBValue[],
  ): Promise<{ length: number; columns: Record<string, ColumnValues> }> {
    return queryColumns(this.connection, sql, values)
  }

  /** Closes the file, so that another thread may open it, until `attach`. */
  async detach(): Promise<void> {
    this.closeAppenders()
    await this.run(`USE memory; DETACH ${CATALOG}`)
  }

  async attach(): Promise<void> {
    await this.run(`ATTACH ${quoteText(this.path)} AS ${CATALOG}; USE ${CATALOG}`)
  }

  /** Appends and clears the buffer. Rows are visible after `flush`. */
  async append(rows: RowBuffer, owner: RowOwner): Promise<void> {
    if (rows.length === 0) return
    await this.#openAppender(rows.table)
    this.appendNow(rows, owner)
  }

  /** Appends rows that the caller keeps. */
  async appendRows(rows: TableRows, owner: RowOwner): Promise<void> {
    if (rows.length === 0) return
    await this.#openAppender(rows.table)
    this.#appenders.get(rows.table)?.append(rows, owner)
  }

  /** Opens the appenders of all tables that runs fill, so that `appendNow` can be called from synchronous code. */
  async prepareAppends(): Promise<void> {
    for (const { name, scope } of TABLES) if (scope === 'run') await this.#openAppender(name)
  }

  /** `append` for a table whose appender is open already. */
  appendNow(rows: RowBuffer, owner: RowOwner): void {
    const appender = this.#appenders.get(rows.table)
    if (appender === undefined)
      throw new PstraceError('unprepared_table', `table ${rows.table} is not open for appending`)
    appender.append(rows, owner)
    rows.clear()
  }

  /** Creates a temporary table, empty, that `append` accepts until `dropTemporary`. */
  async createTemporary(definition: TableDefinition): Promise<void> {
    const columns = definition.columns.map(({ name, type }) => `${quoteName(name)} ${type}`)
    await this.run(`CREATE OR REPLACE TEMP TABLE ${definition.name} (${columns.join(', ')})`)
    const { connection, strings } = this
    const appender = await TableAppender.open(connection, definition, strings, 'temp')
    this.#appenders.set(definition.name, appender)
  }

  async dropTemporary(definition: TableDefinition): Promise<void> {
    this.#appenders.get(definition.name)?.close()
    this.#appenders.delete(definition.name)
    await this.run(`DROP TABLE IF EXISTS temp.${definition.name}`)
  }

  /** Opens a transaction if none is open. */
  async begin(): Promise<void> {
    if (this.#isInTransaction) return
    await this.run('BEGIN')
    this.#isInTransaction = true
  }

  async commit(): Promise<void> {
    this.#isInTransaction = false
    await this.run('COMMIT')
  }

  /** Commits into the file itself: DuckDB leaves its log out where a checkpoint follows at once. */
  async commitToFile(): Promise<void> {
    await this.run("SET checkpoint_threshold = '0B'")
    await this.commit()
    await this.run(`SET checkpoint_threshold = '${SELDOM}'`)
  }

  /** Hands everything appended so far to the open transaction, or commits it where none is open. */
  flush(): void {
    for (const appender of this.#appenders.values()) appender.flush()
  }

  /** Ends the open transaction, if there is one, and forgets what was appended in it. */
  async rollback(): Promise<void> {
    for (const appender of this.#appenders.values()) appender.discard()
    this.#appenders.clear()
    this.#shapeNumbers.clear()
    this.#isInTransaction = false
    try {
      await this.run('ROLLBACK')
    } catch {
      // No transaction was open: everything is committed, and the caller removes it.
    }
  }

  /** Ends all appenders; needed before statements that alter their tables. */
  closeAppenders(): void {
    for (const appender of this.#appenders.values()) appender.close()
    this.#appenders.clear()
    this.#shapeNumbers.clear()
  }

  async #openAppender(name: string): Promise<void> {
    if (this.#appenders.has(name)) return
    const packed = findPacked(name)
    const { connection, strings } = this
    const appender =
      packed === undefined
        ? await TableAppender.open(connection, tableOf(name), strings)
        : await PackedAppender.open(connection, packed, strings, await this.#numbersOf(packed))
    this.#appenders.set(name, appender)
  }

  async #numbersOf({ packed }: { packed: PackedTable }): Promise<ShapeNumbers> {
    const { shapes } = packed
    const numbers =
      this.#shapeNumbers.get(shapes.name) ?? (await readShapeNumbers(this.connection, shapes))
    this.#shapeNumbers.set(shapes.name, numbers)
    return numbers
  }

  close(): void {
    this.closeAppenders()
    this.connection.closeSync()
    this.#instance.closeSync()
  }
}

/** Begins a new database, whole at once: others may open it meanwhile. Where that cannot be, DuckDB says why, or creates it. */
function copyEmpty(path: string): boolean {
  if (existsSync(path) || existsSync(`${path}.wal`) || !existsSync(EMPTY)) return false
  const copy = `${path}.${process.pid}`
  try {
    writeFileSync(copy, readFileSync(EMPTY), { flag: 'wx' })
    linkSync(copy, path)
    return true
  } catch {
    // The folder is read-only or full, cannot link, or another has begun the same database.
    return false
  } finally {
    rmSync(copy, { force: true })
  }
}

/** What was just copied is no database. */
function toCopyError(path: string, cause: unknown): PstraceError {
  rmSync(path, { force: true })
  const origin = fileURLToPath(EMPTY)
  return new PstraceError(
    'damaged_installation',
    `${origin}: damaged; new databases begin as its copy: install or build pstrace again`,
    { cause },
  )
}

function toOpenError(path: string, cause: unknown): PstraceError {
  const text = cause instanceof Error ? cause.message : String(cause)
  const holder = /Conflicting lock is held in (.+?) \(PID (\d+)\)/.exec(text)
  if (holder !== null)
    return new PstraceError(
      'database_locked',
      `${path}: in use by ${holder[1]} (process ${holder[2]}); wait for it to end or choose another file with --db`,
      { cause },
    )
  if (/already open|already attached|unique file handle/i.test(text))
    return new PstraceError(
      'database_locked',
      `${path}: in use by this process (process ${process.pid}) already`,
      { cause },
    )
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory() === true)
    return new PstraceError('not_a_database', `${path}: a folder; a database is one file`, {
      cause,
    })
  const [denied] = /permission denied|read-only file system/i.exec(text) ?? []
  if (denied !== undefined)
    return new PstraceError(
      'database_open',
      `${path}: ${denied.toLowerCase()}; choose another file with --db`,
      { cause },
    )
  if (/not a valid DuckDB database file|does not exist|No such file|not found/i.test(text)) {
    const folder = dirname(path)
    const hint = existsSync(folder)
      ? found === undefined
        ? `cannot be made in ${folder}`
        : 'not a DuckDB database'
      : `no folder ${folder}`
    return new PstraceError('not_a_database', `${path}: ${hint}`, { cause })
  }
  return new PstraceError('database_open', `${path}: cannot be opened: ${firstLine(text)}`, {
    cause,
  })
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}
