import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/**
 * DuckDB's package, required: `import` reads each of its 120 CommonJS files twice to find out what they export, which takes
 * longer than everything else at the start together.
 */
const api = require('@duckdb/node-api') as typeof import('@duckdb/node-api')

export const {
  BIGINT,
  BLOB,
  BOOLEAN,
  DOUBLE,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDataChunk,
  DuckDBDecimalValue,
  DuckDBEnumType,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructType,
  DuckDBStructValue,
  DuckDBTypeId,
  HUGEINT,
  INTEGER,
  LIST,
  STRUCT,
  UBIGINT,
  UINTEGER,
  VARCHAR,
  version,
} = api

export const bindings = require('@duckdb/node-bindings') as typeof import('@duckdb/node-bindings')
