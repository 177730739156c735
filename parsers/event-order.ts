import type { EventBatch, EventWindow } from './batch.ts'

/** Who, where and when of a window's events in their order, for readers whose batches are made first. */
export class EventOrder {
  readonly ts: Float64Array
  readonly cpu: Int32Array
  readonly tid: Int32Array

  /** Has room for so many events. */
  constructor(events: number) {
    this.ts = new Float64Array(events)
    this.cpu = new Int32Array(events)
    this.tid = new Int32Array(events)
  }

  /** Takes the batches' values; the window borrows them. */
  complete(window: Omit<EventWindow, 'ts' | 'cpu' | 'tid'>): EventWindow {
    const { batches, batch: batchOf, row: rowOf, length } = window
    const { ts, cpu, tid } = this
    for (let k = 0; k < length; k++) {
      const batch = batches[batchOf[k] as number] as EventBatch
      const row = rowOf[k] as number
      ts[k] = batch.ts[row] as number
      cpu[k] = batch.cpu[row] as number
      tid[k] = batch.tid[row] as number
    }
    return { ...window, ts, cpu, tid }
  }
}
