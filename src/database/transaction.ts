import type { DuckDBConnection } from '@duckdb/node-api'

/** Runs all of the statements or none: where one fails, what those before it did is taken back and its error is thrown. */
export async function inTransaction(
  connection: DuckDBConnection,
  statements: readonly string[],
): Promise<void> {
  await connection.run('BEGIN')
  try {
    await connection.run(statements.join(';\n'))
    await connection.run('COMMIT')
  } catch (error) {
    await connection.run('ROLLBACK')
    throw error
  }
}
