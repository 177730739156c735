import { Session } from 'node:inspector'

/** The part of V8's answer that is used: Profiler.takePreciseCoverage of the DevTools protocol. */
interface Script {
  readonly url: string
  readonly functions: readonly {
    readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[]
  }[]
}

/** Which blocks of the parsers ran, by V8's own block counters. */
export class Coverage {
  readonly #session = new Session()
  readonly #seen = new Set<string>()

  start(): void {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Blocks that ran since the last call and never before, at about this often (powers of four). */
  takeNew(): number {
    let fresh = 0
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      for (const { url, functions } of result as readonly Script[]) {
        if (!/\/parsers\/[^?]*\.ts/.test(url)) continue
        for (const { ranges } of functions)
          for (const { startOffset, endOffset, count } of ranges) {
            if (count === 0) continue
            const key = `${url} ${startOffset} ${endOffset} ${Math.floor(Math.log2(count) / 2)}`
            if (this.#seen.has(key)) continue
            this.#seen.add(key)
            fresh++
          }
      }
    })
    return fresh
  }

  get blocks(): number {
    return this.#seen.size
  }

  stop(): void {
    this.#session.disconnect()
  }
}
