import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { throwIfInterrupted } from '../../src/cli/interrupt.ts'

it('a Ctrl-C that came during long work is served before the next work begins', async () => {
  let served = 0
  const listener = () => {
    served++
  }
  process.on('SIGINT', listener)
  try {
    for (let round = 1; round <= 5; round++) {
      // As after a query: what follows runs where the loop polls.
      await readFile(fileURLToPath(import.meta.url))
      process.kill(process.pid, 'SIGINT')
      await throwIfInterrupted()
      expect(served).toBe(round)
    }
  } finally {
    process.off('SIGINT', listener)
  }
})
