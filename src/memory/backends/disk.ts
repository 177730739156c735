import { PstraceError } from '../../model/error.ts'
import type {
  BackendOptions,
  BackendProvider,
  BackendTraits,
  DeviceQueue,
  Place,
  StoreRequest,
  StoreResult,
  SwapBackend,
} from './backend.ts'
import { BlockDevice, DEVICE_PARAMETERS } from './device.ts'

/** Swap on a plain block device: nothing is compressed, every store is one write that the caller submits on `device`. */
export class DiskBackend implements SwapBackend {
  readonly name = 'disk'
  readonly traits: BackendTraits = {
    synchronousIo: false,
    swapinBypass: false,
    exclusiveLoads: false,
    shrinkerOnReclaimQueue: false,
  }
  readonly poolPages = 0
  readonly poolBytes = 0
  readonly device: DeviceQueue
  readonly #pageSize: number
  readonly #content: Map<number, Uint8Array> | undefined
  readonly #slots = new Set<number>()
  #pswpin = 0
  #pswpout = 0
  readonly #result: StoreResult = {
    place: 'disk',
    compressedBytes: 0,
    compressions: 0,
    poolPagesTaken: 0,
    deviceWrites: 1,
  }

  constructor(options: BackendOptions) {
    this.#pageSize = options.pageSize ?? 4096
    this.device = options.device ?? new BlockDevice(options)
    this.#content = options.keepBytes === true ? new Map() : undefined
  }

  store(request: StoreRequest): StoreResult {
    this.#slots.add(request.slot)
    this.#content?.set(request.slot, request.bytes.slice())
    this.#pswpout++
    this.#result.compressedBytes = this.#pageSize
    return this.#result
  }

  load(slot: number, target?: Uint8Array): Place {
    if (!this.#slots.has(slot))
      throw new PstraceError('slot-empty', `disk: slot ${slot} holds nothing`)
    this.#pswpin++
    if (target !== undefined) {
      const bytes = this.#content?.get(slot)
      if (bytes === undefined)
        throw new PstraceError(
          'content-not-kept',
          'disk: the backend was opened without keepBytes, so it cannot give back a page',
        )
      target.set(bytes)
    }
    return 'disk'
  }

  free(slot: number): number {
    if (!this.#slots.delete(slot))
      throw new PstraceError('slot-empty', `disk: slot ${slot} holds nothing`)
    this.#content?.delete(slot)
    return 0
  }

  counters(): Readonly<Record<string, number>> {
    return { pswpin: this.#pswpin, pswpout: this.#pswpout, stored_pages: this.#slots.size }
  }

  check(): void {
    if (this.#content !== undefined && this.#content.size !== this.#slots.size)
      throw new PstraceError(
        'backend-broken',
        `disk: ${this.#slots.size} slots are used but ${this.#content.size} have content`,
      )
  }
}

export const disk: BackendProvider = {
  name: 'disk',
  summary: 'plain block device with a latency, a bandwidth and a queue',
  parameters: DEVICE_PARAMETERS,
  open: (options) => new DiskBackend(options),
}
