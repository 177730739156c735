import { defineConfig } from 'vitest/config'
import { ClosingLine } from './test/closing-line.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/shared/run-folder.ts'],
    setupFiles: ['test/shared/seed.ts'],
    reporters: ['default', new ClosingLine()],
    // These end what hangs; nothing that works comes near them, however loaded the machine.
    testTimeout: 300_000,
    hookTimeout: 600_000,
    maxWorkers: 2,
  },
})
