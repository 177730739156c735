import { PstraceError } from '../../model/error.ts'
import type { BackendParameter, Upkeep, UpkeepStep } from './backend.ts'
import type { Parameters } from './parameters.ts'

export const UPKEEP_PARAMETERS: readonly BackendParameter[] = [
  {
    name: 'writeback',
    fallback: '',
    summary:
      'what user space writes to the backing device in each round: idle, huge, huge_idle, incompressible; empty = nothing',
  },
  {
    name: 'recompress',
    fallback: '',
    summary: 'what it has recompressed in each round: all, idle, huge, huge_idle; empty = nothing',
  },
  {
    name: 'recomp_algorithm',
    fallback: 'zstd',
    summary: 'codecs of the recompression in order of priority, separated by commas; up to three',
  },
  {
    name: 'recomp_level',
    fallback: '',
    summary:
      "their levels in the same order, as zram's algorithm_params sets them; empty = the kernel's default",
  },
  {
    name: 'recompress_threshold',
    fallback: 0,
    summary: 'smaller objects are not recompressed, bytes',
  },
  {
    name: 'recompress_cost',
    fallback: 5,
    summary: 'CPU time of one recompression, in stores: an assumption, no recording shows it',
  },
  {
    name: 'idle_age_ms',
    fallback: 1000,
    summary: 'a round marks pages as idle that nobody accessed for so long; 0 = all',
  },
  { name: 'upkeep_every_ms', fallback: 1000, summary: 'time between two rounds' },
]

const WRITEBACKS = ['', 'idle', 'huge', 'huge_idle', 'incompressible'] as const
const RECOMPRESSIONS = ['', 'all', 'idle', 'huge', 'huge_idle'] as const

/** What zram's post-processing offers; one slot at a time. */
export interface UpkeepTarget {
  markIdle(nowNs: number, olderThanNs?: number): number
  writebackCandidates(mode: 'idle' | 'huge' | 'huge_idle' | 'incompressible'): readonly number[]
  /** False = not written: the slot is no candidate any more, or the limit or the device is used up. */
  writeBackSlot(
    slot: number,
    mode: 'idle' | 'huge' | 'huge_idle' | 'incompressible',
    nowNs: number,
  ): boolean
  recompressCandidates(
    type: 'idle' | 'huge' | 'huge_idle' | undefined,
    threshold: number,
  ): readonly number[]
  /** Compressions tried. */
  recompressSlot(slot: number, threshold: number, nowNs: number): number
}

/** A codec that recompresses, and its level as it was given; '' = the default. */
export interface Recompressor {
  readonly name: string
  readonly level: string
}

/** In order of priority; none = the run does not need the compressed bytes. */
export function recompressorsOf(
  parameters: Readonly<Record<string, number | string>>,
): readonly Recompressor[] {
  if (String(parameters['recompress'] ?? '') === '') return []
  const fallback = UPKEEP_PARAMETERS.find(({ name }) => name === 'recomp_algorithm')?.fallback
  const names = String(parameters['recomp_algorithm'] ?? fallback).split(',')
  const levels = String(parameters['recomp_level'] ?? '').split(',')
  return names
    .map((name, index) => ({ name, level: levels[index] ?? '' }))
    .filter(({ name }) => name !== '')
}

/** A round: mark idle pages, recompress, write back, one page at a time (post-processing in drivers/block/zram/zram_drv.c of 6.12). */
export class ZramUpkeep implements Upkeep {
  readonly everyNs: number
  readonly #target: UpkeepTarget
  readonly #writeback: (typeof WRITEBACKS)[number]
  readonly #recompress: (typeof RECOMPRESSIONS)[number]
  readonly #threshold: number
  readonly #idleNs: number
  readonly #cost: number
  #toRecompress: readonly number[] = []
  #toWrite: readonly number[] = []
  #nextRecompress = 0
  #nextWrite = 0
  readonly #step: UpkeepStep = { deviceWrites: 0, decompressions: 0, stores: 0, done: true }

  /** `undefined` = user space leaves the device alone. */
  static open(
    target: UpkeepTarget,
    parameters: Parameters,
    hasBacking: boolean,
  ): ZramUpkeep | undefined {
    const writeback = parameters.word('writeback', WRITEBACKS)
    const recompress = parameters.word('recompress', RECOMPRESSIONS)
    if (writeback !== '' && !hasBacking)
      throw new PstraceError(
        'backend-parameter',
        `zram: writeback=${writeback} needs a backing device; set backing_pages`,
        { exitStatus: 2 },
      )
    return writeback === '' && recompress === ''
      ? undefined
      : new ZramUpkeep(target, parameters, writeback, recompress)
  }

  private constructor(
    target: UpkeepTarget,
    parameters: Parameters,
    writeback: (typeof WRITEBACKS)[number],
    recompress: (typeof RECOMPRESSIONS)[number],
  ) {
    this.#target = target
    this.#writeback = writeback
    this.#recompress = recompress
    this.#threshold = parameters.number('recompress_threshold', 0, 65536)
    this.#cost = parameters.number('recompress_cost', 0, 1000)
    this.#idleNs = Math.floor(parameters.number('idle_age_ms', 0, 1e9) * 1e6)
    this.everyNs = Math.floor(parameters.number('upkeep_every_ms', 0.001, 1e9) * 1e6)
  }

  begin(nowNs: number): void {
    this.#target.markIdle(nowNs, this.#idleNs)
    this.#nextRecompress = 0
    this.#nextWrite = 0
    this.#toWrite = []
    this.#toRecompress =
      this.#recompress === ''
        ? []
        : this.#target.recompressCandidates(
            this.#recompress === 'all' ? undefined : this.#recompress,
            this.#threshold,
          )
    this.#chooseWrites()
  }

  step(nowNs: number): UpkeepStep {
    const step = this.#step
    step.deviceWrites = 0
    step.decompressions = 0
    step.stores = 0
    const recompressed = this.#toRecompress[this.#nextRecompress]
    if (recompressed !== undefined) {
      this.#nextRecompress++
      const tried = this.#target.recompressSlot(recompressed, this.#threshold, nowNs)
      step.decompressions = tried > 0 ? 1 : 0
      step.stores = tried * this.#cost
      // What is incompressible is known only now.
      this.#chooseWrites()
    } else {
      const written = this.#toWrite[this.#nextWrite++]
      if (
        written !== undefined &&
        this.#writeback !== '' &&
        this.#target.writeBackSlot(written, this.#writeback, nowNs)
      ) {
        step.deviceWrites = 1
        step.decompressions = 1
      }
    }
    step.done =
      this.#nextRecompress >= this.#toRecompress.length && this.#nextWrite >= this.#toWrite.length
    return step
  }

  #chooseWrites(): void {
    if (this.#writeback !== '' && this.#nextRecompress >= this.#toRecompress.length)
      this.#toWrite = this.#target.writebackCandidates(this.#writeback)
  }
}
