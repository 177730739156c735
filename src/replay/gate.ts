import type { SubmitEnd } from '../policies/policy.ts'
import type { StepsTo } from './steps.ts'
import type { Thread } from './thread.ts'

/** How the policy takes a folio from kswapd; the executor in virtual time. */
export interface PolicyGate {
  /** Does this folio go to the policy, submitted by kswapd or by a direct reclaimer? */
  admits(page: number, context: number): boolean
  /** The end itself where the submitter never had to let others run first; else the program that gets there. */
  submit(thread: Thread, page: number, node: number): SubmitEnd | StepsTo<SubmitEnd>
  readonly writebackWhileQueued: boolean
  readonly rotates: boolean
  /** kswapd's folios begin to be stored in the order in which they were submitted. */
  readonly keepsOrder: boolean
  /** Throws where a folio is lost, or in two places. */
  check(): void
}
