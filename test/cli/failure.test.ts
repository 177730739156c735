import { describe, expect, it } from 'vitest'
import { describeFailure } from '../../src/cli/failure.ts'

describe('a failure', () => {
  it('of a full device is told by the file, not by what DuckDB was about to do', () => {
    const told =
      'IO Error: Database "pstrace" has been invalidated because checkpointing failed. Detach and reattach it before using it again. ' +
      'Original error: Could not write file "/data/x.duckdb": No space left on device'
    expect(describeFailure(new Error(told))).toBe(
      'pstrace: /data/x.duckdb: no space is left on its device; what the database held before is kept',
    )
  })

  it('of a file that is written beside a database says nothing of a database', () => {
    const told = (file: string) =>
      describeFailure(
        new Error(`IO Error: Could not write file "${file}": No space left on device`),
      )
    expect(told('wl/pages.parquet')).toBe(
      'pstrace: wl/pages.parquet: cannot be written: no space is left on its device',
    )
    expect(told('/a/.out.parquet.4711.tmp')).toBe(
      'pstrace: /a/out.parquet: cannot be written: no space is left on its device',
    )
  })
})
