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
})
