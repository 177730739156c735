import type { SlowPolicy } from '../case.ts'
import type { Program, Thread } from '../clock.ts'
import type { Folio } from '../folio.ts'
import type { Machine } from '../machine.ts'
import { Kcompressd } from './kcompressd.ts'
import { KcompressdUnofficial } from './kcompressd-unofficial.ts'
import { KcompressdV1 } from './kcompressd-v1.ts'
import { Parallel } from './parallel.ts'

/** What kswapd does with a folio that it has unmapped. */
export interface Policy {
  /** Queued folios are unlocked and under writeback; once stored, they move to the tail of their list. */
  readonly queuesUnderWriteback: boolean
  /** False: kswapd stores it itself. */
  submit(thread: Thread, folio: Folio): Program<boolean>
}

/** Undefined: kswapd stores all itself. */
export function openPolicy(machine: Machine, policy: SlowPolicy): Policy | undefined {
  switch (policy.name) {
    case 'kswapd':
      return undefined
    case 'kcompressd':
      return new Kcompressd(machine, policy)
    case 'kcompressd-unofficial':
      return new KcompressdUnofficial(machine, policy)
    case 'kcompressd-v1':
      return new KcompressdV1(machine, policy)
    case 'parallel':
      return new Parallel(machine, policy)
  }
}
