import { PstraceError } from '../model/error.ts'
import type { Policy, TunableValues } from '../policies/policy.ts'
import type { TunableChange } from './live-tunables.ts'

/** Defaults filled in; unknown names and values out of range are refused. */
export function completeTunables(policy: Policy, given: TunableValues): TunableValues {
  const complete: Record<string, number> = {}
  for (const tunable of policy.tunables) complete[tunable.name] = tunable.default
  for (const [name, value] of Object.entries(given)) {
    const tunable = policy.tunables.find((candidate) => candidate.name === name)
    if (tunable === undefined)
      throw refused(
        `policy ${policy.name} has no tunable ${name}; it has ${policy.tunables.map((known) => known.name).join(', ') || 'none'}`,
      )
    if (!Number.isInteger(value) || value < tunable.min || value > tunable.max)
      throw refused(
        `${name}: found ${value}, expected a whole number from ${tunable.min} to ${tunable.max}`,
      )
    complete[name] = value
  }
  return complete
}

/** By their time; what cannot change while the policy runs is refused. */
export function sortChanges(
  policy: Policy,
  changes: readonly TunableChange[],
): readonly TunableChange[] {
  for (const { name, value } of changes) {
    completeTunables(policy, { [name]: value })
    if (name.startsWith('pstrace.'))
      throw refused(
        `${name} says how ${policy.name} is built; only the kernel's own tunables change while it runs`,
      )
  }
  return changes.toSorted((a, b) => a.ns - b.ns)
}

function refused(message: string): PstraceError {
  return new PstraceError('policy-tunable', message, { exitStatus: 2 })
}
