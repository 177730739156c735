import { readFileSync } from 'node:fs'
import { printLine } from './output.ts'

/** Version of this package, from the package.json above the sources or the build. */
export function readVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    const version = readPackageVersion(new URL(path, import.meta.url))
    if (version !== undefined) return version
  }
  return 'unknown'
}

function readPackageVersion(url: URL): string | undefined {
  try {
    const content = JSON.parse(readFileSync(url, 'utf8')) as { name?: string; version?: string }
    return content.name === 'pstrace' ? content.version : undefined
  } catch {
    return undefined
  }
}

export async function printVersion(): Promise<void> {
  const { version } = await import('../database/duckdb.ts')
  const { SCHEMA_VERSION } = await import('../database/schema.ts')
  await printLine(
    `pstrace ${readVersion()} (schema ${SCHEMA_VERSION}, DuckDB ${version()}, Node ${process.version})`,
  )
}
