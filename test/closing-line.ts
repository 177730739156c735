import type { Reporter, TestModule } from 'vitest/node'

/** Ends the run with one plain line of totals that any log reader finds. */
export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const totals = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) totals[test.result().state]++
      if (module.errors().length > 0) totals.failed++
    }
    const { passed, failed, skipped } = totals
    process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  }
}
